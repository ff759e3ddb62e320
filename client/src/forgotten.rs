//! A server that forgot: compares what two replicas have under the same ids, and carries typed text over
//! from one to the other.

use std::collections::BTreeMap;

use inklog_crdt::{Agent, Doc, Id, Op, SpanContent, Version};

/// The part of `known` that the other replica lacks: the agents whose chains end earlier there, with
/// their ends here.
pub(crate) fn ahead(known: &Version, theirs: &Version) -> Version {
    let further = known.iter().filter(|(agent, end)| theirs.get(agent) < *end);
    further.map(|(agent, end)| (agent.clone(), end)).collect()
}

/// Whether both have the same characters under the ids that both know, as far as neither has deleted
/// them. `known` says how far ours is durable.
pub(crate) fn agree(ours: &Doc, theirs: &Doc, known: &Version) -> bool {
    let (ours, other) = (by_agent(ours), by_agent(theirs));
    known.iter().all(|(agent, end)| {
        let limit = end.min(theirs.version().get(agent));
        let mut ours = characters(ours.get(agent), limit);
        let mut other = characters(other.get(agent), limit);
        loop {
            match (ours.next(), other.next()) {
                (None, None) => return true,
                (Some((id, char)), Some((other_id, other_char))) => {
                    let one_is_deleted = char.is_none() || other_char.is_none();
                    if id != other_id || !(one_is_deleted || char == other_char) {
                        return false;
                    }
                }
                _ => return false,
            }
        }
    })
}

type Runs = Vec<(u64, SpanContent)>;

fn by_agent(doc: &Doc) -> BTreeMap<Agent, Runs> {
    let mut all: BTreeMap<Agent, Runs> = BTreeMap::new();
    for span in doc.spans() {
        all.entry(span.id.agent).or_default().push((span.id.seq, span.content));
    }
    all.values_mut().for_each(|runs| runs.sort_unstable_by_key(|(seq, _)| *seq));
    all
}

/// Each id below `limit` that is a character, and the character unless it is deleted.
fn characters(runs: Option<&Runs>, limit: u64) -> impl Iterator<Item = (u64, Option<char>)> {
    let runs = runs.into_iter().flatten().flat_map(|(seq, content)| {
        let (text, deleted) = match content {
            SpanContent::Text(text) => (text.as_str(), 0),
            SpanContent::Deleted(len) => ("", *len),
        };
        let chars = text.chars().map(Some).chain((0..deleted).map(|_| None));
        (*seq..).zip(chars)
    });
    runs.take_while(move |(seq, _)| *seq < limit)
}

/// An edit of a document: first `len` characters go, then `text` comes in their place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Edit {
    pub at: usize,
    pub len: usize,
    pub text: String,
}

/// The edits that repeat on `fresh` the unsaved edits of `old`: `own`'s characters from `saved`
/// on, and the deletes among `ops`. A text goes after the
/// nearest preceding character that `fresh` also shows. Make them in the given order: the last place
/// first, so that no edit moves the place of the next.
pub(crate) fn to_do_again<'a>(
    old: &Doc,
    fresh: &Doc,
    (own, saved): (&Agent, u64),
    ops: impl Iterator<Item = &'a Op>,
) -> Vec<Edit> {
    let shown = Shown::new(fresh);
    let mut edits: Vec<Edit> = Vec::new();
    let text = old.text();
    let mut rest = text.chars();
    let mut at = 0;
    for (id, len) in old.visible() {
        let kept = if id.agent == *own { saved.saturating_sub(id.seq).min(len) } else { len };
        at = shown.in_range(&id, kept).last().map_or(at, |(index, len)| index + len);
        let typed: String = rest.by_ref().take(len as usize).skip(kept as usize).collect();
        if typed.is_empty() {
            continue;
        }
        match edits.last_mut() {
            Some(last) if last.at == at => last.text += &typed,
            _ => edits.push(Edit { at, len: 0, text: typed }),
        }
    }
    let gone = ops.filter_map(|op| match op {
        Op::Delete { target, len, .. } => Some(shown.in_range(target, *len)),
        Op::Insert { .. } => None,
    });
    let mut gone: Vec<(usize, usize)> = gone.flatten().collect();
    gone.sort_unstable();
    // What two ops delete goes once.
    let mut end = 0;
    for (index, len) in gone {
        let (from, to) = (index.max(end), (index + len).max(end));
        if from < to {
            edits.push(Edit { at: from, len: to - from, text: String::new() });
        }
        end = to;
    }
    // At one place the delete first: it means what stands there, not what comes.
    edits.sort_by_key(|edit| (std::cmp::Reverse(edit.at), std::cmp::Reverse(edit.len)));
    edits
}

/// Where ids are in a text.
struct Shown(BTreeMap<Agent, BTreeMap<u64, (usize, u64)>>);

