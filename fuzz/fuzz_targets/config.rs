//! config.json of any family.
#![no_main]

use libfuzzer_sys::fuzz_target;
use statecast::model::Architecture;

fuzz_target!(|json: &[u8]| {
    if let Ok(architecture) = Architecture::parse("config.json", json)
        && let Some(config) = architecture.described()
    {
        config.ropes.iter().for_each(|rope| {
            rope.frequencies(config.window);
        });
    }
});
