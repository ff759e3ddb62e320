//! A journal in a file.
//!
//! Each batch is a frame: four bytes with its length, four with its CRC-32 (both little-endian), and the batch. A frame
//! that was being written when the process or the machine died is cut off at the next start: nobody was told that it
//! was stored. Beside `NAME` lie `NAME.lock`, which one process holds as long as it runs, and for a moment `NAME.new`.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::{Storage, StorageError};

const HEADER_BYTES: usize = 8;

/// A store in a file. It survives a killed process and a power failure.
#[derive(Debug)]
pub struct FileStorage {
    path: PathBuf,
    file: File,
    /// Where the next frame goes; what an append that failed has left behind it counts for nothing.
    end: u64,
    /// Held, and freed by the system when the process ends.
    _lock: File,
}

impl FileStorage {
    /// Opens the file, or creates it. Fails if another process has it open.
    pub fn open(path: impl AsRef<Path>) -> Result<FileStorage, StorageError> {
        let path = path.as_ref().to_owned();
        let lock_path = beside(&path, "lock");
        let lock =
            writable(&lock_path).map_err(|error| StorageError::File { path: lock_path.clone(), error })?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StorageError::InUse { path }),
            Err(TryLockError::Error(error)) => return Err(StorageError::File { path: lock_path, error }),
        }
        let file = writable(&path).and_then(|file| sync_folder(&path).map(|()| file));
        let file = file.map_err(|error| StorageError::File { path: path.clone(), error })?;
        Ok(FileStorage { path, file, end: 0, _lock: lock })
    }

    fn failed(&self) -> impl Fn(io::Error) -> StorageError + use<> {
        let path = self.path.clone();
        move |error| StorageError::File { path: path.clone(), error }
    }

    fn write(&mut self, batch: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.end))?;
        self.file.write_all(&frame(batch))?;
        self.file.sync_data()?;
        self.end += (HEADER_BYTES + batch.len()) as u64;
        Ok(())
    }

    fn rewrite(&mut self, batch: &[u8]) -> io::Result<()> {
        let new = beside(&self.path, "new");
        let mut file = writable(&new)?;
        file.set_len(0)?;
        let frame = frame(batch);
        file.write_all(&frame)?;
        file.sync_all()?;
        std::fs::rename(&new, &self.path)?;
        sync_folder(&self.path)?;
        self.file = file;
        self.end = frame.len() as u64;
        Ok(())
    }
}

impl Storage for FileStorage {
    fn load(&mut self) -> Result<Vec<Vec<u8>>, StorageError> {
        let mut bytes = Vec::new();
        self.file.seek(SeekFrom::Start(0)).map_err(self.failed())?;
        self.file.read_to_end(&mut bytes).map_err(self.failed())?;
        let mut batches = Vec::new();
        let mut rest = bytes.as_slice();
        while let Some((batch, more)) = next_frame(rest) {
            batches.push(batch.to_vec());
            rest = more;
        }
        self.end = (bytes.len() - rest.len()) as u64;
        if !is_torn(rest) {
            return Err(StorageError::Damaged { path: self.path.clone(), offset: self.end });
        }
        self.file.set_len(self.end).map_err(self.failed())?;
        Ok(batches)
    }

    fn append(&mut self, batch: &[u8]) -> Result<(), StorageError> {
        self.write(batch).map_err(self.failed())
    }

    fn replace(&mut self, batch: &[u8]) -> Result<(), StorageError> {
        self.rewrite(batch).map_err(self.failed())
    }
}

fn writable(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// A path that ends in another word.
fn beside(path: &Path, word: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(word);
    PathBuf::from(name)
}

/// Makes a name that was made or changed survive.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Elsewhere, a folder cannot be opened, and need not be.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

fn frame(batch: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEADER_BYTES + batch.len());
    frame.extend((batch.len() as u32).to_le_bytes());
    frame.extend(crc32fast::hash(batch).to_le_bytes());
    frame.extend(batch);
    frame
}

/// The length and the CRC that a frame says it has.
fn header(bytes: &[u8]) -> Option<(usize, u32, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (crc, rest) = rest.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*length) as usize, u32::from_le_bytes(*crc), rest))
}

fn next_frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, crc, rest) = header(bytes)?;
    let (batch, more) = rest.split_at_checked(length)?;
    (length > 0 && crc32fast::hash(batch) == crc).then_some((batch, more))
}

/// Whether this is what a write that did not end leaves: a frame cut short, or blocks that were never filled.
fn is_torn(rest: &[u8]) -> bool {
    let reaches_over = header(rest).is_none_or(|(length, _, rest)| length >= rest.len());
    reaches_over || rest.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reopened(path: &Path) -> Result<Vec<Vec<u8>>, StorageError> {
        FileStorage::open(path)?.load()
    }

    #[test]
    fn what_was_appended_is_there_again_and_what_was_replaced_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outbox");
        let mut storage = FileStorage::open(&path).unwrap();
        assert!(storage.load().unwrap().is_empty());
        for batch in ["one", "two"] {
            storage.append(batch.as_bytes()).unwrap();
        }
        drop(storage);
        assert_eq!(reopened(&path).unwrap(), [b"one", b"two"]);
        let mut storage = FileStorage::open(&path).unwrap();
        storage.load().unwrap();
        storage.replace(b"three").unwrap();
        storage.append(b"four").unwrap();
        drop(storage);
        assert_eq!(reopened(&path).unwrap(), [&b"three"[..], b"four"]);
    }

    #[test]
    fn one_holds_it_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outbox");
        let storage = FileStorage::open(&path).unwrap();
        let refused = FileStorage::open(&path).unwrap_err();
        assert!(matches!(refused, StorageError::InUse { .. }), "{refused}");
        drop(storage);
        FileStorage::open(&path).unwrap();
    }

    #[test]
    fn a_write_that_did_not_end_is_cut_off_and_the_rest_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outbox");
        let whole = [frame(b"first"), frame(b"second")].concat();
        let first = frame(b"first").len();
        for len in first..whole.len() {
            for zeros in [0, 1, 100] {
                std::fs::write(&path, &whole[..len]).unwrap();
                if len == first {
                    std::fs::write(&path, [&whole[..len], &vec![0; zeros]].concat()).unwrap();
                }
                let mut storage = FileStorage::open(&path).unwrap();
                assert_eq!(storage.load().unwrap(), [b"first"], "{len} bytes and {zeros} zeros");
                storage.append(b"third").unwrap();
                drop(storage);
                assert_eq!(reopened(&path).unwrap(), [b"first", b"third"]);
            }
        }
    }

    #[test]
    fn damage_before_the_end_is_said_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outbox");
        let mut damaged = [frame(b"first"), frame(b"second"), frame(b"third")].concat();
        let offset = frame(b"first").len();
        damaged[offset + HEADER_BYTES] ^= 1;
        std::fs::write(&path, &damaged).unwrap();
        let refused = reopened(&path).unwrap_err();
        assert!(
            matches!(refused, StorageError::Damaged { offset: from, .. } if from == offset as u64),
            "{refused}"
        );
        assert_eq!(std::fs::read(&path).unwrap(), damaged);
    }
}
