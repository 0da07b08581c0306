//! The file that a CPAM gives back: the CSV of a statement, with what became of each line. It is
//! read whole and checked before anything is asked.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use contracts::{CodeCpam, Mois};
use serde::Deserialize;
use uuid::Uuid;

/// What a CPAM did with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Issue {
    /// Paid on that day.
    Payee(NaiveDate),
    /// Rejected, with a code.
    Rejetee(String),
}

/// A line of a statement, as the CPAM gives it back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Retour {
    /// Its place in the file, from 1; the header is 1.
    pub(super) rangee: usize,
    pub(super) ligne: Uuid,
    pub(super) centimes: i64,
    pub(super) issue: Issue,
}

/// What is read, by statement: CPAM, month, rank.
pub(super) type Retours = BTreeMap<(CodeCpam, Mois, u32), Vec<Retour>>;

#[derive(Deserialize)]
struct Rangee {
    cpam: CodeCpam,
    mois: Mois,
    rang: u32,
    ligne: Uuid,
    centimes: i64,
    issue: String,
    #[serde(default)]
    paye_le: String,
    #[serde(default)]
    code: String,
}

/// Reads a file; a row without `issue` waits still.
///
/// # Errors
/// A sentence for each row that makes no sense.
pub(super) fn lire(text: &str) -> Result<Retours, Vec<String>> {
    let text = text.trim_start_matches('\u{feff}');
    let mut reader =
        csv::ReaderBuilder::new().delimiter(b';').trim(csv::Trim::All).from_reader(text.as_bytes());
    let (mut retours, mut wrong) = (Retours::new(), Vec::new());
    for (n, row) in reader.deserialize::<Rangee>().enumerate() {
        let rangee = n + 2;
        match row.map_err(|e| raison(&e)).and_then(|row| retour(rangee, row)) {
            Ok(Some((etat, retour))) => retours.entry(etat).or_default().push(retour),
            Ok(None) => {}
            Err(text) => wrong.push(format!("rangée {rangee} : {text}")),
        }
    }
    if wrong.is_empty() { Ok(retours) } else { Err(wrong) }
}

fn raison(error: &csv::Error) -> String {
    if let csv::ErrorKind::Deserialize { err, .. } = error.kind() {
        return err.to_string();
    }
    error.to_string()
}

#[expect(clippy::type_complexity, reason = "a row is a statement's number and a line")]
fn retour(rangee: usize, row: Rangee) -> Result<Option<((CodeCpam, Mois, u32), Retour)>, String> {
    let issue = match row.issue.as_str() {
        "" => return Ok(None),
        "payee" => {
            let day = row.paye_le.parse().map_err(|_| "« paye_le » : une date aaaa-mm-jj")?;
            Issue::Payee(day)
        }
        "rejetee" if row.code.is_empty() => return Err("un rejet porte un « code »".to_owned()),
        "rejetee" => Issue::Rejetee(row.code),
        other => return Err(format!("« issue » : payee, rejetee ou rien, et non « {other} »")),
    };
    let Rangee { cpam, mois, rang, ligne, centimes, .. } = row;
    Ok(Some(((cpam, mois, rang), Retour { rangee, ligne, centimes, issue })))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTETE: &str = "cpam;mois;rang;ligne;rpps;centimes;issue;paye_le;code\n";
    const ID: &str = "00000000-0000-0000-0000-000000000001";

    fn rangee(fin: &str) -> String {
        format!("631;2026-02;1;{ID};99790000014;10000;{fin}\n")
    }

    #[test]
    fn a_file_is_read_by_the_names_of_its_columns() {
        let text = format!(
            "\u{feff}{ENTETE}{}{}{}",
            rangee("payee;2026-03-12;"),
            rangee(";;"),
            rangee("rejetee;;rib-invalide")
        );
        let retours = lire(&text).expect("reads");
        let lines = retours.first_key_value().expect("a statement").1;
        let issues: Vec<_> = lines.iter().map(|r| (r.rangee, r.issue.clone())).collect();
        let day = "2026-03-12".parse().expect("date");
        let expected = [(2, Issue::Payee(day)), (4, Issue::Rejetee("rib-invalide".to_owned()))];
        assert_eq!(issues, expected);
    }

    #[test]
    fn every_row_that_makes_no_sense_is_named() {
        let rows = [
            rangee("payee;hier;"),
            rangee("rejetee;;"),
            rangee("annulee;;"),
            "631;2026-13;1;x;;;payee;;\n".to_owned(),
            rangee("payee;2026-03-12;"),
        ];
        let wrong = lire(&format!("{ENTETE}{}", rows.concat())).expect_err("refused");
        let named: Vec<_> = wrong.iter().map(|text| &text[..10]).collect();
        assert_eq!(named, ["rangée 2 ", "rangée 3 ", "rangée 4 ", "rangée 5 "], "{wrong:?}");
        assert!(lire("cpam;mois\n631;2026-02\n").is_err(), "columns are missing");
    }
}
