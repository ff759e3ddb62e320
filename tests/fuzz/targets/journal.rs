//! The Rust client's journal, as a file: `FileStorage`, and `Core::load` on what is in it.

use std::cell::RefCell;
use std::fs;
use std::time::Instant;

use arbitrary::{Result, Unstructured};
use inklog_client::{FileStorage, Storage as _};
use serde_json::json;
use tempfile::TempDir;

use super::client::{Stored, loaded};
use super::server_message;
use crate::driver::Target;
use crate::made::rarely;
use crate::meter::{Bound, Meter};
use crate::mutate::mutate;

/// The length and the checksum before each batch.
const HEADER: usize = 8;

pub const TARGET: Target = Target { name: "journal", inputs: 1_500, make, check, seal };
const BOUND: Bound = Bound { each: 1024, base: 256 * 1024 };

fn make(choices: &mut Unstructured) -> Result<Vec<u8>> {
    let mut client =
        Stored { core: loaded(&[]).expect("an empty store"), batches: Vec::new(), was_synced: false };
    let now = Instant::now();
    client.core.connected(now);
    client.core.tick(now);
    for _ in 0..choices.int_in_range(1..=4)? {
        let _ = client.core.edit(0, 0, "typed", now);
        let mut message = server_message::any(choices)?;
        if choices.ratio(1, 2)? {
            message["ref"] = json!(1);
        }
        client.core.received(&message.to_string(), now);
        client.core.hurry();
        client.settle();
    }
    let mut batches = client.batches;
    if !batches.is_empty() {
        let which = choices.int_in_range(0..=batches.len() - 1)?;
        mutate(choices, &mut batches[which], 0)?;
        if rarely(choices, 6)? {
            batches.swap(0, which);
        }
    }
    let mut file: Vec<u8> = batches.iter().flat_map(|batch| framed(batch)).collect();
    if rarely(choices, 6)? {
        mutate(choices, &mut file, 0)?;
    }
    Ok(file)
}

fn framed(batch: &[u8]) -> Vec<u8> {
    let (len, sum) = (batch.len() as u32, crc32fast::hash(batch));
    [&len.to_le_bytes(), &sum.to_le_bytes(), batch].concat()
}

/// Each batch as long as there is something of it, with its checksum.
fn seal(file: &mut Vec<u8>) {
    let (mut sealed, mut rest) = (Vec::new(), file.as_slice());
    while let Some((head, more)) = rest.split_first_chunk::<HEADER>() {
        let len = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let (batch, more) = more.split_at(len.min(more.len()));
        sealed.extend(framed(batch));
        rest = more;
    }
    *file = sealed;
}

fn check(input: &[u8], meter: &mut Meter) {
    thread_local!(static FOLDER: RefCell<Option<TempDir>> = const { RefCell::new(None) });
    let path = FOLDER.with_borrow_mut(|folder| {
        // In memory, where there is such a folder: each input is synced several times.
        let in_memory = || tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let folder = folder.get_or_insert_with(|| in_memory().expect("a folder"));
        folder.path().join("journal")
    });
    let read = meter.run(input.len(), BOUND, || {
        fs::write(&path, input).expect("the file can be written");
        FileStorage::open(&path).expect("nobody else has it").load()
    });
    let Ok(batches) = read else {
        assert_eq!(fs::read(&path).expect("it is there"), input, "what is damaged must stay as it is");
        return;
    };
    assert!(batches.iter().map(|batch| batch.len() + HEADER).sum::<usize>() <= input.len());
    let Ok(core) = meter.run(input.len(), BOUND, || loaded(&batches)) else { return };
    meter.read += 1;
    core.doc().assert_invariants();
    // It can be typed on and stored, and that be loaded again.
    let mut client = Stored { core, batches, was_synced: false };
    let now = Instant::now();
    client.settle();
    let _ = client.core.edit(0, 0, "more", now);
    client.core.connected(now);
    client.core.tick(now);
    client.core.hurry();
    client.settle();
    // A journal that contradicts itself may be found damaged only then.
    if let Ok(again) = loaded(&client.batches) {
        again.doc().assert_invariants();
    }
}
