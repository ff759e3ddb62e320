//! Bugs that are planted so that the fault simulation can show that it finds them.
//!
//! Each breaks one rule that keeps text, or trust. They are here because this crate lies beneath all that have one.
//! Without the feature `planted`, which only the simulation turns on, [`planted`] is `false` when the code is
//! compiled, and nothing of them is left. With it, a thread has at most one bug, for as long as its guard lives.

#[cfg(feature = "planted")]
use std::{cell::Cell, marker::PhantomData};

macro_rules! bugs {
    ($($(#[doc = $seen:literal])+ $bug:ident: $rule:literal,)+) => {
        /// A bug. Its line says what a check sees of it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Bug {
            $($(#[doc = $seen])+ $bug,)+
        }

        impl Bug {
            /// All of them, in the order of the rules.
            pub const ALL: &[Bug] = &[$(Bug::$bug),+];

            /// Its name, as it stands in the code.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Bug::$bug => stringify!($bug),)+
                }
            }

            /// The rule of the design that it breaks.
            pub const fn rule(self) -> &'static str {
                match self {
                    $(Bug::$bug => $rule,)+
                }
            }
        }
    };
}

bugs! {
    /// Text whose anchor came later is missing in some replicas: they differ.
    ReadinessIgnoresAnchors: "§2: an event is applied once all its anchors are known",
    /// An event waits in every replica, and what follows in its chain with it, though nothing is missing.
    VoidIsWaitedFor: "§2: nothing waits for a known id that is no node",
    /// Replicas with the same events differ, in the order of what was typed at one place.
    SiblingsByArrival: "§2: siblings are ordered by id, whatever the order of arrival",

    /// After a restart, text that was sent is there twice, or a place in a chain is used twice.
    SendsBeforeKeeping: "§3: a client keeps an event before it sends it",
    /// After a restart, text that was typed is gone, and its agent's ids are used again.
    GoesOnWithoutItsEvents: "§3: a client never goes on with an agent without its record",
    /// SEND_OP goes out on a connection that has not told the server's version.
    SendsBeforeLearning: "§3: after a reconnect, a client learns the server's version first",
    /// Text whose acknowledgement was lost is there twice.
    OffersSavedTextAgain: "§3: text is never doubled",
    /// Text that the log refused is gone.
    DropsRefusedText: "§3: text is never dropped in silence",

    /// The tail, and so who syncs by a cursor, lacks an event that came while there was no base.
    AppendNeedsBase: "§4: the materializer appends, even if the base is missing",
    /// Of two folds at once, the later one takes back what the earlier one had.
    FoldIgnoresTag: "§4: a fold compares generation and tail offset",
    /// An event that was appended during a fold is not in the live state.
    FoldTakesAllOfTail: "§4: a fold takes in the tail as far as it read it",
    /// A live state that was dropped comes back without what came meanwhile.
    RebuildNeedsNoNonce: "§4: a rebuild writes only if its nonce still stands",
    /// An event that was appended during a rebuild is not in the live state.
    RebuildTakesAllOfTail: "§4: a rebuild never touches the tail",
    /// A store fails, and a live state or snapshot without the log's events is made.
    ErrorReadsAsEmpty: "§4: an error while reading is never taken for \"empty\"",
    /// A reader gets the base from before a fold, and the tail from after it.
    BaseAndTailInTwoSteps: "§4: base and tail are read in one step",
    /// After Redis has started from an old dump, the live state lacks what came after that.
    BaseOutlivesItsRedis: "§4: a base names the Redis process it lives in",
    /// A client that lacks part of the base is sent the tail only, with a cursor that skips the rest.
    ReplaySkipsBase: "§4: readers take base and tail together, and the version from them",

    /// Between a reader's two reads, events leave the log for a snapshot that it does not know.
    PointerBeforeLog: "§4: the log is read whole, then the pointer",
    /// A replay of the history lacks an event.
    SegmentLacksLast: "§4: a segment holds exactly the events between two pointers",
    /// A replay of the history has an event twice.
    SegmentRepeats: "§4: a segment holds exactly the events between two pointers",
    /// Of two compactions at once, the history of one is lost.
    PointerMovesAnyway: "§4: the pointer moves only if it is the one that was read",
    /// A pointer leads to an object that cannot be read, though it was written in this run.
    NothingIsReadBack: "§4: nothing is pointed to before it was read back",
    /// Events leave the log while a warm function may still take others in their place.
    FloorsHoldAtOnce: "§4: a floor is acted on after a grace period",
    /// An event is acknowledged in a place that is compacted, and is never applied.
    FloorIsIgnored: "§4: below the floor, send_op takes nothing",
    /// The index of dirty documents lacks one that has changed since it was read.
    MarkGoesWithoutNonce: "§4: a mark is removed only if it is the one that was read",
    /// It lacks one whose mark could not be written.
    MarkMayFail: "§4: a document is marked before its checkpoint",

    /// An event is acknowledged, and not in the log.
    AckWithoutAppend: "§3: an event is acknowledged once it is durable",
    /// Two events are acknowledged for one place in a chain.
    ConflictIsRepeat: "§4: the log admits one event in a place",

    /// A batch counts as done that the live state did not take.
    FailureIsSuccess: "§4: a dependency that fails for all is retried without limit",
    /// A record that cannot be read is not followed by any other.
    PoisonIsHeld: "§4: a record that cannot be decoded is set aside",
    /// The live state lacks the event of a record that could not be read.
    PoisonKeepsLiveState: "§4: where a record was set aside, a rebuild decides",
    /// A record in a newer encoding is set aside.
    NewerIsPoison: "§4: a newer encoding is held, not set aside",
    /// While one document cannot be kept, the others' records wait.
    OneFailsForAll: "§4: a document that alone fails stops no other",
    /// A broadcast takes as long as its slowest connection.
    SlowIsWaitedFor: "§4: no connection delays another",

    /// Who comes past the authorizer is answered.
    StrangersPass: "§8: without the authorizer's context, everything is unauthorized",
    /// Who may read only has written.
    ReadersWrite: "§8: one place decides on the right that an action needs",
    /// A message is answered after its token's end.
    ExpiredPass: "§8: after a token's end, everything is unauthorized",
    /// Edits are pushed to a connection after its token's end.
    RegistrationOutlivesToken: "§8: a registration never outlives its token",
    /// A message is answered a minute after its token was revoked.
    RevokedPass: "§8: a revoked token is void",

    /// A client keeps the text that the log forgot, and never agrees with the others.
    MergesForgottenText: "§10: a client does not go on in silence with a log that forgot",
    /// A client's copy of what the log forgot is nowhere.
    PutsNothingAside: "§10: what a server forgot is put aside, and kept",
}

