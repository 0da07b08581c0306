//! What operators see and leave behind.

use store::{FailureFilter, FailureRow, JournalRow, SharedStore, TaskRow, Writes};

use crate::fixtures::{assert_json, at, commit, failure, id};

/// Failures 1 to 5: (code, kind, seconds); the third is closed.
async fn five(store: &SharedStore) {
    let rows = [
        (1, "b", "x.v1", 50),
        (2, "a", "x.v1", 10),
        (3, "a", "x.v1", 20),
        (4, "a", "y.v1", 50),
        (5, "a", "x.v1", 30),
    ];
    let row = |(n, code, kind, seconds): (u128, &str, &str, i64)| FailureRow {
        code: code.to_owned(),
        kind: kind.to_owned(),
        first_seen: at(seconds),
        body: vec![b'x'; usize::try_from(n).expect("small")],
        ..failure(n)
    };
    let failures = rows.into_iter().map(row).collect();
    commit(store, Writes { failures, ..Writes::default() }).await.expect("commits");
    let close_failures = vec![(id(3), "ecartee".to_owned())];
    commit(store, Writes { close_failures, ..Writes::default() }).await.expect("closes");
}

fn open() -> FailureFilter {
    FailureFilter { open_only: true, ..FailureFilter::default() }
}

async fn ids(store: &SharedStore, filter: FailureFilter, max: usize) -> Vec<u128> {
    let heads = store.failure_heads(&filter, max).await.expect("lists");
    heads.into_iter().map(|head| head.id.as_u128()).collect()
}

pub(crate) async fn failures_are_filtered_and_paged(a: SharedStore, b: SharedStore) {
    five(&a).await;
    assert_eq!(ids(&b, FailureFilter::default(), 9).await, [2, 3, 5, 1, 4], "the first seen first");
    assert_eq!(ids(&b, open(), 9).await, [2, 5, 1, 4]);
    assert_eq!(ids(&b, FailureFilter { code: Some("a".to_owned()), ..open() }, 9).await, [2, 5, 4]);
    let kind = Some("x.v1".to_owned());
    assert_eq!(ids(&b, FailureFilter { kind, ..open() }, 9).await, [2, 5, 1]);
    assert_eq!(ids(&b, FailureFilter { since: Some(at(30)), ..open() }, 9).await, [5, 1, 4]);
    assert_eq!(ids(&b, open(), 2).await, [2, 5]);
    assert_eq!(ids(&b, FailureFilter { after: Some(id(5)), ..open() }, 2).await, [1, 4]);
    let closed = FailureFilter { after: Some(id(3)), ..open() };
    assert_eq!(ids(&b, closed, 1).await, [5], "after one that was closed meanwhile");
    assert_eq!(
        ids(&b, FailureFilter { after: Some(id(1)), ..open() }, 9).await,
        [4],
        "same instant"
    );
    assert_eq!(ids(&b, FailureFilter { after: Some(id(99)), ..open() }, 9).await, [0; 0]);
}

pub(crate) async fn a_failure_is_shown_without_its_body(a: SharedStore, b: SharedStore) {
    five(&a).await;
    let filter = FailureFilter { after: Some(id(2)), ..FailureFilter::default() };
    let head = b.failure_heads(&filter, 1).await.expect("lists").remove(0);
    let row = b.failure(id(3)).await.expect("reads").expect("exists");
    assert_eq!((head.id, head.key, head.origin), (row.id, row.key, row.origin));
    assert_eq!((head.kind, head.code, head.reason), (row.kind, row.code, row.reason));
    assert_eq!((head.first_seen, head.attempts), (row.first_seen, row.attempts));
    assert_eq!((head.outcome.as_deref(), head.body_bytes), (Some("ecartee"), 3));
}

pub(crate) async fn failures_are_grouped(a: SharedStore, b: SharedStore) {
    assert_eq!(b.failure_groups(&open()).await.expect("groups"), []);
    five(&a).await;
    let groups = async |filter: FailureFilter| -> Vec<(String, String, i64, i64, i64)> {
        let groups = b.failure_groups(&filter).await.expect("groups");
        let seconds = |t: chrono::DateTime<chrono::Utc>| (t - at(0)).num_seconds();
        groups
            .into_iter()
            .map(|g| (g.code, g.kind, g.count, seconds(g.oldest), seconds(g.newest)))
            .collect()
    };
    let row = |code: &str, kind: &str, count, oldest, newest| {
        (code.to_owned(), kind.to_owned(), count, oldest, newest)
    };
    let one = [row("a", "y.v1", 1, 50, 50), row("b", "x.v1", 1, 50, 50)];
    assert_eq!(groups(open()).await, [&[row("a", "x.v1", 2, 10, 30)], &one[..]].concat());
    let all = groups(FailureFilter::default()).await;
    assert_eq!(all[0], row("a", "x.v1", 3, 10, 30));
    assert_eq!(groups(FailureFilter { since: Some(at(40)), ..open() }).await, one);
}

