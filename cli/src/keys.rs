//! `inklog keys`: the keys that sign tokens, in a file.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use inklog_access::signing::{SigningError, SigningKeys};
use inklog_access::{Algorithm, KeysError};

use crate::output::print_text;

/// What to do with keys.
#[derive(Debug, PartialEq, Eq)]
pub enum KeysJob {
    /// Print a set with one new key.
    New(Algorithm),
    /// Add a new key to a file.
    Add {
        /// The file.
        file: PathBuf,
        /// What the key is for.
        algorithm: Algorithm,
    },
    /// Take a key out of a file.
    Remove {
        /// The file.
        file: PathBuf,
        /// Its name.
        kid: String,
    },
    /// Print what may be deployed.
    Public {
        /// The file.
        file: PathBuf,
    },
}

/// Why there are no keys, or not the wanted ones.
#[derive(Debug, thiserror::Error)]
pub enum KeysJobError {
    /// The file cannot be read or written.
    #[error("cannot {verb} {}: {error}", file.display())]
    File {
        /// What failed.
        verb: &'static str,
        /// The file.
        file: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file holds other things.
    #[error("{}: {error}", file.display())]
    Keys {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        error: SigningError,
    },
    /// No key can be made.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// Nobody reads them.
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

/// Does it.
pub fn run(job: &KeysJob) -> Result<(), KeysJobError> {
    match job {
        KeysJob::New(algorithm) => Ok(print_text(&SigningKeys::generate(*algorithm)?.to_json())?),
        KeysJob::Add { file, algorithm } => {
            let mut keys = read(file)?;
            let kid = keys.add(*algorithm).map_err(|error| of_file(file, error))?;
            replace(file, &keys)?;
            Ok(print_text(&format!("added {kid}, which signs from now on\n"))?)
        }
        KeysJob::Remove { file, kid } => {
            let mut keys = read(file)?;
            keys.remove(kid).map_err(|error| of_file(file, error))?;
            replace(file, &keys)?;
            Ok(print_text(&format!("removed {kid}; its tokens are void where the rest is deployed\n"))?)
        }
        KeysJob::Public { file } => {
            let public = read(file)?.public().map_err(|error| of_file(file, error))?;
            Ok(print_text(&public.to_json())?)
        }
    }
}

/// Reads a file of keys. Warns if others can, too: whoever has a private key lets in whom they like.
pub(crate) fn read(file: &Path) -> Result<SigningKeys, KeysJobError> {
    let failed = |error| KeysJobError::File { verb: "read", file: file.to_owned(), error };
    let json = fs::read(file).map_err(failed)?;
    let keys = SigningKeys::parse(&json).map_err(|error| of_file(file, error))?;
    let mode = fs::metadata(file).map_err(failed)?.permissions().mode();
    if keys.are_secret() && is_exposed(mode) {
        let file = file.display();
        tracing::warn!("others on this machine can read the private keys in {file}: run `chmod 600 {file}`");
    }
    Ok(keys)
}

/// Whether anybody but the owner may read or write.
fn is_exposed(mode: u32) -> bool {
    mode & 0o077 != 0
}

fn of_file(file: &Path, error: SigningError) -> KeysJobError {
    KeysJobError::Keys { file: file.to_owned(), error }
}

/// Writes the keys beside the file, for the owner only, and puts them in its place: whoever reads it finds the
/// old ones or the new ones, and no error loses any.
fn replace(file: &Path, keys: &SigningKeys) -> Result<(), KeysJobError> {
    let failed = |error| KeysJobError::File { verb: "write", file: file.to_owned(), error };
    // Through a link to the file that it names.
    let file = file.canonicalize().map_err(failed)?;
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    let beside = file.with_file_name(name);
    let written = || -> io::Result<()> {
        let mut new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        new.write_all(keys.to_json().as_bytes())?;
        new.sync_all()?;
        fs::rename(&beside, &file)
    };
    written().map_err(|error| {
        let _ = fs::remove_file(&beside);
        failed(error)
    })
}

impl From<KeysError> for KeysJobError {
    fn from(error: KeysError) -> KeysJobError {
        KeysJobError::Signing(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotation_keeps_the_file_whole_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.json");
        fs::write(&file, SigningKeys::generate(Algorithm::Es256).unwrap().to_json()).unwrap();
        let old = read(&file).unwrap().signer(None).unwrap().kid().unwrap().to_owned();
        let link = folder.path().join("link.json");
        std::os::unix::fs::symlink(&file, &link).unwrap();

        run(&KeysJob::Add { file: link.clone(), algorithm: Algorithm::EdDsa }).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        let signer = read(&file).unwrap().signer(None).unwrap();
        assert_eq!(signer.algorithm(), Algorithm::EdDsa);
        assert!(read(&file).unwrap().signer(Some(&old)).is_ok());
        assert!(!is_exposed(fs::metadata(&file).unwrap().permissions().mode()));

        run(&KeysJob::Remove { file: file.clone(), kid: old.clone() }).unwrap();
        assert!(read(&file).unwrap().signer(Some(&old)).is_err());
        let before = fs::read(&file).unwrap();
        let last = KeysJob::Remove { file: file.clone(), kid: signer.kid().unwrap().to_owned() };
        assert!(run(&last).unwrap_err().to_string().contains("only key"));
        assert_eq!(fs::read(&file).unwrap(), before);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn errors_name_the_file_and_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.json");
        let missing = run(&KeysJob::Public { file: file.clone() }).unwrap_err().to_string();
        assert!(missing.contains("cannot read") && missing.contains("keys.json"), "{missing}");
        for (json, expected) in [
            ("", "empty"),
            ("{\"keys\":\"c2VjcmV0\"}", "no key set"),
            ("{\"keys\":[{\"kty\":\"oct\",\"k\":\"c2VjcmV0\"}]}", "too short"),
        ] {
            fs::write(&file, json).unwrap();
            let error = run(&KeysJob::Public { file: file.clone() }).unwrap_err().to_string();
            assert!(error.contains("keys.json") && error.contains(expected), "{error}");
            assert!(!error.contains("c2VjcmV0"), "{error}");
        }
        fs::write(&file, SigningKeys::generate(Algorithm::Hs256).unwrap().to_json()).unwrap();
        let error = run(&KeysJob::Public { file }).unwrap_err().to_string();
        assert!(error.contains("without a public half"), "{error}");
    }

    #[test]
    fn only_the_owners_bits_are_private() {
        for (mode, exposed) in [(0o600, false), (0o400, false), (0o644, true), (0o640, true), (0o604, true)] {
            assert_eq!(is_exposed(0o100_000 | mode), exposed, "{mode:o}");
        }
    }
}
