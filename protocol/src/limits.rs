//! Every limit of Inklog, in one place. A size at the limit passes.

use std::time::Duration;

/// Version of the wire protocol, as `DOC_STATE` and `OP_REPLAY` carry it.
pub const PROTOCOL_VERSION: u32 = 1;

// --- API Gateway (AWS quotas) -------------------------------------------------------------------

/// One WebSocket frame, in bytes; a browser sends a message as one frame.
pub const FRAME_BYTES_MAX: usize = 32 * 1024;
/// One WebSocket message, in bytes, in either direction.
pub const MESSAGE_BYTES_MAX: usize = 128 * 1024;
/// A Lambda behind the gateway has this long to answer.
pub const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(29);

// --- DynamoDB and Lambda (AWS quotas) -----------------------------------------------------------

/// One DynamoDB item, in bytes.
pub const ITEM_BYTES_MAX: usize = 400 * 1024;
/// Items of one BatchWriteItem.
pub const BATCH_WRITE_MAX: usize = 25;

// --- Inklog's own -------------------------------------------------------------------------------

/// A part of `DOC_STATE` or `OP_REPLAY`, or a `REMOTE_OP`, in bytes of JSON: under a message's limit
/// with room for the envelope.
pub const PART_BYTES_MAX: usize = 120_000;
/// Text of one op in a state's `ops`, in bytes of UTF-8: longer runs are split.
pub const STATE_OP_TEXT_BYTES_MAX: usize = 16 * 1024;
/// A document's id, in characters.
pub const DOC_ID_LEN_MAX: usize = 128;
/// A user's name, in characters.
pub const USER_NAME_LEN_MAX: usize = 40;
/// The name that a user shows to others, in characters.
pub const DISPLAY_NAME_CHARS_MAX: usize = 100;
/// A token, in bytes: as a subprotocol it is a header, and API Gateway takes 10,240 bytes of those.
pub const TOKEN_BYTES_MAX: usize = 4 * 1024;
/// Names and patterns of documents in one token.
pub const GRANTS_MAX: usize = 100;
/// The longest life of a token: what is revoked need not be remembered for longer.
pub const TOKEN_LIFETIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// By how much the clocks of issuer and Inklog may differ.
pub const CLOCK_LEEWAY: Duration = Duration::from_secs(60);
/// How long a warm function caches that a user's tokens are not revoked.
pub const REVOCATION_CACHE_TTL: Duration = Duration::from_secs(60);
/// The message of an `ERROR`, in characters.
pub const REFUSAL_CHARS_MAX: usize = 300;
/// A presence state, in bytes of JSON.
pub const PRESENCE_BYTES_MAX: usize = 4 * 1024;
/// A cursor, in characters; it is opaque to clients.
pub const CURSOR_LEN_MAX: usize = 128;
/// A version in a client's `SYNC_STATE`, in bytes of JSON: about 1,400 agents. With its envelope it fits
/// into a frame. A client that knows more agents joins again.
pub const VERSION_BYTES_MAX: usize = 30_000;
/// A `ref`, in bytes of JSON.
pub const REF_BYTES_MAX: usize = 256;
/// For how many agents a `SYNC_STATE` with `confirm` reads the log.
pub const CONFIRM_AGENTS_MAX: usize = 8;
/// How many agents one connection may show presence for in one document.
pub const PRESENCE_AGENTS_PER_CONNECTION_MAX: usize = 8;
/// Presence expires if it is not renewed within this time.
pub const PRESENCE_TTL: Duration = Duration::from_secs(60);
/// A connection's registration expires if it does not sync within this time: three of a client's longest
/// pauses (5 min).
pub const CONNECTION_TTL: Duration = Duration::from_secs(15 * 60);
/// A document, in bytes: its encoded state and the events that wait in it. Beyond this, events that
/// insert are refused, so that the document can only shrink. Replaying plain text takes about 5 bytes of
/// memory for each of these, and the costliest shape found (every character in a place of its own) about
/// 46: even twice the limit then fits into a function of 1,024 MB.
pub const DOC_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Deletes are accepted up to this many times [`DOC_BYTES_MAX`]: even one without effect takes up bytes.
pub const DELETES_DOC_FACTOR: u64 = 2;
/// How precisely a document's size is known near the limit: a tail is folded once it exceeds this share
/// (an eighth) of the base.
pub const SIZE_SHARE: u64 = 8;
/// How long a warm ingest function refuses inserts into a full document before it looks again.
pub const FULL_CACHE_TTL: Duration = Duration::from_secs(5);
/// Waiting events that a live state carries, in bytes: the newest. The others stay in the log, and are
/// applied from there once they are ready.
pub const WAITING_KEPT_BYTES: usize = 64 * 1024;
/// A document's live state expires as a whole if nobody reads or writes it for this long.
pub const LIVE_STATE_TTL: Duration = Duration::from_secs(24 * 60 * 60);
/// A piece of an encoded base in Redis, in bytes.
pub const BASE_PIECE_BYTES_MAX: usize = 1024 * 1024;
/// The tail is folded into the base once it outgrows the base, but not below this many bytes.
pub const FOLD_BYTES_MIN: usize = 4 * 1024;
/// Folded events that the tail keeps so that cursors stay valid, in bytes.
pub const TAIL_KEPT_BYTES: usize = 64 * 1024;
/// A document is marked dirty in the catalogue at most this often.
pub const DIRTY_MARK_INTERVAL: Duration = Duration::from_secs(60);
/// How long a warm ingest function caches a floor.
pub const FLOOR_CACHE_TTL: Duration = Duration::from_secs(60);
/// Events younger than this are never compacted away, and a published floor is acted on no earlier
/// than this: longer than a cached floor and a running ingest ([`FLOOR_CACHE_TTL`] and
/// [`INTEGRATION_TIMEOUT`]) together.
pub const COMPACTION_GRACE: Duration = Duration::from_secs(5 * 60);
/// Encoded states that one process holds for its readers at once, in bytes in total.
pub const STATES_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Documents that one process opens for readers at once.
pub const STATES_OPENED_AT_ONCE: usize = 8;
/// A client that takes nothing of what was sent to it for this long is dropped.
pub const READER_PATIENCE: Duration = Duration::from_secs(20);
/// The broadcaster's posts in flight at once.
pub const BROADCAST_CONCURRENCY: usize = 64;

