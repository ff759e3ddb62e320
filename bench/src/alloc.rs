//! An allocator that counts, while asked to; the rest of the time it costs one load of a flag. Below is
//! mimalloc, as in the `inklog` program: the system's would let each subject pay for what those before it
//! left behind.

use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering::Relaxed};

use mimalloc::MiMalloc;

pub struct Counting;

static ON: AtomicBool = AtomicBool::new(false);
static LIVE: AtomicIsize = AtomicIsize::new(0);

fn count(bytes: isize) {
    if ON.load(Relaxed) {
        LIVE.fetch_add(bytes, Relaxed);
    }
}

// SAFETY: every call goes to mimalloc unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { MiMalloc.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { MiMalloc.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { MiMalloc.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, new: usize) -> *mut u8 {
        count(new as isize - layout.size() as isize);
        unsafe { MiMalloc.realloc(at, layout, new) }
    }
}

/// Bytes that `make` allocates and that are still there when it is done.
pub fn live_after<T>(make: impl FnOnce() -> T) -> (T, usize) {
    LIVE.store(0, Relaxed);
    ON.store(true, Relaxed);
    let made = make();
    ON.store(false, Relaxed);
    (made, LIVE.load(Relaxed).max(0) as usize)
}
