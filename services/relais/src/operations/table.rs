//! What is written for a person: tables, dates, counts.

use std::io::{self, Write};

use chrono::{DateTime, Utc};

/// Writes a line to standard output; a closed pipe is not an error.
pub(super) fn dire(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Writes a value as JSON.
pub(super) fn dire_json(value: &impl serde::Serialize) {
    dire(&serde_json::to_string_pretty(value).expect("what was read encodes"));
}

/// Day and time in Paris.
pub(super) fn date(t: DateTime<Utc>) -> String {
    kernel::paris_time(t).format("%d/%m/%Y %H:%M").to_string()
}

/// « 1 panne », « 2 pannes ».
pub(super) fn compte(n: usize, singulier: &str, pluriel: &str) -> String {
    format!("{n} {}", if n < 2 { singulier } else { pluriel })
}

/// A table: titles, then rows, each column as wide as its widest cell.
pub(super) fn table<const N: usize>(titres: [&str; N], lignes: &[[String; N]]) -> String {
    let mut largeurs = titres.map(|titre| titre.chars().count());
    for ligne in lignes {
        for (largeur, cellule) in largeurs.iter_mut().zip(ligne) {
            *largeur = (*largeur).max(cellule.chars().count());
        }
    }
    let ecrire = |cellules: &[String; N]| {
        let cellules = cellules.iter().zip(largeurs);
        let texte: Vec<_> = cellules.map(|(texte, largeur)| format!("{texte:largeur$}")).collect();
        texte.join("  ").trim_end().to_owned()
    };
    let mut texte = vec![ecrire(&titres.map(str::to_owned))];
    texte.extend(lignes.iter().map(ecrire));
    texte.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_on_characters() {
        let lignes = [["é".to_owned(), "1".to_owned()], ["abcd".to_owned(), "22".to_owned()]];
        assert_eq!(table(["A", "N"], &lignes), "A     N\né     1\nabcd  22");
    }

    #[test]
    fn dates_are_those_of_paris_and_plurals_french() {
        assert_eq!(date("2026-07-01T22:30:00Z".parse().expect("instant")), "02/07/2026 00:30");
        assert_eq!(compte(0, "panne", "pannes"), "0 panne");
        assert_eq!(compte(2, "panne", "pannes"), "2 pannes");
    }
}
