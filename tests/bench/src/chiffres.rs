//! Medians, percentiles, and what a measure prints.

use std::{fmt, time::Duration};

use serde_json::{Map, Value};

/// What one measure found: lines for people, values for programs.
#[derive(Debug)]
pub(crate) struct Resultat {
    titre: &'static str,
    lignes: Vec<String>,
    valeurs: Map<String, Value>,
}

impl Resultat {
    pub(crate) fn new(titre: &'static str) -> Self {
        Self { titre, lignes: Vec::new(), valeurs: Map::new() }
    }

    /// Adds a line for people.
    pub(crate) fn ligne(&mut self, texte: impl Into<String>) -> &mut Self {
        self.lignes.push(texte.into());
        self
    }

    /// Adds a value, rounded to three decimals.
    pub(crate) fn valeur(&mut self, nom: &str, valeur: f64) -> &mut Self {
        self.valeurs.insert(nom.to_owned(), ((valeur * 1e3).round() / 1e3).into());
        self
    }

    /// Adds a ratio of series measured in turn, and how far its rounds differ.
    pub(crate) fn rapport(&mut self, series: &[f64], references: &[f64]) -> &mut Self {
        let (least, most) = etendue(series, references);
        self.ligne(format!("rapport des tours : de {} à {}", decimal(least, 2), decimal(most, 2)))
            .valeur("ratio", rapport(series, references))
            .valeur("ratio_min", least)
            .valeur("ratio_max", most)
    }

    /// The values, under their names.
    pub(crate) fn into_json(self) -> Value {
        Value::Object(self.valeurs)
    }
}

impl fmt::Display for Resultat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.titre)?;
        for ligne in &self.lignes {
            write!(f, "\n  {ligne}")?;
        }
        Ok(())
    }
}

/// The middle one; of an even number, the mean of the two in the middle.
pub(crate) fn mediane(valeurs: &[f64]) -> f64 {
    let mut sorted = valeurs.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// The ratio of two series measured in turn: the median of the ratios of neighbours, so that a
/// machine that slows down in the middle of a run slows both.
pub(crate) fn rapport(series: &[f64], references: &[f64]) -> f64 {
    mediane(&rapports(series, references))
}

/// The smallest and the largest of these ratios: how far a median of so few can be trusted.
pub(crate) fn etendue(series: &[f64], references: &[f64]) -> (f64, f64) {
    let ratios = rapports(series, references);
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    (least, ratios.into_iter().fold(f64::NEG_INFINITY, f64::max))
}

fn rapports(series: &[f64], references: &[f64]) -> Vec<f64> {
    series.iter().zip(references).map(|(a, b)| a / b).collect()
}

/// The value below which `part` of the samples lie, in milliseconds.
pub(crate) fn centile_ms(echantillons: &mut [Duration], part: f64) -> f64 {
    echantillons.sort_unstable();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index below the number of samples"
    )]
    let rang = ((echantillons.len() as f64 * part).ceil() as usize).max(1) - 1;
    echantillons.get(rang).map_or(f64::NAN, |d| d.as_secs_f64() * 1e3)
}

/// So many in so long, per second.
pub(crate) fn par_seconde(nombre: u32, duree: Duration) -> f64 {
    f64::from(nombre) / duree.as_secs_f64()
}

/// A number as it is written in French, without decimals.
pub(crate) fn entier(valeur: f64) -> String {
    let digits = format!("{valeur:.0}");
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n) % 3 == 0 {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A number with so many decimals, after a comma.
pub(crate) fn decimal(valeur: f64, decimales: usize) -> String {
    format!("{valeur:.decimales$}").replace('.', ",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_what_they_say() {
        assert!((mediane(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((mediane(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        assert!((rapport(&[1.0, 3.0, 2.0], &[2.0, 3.0, 4.0]) - 0.5).abs() < 1e-9);
        assert_eq!(etendue(&[1.0, 3.0, 2.0], &[2.0, 3.0, 4.0]), (0.5, 1.0));
        let mut ms: Vec<_> = (1..=100).map(Duration::from_millis).collect();
        assert!((centile_ms(&mut ms, 0.5) - 50.0).abs() < 1e-9);
        assert!((centile_ms(&mut ms, 0.99) - 99.0).abs() < 1e-9);
        assert_eq!(entier(1_234_567.4), "1\u{202f}234\u{202f}567");
        assert_eq!(decimal(0.654, 2), "0,65");
    }
}
