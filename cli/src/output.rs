//! What goes to standard output.

use std::io::{self, Write as _};

use serde::Serialize;

/// Prints a result: as one line of JSON, or as text, byte for byte.
pub fn print<T: Serialize + ?Sized>(json: bool, value: &T, text: impl FnOnce() -> String) -> io::Result<()> {
    let text = match json {
        true => serde_json::to_string(value).map_err(io::Error::other)? + "\n",
        false => text(),
    };
    print_text(&text)
}

/// Prints a text. A reader that has gone away wants no more of it, and that is no error.
pub fn print_text(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
