//! Objects in memory, for tests and simulations.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::Objects;
use crate::StoreError;

/// Objects in this process.
#[derive(Default)]
pub struct MemoryObjects {
    // No method awaits anything while it holds this: each is one atomic step.
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl MemoryObjects {
    /// No objects.
    pub fn new() -> MemoryObjects {
        MemoryObjects::default()
    }

    /// The keys of all objects, in order.
    pub fn keys(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    /// Changes a byte of an object; `false` if there is none.
    pub fn damage(&self, key: &str, at: usize) -> bool {
        let mut objects = self.lock();
        let Some(bytes) = objects.get_mut(key).filter(|bytes| !bytes.is_empty()) else { return false };
        let at = at % bytes.len();
        bytes[at] ^= 1;
        true
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Objects for MemoryObjects {
    async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        let mut objects = self.lock();
        match objects.get(key) {
            Some(there) if *there != bytes => {
                Err(StoreError::unavailable("S3", "At least one of the pre-conditions did not hold"))
            }
            Some(_) => Ok(()),
            None => {
                objects.insert(key.to_owned(), bytes);
                Ok(())
            }
        }
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.lock().get(key).cloned())
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.lock().remove(key);
        Ok(())
    }
}
