//! Where a word is in a whole file, for tests of what must not be kept. A value that is cut between
//! two pages of the file is found here, not by a search of its bytes.

use std::path::Path;

use sqlx::{AssertSqlSafe, Connection, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::StoreError;

/// The columns of any table, as `table.column`, in which some value holds the word; those that are
/// written when it is called are seen as of their last commit.
///
/// # Errors
/// [`StoreError`] when the file cannot be read or is not a database.
pub async fn search(path: &Path, word: &str) -> Result<Vec<String>, StoreError> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let mut conn = SqliteConnection::connect_with(&options).await?;
    let columns: Vec<(String, String)> = sqlx::query_as(
        "select m.name, c.name from sqlite_master m, pragma_table_info(m.name) c
         where m.type = 'table' order by 1, c.cid",
    )
    .fetch_all(&mut conn)
    .await?;
    let mut found = Vec::new();
    for (table, column) in columns {
        // Names from the file itself; its tables are those of the migrations.
        let sql = format!(
            "select exists (select 1 from \"{table}\"
             where instr(cast(\"{column}\" as blob), ?) > 0)"
        );
        let query = sqlx::query_scalar(AssertSqlSafe(sql)).bind(word.as_bytes());
        if query.fetch_one(&mut conn).await? {
            found.push(format!("{table}.{column}"));
        }
    }
    conn.close().await?;
    Ok(found)
}
