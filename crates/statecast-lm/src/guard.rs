//! Turns a panic of a library into an error.
//!
//! The Parquet library asserts on some damaged pages instead of refusing them, the tokenizer library
//! on some damaged decoders, and some of candle-transformers' models unwrap what a checkpoint lacks. A damaged file is not a fault
//! of this program, so it must end in a message like any other. Needs a build that
//! unwinds; under `panic = "abort"` such a file ends the process.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `decode`; what a panic in it said is the error. What `decode` borrows must not be used
/// after an error.
pub fn catch<T>(decode: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    // Panics outside of `catch` and on other threads go to the hook that was there before.
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                before(info);
            }
        }));
    });
    let outer = GUARDED.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(decode));
    GUARDED.set(outer);
    result.map_err(|said| {
        let said = said
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| said.downcast_ref::<String>().cloned());
        said.unwrap_or_else(|| "it is damaged".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::catch;

    #[test]
    fn a_panic_becomes_its_message() {
        assert_eq!(catch(|| 5), Ok(5));
        let none: Vec<u8> = Vec::new();
        let said = catch(|| none[1]).unwrap_err();
        assert!(said.contains("out of bounds"), "{said}");
        assert_eq!(
            catch(|| panic!("page 7")),
            Err::<(), _>("page 7".to_owned())
        );
    }
}
