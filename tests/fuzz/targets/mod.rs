//! The decoders.

mod client;
mod event;
mod history;
mod image;
mod journal;
mod keys;
mod logged;
mod names;
mod object;
mod request;
mod segment;
mod server_message;
mod snapshot;
mod state;
mod token;

use crate::driver::Target;

/// Declares a test for each target, and the list of all.
macro_rules! targets {
    ($($module:ident)*) => {
        /// All targets.
        pub const ALL: &[&Target] = &[$(&$module::TARGET),*];

        mod tests {
            $(#[test]
            fn $module() {
                super::$module::TARGET.run();
            })*
        }
    };
}

targets! {
    client event history image journal keys logged names object request segment server_message snapshot state token
}
