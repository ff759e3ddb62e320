//! Every key in Redis. All keys of a document carry the hash tag `{doc}`, so that a cluster keeps
//! them in one slot and one script may use them all; a document's id contains no braces. All carry the
//! deployment as well: any number of deployments may share one Redis.

use inklog_protocol::DocId;

use crate::log::short_name;

/// The owner of keys: the shortened name of a log or an API.
#[derive(Debug, Clone)]
pub(crate) struct Deployment(String);

impl Deployment {
    pub fn new(name: &str) -> Deployment {
        Deployment(short_name(name))
    }
}

/// The record of a document's live state.
///
/// - Value: a hash; its fields are described in `live/redis/scripts/prelude.lua`
/// - Mutable, by scripts only
/// - Lives for `LIVE_STATE_TTL` after the last use, with the tail and the pieces
pub(crate) fn record(of: &Deployment, doc: &DocId) -> String {
    format!("inklog:{{{doc}}}:{}", of.0)
}

/// The tail of a document's live state.
///
/// - Value: a list of [`crate::encode_logged`] bytes, in order of arrival
/// - Appended to, and trimmed at its head
/// - Lives as long as the record
pub(crate) fn tail(of: &Deployment, doc: &DocId) -> String {
    format!("inklog:{{{doc}}}:{}:t", of.0)
}

/// A piece of a base: the encoded state and the events that waited, cut at `BASE_PIECE_BYTES_MAX`.
/// `prelude.lua` builds the same name.
///
/// - Value: a string
/// - Never changed; deleted when another base replaces this one
/// - Written with a time to live of minutes, then lives as long as the record that names it
pub(crate) fn piece(of: &Deployment, doc: &DocId, generation: &str, index: usize) -> String {
    format!("inklog:{{{doc}}}:{}:b:{generation}:{index}", of.0)
}

/// The connections of a document.
///
/// - Value: a sorted set, member the connection, score when it was last seen (ms since the epoch), or as much
///   earlier as makes it lapse with its token
/// - Mutable
/// - Lives for `CONNECTION_TTL` after the last registration
pub(crate) fn connections(of: &Deployment, doc: &DocId) -> String {
    format!("inklog:{{{doc}}}:{}:c", of.0)
}

/// Whose the connections of a document are.
///
/// - Value: a hash, field the connection, value JSON ([`crate::connections::Holder`])
/// - Mutable
/// - Lives for `CONNECTION_TTL` after the last registration of a connection with an identity
pub(crate) fn holders(of: &Deployment, doc: &DocId) -> String {
    format!("inklog:{{{doc}}}:{}:h", of.0)
}

/// The registrations of a user, so that they can be found when access is revoked; it lies outside any
/// document's hash tag.
///
/// - Value: a sorted set, member `<document's id> <connection>`, score as in the document's connections
/// - Mutable; what has lapsed is removed with the next registration
/// - Lives for `CONNECTION_TTL` after the user's last registration
pub(crate) fn user_registrations(of: &Deployment, user: &str) -> String {
    format!("inklog-user:{{{user}}}:{}", of.0)
}

/// The documents of a connection; it lies outside any document's hash tag.
///
/// - Value: a sorted set, member the document's id, score when it was registered there
/// - Mutable
/// - Lives for `CONNECTION_TTL` after the connection's last registration
pub(crate) fn connection_docs(of: &Deployment, connection: &str) -> String {
    format!("inklog-conn:{{{connection}}}:{}", of.0)
}

/// The presence shown in a document.
///
/// - Value: a hash, field the agent, value `<length of the connection's name> <connection>`, the author as
///   `[user, name]` if there is one, and the state
/// - Mutable
/// - Lives for `CONNECTION_TTL` after the last change, so that expiry can still be announced
pub(crate) fn presence(of: &Deployment, doc: &DocId) -> String {
    format!("inklog:{{{doc}}}:{}:p", of.0)
}

/// When the presence of each agent in a document expires.
///
/// - Value: a sorted set, member the agent, score ms since the epoch
/// - Mutable
/// - Lives as long as the presence
pub(crate) fn presence_expiry(of: &Deployment, doc: &DocId) -> String {
    format!("inklog:{{{doc}}}:{}:x", of.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_key_is_another_and_a_documents_are_in_one_slot() {
        let mut all = BTreeSet::new();
        let mut count = 0;
        for of in [Deployment::new("one"), Deployment::new("two")] {
            for doc in ["d", "e"] {
                let (name, doc) = (doc, DocId::new(doc).unwrap());
                let keys = [
                    record(&of, &doc),
                    tail(&of, &doc),
                    piece(&of, &doc, "g", 0),
                    piece(&of, &doc, "g", 1),
                    piece(&of, &doc, "h", 0),
                    connections(&of, &doc),
                    holders(&of, &doc),
                    presence(&of, &doc),
                    presence_expiry(&of, &doc),
                ];
                assert!(keys.iter().all(|key| key.contains(&format!("{{{name}}}"))), "{keys:?}");
                count += keys.len();
                all.extend(keys);
            }
            let others =
                ["d", "e"].map(|name| [user_registrations(&of, name), connection_docs(&of, name)]).concat();
            count += others.len();
            all.extend(others);
        }
        assert_eq!(all.len(), count, "{all:?}");
    }
}
