//! The name under which clients know a log.

use sha2::{Digest as _, Sha256};

/// Digits of a short name: 64 bits, so that two logs that one client sees never share it.
const DIGITS: usize = 16;

/// A log's name as clients see it: hex digits that differ if the name does, and that do not reveal the
/// account number in the name.
pub fn short_name(name: &str) -> String {
    Sha256::digest(name).iter().take(DIGITS / 2).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_name_is_another_for_another_log() {
        let arn = |time: &str| {
            format!("arn:aws:dynamodb:eu-west-1:123456789012:table/oplog/stream/2026-11-27T{time}")
        };
        let short = short_name(&arn("01:02:03.456"));
        assert!(short.len() == DIGITS && short.bytes().all(|b| b.is_ascii_hexdigit()), "{short}");
        assert_eq!(short, short_name(&arn("01:02:03.456")));
        assert_ne!(short, short_name(&arn("01:02:03.457")));
        // The first digits of the SHA-256 of nothing.
        assert_eq!(short_name(""), "e3b0c44298fc1c14");
    }
}
