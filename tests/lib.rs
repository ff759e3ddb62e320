//! Holds no code: this package is the test binary of what crosses crates (`main.rs`).
