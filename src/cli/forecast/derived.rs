//! The values of `--derive`.

use std::ffi::OsStr;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, Command, Error};

use crate::forecast::Derived;

/// Reads a quantity. Its errors show the beginning of a long text, where those of clap show all.
#[derive(Debug, Clone, Copy)]
pub(super) struct DerivedParser;

impl TypedValueParser for DerivedParser {
    type Value = Derived;

    fn parse_ref(
        &self,
        command: &Command,
        _: Option<&Arg>,
        value: &OsStr,
    ) -> Result<Derived, Error> {
        let derived = value.to_string_lossy().parse();
        derived.map_err(|error| {
            let says = format!("--derive: {error}\n");
            Error::raw(ErrorKind::ValueValidation, says).with_cmd(command)
        })
    }
}
