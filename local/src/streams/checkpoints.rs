//! How far a mapping has got in each shard.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;

use async_trait::async_trait;

/// Why a checkpoint could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("could not access the checkpoint {path}: {source}")]
pub struct CheckpointError {
    /// The file.
    path: String,
    source: io::Error,
}

/// Keeps the sequence number of the last record that is done with, by mapping and shard. Losing one
/// is harmless: the mapping starts again at the oldest record.
#[async_trait]
pub trait Checkpoints: Send + Sync + 'static {
    /// The checkpoint of a shard, if there is one.
    async fn load(&self, mapping: &str, shard: &str) -> Result<Option<String>, CheckpointError>;

    /// Replaces the checkpoint of a shard.
    async fn save(&self, mapping: &str, shard: &str, position: &str) -> Result<(), CheckpointError>;
}

/// Checkpoints that end with the process.
#[derive(Debug, Default)]
pub struct MemoryCheckpoints(Mutex<HashMap<(String, String), String>>);

impl MemoryCheckpoints {
    /// No checkpoints.
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl Checkpoints for MemoryCheckpoints {
    async fn load(&self, mapping: &str, shard: &str) -> Result<Option<String>, CheckpointError> {
        let checkpoints = self.0.lock().expect("nothing panics while holding it");
        Ok(checkpoints.get(&(mapping.to_owned(), shard.to_owned())).cloned())
    }

    async fn save(&self, mapping: &str, shard: &str, position: &str) -> Result<(), CheckpointError> {
        let mut checkpoints = self.0.lock().expect("nothing panics while holding it");
        checkpoints.insert((mapping.to_owned(), shard.to_owned()), position.to_owned());
        Ok(())
    }
}

/// Checkpoints as files, `FOLDER/MAPPING/SHARD`, each replaced atomically. They are not synced: after
/// a power cut one may be old or empty, which only repeats records.
#[derive(Debug)]
pub struct FileCheckpoints {
    folder: PathBuf,
}

impl FileCheckpoints {
    /// Checkpoints in `folder`, which is made when it is first needed.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    fn path(&self, mapping: &str, shard: &str) -> PathBuf {
        self.folder.join(file_name(mapping)).join(file_name(shard))
    }
}

#[async_trait]
impl Checkpoints for FileCheckpoints {
    async fn load(&self, mapping: &str, shard: &str) -> Result<Option<String>, CheckpointError> {
        let path = self.path(mapping, shard);
        match tokio::fs::read_to_string(&path).await {
            Ok(position) => Ok(Some(position.trim().to_owned()).filter(|position| !position.is_empty())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(CheckpointError { path: path.display().to_string(), source }),
        }
    }

    async fn save(&self, mapping: &str, shard: &str, position: &str) -> Result<(), CheckpointError> {
        let path = self.path(mapping, shard);
        let (target, position) = (path.clone(), position.to_owned());
        let written = tokio::task::spawn_blocking(move || {
            let draft = target.with_extension("new");
            if let Some(folder) = target.parent() {
                std::fs::create_dir_all(folder)?;
            }
            std::fs::write(&draft, position)?;
            std::fs::rename(&draft, &target)
        });
        let written = written.await.unwrap_or_else(|panic| Err(io::Error::other(panic)));
        written.map_err(|source| CheckpointError { path: path.display().to_string(), source })
    }
}

/// A name that is safe as a file's, and different for different names. Dots are escaped too: what
/// follows the last one is ours.
fn file_name(name: &str) -> String {
    let mut safe = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
            safe.push(char::from(byte));
        } else {
            safe.push_str(&format!("%{byte:02X}"));
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn files_keep_checkpoints_apart_and_replace_them() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = FileCheckpoints::new(folder.path().join("deep/er"));
        assert_eq!(checkpoints.load("m", "s/1").await.unwrap(), None);
        checkpoints.save("m", "s/1", "100").await.unwrap();
        checkpoints.save("m", "s.1", "200").await.unwrap();
        checkpoints.save("m", "s/1", "300").await.unwrap();
        let again = FileCheckpoints::new(folder.path().join("deep/er"));
        assert_eq!(again.load("m", "s/1").await.unwrap().as_deref(), Some("300"));
        assert_eq!(again.load("m", "s.1").await.unwrap().as_deref(), Some("200"));
        assert_eq!(again.load("n", "s/1").await.unwrap(), None);
    }

    #[tokio::test]
    async fn an_empty_file_is_no_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("m")).unwrap();
        std::fs::write(folder.path().join("m/s"), "").unwrap();
        assert_eq!(FileCheckpoints::new(folder.path()).load("m", "s").await.unwrap(), None);
    }
}
