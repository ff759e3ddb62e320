//! The simulation is a test: see `main.rs`.
