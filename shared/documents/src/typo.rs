//! French typography: spaces that do not break, amounts, dates.

use chrono::{Datelike, NaiveDate};
use contracts::{Centimes, Mois};

/// The narrow no-break space: between groups of three digits, before « ; », « : », « ! », « ? »,
/// « % » and « € », inside guillemets (Imprimerie nationale, *Lexique des règles typographiques*;
/// narrow also before the colon, which screens and screen readers take as well).
pub const FINE: char = '\u{202f}';
const INSECABLE: char = '\u{a0}';

/// Replaces the ordinary or no-break space that stands before « ; : ! ? % € » » and after « « »
/// by a narrow no-break one. A sign that follows a character directly is left alone (hours, links).
/// An apostrophe between two letters is the typographic one.
pub fn espaces(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut before = ' ';
    while let Some(c) = chars.next() {
        let space = c == ' ' || c == INSECABLE;
        let tight = chars.peek().is_some_and(|next| ";:!?%€»".contains(*next));
        let letter = |c: &char| c.is_alphabetic();
        out.push(match c {
            _ if space && (tight || before == '«') => FINE,
            '\'' if letter(&before) && chars.peek().is_some_and(letter) => '’',
            _ => c,
        });
        before = c;
    }
    out
}

/// An integer in groups of three digits: « 12 345 ».
pub fn milliers(nombre: i64) -> String {
    let digits = nombre.unsigned_abs().to_string();
    let mut out = String::from(if nombre < 0 { "-" } else { "" });
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(FINE);
        }
        out.push(digit);
    }
    out
}

/// An amount in euros, to the cent: « 1 200,00 € ».
pub fn euros(montant: Centimes) -> String {
    let sign = if montant.0 < 0 { "-" } else { "" };
    let cents = montant.0.unsigned_abs();
    let whole = milliers(i64::try_from(cents / 100).unwrap_or(i64::MAX));
    format!("{sign}{whole},{:02}{FINE}€", cents % 100)
}

/// « 3 mars 2026 », kept on one line.
pub fn date(date: NaiveDate) -> String {
    kernel::date_en_lettres(date).replace(' ', "\u{a0}")
}

/// « lun. 02/03/2026 », for tables.
pub fn date_courte(date: NaiveDate) -> String {
    let jour: String = kernel::jour_de_semaine(date).chars().take(3).collect();
    format!("{jour}.{INSECABLE}{:02}/{:02}/{}", date.day(), date.month(), date.year())
}

/// « mars 2026 », kept on one line.
pub fn mois(mois: Mois) -> String {
    kernel::mois_en_lettres(mois.premier_jour()).replace(' ', "\u{a0}")
}

/// A number and what it counts, in the plural from 2: « 1 ligne », « 12 lignes ».
pub fn compte(nombre: usize, singulier: &str, pluriel: &str) -> String {
    let nom = if nombre < 2 { singulier } else { pluriel };
    format!("{}{INSECABLE}{nom}", milliers(i64::try_from(nombre).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_to_the_cent_and_grouped() {
        for (cents, text) in [
            (0, "0,00 €"),
            (5, "0,05 €"),
            (-5, "-0,05 €"),
            (10_000, "100,00 €"),
            (120_000, "1 200,00 €"),
            (-120_000, "-1 200,00 €"),
            (12_345_678_901, "123 456 789,01 €"),
            (i64::MIN, "-92 233 720 368 547 758,08 €"),
        ] {
            assert_eq!(euros(Centimes(cents)), text.replace(' ', "\u{202f}"));
        }
        assert_eq!(milliers(999), "999");
        assert_eq!(milliers(-1000), "-1\u{202f}000");
    }

    #[test]
    fn spaces_before_high_signs_do_not_break() {
        let text = "Attention : « à vérifier » ; oui ? non ! 20 % de 3 €, à 12:30 (http://x)";
        let expected = "Attention_: «_à vérifier_»_; oui_? non_! 20_% de 3_€, à 12:30 (http://x)";
        assert_eq!(espaces(text), expected.replace('_', "\u{202f}"));
        assert_eq!(espaces("l'état d'O'Hara, 5' 'x'"), "l’état d’O’Hara, 5' 'x'");
        assert_eq!(espaces(&espaces(text)), espaces(text), "a second time changes nothing");
    }

    #[test]
    fn dates_stay_on_their_line() {
        let day = NaiveDate::from_ymd_opt(2026, 3, 1).expect("date");
        assert_eq!(date(day), "1er\u{a0}mars\u{a0}2026");
        assert_eq!(date_courte(day), "dim.\u{a0}01/03/2026");
        assert_eq!(mois(Mois::of(day)), "mars\u{a0}2026");
        assert_eq!(compte(1, "ligne", "lignes"), "1\u{a0}ligne");
        assert_eq!(compte(1_234, "ligne", "lignes"), "1\u{202f}234\u{a0}lignes");
    }
}
