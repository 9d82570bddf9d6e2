//! Models that are served: what is said of them before and after.

use std::path::Path;

use super::terminal::{show, tell};
use crate::codec::PromptFormat;
use crate::model::{Model, ModelError, MostRequests, Server, ServerAddress, Work};

/// Requests of a context from which on it is worth a line how many there may be.
const MANY: usize = 2000;

/// Smallest share of the probability that is worth a line when it is missing.
const MISSING: f64 = 1e-4;

/// Connects to the server of a model and audits its tokenizer.
pub(super) fn load(
    address: &ServerAddress,
    tokenizer: Option<&Path>,
    formats: &[PromptFormat],
    work: Work,
) -> Result<Model, ModelError> {
    let server = Server::connect(address, tokenizer)?;
    let tokens = server.tokens(formats)?;
    let info = server.info();
    tell!(
        "model: {} of a server {}{}; {}",
        info.model,
        info.server,
        versioned(info.version.as_deref()),
        info.accuracy
    );
    let model = Model::served(server, tokens)?;
    note_requests(&model, work);
    Ok(model)
}

/// Says how many requests a context may take, if they are many.
fn note_requests(model: &Model, work: Work) {
    let contexts = model
        .server()
        .is_some_and(|server| server.scores_contexts());
    let MostRequests {
        densities, paths, ..
    } = MostRequests::of(model.tokens(), contexts, work);
    if paths > MANY {
        tell!(
            "note: up to {paths} requests for the paths of a context; fewer --samples and a shorter \
             --horizon take fewer"
        );
    }
    if densities > MANY {
        tell!(
            "note: up to {densities} requests where the densities of a whole context are needed; a shorter \
             --context takes fewer"
        );
    }
}

/// Says how many requests a server took, and how much of the probability it has not given.
pub(super) fn note_cost(model: &Model) {
    let Some(server) = model.server() else {
        return;
    };
    tell!("{}: {} requests", model.source(), server.requests());
    let missing = server.largest_missing();
    if missing >= MISSING {
        tell!(
            "note: {}: up to {} of a digit's probability was not given by the server; it is spread \
             over the digits that were left out",
            model.source(),
            percent(missing)
        );
    }
}

fn percent(share: f64) -> String {
    match share * 100.0 {
        percent if percent < 1.0 => format!("{percent:.2} %"),
        percent => format!("{percent:.0} %"),
    }
}

fn versioned(version: Option<&str>) -> String {
    version.map_or(String::new(), |version| format!(" {version}"))
}

/// Prints what is found at an address.
pub(super) fn inspect(
    address: &ServerAddress,
    tokenizer: Option<&Path>,
    formats: &[PromptFormat],
) -> anyhow::Result<()> {
    let server = Server::connect(address, tokenizer)?;
    let info = server.info();
    let window = info
        .window
        .map_or("not told".to_owned(), |window| format!("{window} tokens"));
    let mut text = format!(
        "server       {}{}\nmodel        {}\nwindow       {window}\nprobability  {}\n\
         requests     {} at a time\ntokenizer    {}\n",
        info.server,
        versioned(info.version.as_deref()),
        info.model,
        info.accuracy,
        info.in_flight,
        info.tokenizer
    );
    let mut chosen = None;
    for format in formats {
        let audit = match server.audit(format) {
            Ok(table) => {
                let said = format!(
                    "{} token(s) a value, {} before the first",
                    table.stride(),
                    table.prefix().len()
                );
                chosen.get_or_insert(format.name.clone());
                said
            }
            Err(ModelError::Codec(crate::codec::CodecError::Audit { reason, .. })) => {
                format!("no: {reason}")
            }
            Err(other) => return show(&text).and(Err(other.into())),
        };
        text += &format!("prompt       {:<13} {audit}\n", format.name);
    }
    text += &format!("chosen       {}\n", chosen.as_deref().unwrap_or("none"));
    show(&text)
}

#[cfg(test)]
mod tests {
    #[test]
    fn small_shares_keep_their_digits() {
        assert_eq!(super::percent(0.0031), "0.31 %");
        assert_eq!(super::percent(0.25), "25 %");
    }
}
