//! The inbox's partitions: one per UTC day, made ahead, dropped whole. A mark whose day has none is
//! in the default partition, and deduplicates there just the same.

use chrono::NaiveDate;
use sqlx::{Acquire, AssertSqlSafe, PgConnection};

use crate::StoreError;

/// Begins the name of a day's partition.
const PREFIX: &str = "inbox_j";
/// How the day is written in it.
const DAY: &str = "%Y%m%d";

/// Makes the missing partitions of `from` to `until`, and moves there what waits in the default one.
pub(super) async fn prepare(
    conn: &mut PgConnection,
    from: NaiveDate,
    until: NaiveDate,
) -> Result<(), StoreError> {
    let known = days(conn).await?;
    let missing = from.iter_days().take_while(|day| *day <= until).filter(|d| !known.contains(d));
    let missing: Vec<NaiveDate> = missing.collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut tx = conn.begin().await?;
    // Another replica does the same, or a batch writes a mark of that day: one after the other.
    sqlx::raw_sql("lock table inbox_autres in access exclusive mode").execute(&mut *tx).await?;
    let known = days(&mut tx).await?;
    for day in missing.into_iter().filter(|day| !known.contains(day)) {
        let (name, next) = (day.format(&format!("{PREFIX}{DAY}")).to_string(), day.succ_opt());
        let Some(next) = next else { continue };
        let sql = format!(
            "create table {name} (like inbox including all);
             with moved as (delete from inbox_autres where jour = '{day}' returning *)
             insert into {name} select * from moved;
             alter table inbox attach partition {name} for values from ('{day}') to ('{next}')"
        );
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *tx).await?;
    }
    Ok(tx.commit().await?)
}

/// Drops the partitions of the days before `before`; what the default one has of them is deleted.
pub(super) async fn purge(conn: &mut PgConnection, before: NaiveDate) -> Result<(), StoreError> {
    for day in days(conn).await?.into_iter().filter(|day| *day < before) {
        let name = day.format(&format!("{PREFIX}{DAY}")).to_string();
        // Another replica may have dropped it meanwhile.
        let sql = format!("drop table if exists {name}");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *conn).await?;
    }
    sqlx::query("delete from inbox_autres where jour < $1").bind(before).execute(conn).await?;
    Ok(())
}

/// The days that have a partition.
async fn days(conn: &mut PgConnection) -> Result<Vec<NaiveDate>, StoreError> {
    let names: Vec<String> = sqlx::query_scalar(
        "select c.relname::text from pg_inherits i join pg_class c on c.oid = i.inhrelid
         where i.inhparent = 'inbox'::regclass",
    )
    .fetch_all(conn)
    .await?;
    let day = |name: String| NaiveDate::parse_from_str(name.strip_prefix(PREFIX)?, DAY).ok();
    Ok(names.into_iter().filter_map(day).collect())
}
