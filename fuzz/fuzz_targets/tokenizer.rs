//! tokenizer.json and its audit.
#![no_main]

use std::io::Write;

use libfuzzer_sys::fuzz_target;
use statecast::codec::{TokenTable, builtin_formats};
use statecast::model::read_tokenizer;

fuzz_target!(|bytes: &[u8]| {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    if let Ok(tokenizer) = read_tokenizer(file.path()) {
        let _ = TokenTable::choose(&tokenizer, &builtin_formats().unwrap());
    }
});
