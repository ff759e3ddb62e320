//! Names, ids and cursors: text with one form each.

use std::fmt::Display;
use std::str::FromStr;

use arbitrary::{Result, Unstructured};
use inklog_access::{Algorithm, display_name, user_of_subject};
use inklog_crdt::{Agent, Id, MAX_AGENT_LEN, MAX_SEQ};
use inklog_protocol::limits::{DISPLAY_NAME_CHARS_MAX, DOC_ID_LEN_MAX, USER_NAME_LEN_MAX};
use inklog_protocol::{DocId, UserName};
use inklog_store::live::Cursor;

use crate::driver::{Target, unsealed};
use crate::made::number;
use crate::meter::{Bound, Meter};
use crate::mutate::mutate;

pub const TARGET: Target = Target { name: "names", inputs: 60_000, make, check, seal: unsealed };
const BOUND: Bound = Bound { each: 16, base: 4096 };

fn make(choices: &mut Unstructured) -> Result<Vec<u8>> {
    let piece = choices.choose(&["a", ".", "~", "-", "_", "k3", "u-", "0f", "é", "+", " ", "0"])?;
    let lens = [1, 2, USER_NAME_LEN_MAX, MAX_AGENT_LEN, DISPLAY_NAME_CHARS_MAX, DOC_ID_LEN_MAX];
    let len = choices.choose(&lens)? + choices.int_in_range(0..=1)?;
    let mut text = piece.repeat(len / piece.len());
    if choices.arbitrary()? {
        text = format!("{text}-{}", number(choices)?);
    }
    let mut bytes = text.into_bytes();
    mutate(choices, &mut bytes, 0)?;
    Ok(bytes)
}

/// Whether it is one; what is read must be written again as it was.
fn is<T: FromStr + Display>(text: &str) -> bool {
    let Ok(read) = text.parse::<T>() else { return false };
    assert_eq!(read.to_string(), text, "two texts for one value");
    true
}

fn check(input: &[u8], meter: &mut Meter) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (is_agent, is_doc, is_user, is_id, cursor) = meter.run(text.len(), BOUND, || {
        let user = UserName::new(text).map(|user| assert_eq!(user.as_str(), text));
        is::<Algorithm>(text);
        (is::<Agent>(text), is::<DocId>(text), user.is_ok(), is::<Id>(text), Cursor::from_wire(text))
    });
    meter.read += u64::from(is_agent || is_doc || is_user || is_id || cursor.is_some());
    // As the protocol words it, once more.
    let all =
        |more: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c));
    assert_eq!(is_agent, all("._~-") && text.len() <= MAX_AGENT_LEN);
    assert_eq!(is_doc, all("._~-") && text.len() <= DOC_ID_LEN_MAX && text != "." && text != "..");
    assert_eq!(is_user, all("._-") && text.len() <= USER_NAME_LEN_MAX);
    let (name, digits) = text.rsplit_once('-').unwrap_or_default();
    let is_number = digits.parse::<u64>().is_ok_and(|seq| seq <= MAX_SEQ && seq.to_string() == digits);
    assert_eq!(is_id, Agent::new(name).is_ok() && is_number);
    if let Some(cursor) = cursor {
        assert_eq!(cursor.to_wire(), text, "two texts for one cursor");
    }
    let user = meter.run(text.len(), BOUND, || user_of_subject(text));
    assert!(UserName::new(user.as_str()).is_ok());
    if let Some(shown) = meter.run(text.len(), BOUND, || display_name(text)) {
        assert!(shown.chars().count() <= DISPLAY_NAME_CHARS_MAX && !shown.contains(char::is_control));
    }
}
