//! Why a model that is served cannot be used.

/// Why a server does not give what was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServedError {
    /// It cannot be reached, or the connection ends too often.
    #[error("{server}: {reason}")]
    Connection {
        /// The address.
        server: String,
        /// What went wrong.
        reason: String,
    },
    /// It answers with an error.
    #[error("{server}{path}: status {status}{}", after(answer))]
    Status {
        /// The address.
        server: String,
        /// What was asked.
        path: String,
        /// The status.
        status: u16,
        /// The beginning of its answer.
        answer: String,
    },
    /// It asks for a longer pause than is made.
    #[error("{server}: busy; it asks to wait for {seconds} seconds")]
    Busy {
        /// The address.
        server: String,
        /// The pause that it asks for.
        seconds: u64,
    },
    /// It sends requests on, which are not followed: they carry a key and the series.
    #[error("{server}: sends requests on to '{to}'; give that address if it is the right one")]
    Redirect {
        /// The address.
        server: String,
        /// Where to.
        to: String,
    },
    /// Its answer makes no sense.
    #[error("{server}{path}: {reason}")]
    Answer {
        /// The address.
        server: String,
        /// What was asked.
        path: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// It speaks no protocol that is known.
    #[error(
        "{server}: no server of language models that is known: neither llama.cpp, vLLM, SGLang nor \
         one with /v1/models"
    )]
    Unknown {
        /// The address.
        server: String,
    },
    /// It has no model of this name, or several and none was named.
    #[error("{server}: {problem}; append #NAME to the address, one of: {}", known.join(", "))]
    Name {
        /// The address.
        server: String,
        /// What is wrong with the name.
        problem: String,
        /// Names that it knows.
        known: Vec<String>,
    },
    /// Its tokenizer cannot be asked.
    #[error(
        "{server}: tells nothing of its tokenizer; name the model's tokenizer.json or GGUF file with \
         `tokenizer=`"
    )]
    NoTokenizer {
        /// The address.
        server: String,
    },
    /// A tokenizer file that is none of its model.
    #[error(
        "{server}: `tokenizer=` is another one than the server's, which writes numbers by other tokens; \
         leave it out"
    )]
    OtherTokenizer {
        /// The address.
        server: String,
    },
    /// It takes text only, and the tokens do not join to text.
    #[error("{server}: takes text only, and {reason}")]
    Text {
        /// The address.
        server: String,
        /// What does not fit.
        reason: String,
    },
    /// Something of the environment cannot be used.
    #[error("{name}: {reason}")]
    Setting {
        /// The variable.
        name: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// What needs the weights themselves.
    #[error("{server}: the model is served; {what} needs its weights on this machine")]
    NoWeights {
        /// The address.
        server: String,
        /// What was asked for.
        what: &'static str,
    },
}

fn after(answer: &str) -> String {
    match answer.is_empty() {
        true => String::new(),
        false => format!(": {answer}"),
    }
}
