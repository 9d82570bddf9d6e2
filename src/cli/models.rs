//! `statecast models`: which models there are, fetching one, looking into one.

use clap::{Args, Subcommand};
use std::path::PathBuf;

use super::model_arguments::{fetched, with_fetch_progress};
use super::served;
use super::terminal::show;
use crate::codec::{CodecError, TokenTable, builtin_formats};
use crate::model::{
    Checkpoint, Device, MemoryNeed, Model, ModelSource, Precision, Work, bytes, catalog,
    free_memory,
};

/// List, fetch and inspect models
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_long_help = "Examples:\n  statecast models list\n  \
    statecast models pull Qwen/Qwen2.5-0.5B\n  \
    statecast models inspect ./Llama-3.2-1B\n  \
    statecast models inspect smollm2-135m-q8_0.gguf"
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List open models that are known to work
    List,
    /// Fetch a model of the Hugging Face hub into its cache
    Pull {
        /// ORGANISATION/NAME, with @REVISION for a branch, tag or commit, or ORGANISATION/NAME/FILE.gguf
        model: ModelSource,
    },
    /// Print a model's architecture, tokenizer audit and memory
    Inspect {
        /// 'builtin', a folder, a GGUF file, ORGANISATION/NAME[@REVISION], or http://HOST:PORT/v1#NAME
        /// of a server
        model: ModelSource,
        /// tokenizer.json or GGUF file of a model that is served [default: the server's own tokenizer]
        #[arg(long, value_name = "FILE")]
        tokenizer: Option<PathBuf>,
        /// Read the headers only: nothing that needs the weights
        #[arg(long)]
        headers: bool,
    },
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.command {
        Command::List => list(),
        Command::Pull { model } => pull(&model),
        Command::Inspect {
            model: ModelSource::Served(address),
            tokenizer,
            ..
        } => served::inspect(&address, tokenizer.as_deref(), &builtin_formats()?),
        Command::Inspect {
            tokenizer: Some(_), ..
        } => anyhow::bail!("--tokenizer has no effect: the model is not served"),
        Command::Inspect { model, headers, .. } => inspect(&model, headers),
    }
}

fn list() -> anyhow::Result<()> {
    let mut text = format!(
        "{:<36} {:<12} {:>10} {:>9} {:>8}  {:<12} {:<11} {}\n",
        "model", "family", "parameters", "in F32", "window", "prompt", "licence", "gated"
    );
    let builtin = Checkpoint::open(&ModelSource::Builtin, Precision::Auto, Device::Cpu)?;
    let window = builtin.architecture.described().map_or(0, |c| c.window);
    text += &format!(
        "{:<36} {:<12} {:>8.1} M {:>9} {:>8}  {:<12} {:<11} no\n",
        builtin.source.to_string(),
        builtin.architecture.family(),
        builtin.elements() as f64 / 1e6,
        bytes(4 * builtin.elements()),
        window,
        builtin.tokens(&builtin_formats()?)?.format().name,
        "MIT/Apache"
    );
    let models = catalog()?;
    for model in &models {
        text += &format!(
            "{:<36} {:<12} {:>8} M {:>9} {:>8}  {:<12} {:<11} {}\n",
            model.id,
            model.family,
            model.parameters,
            bytes(4_000_000 * u64::from(model.parameters)),
            model.window,
            model.format,
            model.licence,
            if model.gated { "yes" } else { "no" }
        );
    }
    for model in models {
        if let Some(offline) = model.offline {
            text += &format!("\nwithout the hub: {}: {offline}\n", model.id);
        }
    }
    show(&text)
}

fn pull(model: &ModelSource) -> anyhow::Result<()> {
    let ModelSource::Hub(hub_model) = model else {
        anyhow::bail!("{model}: not a model of the hub; name it ORGANISATION/NAME");
    };
    let local = with_fetch_progress(|progress| {
        crate::model::Hub::from_env().fetch(hub_model, true, progress)
    })?;
    show(&format!("{}\n", local.display()))
}

fn inspect(source: &ModelSource, headers: bool) -> anyhow::Result<()> {
    let local = fetched(source)?;
    let checkpoint = Checkpoint::open(&local, Precision::Auto, Device::Cpu)?;
    let formats = builtin_formats()?;
    let mut text = format!(
        "model        {source}\nfamily       {}\n",
        checkpoint.architecture.family()
    );
    text += &format!(
        "parameters   {:.1} million ({})\n",
        checkpoint.elements() as f64 / 1e6,
        checkpoint
            .formats()
            .iter()
            .map(|(format, elements)| format!("{format}: {:.1} M", *elements as f64 / 1e6))
            .collect::<Vec<_>>()
            .join(", ")
    );
    match checkpoint.architecture.described() {
        Some(config) => {
            text += &format!(
                "layers       {} of width {}, {} heads of {}, {} of keys and values, MLP {}\n",
                config.layers.len(),
                config.hidden_size,
                config.heads,
                config.head_dim,
                config.kv_heads,
                config.intermediate_size
            );
            text += &format!(
                "vocabulary   {}\nwindow       {} tokens\n",
                config.vocab_size, config.window
            );
        }
        None => text += "layers       read token by token, the slow way\n",
    }
    for format in &formats {
        let audit = match TokenTable::audit(&checkpoint.tokenizer, format) {
            Ok(table) => format!(
                "{} token(s) a value, {} before the first",
                table.stride(),
                table.prefix().len()
            ),
            Err(CodecError::Audit { reason, .. }) => format!("no: {reason}"),
            Err(other) => format!("no: {other}"),
        };
        text += &format!("prompt       {:<13} {audit}\n", format.name);
    }
    show(&text)?;
    let tokens = checkpoint.tokens(&formats)?;
    let work = Work {
        channels: 6,
        rows: checkpoint
            .architecture
            .described()
            .map_or(500, |config| tokens.rows_in(config.window).min(500)),
        paths: 100,
        horizon: 50,
    };
    let need = MemoryNeed::of(&checkpoint, &tokens, work);
    let free = free_memory().map_or(String::new(), |free| format!(", of {} free", bytes(free)));
    show(&format!(
        "chosen       {}\nmemory       {need}{free} (6 channels, {} rows, 100 paths of 50 steps)\n",
        tokens.format().name,
        work.rows
    ))?;
    if headers {
        return Ok(());
    }
    let model = Model::of(checkpoint, tokens)?;
    let (off_grammar, rows) = model.off_grammar_mass_of_sine()?;
    show(&format!(
        "off grammar  {:.2e} of the probability goes to tokens that are no number (a sine of {rows} values)\n\
         sha256       {}\n",
        off_grammar,
        model.info()?.sha256
    ))
}
