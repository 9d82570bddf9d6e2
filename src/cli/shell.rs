//! Shell completions and the manual page, from the same definitions as the help.

use std::io::Write;

use anyhow::Context;
use clap::{Args, CommandFactory};

use crate::output::standard_output;

/// Print a completion script for a shell
///
/// Example: statecast completions bash > ~/.local/share/bash-completion/completions/statecast
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell
    shell: clap_complete::Shell,
}

/// Print the manual page
///
/// Example: statecast man | man -l -
#[derive(Debug, Args)]
pub(super) struct Man {}

pub(super) fn completions(arguments: &Completions) -> anyhow::Result<()> {
    let mut script = Vec::new();
    let mut command = super::Arguments::command();
    clap_complete::generate(arguments.shell, &mut command, "statecast", &mut script);
    printed(&script)
}

pub(super) fn man(_: &Man) -> anyhow::Result<()> {
    let mut page = Vec::new();
    clap_mangen::Man::new(super::Arguments::command()).render(&mut page)?;
    for command in super::Arguments::command().get_subcommands() {
        let name = format!("statecast {}", command.get_name());
        clap_mangen::Man::new(command.clone().display_name(name)).render(&mut page)?;
    }
    printed(&page)
}

fn printed(text: &[u8]) -> anyhow::Result<()> {
    let written = standard_output().and_then(|mut standard| {
        standard.write_all(text)?;
        standard.flush()
    });
    written.context("standard output")
}
