//! One suite for every store: every case runs on a fresh database, through two handles as two
//! replicas would hold them.

mod asks;
mod batch;
mod etapes;
mod failures;
mod fixtures;
mod inputs;
#[cfg(feature = "memory")]
mod memory_store;
mod operations;
mod outbox;
mod plans;
mod postgres_store;
mod shared;
mod sqlite_store;

/// Runs each case on each backend; a new case is one line here.
macro_rules! cases {
    ($($module:ident: $($case:ident),+;)+) => {
        mod sqlite {
            $(mod $module {
                $(#[tokio::test]
                async fn $case() {
                    let database = crate::sqlite_store::Database::create().await;
                    let [a, b] = database.open_two().await;
                    crate::$module::$case(a, b).await;
                })+
            })+
        }
        #[cfg(feature = "memory")]
        mod memory {
            $(mod $module {
                $(#[tokio::test]
                async fn $case() {
                    let [a, b] = crate::memory_store::open_two();
                    crate::$module::$case(a, b).await;
                })+
            })+
        }
        mod postgres {
            $(mod $module {
                $(#[tokio::test]
                async fn $case() {
                    let Some(database) =
                        crate::postgres_store::Database::create(stringify!($case)).await
                    else {
                        return;
                    };
                    let [a, b] = database.open_two().await;
                    crate::$module::$case(a.clone(), b.clone()).await;
                    database.finish([a, b]).await;
                })+
            })+
        }
    };
}

cases! {
    batch:
        a_batch_marks_loads_folds_and_writes, a_batch_reads_on_before_it_writes,
        marks_are_new_once,
        a_key_given_twice_is_loaded_once,
        versions_are_checked,
        a_missing_state_is_not_changed,
        a_conflict_changes_nothing,
        two_handles_never_lose_an_update,
        a_refused_value_rolls_everything_back,
        a_dropped_batch_changes_nothing,
        an_empty_batch_is_fine,
        the_inbox_is_purged_by_day;
    inputs:
        inputs_are_claimed_oldest_first_when_due,
        rows_come_back_as_they_were_written,
        a_claimed_input_is_invisible_until_its_lease_runs_out,
        an_older_lease_settles_nothing,
        ingress_is_idempotent,
        a_wake_is_replaced,
        a_wake_armed_by_the_batch_that_consumes_it_stays,
        the_claim_of_a_replaced_wake_settles_nothing,
        wakes_are_cancelled,
        a_replay_is_not_a_wake,
        next_due_follows_inputs_and_leases;
    asks:
        asks_are_claimed_when_due_and_not_paused,
        an_ask_comes_back_as_it_was_written,
        an_answer_is_stored_then_claimed_then_consumed,
        an_answer_may_stay_with_who_stored_it,
        an_answer_is_stored_once_under_the_last_lease,
        a_lease_that_runs_out_makes_an_ask_ambiguous,
        only_a_result_clears_ambiguity,
        a_failed_attempt_is_counted_unless_not_made,
        a_failed_ask_becomes_a_failure_with_its_messages,
        an_ask_made_again_has_a_lease_of_its_own,
        cancelling_spares_new_and_answered_asks,
        a_cancelled_ask_takes_no_answer,
        an_ask_whose_id_exists_is_kept,
        next_due_follows_asks_answers_and_leases;
    outbox:
        a_message_born_under_a_lease_is_its_writers,
        messages_come_back_byte_for_byte,
        a_message_is_claimed_once_and_deleted_on_confirm,
        a_message_written_twice_goes_out_at_least_once,
        messages_given_back_wait,
        failures_of_a_lost_lease_are_not_kept,
        next_due_follows_messages_and_leases;
    failures:
        a_failure_counts_attempts_and_reopens,
        a_failure_comes_back_as_it_was_written,
        a_failure_is_always_kept,
        failures_are_listed_newest_first,
        stats_count_what_waits;
    etapes:
        a_stage_keeps_its_instant_while_it_lasts,
        stages_are_counted_with_their_oldest;
    operations:
        failures_are_filtered_and_paged,
        a_failure_is_shown_without_its_body,
        failures_are_grouped,
        the_journal_keeps_every_action,
        an_action_and_its_effect_commit_together,
        tasks_are_listed_until_they_are_closed;
    shared:
        credentials_change_only_from_the_expected_version,
        a_budget_is_shared, a_budget_that_is_overspent_lasts_longer,
        budgets_are_apart,
        migrating_twice_is_fine,
        an_instant_keeps_its_microseconds,
        a_closed_store_is_not_ready,
        two_handles_never_claim_the_same_row;
}
