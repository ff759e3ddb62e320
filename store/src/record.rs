//! What a log item holds besides its event, and the bytes of an event with its time.

use inklog_crdt::{DecodeError, Event};
use inklog_protocol::{Author, LoggedEvent};

/// One item of the op log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// The event.
    pub event: Event,
    /// When ingest took it, ms since the epoch.
    pub at: u64,
    /// Who sent it, if connections have an identity.
    pub author: Option<Author>,
    /// The sender's connection, which gets no echo.
    pub connection: Option<String>,
}

impl LogRecord {
    /// The part that replicas see.
    pub fn logged(self) -> LoggedEvent {
        LoggedEvent { event: self.event, at: self.at, author: self.author }
    }
}

/// In the last byte of the time, which is 0 for the next two million years: an author follows, with a name.
const BY_USER: u8 = 1;
const BY_NAME: u8 = 2;

/// Bytes of an event with its time and its author:
///
/// ```text
/// 7 bytes      ms since the epoch, little-endian
/// 1 byte       0, 1 for a user, 3 for a user and a name
///   each       its length as 2 bytes little-endian, and UTF-8
/// the rest     Event::encoded
/// ```
pub fn encode_logged(logged: &LoggedEvent) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(logged_len(logged));
    bytes.extend(logged.at.to_le_bytes());
    if let Some(Author { user, name }) = &logged.author {
        bytes[7] = BY_USER | if name.is_some() { BY_NAME } else { 0 };
        for text in [Some(user), name.as_ref()].into_iter().flatten() {
            let len = u16::try_from(text.len()).expect("users and names have limits far below 64 KB");
            bytes.extend(len.to_le_bytes());
            bytes.extend(text.as_bytes());
        }
    }
    bytes.extend(logged.event.encoded());
    bytes
}

/// How many bytes [`encode_logged`] writes.
pub fn logged_len(logged: &LoggedEvent) -> usize {
    let author = logged
        .author
        .as_ref()
        .map_or(0, |Author { user, name }| 2 + user.len() + name.as_ref().map_or(0, |name| 2 + name.len()));
    size_of_val(&logged.at) + author + logged.event.encoded().len()
}

/// Reads what [`encode_logged`] wrote.
pub fn decode_logged(bytes: &[u8]) -> Result<LoggedEvent, DecodeError> {
    let damaged = |what| DecodeError::Damaged { offset: 0, what };
    let (mut at, mut rest) = match bytes.split_first_chunk::<8>() {
        Some((at, rest)) => (*at, rest),
        None => return Err(damaged("too short for a time")),
    };
    let by = std::mem::take(&mut at[7]);
    let mut text = || {
        let (len, after) = rest.split_first_chunk::<2>()?;
        let (text, after) = after.split_at_checked(u16::from_le_bytes(*len).into())?;
        rest = after;
        String::from_utf8(text.to_vec()).ok()
    };
    let author = match by {
        0 => None,
        BY_USER | 3 => {
            let user = text().ok_or(damaged("the author's user is no text"))?;
            let name = if by & BY_NAME == 0 {
                None
            } else {
                Some(text().ok_or(damaged("the author's name is no text"))?)
            };
            Some(Author { user, name })
        }
        found => return Err(DecodeError::Newer { found, known: BY_USER | BY_NAME }),
    };
    Ok(LoggedEvent { event: Event::decode(rest)?, at: u64::from_le_bytes(at), author })
}

#[cfg(test)]
mod tests {
    use inklog_crdt::{Agent, Op, Origin};

    use super::*;

    fn logged(author: Option<Author>) -> LoggedEvent {
        let op = Op::Insert { seq: 3, text: "é😀".into(), origin: Origin::Left(None) };
        let event = Event::new(Agent::new("a").unwrap(), 3, vec![op]).unwrap();
        LoggedEvent { event, at: 1_700_000_000_123, author }
    }

    #[test]
    fn an_event_comes_back_with_its_author() {
        let by = |user: &str, name: Option<&str>| Author { user: user.into(), name: name.map(str::to_owned) };
        for author in
            [None, Some(by("alice", None)), Some(by("u", Some("Ann \"A\" Ångström"))), Some(by("", Some("")))]
        {
            let logged = logged(author);
            let bytes = encode_logged(&logged);
            assert_eq!((decode_logged(&bytes), bytes.len()), (Ok(logged.clone()), logged_len(&logged)));
            for end in 0..bytes.len() {
                assert!(decode_logged(&bytes[..end]).is_err(), "the first {end} of {} bytes", bytes.len());
            }
        }
    }

    #[test]
    fn without_an_author_the_bytes_are_those_of_before_there_were_any() {
        let logged = logged(None);
        let before = [&logged.at.to_le_bytes(), logged.event.encoded()].concat();
        assert_eq!(encode_logged(&logged), before);
        assert_eq!(decode_logged(&before), Ok(logged));
    }

    #[test]
    fn what_is_newer_is_no_damage() {
        let mut bytes = encode_logged(&logged(None));
        bytes[7] = 4;
        assert_eq!(decode_logged(&bytes), Err(DecodeError::Newer { found: 4, known: 3 }));
        bytes[7] = 2;
        assert!(decode_logged(&bytes).is_err(), "a name without a user");
    }
}
