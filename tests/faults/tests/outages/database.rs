//! What happens to PostgreSQL.

use faults::{Banc, Entree, melange};
use harness::Prives;

use crate::{
    Case,
    regard::{messages, ready, until},
};

pub(crate) const CASES: &[(&str, Case)] = cases![
    the_database_stops_and_starts,
    the_database_is_killed,
    backends_are_terminated,
    the_database_is_read_only,
    a_table_is_locked,
    the_disk_is_full,
];

async fn the_database_stops_and_starts(prives: &mut Prives, banc: &Banc) {
    database_away(prives, banc, "stop").await;
}

async fn the_database_is_killed(prives: &mut Prives, banc: &Banc) {
    database_away(prives, banc, "kill").await;
}

async fn database_away(prives: &mut Prives, banc: &Banc, how: &str) {
    let replique = banc.replique().await;
    banc.publier(&melange("avant", 24)).await;
    prives.ordonner(&format!("{how} postgres")).await;
    assert!(until(|| async { !ready(&replique).await }).await, "not ready");
    // As many as this, on top of what was not settled before, can be committed by nobody.
    banc.publier(&melange("pendant", 48)).await;
    let held = messages(banc).await;
    assert!(held >= 48, "{held} messages are left: some were acknowledged");
    prives.ordonner("start postgres").await;
    banc.verifier().await.expect("everything comes back");
    assert!(until(|| async { ready(&replique).await }).await, "ready again");
    replique.arreter().await;
}

async fn backends_are_terminated(_: &mut Prives, banc: &Banc) {
    let replique = banc.replique().await;
    for lot in 0..8 {
        banc.publier(&melange(&format!("lot{lot}"), 24)).await;
        let kill = format!(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = '{}'",
            banc.application()
        );
        banc.executer(&kill).await;
    }
    banc.verifier().await.expect("everything comes back");
    replique.arreter().await;
}

async fn the_database_is_read_only(_: &mut Prives, banc: &Banc) {
    let switch = |to: &str| {
        format!(
            "begin read write;
             alter role relais set default_transaction_read_only = {to};
             select pg_terminate_backend(pid) from pg_stat_activity
             where application_name = '{}';
             commit",
            banc.application()
        )
    };
    refused_then_accepted(banc, &switch("on"), &switch("off")).await;
}

async fn a_table_is_locked(_: &mut Prives, banc: &Banc) {
    let timeout = |ms: u32| {
        format!(
            "alter role relais set lock_timeout = {ms};
             select pg_terminate_backend(pid) from pg_stat_activity where application_name = '{}'",
            banc.application()
        )
    };
    banc.executer(&timeout(200)).await;
    let mut other = banc.sql().await;
    sqlx::raw_sql("begin; lock table inbox in exclusive mode")
        .execute(&mut other)
        .await
        .expect("locks");
    let replique = banc.replique().await;
    nothing_is_acknowledged(banc).await;
    sqlx::raw_sql("rollback").execute(&mut other).await.expect("unlocks");
    banc.verifier().await.expect("everything comes back");
    banc.executer(&timeout(0)).await;
    replique.arreter().await;
}

/// SQLSTATE 53100, as PostgreSQL reports a full disk.
async fn the_disk_is_full(_: &mut Prives, banc: &Banc) {
    let full = "create function plein() returns trigger language plpgsql as
                $$ begin raise exception 'plein' using errcode = '53100'; end $$;
                create trigger plein before insert on outbox
                for each statement execute function plein()";
    refused_then_accepted(banc, full, "drop trigger plein on outbox").await;
}

async fn refused_then_accepted(banc: &Banc, refuse: &str, accept: &str) {
    let replique = banc.replique().await;
    banc.publier(&melange("avant", 24)).await;
    banc.verifier().await.expect("it works");
    banc.executer(refuse).await;
    nothing_is_acknowledged(banc).await;
    banc.executer(accept).await;
    banc.verifier().await.expect("everything comes back");
    replique.arreter().await;
}

/// Publishes what nobody can commit; all of it must be left on the broker.
async fn nothing_is_acknowledged(banc: &Banc) {
    let more: Vec<_> = (0..48).map(|n| Entree::new(format!("refuse-{n}"), n, "direct")).collect();
    banc.publier(&more).await;
    // Given to the service, which tries to commit them and cannot.
    assert!(until(|| async { banc.en_file("victime").await == 0 }).await, "taken");
    assert_eq!(messages(banc).await, 48, "nothing is acknowledged");
}
