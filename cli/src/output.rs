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

/// Many results, each printed as it arrives: a JSON list with one element per line, or text.
pub struct List {
    json: bool,
    is_begun: bool,
}

impl List {
    /// Nothing printed yet.
    pub fn new(json: bool) -> List {
        List { json, is_begun: false }
    }

    /// Prints one more.
    pub fn print<T: Serialize>(&mut self, value: &T, text: impl FnOnce() -> String) -> io::Result<()> {
        if !self.json {
            return print_text(&text());
        }
        let before = if self.is_begun { ",\n" } else { "[" };
        self.is_begun = true;
        print_text(&format!("{before}{}", serde_json::to_string(value).map_err(io::Error::other)?))
    }

    /// Ends it.
    pub fn end(self) -> io::Result<()> {
        match (self.json, self.is_begun) {
            (true, true) => print_text("]\n"),
            (true, false) => print_text("[]\n"),
            (false, _) => Ok(()),
        }
    }
}

/// Prints a text. If the reader has gone away, that is not an error.
pub fn print_text(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
