//! The catalogue: documents and their pointers, marks, floors; and revocations.

mod dirty;
mod entries;
mod floors;
mod revocations;

use std::sync::Arc;

use inklog_local::EmbeddedDynamoDb;
use inklog_store::catalogue::memory::MemoryCatalogue;
use inklog_store::catalogue::{self, DynamoCatalogue};
use inklog_store::{Catalogue, Revocations};

const TABLE: &str = "docs";

struct Harness {
    catalogue: Arc<dyn Catalogue>,
    revocations: Arc<dyn Revocations>,
    // Runs as long as the test.
    _embedded: Option<EmbeddedDynamoDb>,
}

inklog_tests::conformance! {
    on memory tapped embedded;
    entries:
        an_unknown_document_has_nothing
        a_mark_makes_an_entry_and_keeps_what_is_older
        a_pointer_moves_only_from_what_it_was
        of_many_who_move_a_pointer_one_does
        an_older_reading_of_a_size_does_not_count
        every_document_is_on_one_page
        a_sweep_keeps_its_place;
    dirty:
        a_mark_goes_by_its_own_nonce_only
        those_marked_longest_ago_come_first
        every_marked_document_is_on_one_page
        what_is_moved_back_waits_behind_the_others;
    floors:
        a_floor_only_rises
        the_floors_before_the_newest_are_kept_up_to_a_number
        floors_are_an_agents_and_a_documents;
    revocations:
        what_is_revoked_is_a_users_own
        of_two_revocations_the_later_counts
        what_is_older_than_any_token_is_forgotten;
}

impl Harness {
    async fn memory() -> Harness {
        Harness::of(Arc::new(MemoryCatalogue::new()), None)
    }

    async fn tapped() -> Harness {
        Harness::of(super::tapped(Arc::new(MemoryCatalogue::new())), None)
    }

    async fn embedded() -> Harness {
        let (embedded, client) = super::dynamodb().await;
        catalogue::create_table(&client, TABLE).await.unwrap();
        Harness::of(Arc::new(DynamoCatalogue::new(client, TABLE)), Some(embedded))
    }

    fn of<S: Catalogue + Revocations + 'static>(
        store: Arc<S>,
        embedded: Option<EmbeddedDynamoDb>,
    ) -> Harness {
        Harness { catalogue: store.clone(), revocations: store, _embedded: embedded }
    }
}

/// Sizes of what is paged by `page`: about one page, and about two.
fn sizes_about(page: usize) -> impl Iterator<Item = usize> {
    [0, 1, page - 1, page, page + 1, 2 * page, 2 * page + 1].into_iter()
}
