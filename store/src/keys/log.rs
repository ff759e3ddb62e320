//! The op log's table in DynamoDB, one item an event; its stream shows the same items.
//!
//! | attribute | type | holds |
//! |---|---|---|
//! | `doc` | S, partition key | the document's id |
//! | `sk` | S, sort key | `<agent>#<after, 16 digits>` |
//! | `ops` | B | [`inklog_crdt::Event::encoded`]'s bytes, which begin with their format's version |
//! | `end` | N | the event's end |
//! | `at` | N | when ingest took it, ms since the epoch |
//! | `user` | S, optional | who sent it |
//! | `name` | S, optional | what others see of them |
//! | `conn` | S, optional | over which connection |

use inklog_crdt::Agent;

pub(crate) const DOC: &str = "doc";
pub(crate) const SORT_KEY: &str = "sk";
pub(crate) const OPS: &str = "ops";
pub(crate) const END: &str = "end";
pub(crate) const AT: &str = "at";
pub(crate) const USER: &str = "user";
pub(crate) const NAME: &str = "name";
pub(crate) const CONNECTION: &str = "conn";

/// The sort key of an event; `after` is below 2^53 and so fits 16 digits.
pub(crate) fn sort_key(agent: &Agent, after: u64) -> String {
    format!("{agent}#{after:016}")
}

/// What [`sort_key`] was made from: the agent's name and `after`.
pub(crate) fn place_of(key: &str) -> Option<(Agent, u64)> {
    let (name, digits) = key.rsplit_once('#')?;
    let (agent, after) = (Agent::new(name).ok()?, digits.parse().ok()?);
    // Other numbers of digits, and a plus, would parse as well.
    (sort_key(&agent, after) == key).then_some((agent, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_one_key() {
        let agent = Agent::new("a~1").unwrap();
        assert_eq!(place_of(&sort_key(&agent, 7)), Some((agent, 7)));
        for other in ["a~1#7", "a~1#00000000000000007", "a~1#+000000000000007", "a~1#", "#0000000000000007"] {
            assert_eq!(place_of(other), None, "{other}");
        }
    }
}
