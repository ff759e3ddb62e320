//! How large a run is. All of it follows from the seed; a shrunk run overrides some.

use std::time::Duration;

use inklog_protocol::limits::DOC_BYTES_MAX;
use inklog_store::tap::Operation;

use super::draw::Draw;

/// How much happens in how much time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    Usual,
    /// Much happens and nothing is quick, so that handlers meet.
    Dense,
    /// Little happens for hours, so that jobs meet compactions, and edits a document at rest.
    Calm,
}

#[derive(Debug, Clone)]
pub struct Plan {
    pub docs: usize,
    pub clients: usize,
    /// What each client types, in edits.
    pub edits: usize,
    /// How long the faulty part lasts.
    pub lasts: Duration,
    pub latency_ms: u64,
    /// Whether now and then an edit is as large as a limit.
    pub large: bool,
    pub pace: Pace,
    pub doc_bytes_max: u64,
    /// Whether access is controlled, and how long tokens live then, in seconds.
    pub token_life_s: Option<u64>,
    /// Whether clients have a store.
    pub stored: bool,
    /// Programs that send odd messages.
    pub bots: usize,
    /// How long a client's store takes at most.
    pub disk_ms: u64,
    /// The kind of call that a store refuses more often than others.
    pub failing: Operation,
}

impl Plan {
    pub fn is_dense(&self) -> bool {
        self.pace == Pace::Dense
    }

    pub fn drawn(draw: &mut Draw) -> Plan {
        let size = draw.unit();
        let large = draw.chance(0.35);
        // What is dense folds, so that edits must be large.
        let pace = match large {
            true if draw.chance(0.8) => Pace::Dense,
            false if draw.chance(0.25) => Pace::Calm,
            _ => Pace::Usual,
        };
        let edits = match pace {
            Pace::Usual => 2 + (size * size * 30.0) as usize,
            Pace::Dense | Pace::Calm => 10 + (size * 20.0) as usize,
        };
        let plan = Plan {
            docs: if draw.chance(0.8) { 1 } else { 2 },
            clients: draw.between(1, if pace == Pace::Calm { 1 } else { 4 }) as usize,
            edits,
            lasts: Duration::from_secs(match pace {
                Pace::Usual => draw.pick(&[10, 60, 300, 1_200, 3_600]),
                Pace::Dense => 20,
                Pace::Calm => 6 * 3_600,
            }),
            latency_ms: draw.pick(if pace == Pace::Dense { &[500, 1_500] } else { &[0, 5, 50, 500] }),
            large,
            pace,
            doc_bytes_max: if draw.chance(0.1) { draw.between(200, 20_000) } else { DOC_BYTES_MAX },
            token_life_s: draw.chance(0.4).then_some(draw.pick(&[20, 60, 300, 3_600])),
            stored: draw.chance(0.8),
            bots: usize::from(draw.chance(if pace == Pace::Calm { 0.2 } else { 0.4 })),
            disk_ms: draw.pick(&[20, 20, 3_000]),
            failing: draw.pick(Operation::ALL),
        };
        // Where answers take long, a short token would leave no time between two connections.
        let token_life_s = plan.token_life_s.map(|life| life.max(plan.latency_ms / 25));
        Plan { token_life_s, ..plan }
    }
}
