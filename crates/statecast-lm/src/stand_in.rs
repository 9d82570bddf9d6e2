//! Files that lie where another is meant: pointers of Git LFS, pages of the web.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// What lies in place of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StandIn {
    /// What it is.
    pub what: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

const POINTER: StandIn = StandIn {
    what: "a pointer of Git LFS and not the file itself",
    remedy: "run `git lfs pull` where it was cloned to",
};
const PAGE: StandIn = StandIn {
    what: "a page of HTML and not the file itself",
    remedy: "download the file behind the page (some sites ask for a login first), or save the page's table as CSV",
};

/// Bytes by which a file is known.
const START: u64 = 512;

/// What lies in place of a file that begins with these bytes; nothing if it may be the file itself.
pub fn by_content(start: &[u8]) -> Option<StandIn> {
    if start.starts_with(b"version https://git-lfs.github.com/spec/") {
        return Some(POINTER);
    }
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    let text = text.trim_ascii_start();
    let begins = |mark: &[u8]| {
        let begin = text.get(..mark.len());
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(mark))
    };
    let is_page = begins(b"<!doctype html") || begins(b"<html");
    is_page.then_some(PAGE)
}

/// The same of a file; nothing if it cannot be read, which whoever reads it says better.
pub fn by_path(path: &Path) -> Option<StandIn> {
    let mut start = Vec::new();
    let file = File::open(path).ok()?;
    file.take(START).read_to_end(&mut start).ok()?;
    by_content(&start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_and_pages_are_known_by_their_beginning() {
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";
        assert_eq!(by_content(pointer), Some(POINTER));
        for page in [
            &b"<!DOCTYPE html>\n<html>"[..],
            b"\xef\xbb\xbf\n <HTML lang=en>",
        ] {
            assert_eq!(by_content(page), Some(PAGE));
        }
        for other in [&b"version,x\n1,2\n"[..], b"<x>", b"", b"\x93NUMPY"] {
            assert_eq!(by_content(other), None);
        }
    }
}
