//! Who may do what.
//!
//! A token says who somebody is and what they may do with which documents. The authorizer alone reads
//! tokens; what it found travels as the context of every later event ([`Identity::to_context`]), and is
//! all that the other functions know and trust.
#![deny(missing_docs)]

mod grants;
mod identity;
mod mode;

pub use grants::{Grants, GrantsError};
pub use identity::{ContextError, Identity, display_name, user_of_subject};
pub use mode::{AuthMode, AuthModeError};
