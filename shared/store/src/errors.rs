//! Errors, and the one place that says what an error of a database means for the engine.

use sqlx::{error::DatabaseError, migrate::MigrateError, postgres::PgDatabaseError};

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database is away, locked or shutting down; try again, nothing was changed.
    #[error("the database is away")]
    Away(#[source] kernel::BoxError),
    /// Somebody else moved one of the rows meanwhile; nothing was changed, run the batch again.
    #[error("concurrent change")]
    Conflict,
    /// The database refuses a value of the batch (SQLSTATE classes 22, 23, 54): bisect it.
    #[error("the database refuses a value")]
    Data(#[source] kernel::BoxError),
    /// Anything else: a defect or a wrong installation.
    #[error("database error")]
    Fatal(#[source] kernel::BoxError),
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the enum is open; what is unknown is fatal")]
impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let class = match &error {
            sqlx::Error::Database(e) => of_database(&**e),
            // the connection broke, or none could be had in time
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::WorkerCrashed => Class::Away,
            // a value that cannot be sent is as bad as one that is refused
            sqlx::Error::Encode(_) => Class::Data,
            _ => Class::Fatal,
        };
        class.wrap(error)
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the enum is open; what is unknown is fatal")]
impl From<MigrateError> for StoreError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(e) | MigrateError::ExecuteMigration(e, _) => {
                match Self::from(e) {
                    // a migration holds no value of ours: it cannot be bisected
                    Self::Data(source) => Self::Fatal(source),
                    class => class,
                }
            }
            MigrateError::VersionMissing(version) => Self::fatal(format!(
                "a newer program brought the store to version {version}: run that program again"
            )),
            other => Self::Fatal(Box::new(other)),
        }
    }
}

impl StoreError {
    /// Something that cannot be, with a sentence of ours.
    pub(crate) fn fatal(sentence: impl Into<kernel::BoxError>) -> Self {
        Self::Fatal(sentence.into())
    }

    /// The error of a statement that takes what is free and waits for nobody: what somebody else
    /// holds is a conflict.
    pub(crate) fn unless_held(error: sqlx::Error) -> Self {
        let held = |e: &sqlx::Error| {
            e.as_database_error().is_some_and(|e| e.code().as_deref() == Some("55P03"))
        };
        if held(&error) { Self::Conflict } else { error.into() }
    }

    /// What is stored does not read back.
    pub(crate) fn fatal_source(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Fatal(Box::new(error))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Away,
    Conflict,
    Data,
    Fatal,
}

impl Class {
    fn wrap(self, error: sqlx::Error) -> StoreError {
        match self {
            Self::Away => StoreError::Away(Box::new(error)),
            Self::Conflict => StoreError::Conflict,
            Self::Data => StoreError::Data(Box::new(error)),
            Self::Fatal => StoreError::Fatal(Box::new(error)),
        }
    }
}

fn of_database(error: &dyn DatabaseError) -> Class {
    let Some(code) = error.code() else { return Class::Fatal };
    if error.try_downcast_ref::<PgDatabaseError>().is_some() {
        of_sqlstate(&code)
    } else {
        code.parse().map_or(Class::Fatal, of_sqlite)
    }
}

/// Classes from PostgreSQL's documentation, appendix A (error codes).
fn of_sqlstate(code: &str) -> Class {
    match code {
        // serialization failure, deadlock
        "40001" | "40P01" => Class::Conflict,
        // lock not available; template being copied; read-only, as a standby is until it is
        // promoted; transaction left idle too long; query cancelled
        "55P03" | "55006" | "25006" | "25P03" | "57014" => Class::Away,
        _ => match code.get(..2).unwrap_or_default() {
            // data exception, integrity violation, program limit exceeded
            "22" | "23" | "54" => Class::Data,
            // connection exception; insufficient resources (disk full, too many connections);
            // system error outside PostgreSQL (I/O)
            "08" | "53" | "58" => Class::Away,
            // operator intervention: shutdown, crash of another session, starting up
            "57" if code.starts_with("57P") => Class::Away,
            _ => Class::Fatal,
        },
    }
}

/// Result codes from <https://www.sqlite.org/rescode.html>; the low byte is the primary code.
fn of_sqlite(code: i32) -> Class {
    // CONSTRAINT_TRIGGER: raised by lot.sql when a row is not as expected
    if code == 1811 {
        return Class::Conflict;
    }
    match code & 0xff {
        // BUSY, LOCKED, NOMEM, IOERR, FULL
        5 | 6 | 7 | 10 | 13 => Class::Away,
        // TOOBIG, CONSTRAINT, MISMATCH
        18..=20 => Class::Data,
        _ => Class::Fatal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlstates_have_their_class() {
        for (code, class) in [
            ("40001", Class::Conflict),
            ("40P01", Class::Conflict),
            ("22021", Class::Data),
            ("22P05", Class::Data),
            ("23505", Class::Data),
            ("54000", Class::Data),
            ("08006", Class::Away),
            ("53100", Class::Away),
            ("53300", Class::Away),
            ("55P03", Class::Away),
            ("57P01", Class::Away),
            ("57P03", Class::Away),
            ("42P01", Class::Fatal),
            ("28P01", Class::Fatal),
            ("", Class::Fatal),
        ] {
            assert_eq!(of_sqlstate(code), class, "{code}");
        }
    }

    #[test]
    fn sqlite_codes_have_their_class() {
        // BUSY, BUSY_RECOVERY, FULL, CONSTRAINT_UNIQUE, CONSTRAINT_TRIGGER, ERROR, CANTOPEN
        for (code, class) in [
            (5, Class::Away),
            (261, Class::Away),
            (13, Class::Away),
            (2067, Class::Data),
            (1811, Class::Conflict),
            (1, Class::Fatal),
            (14, Class::Fatal),
        ] {
            assert_eq!(of_sqlite(code), class, "{code}");
        }
    }

    #[test]
    fn connection_errors_are_away() {
        let lost = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        assert!(matches!(StoreError::from(sqlx::Error::from(lost)), StoreError::Away(_)));
        assert!(matches!(StoreError::from(sqlx::Error::PoolTimedOut), StoreError::Away(_)));
        assert!(matches!(StoreError::from(sqlx::Error::PoolClosed), StoreError::Fatal(_)));
    }
}
