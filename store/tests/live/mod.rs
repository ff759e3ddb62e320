//! The live state: one conformance suite for both implementations, and what only Redis can show.

mod append;
mod chaos;
mod cost;
mod expiry;
mod fold;
mod harness;
mod rebuild;
mod redis_only;

use harness::Harness;
pub use harness::base;

inklog_tests::conformance! {
    on memory tapped redis;
    append:
        an_unknown_document_is_a_miss
        an_append_needs_no_base
        an_append_of_nothing_is_fine
        offsets_count_on_and_events_keep_their_order
        a_cursor_of_another_tail_or_beyond_the_end_is_refused
        documents_do_not_meet
        a_dropped_document_begins_anew
        a_flushed_store_begins_anew;
    fold:
        a_fold_takes_in_what_was_read
        of_two_folds_of_one_reading_one_wins
        an_append_during_a_fold_stays
        a_fold_refuses_what_does_not_fit
        a_repeated_fold_is_the_same_fold
        waiting_events_travel_with_the_base
        what_is_set_aside_is_told_with_the_base
        a_fold_keeps_recent_cursors_good
        what_comes_during_a_fold_takes_no_room_from_what_is_kept
        an_event_over_the_kept_bytes_is_trimmed_whole
        bytes_not_folded_are_those_since_the_reading
        a_large_base_comes_back_whole
        an_empty_base_is_a_base
        a_fold_after_a_drop_changes_nothing;
    rebuild:
        a_rebuild_fills_an_unknown_document
        a_rebuild_leaves_the_tail_alone
        a_later_rebuild_takes_the_nonce
        a_rebuild_without_a_nonce_changes_nothing
        a_base_that_came_meanwhile_stays
        a_rebuild_that_swaps_takes_the_place_of_a_base
        a_fold_ends_a_rebuild
        a_flush_ends_a_rebuild
        a_drop_ends_a_rebuild
        a_repeated_commit_is_the_same_commit
        a_rebuild_that_is_given_up_leaves_nothing
        all_of_a_kept_tail_counts_after_a_rebuild;
    expiry:
        an_idle_document_expires_as_a_whole
        a_tail_that_begins_after_the_base_expires_with_it
        use_renews_the_life_of_all
        who_only_looks_renews_nothing;
    chaos:
        appends_and_folds_at_once_lose_nothing
        no_reader_misses_an_event_whatever_happens;
}
