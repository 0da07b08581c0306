//! Doctors who confirm their half-days, or contest them, before they are stated. What they are
//! asked is what the page shows them, not what the service keeps.

use contact::Lien;
use contracts::{DemiJournee, Referentiel, Rpps, messages::TacheOuverte};
use indemnite::Indemnite;
use kernel::Draw;
use service::Service;

use super::{Monde, bilan::Lue};
use crate::modele::DemiJour;

/// What the link of these mails is about.
pub(super) const SUJET: &str = "confirmation";

impl Monde {
    /// A doctor answers: three in four confirm.
    pub(super) fn confirm(&mut self, lien: &Lien) {
        let state = self.moteur.states.get(&lien.cle);
        let page = Indemnite::question(state, lien, &Referentiel::default()).expect("a page");
        if page.choix.is_empty() {
            return;
        }
        let rpps = lien.cle.split('/').nth(1).expect("a doctor").parse().expect("rpps");
        let shown: Vec<_> = page.texte.iter().skip(1).map(|line| self.read(&rpps, line)).collect();
        assert!(!shown.is_empty(), "a question about something");
        self.count("confirmation demandée");
        let yes = self.draw(&[&lien.cle, &lien.question, "confirme"]).percent(75);
        if yes {
            self.modele.confirmees.extend(shown);
        } else {
            self.contestees.insert((lien.cle.clone(), lien.question.clone()), shown);
        }
        let choix = if yes { "confirme" } else { "conteste" };
        let event = Indemnite::reponse(lien, choix).expect("a known answer");
        self.moteur.observe(&lien.cle, event);
    }

    /// The half-day that a line of the page means: one that is owed.
    fn read(&self, rpps: &Rpps, line: &str) -> DemiJour {
        let name = |half| match half {
            DemiJournee::Matin => "matin",
            DemiJournee::ApresMidi => "après-midi",
        };
        let mut owed = self.modele.du.keys().filter(|(of, date, half)| {
            let text = format!("{}, {}, ", contact::date_en_lettres(*date), name(*half));
            of == rpps && line.starts_with(&text)
        });
        let found = owed.next().cloned();
        found.unwrap_or_else(|| panic!("seed {}: « {line} » is not owed", self.seed))
    }

    /// A person decides on what a doctor contests: paid all the same, or given up when nothing
    /// was corrected meanwhile.
    pub(super) fn decide(
        &mut self,
        tache: &TacheOuverte,
        draw: Draw,
        set: &mut impl FnMut(&str, &str) -> Option<String>,
    ) {
        let question = (tache.cle.clone(), tache.champs["question"].clone());
        let halves = self.contestees.remove(&question).expect("a doctor contested it");
        let of = |half: &DemiJour| {
            let half = half.clone();
            move |l: &&contracts::messages::Ligne| {
                (&l.rpps, l.date, l.demi_journee) == (&half.0, half.1, half.2)
            }
        };
        let lines = halves.iter().flat_map(|half| self.retenues.iter().filter(of(half)));
        let lines: Vec<_> = lines.map(|l| l.ligne).collect();
        let corrections = &self.modele.corrections;
        let corrected =
            corrections.iter().any(|(id, ..)| lines.iter().any(|l| l.to_string() == *id));
        if draw.percent(50) && !corrected {
            set("decision", "abandonner");
            self.count("contestée, abandonnée");
            self.rejetees.extend(lines);
            self.modele.du.extend(halves.into_iter().map(|half| (half, 0)));
        } else {
            set("decision", "payer");
            self.count("contestée, payée");
            self.modele.confirmees.extend(halves);
        }
    }

    /// Nothing is stated before it is confirmed; what a person decided needs no confirmation.
    pub(super) fn only_confirmed(&self, lignes: &[Lue]) {
        for ligne in lignes.iter().filter(|l| self.confirme && !l.corrige) {
            let known = self.modele.confirmees.contains(&ligne.de);
            assert!(known, "seed {}: {:?} is stated, not confirmed", self.seed, ligne.de);
        }
    }

    fn count(&mut self, what: &str) {
        *self.seen.entry(what.to_owned()).or_default() += 1;
    }
}
