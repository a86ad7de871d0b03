//! One suite for every adapter of the log: each test is written once and runs on SQLite and on Postgres.

mod access;
mod append;
mod epochs;
mod place;
mod postgres;
mod proxy;
mod read;
mod runtime;
mod schema;
mod sqlite;
mod tickets;
mod trim;
mod writers;

macro_rules! contract {
    ($($module:ident: $($name:ident),+;)+) => {
        mod on_sqlite {
            $($(
                #[tokio::test(flavor = "multi_thread")]
                async fn $name() {
                    super::$module::$name(super::place::Place::sqlite()).await;
                }
            )+)+
        }
        mod on_postgres {
            $($(
                #[tokio::test(flavor = "multi_thread")]
                async fn $name() {
                    super::$module::$name(super::place::Place::postgres().await).await;
                }
            )+)+
        }
    };
}

contract! {
    append:
        seqs_are_dense_from_one_and_in_request_order,
        the_same_content_again_is_a_duplicate_of_the_first,
        other_content_under_a_known_id_refuses_its_request_and_no_other,
        with_keep_the_rest_of_the_request_is_stored,
        a_repetition_within_a_request_belongs_to_the_first,
        ids_are_scoped_by_source,
        an_id_tells_the_digest_that_it_was_stored_with,
        an_id_shared_by_two_requests_stores_nothing,
        time_never_runs_backwards_along_seq,
        logs_are_numbered_apart,
        a_large_batch_is_stored_whole_and_reads_back_byte_for_byte;
    writers:
        concurrent_writers_leave_no_hole_and_a_tailing_reader_sees_every_seq_in_order;
    read:
        a_walk_of_pages_equals_the_filter_itself,
        a_rare_stream_in_a_big_log_is_one_page,
        an_empty_page_moves_to_the_head,
        a_page_keeps_to_its_bytes_but_holds_one_event;
    trim:
        a_trim_by_count_keeps_the_newest,
        a_trim_by_age_keeps_what_is_young,
        a_trim_that_was_cut_short_is_made_up_for,
        an_emptied_log_goes_on_numbering,
        ids_outlive_their_events_and_are_forgotten_after_their_time,
        the_id_of_a_kept_event_is_never_forgotten,
        a_time_finds_the_seq_before_it;
    epochs:
        a_log_has_an_epoch_from_its_first_moment_and_keeps_it,
        a_new_epoch_starts_behind_the_head,
        positions_tell_of_every_log,
        a_look_says_what_every_log_is_called,
        a_number_that_a_restore_took_away_is_not_given_out_again;
    schema:
        a_schema_that_a_newer_version_has_added_to_is_served,
        a_schema_from_which_a_newer_version_took_something_away_is_refused;
    access:
        a_store_begins_with_nothing_changed,
        a_key_reads_back_as_it_was_stored,
        a_key_whose_id_is_taken_changes_nothing,
        a_rotated_key_keeps_the_secret_before_it,
        a_key_that_is_ended_twice_keeps_the_first_time,
        a_revocation_holds_until_it_is_lifted_or_expires,
        a_logs_settings_are_set_as_a_whole,
        the_trail_is_read_in_order_of_one_log_or_of_all,
        the_audit_trail_is_append_only,
        changes_become_visible_in_the_order_of_their_versions_and_numbers,
        a_service_secret_is_made_once;
    tickets:
        the_first_use_binds_a_ticket,
        of_first_uses_at_once_one_binding_wins,
        uses_at_once_are_numbered_without_repetition,
        a_ticket_that_is_late_is_not_taken,
        a_ticket_may_be_stored_again_until_it_is_used,
        a_use_after_the_first_is_told_behind_the_version_before_it,
        what_has_expired_is_forgotten_in_steps;
}
