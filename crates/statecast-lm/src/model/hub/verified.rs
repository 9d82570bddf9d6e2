//! Hashes by which the hub names its files.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// The hash that a file must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hash {
    /// Of a large file: SHA-256 of its content.
    Sha256(String),
    /// Of any other: that of git, SHA-1 of its length and content.
    Git(String),
}

impl Hash {
    /// Hexadecimal digits of the hash, the file's name in the cache.
    pub(super) fn digits(&self) -> &str {
        match self {
            Self::Sha256(digits) | Self::Git(digits) => digits,
        }
    }

    /// What errors call it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Sha256(_) => "SHA-256",
            Self::Git(_) => "git hash",
        }
    }

    /// True if the digits are as many as a hash of its kind has.
    pub(super) fn is_sound(&self) -> bool {
        let length = match self {
            Self::Sha256(_) => 64,
            Self::Git(_) => 40,
        };
        let digits = self.digits();
        digits.len() == length && digits.bytes().all(|b| b.is_ascii_hexdigit())
    }

    /// True if a file has this hash.
    pub(super) fn is_of(&self, path: &Path) -> io::Result<bool> {
        let mut file = File::open(path)?;
        let found = match self {
            Self::Sha256(_) => digest(Sha256::new(), &mut file)?,
            Self::Git(_) => {
                let header = format!("blob {}\0", file.metadata()?.len());
                digest(Sha1::new().chain_update(header), &mut file)?
            }
        };
        Ok(found.eq_ignore_ascii_case(self.digits()))
    }
}

fn digest<D: Digest>(mut hasher: D, from: &mut impl Read) -> io::Result<String> {
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
    }
    let digest = hasher.finalize();
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::Hash;

    /// The hashes of `printf 'hello\n' | git hash-object --stdin` and `| sha256sum`.
    #[test]
    fn hashes_are_those_of_git_and_sha256sum() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hello\n").unwrap();
        let git = "ce013625030ba8dba906f756967f9e9ca394464a";
        let sha = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
        for hash in [Hash::Git(git.to_owned()), Hash::Sha256(sha.to_owned())] {
            assert!(hash.is_sound() && hash.is_of(file.path()).unwrap());
        }
        assert!(!Hash::Git(git.replace('c', "d")).is_of(file.path()).unwrap());
        assert!(!Hash::Git(sha.to_owned()).is_sound());
    }
}