// --- How fast --------------------------------------------------------------------------------------
//
// A warm function counts for itself, so that on AWS several that run at once allow several times as much;
// the API's stage throttling and reserved concurrency bound the whole.

/// What one connection may send, in messages. A client at full speed has a few events under way at a time.
pub const MESSAGES: Rate = Rate { per_second: 100, burst: 1_000 };
/// What one connection may send, in KiB: a paste that fills a document passes at once.
pub const MESSAGE_KIB: Rate = Rate { per_second: 256, burst: 16 * 1024 };
/// Presence from one connection, in messages. Clients send at most five a second for each agent.
pub const PRESENCE: Rate = Rate { per_second: 40, burst: 100 };
/// States of documents for one connection, in KiB: a full document every few seconds.
pub const STATE_KIB: Rate = Rate { per_second: 1024, burst: 64 * 1024 };
/// Documents that one connection may begin.
pub const NEW_DOCUMENTS: Rate = Rate { per_second: 1, burst: 100 };
/// A user, with all connections, may do this many times what one connection may.
pub const USER_RATE_FACTOR: u32 = 4;
/// Connections and users that a warm function counts for.
pub const RATES_MAX: usize = 20_000;
/// Documents that one connection may have joined.
pub const DOCS_PER_CONNECTION_MAX: usize = 100;

/// So much a second in the long run, and so much at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// A second.
    pub per_second: u32,
    /// At once, by who did nothing before.
    pub burst: u32,
}
