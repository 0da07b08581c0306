//! `relais failures`, `tasks`, `indemnite`, `rdv` and `rpps integrate`: what an operator sees and
//! does, through the authenticated routes of the running services. Nothing is decided here.

pub(crate) mod cli;
pub(crate) mod indemnites;
mod pannes;
mod poste;
mod rdv;
mod rejeu;
pub(crate) mod rpps;
mod table;
mod taches;

use std::{process::ExitCode, time::Duration};

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use kernel::Clock;

use self::{
    cli::{Acces, FailuresCommande, RdvCommande, TasksCommande},
    poste::{Poste, Refus},
};

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OperationError {
    /// An option or a file is wrong.
    #[error("{0}")]
    Usage(String),
    /// A service refused, or did not answer.
    #[error("{0}")]
    Refus(String),
}

impl From<Refus> for OperationError {
    fn from(refus: Refus) -> Self {
        Self::Refus(refus.to_string())
    }
}

/// Runs `relais failures`.
pub(crate) async fn failures(commande: FailuresCommande) -> Result<ExitCode, OperationError> {
    match commande {
        FailuresCommande::List(args) => pannes::lister(args).await,
        FailuresCommande::Show(args) => pannes::montrer(args).await,
        FailuresCommande::Replay(args) => rejeu::rejouer(args).await,
        FailuresCommande::Discard(args) => rejeu::ecarter(args).await,
        FailuresCommande::Journal(args) => pannes::journal(args).await,
    }
}

/// Runs `relais tasks`.
pub(crate) async fn tasks(commande: TasksCommande) -> Result<ExitCode, OperationError> {
    match commande {
        TasksCommande::List(args) => taches::lister(args).await,
        TasksCommande::Show(args) => taches::montrer(args).await,
        TasksCommande::Close(args) => taches::clore(args).await,
    }
}

/// Runs `relais rdv`.
pub(crate) async fn rdv(commande: RdvCommande) -> Result<ExitCode, OperationError> {
    match commande {
        RdvCommande::Login(args) => rdv::login(args).await,
        RdvCommande::Reconcile(args) => rdv::reconcile(args).await,
    }
}

/// What each service answers; one that does not is told on standard error, and the rest shown.
struct Releve<T> {
    lignes: Vec<T>,
    muets: usize,
}

impl<T> Releve<T> {
    async fn de(
        acces: &Acces,
        lire: impl AsyncFn(&Poste) -> Result<Vec<T>, Refus>,
    ) -> Result<Self, OperationError> {
        let (mut lignes, mut muets) = (Vec::new(), 0);
        for poste in Poste::tous(acces)? {
            match lire(&poste).await {
                Ok(read) => lignes.extend(read),
                Err(refus) => {
                    eprintln!("erreur : {refus}");
                    muets += 1;
                }
            }
        }
        Ok(Self { lignes, muets })
    }

    fn code(&self) -> ExitCode {
        if self.muets == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Reads `--since`.
fn depuis(text: &str) -> Result<DateTime<Utc>, OperationError> {
    lire_depuis(text, Clock::system().now()).ok_or_else(|| {
        OperationError::Usage(format!(
            "--since {text} : attendu une date (2026-10-01), un instant (RFC 3339) ou une durée \
             (90m, 24h, 7j)"
        ))
    })
}

fn lire_depuis(text: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    if let Ok(instant) = text.parse::<DateTime<Utc>>() {
        return Some(instant);
    }
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Some(kernel::paris_at(day, NaiveTime::MIN));
    }
    let unit = text.chars().last()?;
    let count: u32 = text.strip_suffix(unit)?.parse().ok()?;
    let length = match unit {
        'm' => TimeDelta::minutes(count.into()),
        'h' => TimeDelta::hours(count.into()),
        'j' => TimeDelta::days(count.into()),
        _ => return None,
    };
    now.checked_sub_signed(length)
}

/// Reads a rate as the time between two.
fn lire_cadence(text: &str) -> Result<Duration, String> {
    let wrong = || format!("« {text} » : attendu N/s ou N/min, N de 1 à 1000");
    let (count, per) = text.split_once('/').ok_or_else(wrong)?;
    let count: u32 = count.parse().ok().filter(|n| (1..=1000).contains(n)).ok_or_else(wrong)?;
    match per {
        "s" => Ok(Duration::from_secs(1) / count),
        "min" => Ok(Duration::from_mins(1) / count),
        _ => Err(wrong()),
    }
}

fn lire_motif(text: &str) -> Result<String, String> {
    let motif = text.trim();
    if motif.is_empty() { Err("un motif est requis".to_owned()) } else { Ok(motif.to_owned()) }
}

fn lire_champ(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((nom, valeur)) if !nom.trim().is_empty() => {
            Ok((nom.trim().to_owned(), valeur.to_owned()))
        }
        Some(_) | None => Err(format!("« {text} » : attendu NOM=VALEUR")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_date_an_instant_or_a_length() {
        let now: DateTime<Utc> = "2026-10-10T12:00:00Z".parse().expect("an instant");
        let read = |text| lire_depuis(text, now).map(|t| t.to_rfc3339());
        assert_eq!(read("2026-10-01").as_deref(), Some("2026-09-30T22:00:00+00:00"), "Paris");
        assert_eq!(read("2026-10-01T08:00:00+02:00").as_deref(), Some("2026-10-01T06:00:00+00:00"));
        assert_eq!(read("90m").as_deref(), Some("2026-10-10T10:30:00+00:00"));
        assert_eq!(read("24h").as_deref(), Some("2026-10-09T12:00:00+00:00"));
        assert_eq!(read("7j").as_deref(), Some("2026-10-03T12:00:00+00:00"));
        for wrong in ["", "j", "-1h", "7d", "hier", "é"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_rate_is_the_time_between_two() {
        assert_eq!(lire_cadence("5/s"), Ok(Duration::from_millis(200)));
        assert_eq!(lire_cadence("30/min"), Ok(Duration::from_secs(2)));
        for wrong in ["5", "0/s", "1001/s", "5/h", "x/s"] {
            assert!(lire_cadence(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn fields_and_reasons_are_not_empty() {
        let field = Ok(("organisation_id".to_owned(), "a=b".to_owned()));
        assert_eq!(lire_champ("organisation_id=a=b"), field);
        assert!(lire_champ("=1").is_err() && lire_champ("x").is_err());
        assert_eq!(lire_motif(" doublon "), Ok("doublon".to_owned()));
        assert!(lire_motif("  ").is_err());
    }
}