impl Shown {
    fn new(doc: &Doc) -> Shown {
        let mut all = Shown(BTreeMap::new());
        let mut index = 0;
        for (id, len) in doc.visible() {
            all.0.entry(id.agent).or_default().insert(id.seq, (index, len));
            index += len as usize;
        }
        all
    }

    /// The places and lengths of what is shown of `len` ids, in the order of the ids.
    fn in_range(&self, id: &Id, len: u64) -> Vec<(usize, usize)> {
        let Some(of_agent) = self.0.get(&id.agent) else { return Vec::new() };
        let end = id.seq + len;
        let before = of_agent.range(..id.seq).next_back();
        let overlapping = before.into_iter().chain(of_agent.range(id.seq..end));
        let places = overlapping.filter_map(|(seq, (index, len))| {
            let (from, to) = ((*seq).max(id.seq), (seq + len).min(end));
            (from < to).then(|| (index + (from - seq) as usize, (to - from) as usize))
        });
        places.collect()
    }
}

/// The smallest contiguous change from `before` to `after`: where, how many characters go, and
/// what comes.
pub(crate) fn difference(before: &str, after: &str) -> Edit {
    let common = |a: &mut dyn Iterator<Item = char>, b: &mut dyn Iterator<Item = char>| {
        a.zip(b).take_while(|(a, b)| a == b).count()
    };
    let (count, after_count) = (before.chars().count(), after.chars().count());
    let at = common(&mut before.chars(), &mut after.chars());
    let room = count.min(after_count) - at;
    let behind = common(&mut before.chars().rev(), &mut after.chars().rev()).min(room);
    let text = after.chars().skip(at).take(after_count - at - behind).collect();
    Edit { at, len: count - at - behind, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(name: &str) -> Agent {
        Agent::new(name).unwrap()
    }

    fn text(name: &str, text: &str) -> Doc {
        let mut doc = Doc::new();
        doc.insert(&agent(name), 0, text).unwrap();
        doc
    }

    #[test]
    fn replicas_agree_unless_one_id_has_two_characters() {
        let ours = text("bob", "hello");
        let known = ours.version();
        assert!(agree(&ours, &ours, known));
        assert!(agree(&ours, &text("bob", "hel"), known), "less is no disagreement");
        assert!(agree(&ours, &text("bob", "hello, world"), known));
        assert!(agree(&ours, &Doc::new(), known));
        assert!(!agree(&ours, &text("bob", "help"), known));
        let mut deleted = ours.clone();
        deleted.delete(&agent("alice"), 1, 3).unwrap();
        assert!(agree(&ours, &deleted, known) && agree(&deleted, &ours, deleted.version()));
        // An id that is a character here and void there.
        let mut void = Doc::new();
        void.merge(&[], &[(agent("bob"), 5)].into_iter().collect()).unwrap();
        assert!(!agree(&ours, &void, known) && !agree(&void, &ours, void.version()));
    }

    #[test]
    fn what_is_done_again_finds_its_place_whatever_is_left_of_the_text() {
        let base = text("bob", "one two three");
        let mut old = base.clone();
        let alice = agent("alice");
        old.insert(&alice, 13, "!").unwrap();
        old.insert(&alice, 4, "and ").unwrap();
        let ops = old.delete(&alice, 0, 2).unwrap();
        assert_eq!(old.text(), "e and two three!");
        let again = |fresh: &Doc| {
            let mut fresh = fresh.clone();
            let twice = ops.iter().chain(&ops);
            for Edit { at, len, text } in to_do_again(&old, &fresh, (&alice, 0), twice) {
                if len > 0 {
                    fresh.delete(&agent("anew"), at, len).unwrap();
                }
                if !text.is_empty() {
                    fresh.insert(&agent("anew"), at, &text).unwrap();
                }
            }
            fresh.text()
        };
        assert_eq!(again(&base), "e and two three!");
        assert_eq!(again(&text("bob", "one ")), "e and !");
        assert_eq!(again(&Doc::new()), "and !");
        let mut other = base.clone();
        other.delete(&agent("carol"), 1, 5).unwrap();
        assert_eq!(other.text(), "oo three");
        assert_eq!(again(&other), "and o three!");
    }

    #[test]
    fn only_what_is_not_saved_of_a_run_is_done_again() {
        let old = text("alice", "saved and not");
        let fresh = text("alice", "saved");
        let edits = to_do_again(&old, &fresh, (&agent("alice"), 5), std::iter::empty());
        assert_eq!(edits, [Edit { at: 5, len: 0, text: " and not".into() }]);
    }

    #[test]
    fn a_difference_is_one_piece() {
        for (before, after) in
            [("", ""), ("aaa", "aa"), ("abc", "axc"), ("aé😀", "é😀b"), ("ab", "abab"), ("x", "")]
        {
            let Edit { at, len, text } = difference(before, after);
            let kept = before.chars().take(at).chain(text.chars()).chain(before.chars().skip(at + len));
            assert_eq!(kept.collect::<String>(), after, "{before:?}");
        }
    }
}