fn acted(n: i64) -> JournalRow {
    JournalRow {
        at: at(n),
        par: "a.martin".to_owned(),
        action: "rejeu".to_owned(),
        objet: format!("panne {n}"),
        motif: (n % 2 == 0).then(|| "doublon\0".to_owned()),
    }
}

pub(crate) async fn the_journal_keeps_every_action(a: SharedStore, b: SharedStore) {
    let write = async |store: &SharedStore, journal| {
        commit(store, Writes { journal, ..Writes::default() }).await.expect("commits");
    };
    write(&a, vec![acted(1), acted(2)]).await;
    write(&b, vec![acted(3), acted(3)]).await;
    let entries = b.journal(None, 9).await.expect("reads");
    let objets: Vec<_> = entries.iter().map(|e| e.row.objet.as_str()).collect();
    assert_eq!(objets, ["panne 3", "panne 3", "panne 2", "panne 1"], "newest first");
    let second = &entries[2].row;
    assert_eq!((second.at, second.par.as_str()), (at(2), "a.martin"));
    assert_eq!(second.action, "rejeu");
    assert_eq!(second.motif.as_deref(), Some("doublon\u{fffd}"));
    assert_eq!(entries[3].row.motif, None);
    let page = a.journal(Some(entries[1].seq), 1).await.expect("reads");
    assert_eq!(page, [entries[2].clone()]);
    assert_eq!(a.journal(Some(entries[3].seq), 9).await.expect("reads"), []);
}

pub(crate) async fn an_action_and_its_effect_commit_together(a: SharedStore, b: SharedStore) {
    let journal = vec![acted(1)];
    let done_inputs = vec![(id(1), 7)];
    let lost = commit(&a, Writes { journal, done_inputs, ..Writes::default() }).await;
    assert!(matches!(lost, Err(store::StoreError::Conflict)), "{lost:?}");
    assert_eq!(b.journal(None, 9).await.expect("reads"), []);
}

fn task(n: u128, seconds: i64) -> TaskRow {
    TaskRow {
        id: id(n),
        gabarit: "rdv-organisation".to_owned(),
        key: format!("lieu/{n}"),
        objet: "agenda".to_owned(),
        champs: r#"{"nom":"Maison de santé"}"#.to_owned(),
        opened_at: at(seconds),
    }
}

pub(crate) async fn tasks_are_listed_until_they_are_closed(a: SharedStore, b: SharedStore) {
    let open_tasks = vec![task(1, 20), task(2, 10), task(3, 10)];
    commit(&a, Writes { open_tasks, ..Writes::default() }).await.expect("commits");
    let again = vec![TaskRow { objet: "autre".to_owned(), ..task(1, 99) }];
    commit(&a, Writes { open_tasks: again, ..Writes::default() }).await.expect("commits");
    let tasks = b.tasks(9).await.expect("lists");
    let ids: Vec<_> = tasks.iter().map(|t| t.id.as_u128()).collect();
    assert_eq!(ids, [2, 3, 1], "the oldest first");
    let (read, written) = (&tasks[2], task(1, 20));
    assert_json(&read.champs, &written.champs);
    let champs = read.champs.clone();
    assert_eq!(*read, TaskRow { champs, ..written });
    assert_eq!(b.tasks(1).await.expect("lists").len(), 1);
    let close_tasks = vec![id(2), id(99)];
    commit(&b, Writes { close_tasks, ..Writes::default() }).await.expect("commits");
    let both = Writes {
        open_tasks: vec![task(4, 1)],
        close_tasks: vec![id(4), id(3)],
        ..Writes::default()
    };
    commit(&b, both).await.expect("commits");
    let left = a.tasks(9).await.expect("lists");
    assert_eq!(left.iter().map(|t| t.id.as_u128()).collect::<Vec<_>>(), [1]);
}
