//! What a person sees of the demo: a bar per stage in a terminal, plain lines elsewhere, and the
//! table at the end.

use std::io::IsTerminal;

use chrono::{Datelike, NaiveDate};
use contracts::Centimes;
use documents::typo;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use simulators::{
    modele::{Attendu, Fin},
    registre::{Comptes, Registre},
};

/// Live progress.
pub(super) struct Progres {
    barres: Option<(MultiProgress, ProgressBar, Vec<ProgressBar>)>,
}

/// The stages shown: name, and how far each is.
fn etapes(c: &Comptes) -> [(&'static str, usize); 6] {
    [
        ("candidatures complètes", c.candidatures_deposees),
        ("activités autorisées", c.activites_autorisees),
        ("numéros AM", c.numeros_am),
        ("agendas ouverts", c.agendas_ouverts),
        ("vacations réalisées", c.vacations_realisees),
        ("euros énoncés", usize::try_from(c.indemnites_centimes / 100).unwrap_or(0)),
    ]
}

impl Progres {
    /// Bars in a terminal, nothing yet elsewhere.
    pub(super) fn new(attendu: &Attendu) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self { barres: None };
        }
        let engagements = attendu.engagements.len();
        let euros = usize::try_from(attendu.centimes() / 100).unwrap_or(0);
        let complete = attendu.dossiers.len() - attendu.compte(Fin::Incomplete);
        let totals = [complete, engagements, engagements, engagements, attendu.realisees(), euros];
        let all = MultiProgress::new();
        let style = ProgressStyle::with_template("{prefix:>24} {bar:30.cyan/blue} {pos}/{len}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let day = all.add(ProgressBar::new_spinner());
        let none = Registre::default().comptes();
        let bars = etapes(&none)
            .into_iter()
            .zip(totals)
            .map(|((name, _), total)| {
                let bar = all.add(ProgressBar::new(total as u64));
                bar.set_style(style.clone());
                bar.set_prefix(name);
                bar
            })
            .collect();
        Self { barres: Some((all, day, bars)) }
    }

    /// Shows a day: the bars, or a line each Monday.
    pub(super) fn montrer(&self, jour: NaiveDate, registre: &Registre) {
        let comptes = registre.comptes();
        match &self.barres {
            Some((_, day, bars)) => {
                day.set_message(format!("{}", jour.format("%d/%m/%Y")));
                for (bar, (_, done)) in bars.iter().zip(etapes(&comptes)) {
                    bar.set_position(done as u64);
                }
            }
            None if jour.weekday() == chrono::Weekday::Mon => {
                let stages: Vec<_> =
                    etapes(&comptes).iter().map(|(name, done)| format!("{done} {name}")).collect();
                eprintln!("{} : {}", jour.format("%d/%m/%Y"), stages.join(", "));
            }
            None => {}
        }
    }

    /// Ends the bars.
    pub(super) fn finir(&self) {
        if let Some((_, day, bars)) = &self.barres {
            day.finish_and_clear();
            for bar in bars {
                bar.abandon();
            }
        }
    }
}

/// The rank-`percent` value of a sorted list.
fn quantile(sorted: &[f64], percent: usize) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((last * percent).div_ceil(100)).copied()
}

/// The table at the end.
#[expect(clippy::print_stdout, reason = "the result of the command")]
pub(super) fn tableau(registre: &Registre, causees: u64, jours: i64) {
    let c = registre.comptes();
    println!("\nIssue des candidatures ({jours} jours simulés)");
    let counts = [
        ("candidatures complètes", c.candidatures_deposees),
        ("  incomplètes à un moment", c.candidatures_incompletes),
        ("  refusées par le CDOM", c.candidatures_refusees),
        ("  retirées", c.candidatures_retirees),
        ("activités autorisées", c.activites_autorisees),
        ("activités vues au RPPS", c.activites_enregistrees_rpps),
        ("numéros AM créés", c.numeros_am),
        ("cartes CPS constatées", c.cartes_cps),
        ("agendas ouverts", c.agendas_ouverts),
        ("vacations réalisées", c.vacations_realisees),
        ("états mensuels", c.etats_mensuels),
    ];
    for (name, count) in counts {
        println!("  {name:<28} {count:>7}");
    }
    println!("\nDélais, en jours                            médiane     p90");
    for (name, days) in registre.delais() {
        if let (Some(median), Some(p90)) = (quantile(&days, 50), quantile(&days, 90)) {
            println!("  {name:<40} {median:>8.1} {p90:>7.1}");
        }
    }
    println!("\nIndemnités par CPAM");
    for (cpam, centimes) in registre.par_cpam() {
        println!("  {cpam}  {:>16}", typo::euros(Centimes(centimes)));
    }
    println!("  total {:>15}", typo::euros(Centimes(c.indemnites_centimes)));
    println!(
        "\n{} messages publiés, {causees} pannes causées chez les agences, {} restées ouvertes, {} rejouées",
        c.messages, c.pannes_ouvertes, c.pannes_rejouees
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_days_that_were_seen() {
        assert_eq!(quantile(&[1.0, 2.0, 3.0], 50), Some(2.0));
        assert_eq!(quantile(&[], 50), None);
    }
}
