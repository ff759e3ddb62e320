//! Who may do what.
//!
//! A token says who somebody is and what they may do with which documents. The authorizer alone reads
//! tokens; what it found travels as the context of every later event ([`Identity::to_context`]), and is
//! all that the other functions know and trust.
//!
//! ```text
//!   token.rs    a token verified (claims.rs, strict.rs: read to the letter)
//!   keys.rs     with which keys; source/ where they come from, live.rs when they are loaded again
//!   signing.rs  tokens issued, for the command and tests
//!   identity.rs, grants.rs   what comes out
//! ```
#![deny(missing_docs)]

mod claims;
mod grants;
mod identity;
mod keys;
mod live;
mod mode;
pub mod signing;
mod source;
mod strict;
mod token;

pub use grants::{Grants, GrantsError};
pub use identity::{ContextError, Identity, display_name, user_of_subject};
pub use keys::{Algorithm, AlgorithmError, Jwks, KEYS_BYTES_MAX, KEYS_MAX, Key, KeysError, SECRET_BYTES_MIN};
pub use live::{LiveError, LiveVerifier};
pub use mode::{AUTH_MODE_VARIABLE, AuthMode, AuthModeError};
pub use source::{KeySource, SourceError};
pub use token::{AUDIENCE, Inspection, Rules, TokenError, TokenPart, TokenVerifier, inspect};