#[cfg(feature = "planted")]
thread_local! {
    /// This thread's bug, and how often the code has asked for it in vain.
    static HERE: Cell<(Option<Bug>, u64)> = const { Cell::new((None, 0)) };
}

/// Whether the code is to have this bug.
#[cfg(not(feature = "planted"))]
#[inline(always)]
pub const fn planted(_: Bug) -> bool {
    false
}

/// Whether the code is to have this bug.
#[cfg(feature = "planted")]
pub fn planted(bug: Bug) -> bool {
    let (here, times) = HERE.get();
    let is_here = here == Some(bug);
    if is_here {
        HERE.set((here, times + 1));
    }
    is_here
}

/// The guard of a thread's bug.
#[cfg(feature = "planted")]
pub struct Planted(PhantomData<*const ()>);

#[cfg(feature = "planted")]
impl Bug {
    /// Plants the bug in this thread, instead of the one before.
    #[must_use = "the bug lives as long as the guard"]
    pub fn plant(self) -> Planted {
        HERE.set((Some(self), 0));
        Planted(PhantomData)
    }
}

#[cfg(feature = "planted")]
impl Planted {
    /// How often the bug has decided.
    pub fn times(&self) -> u64 {
        HERE.get().1
    }
}

#[cfg(feature = "planted")]
impl Drop for Planted {
    fn drop(&mut self) {
        HERE.set((None, 0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_every_bug_breaks_a_rule() {
        let mut names: Vec<_> = Bug::ALL.iter().map(|bug| bug.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Bug::ALL.len());
        assert!(Bug::ALL.iter().all(|bug| !bug.rule().is_empty()));
    }

    #[cfg(not(feature = "planted"))]
    #[test]
    fn no_bug_is_planted() {
        assert!(!Bug::ALL.iter().any(|bug| planted(*bug)));
    }

    #[cfg(feature = "planted")]
    #[test]
    fn a_bug_is_planted_in_one_thread_while_its_guard_lives() {
        let (one, other) = (Bug::ALL[0], Bug::ALL[1]);
        let guard = one.plant();
        assert!(planted(one) && planted(one) && !planted(other));
        assert_eq!(guard.times(), 2);
        assert!(!std::thread::spawn(move || planted(one)).join().unwrap());
        drop(guard);
        assert!(!planted(one));
    }
}
