//! Connections and presence: one suite for both implementations.

mod presence;
mod redis_only;
mod registry;

use std::sync::Arc;

use inklog_protocol::{Author, Right};
use inklog_store::connections::Holder;
use inklog_store::connections::memory::MemoryConnections;
use inklog_store::connections::redis::RedisConnections;
use inklog_tests::RedisServer;

use crate::support::tapped;

/// In seconds, the end of the tokens of these tests: far away.
const TOKEN_ENDS_S: u64 = 4_000_000_000;

fn holder(user: &str) -> Holder {
    let author = Author { user: user.to_owned(), name: None };
    Holder { author, right: Right::Write, expires_at: TOKEN_ENDS_S }
}

/// Both traits, which one object implements.
trait Store: inklog_store::Connections + inklog_store::Presence {}
impl<T: inklog_store::Connections + inklog_store::Presence> Store for T {}

struct Harness {
    store: Arc<dyn Store>,
    // Lives as long as the test.
    _server: Option<RedisServer>,
}

impl Harness {
    async fn memory() -> Harness {
        Harness { store: Arc::new(MemoryConnections::new()), _server: None }
    }

    async fn tapped() -> Harness {
        Harness { store: tapped(Arc::new(MemoryConnections::new())), _server: None }
    }

    async fn redis() -> Harness {
        let server = RedisServer::start();
        let store = Arc::new(RedisConnections::connect(&server.url(), "wss://api/dev").await.unwrap());
        Harness { store, _server: Some(server) }
    }
}

inklog_tests::conformance! {
    on memory tapped redis;
    registry:
        who_is_registered_is_listed
        a_connection_lapses_unless_it_is_renewed
        a_connection_joins_so_many_documents_and_one_that_it_left_makes_room
        a_removed_connection_is_gone_from_that_document_only
        whose_a_connection_is_comes_back_whole
        a_users_connections_are_found_in_all_documents
        a_registration_ends_with_its_token;
    presence:
        what_is_set_is_shown_until_it_expires
        an_agent_belongs_to_the_connection_that_set_it_last
        a_connection_shows_so_many_agents_and_no_more
        clearing_tells_whose_presence_went
        an_expired_agent_is_told_once
        odd_names_and_states_come_back_whole
        who_shows_it_comes_back_whole
        presence_ends_with_its_token;
}
