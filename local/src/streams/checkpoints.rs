//! A mapping's progress in each shard.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;

use async_trait::async_trait;

/// Why a checkpoint could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot access the checkpoint {path}: {source}")]
pub struct CheckpointError {
    /// The file.
    path: String,
    source: io::Error,
}

/// Keeps the sequence number of the last record that is done, by mapping, stream and shard: a recreated
/// table has another stream, whose shards may have the same names. Losing a checkpoint is harmless: the
/// mapping starts again at the oldest record.
#[async_trait]
pub trait Checkpoints: Send + Sync + 'static {
    /// The checkpoint of a shard, if there is one.
    async fn load(&self, mapping: &str, shard: Shard<'_>) -> Result<Option<String>, CheckpointError>;

    /// Replaces the checkpoint of a shard.
    async fn save(&self, mapping: &str, shard: Shard<'_>, position: &str) -> Result<(), CheckpointError>;
}

/// A shard of a stream.
#[derive(Debug, Clone, Copy)]
pub struct Shard<'a> {
    /// The stream's ARN.
    pub stream: &'a str,
    /// The shard's id, which is unique within its stream only.
    pub id: &'a str,
}

/// Checkpoints that end with the process.
#[derive(Debug, Default)]
pub struct MemoryCheckpoints(Mutex<HashMap<[String; 3], String>>);

impl MemoryCheckpoints {
    /// No checkpoints.
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl Checkpoints for MemoryCheckpoints {
    async fn load(&self, mapping: &str, shard: Shard<'_>) -> Result<Option<String>, CheckpointError> {
        let checkpoints = self.0.lock().expect("nothing panics while holding it");
        Ok(checkpoints.get(&key(mapping, shard)).cloned())
    }

    async fn save(&self, mapping: &str, shard: Shard<'_>, position: &str) -> Result<(), CheckpointError> {
        let mut checkpoints = self.0.lock().expect("nothing panics while holding it");
        checkpoints.insert(key(mapping, shard), position.to_owned());
        Ok(())
    }
}

fn key(mapping: &str, shard: Shard<'_>) -> [String; 3] {
    [mapping, shard.stream, shard.id].map(str::to_owned)
}

/// Checkpoints as files, `FOLDER/MAPPING/STREAM/SHARD`, each replaced atomically. They are not synced: after
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

    fn path(&self, mapping: &str, shard: Shard<'_>) -> PathBuf {
        key(mapping, shard).iter().fold(self.folder.clone(), |path, name| path.join(file_name(name)))
    }
}

#[async_trait]
impl Checkpoints for FileCheckpoints {
    async fn load(&self, mapping: &str, shard: Shard<'_>) -> Result<Option<String>, CheckpointError> {
        let path = self.path(mapping, shard);
        let failed = |source| CheckpointError { path: path.display().to_string(), source };
        let bytes = match tokio::fs::read(&path).await {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(failed(source)),
        };
        match String::from_utf8(bytes) {
            Ok(position) => Ok(Some(position.trim().to_owned()).filter(|position| !position.is_empty())),
            Err(_) => {
                let aside = path.with_extension("damaged");
                tokio::fs::rename(&path, &aside).await.map_err(failed)?;
                let aside = aside.display();
                tracing::warn!(mapping, %aside, "set aside a damaged checkpoint: reading the whole stream");
                Ok(None)
            }
        }
    }

    async fn save(&self, mapping: &str, shard: Shard<'_>, position: &str) -> Result<(), CheckpointError> {
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

    fn shard<'a>(stream: &'a str, id: &'a str) -> Shard<'a> {
        Shard { stream, id }
    }

    #[tokio::test]
    async fn files_keep_checkpoints_apart_and_replace_them() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = FileCheckpoints::new(folder.path().join("deep/er"));
        assert_eq!(checkpoints.load("m", shard("t/1", "s/1")).await.unwrap(), None);
        checkpoints.save("m", shard("t/1", "s/1"), "100").await.unwrap();
        checkpoints.save("m", shard("t/1", "s.1"), "200").await.unwrap();
        checkpoints.save("m", shard("t/1", "s/1"), "300").await.unwrap();
        let again = FileCheckpoints::new(folder.path().join("deep/er"));
        assert_eq!(again.load("m", shard("t/1", "s/1")).await.unwrap().as_deref(), Some("300"));
        assert_eq!(again.load("m", shard("t/1", "s.1")).await.unwrap().as_deref(), Some("200"));
        assert_eq!(again.load("n", shard("t/1", "s/1")).await.unwrap(), None);
        assert_eq!(again.load("m", shard("t/2", "s/1")).await.unwrap(), None, "another table's stream");
    }

    #[tokio::test]
    async fn a_damaged_file_is_set_aside_and_an_empty_one_is_no_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = FileCheckpoints::new(folder.path());
        for (bytes, aside) in [(&[0xff, 0xfe, 0x31][..], true), (b"", false)] {
            checkpoints.save("m", shard("t", "s"), "1").await.unwrap();
            std::fs::write(folder.path().join("m/t/s"), bytes).unwrap();
            assert_eq!(checkpoints.load("m", shard("t", "s")).await.unwrap(), None);
            assert_eq!(folder.path().join("m/t/s.damaged").exists(), aside);
            let _ = std::fs::remove_file(folder.path().join("m/t/s.damaged"));
            checkpoints.save("m", shard("t", "s"), "2").await.unwrap();
            assert_eq!(checkpoints.load("m", shard("t", "s")).await.unwrap().as_deref(), Some("2"));
        }
    }
}
