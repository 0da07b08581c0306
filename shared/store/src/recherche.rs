//! Where a word is, in the whole of a store: the proof that what must not be kept is not.

use std::path::Path;

use sqlx::{AssertSqlSafe, Connection, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::StoreError;

/// The columns of a store on SQLite, as `table.column`, in which a word is, whatever their type.
///
/// # Errors
/// The file cannot be opened, or read.
pub async fn colonnes(file: &Path, word: &str) -> Result<Vec<String>, StoreError> {
    let options = SqliteConnectOptions::new().filename(file).read_only(true);
    let mut base = SqliteConnection::connect_with(&options).await?;
    let sql = "select m.name, c.name from sqlite_master m, pragma_table_info(m.name) c
               where m.type = 'table'";
    let all: Vec<(String, String)> = sqlx::query_as(sql).fetch_all(&mut base).await?;
    let mut found = Vec::new();
    for (table, column) in all {
        let sql = format!(
            "select count(*) from \"{table}\" where instr(cast(\"{column}\" as blob), ?) > 0"
        );
        let count = sqlx::query_scalar(AssertSqlSafe(sql)).bind(word.as_bytes().to_vec());
        let count: i64 = count.fetch_one(&mut base).await?;
        if count > 0 {
            found.push(format!("{table}.{column}"));
        }
    }
    base.close().await?;
    Ok(found)
}
