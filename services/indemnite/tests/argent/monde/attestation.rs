//! Sites that attest, by the link of a mail or through a person.

use chrono::NaiveDate;
use contact::Lien;
use contracts::{EngagementId, Referentiel};
use indemnite::{Choix, Indemnite, State};
use service::Service;
use uuid::Uuid;

use super::Monde;

impl Monde {
    pub(super) fn answer(&mut self, lien: &Lien) {
        let state = self.moteur.states.get(&lien.cle);
        let register = Referentiel::default();
        let page = Indemnite::question(state, lien, &register).expect("a page");
        if page.choix.is_empty() {
            return;
        }
        let number = lien.question.parse().expect("number");
        let members = members(state, |presence| presence.question == Some(number));
        let draw = self.draw(&[&lien.cle, &lien.question, "choix"]);
        let choix = if draw.percent(55) { &page.choix[0].0 } else { &draw.pick(&page.choix).0 };
        let event = Indemnite::reponse(lien, choix).expect("a known answer");
        self.attest(&members, &choix.parse().expect("a choice"));
        self.moteur.observe(&lien.cle, event);
    }

    pub(super) fn attest(&mut self, members: &[(EngagementId, NaiveDate)], choix: &Choix) {
        for (engagement, date) in members {
            let Some(present) = choix.presence(engagement) else { continue };
            self.modele.presences.entry((engagement.clone(), *date)).or_insert(present);
        }
    }
}

pub(super) fn members(
    state: Option<&State>,
    asked: impl Fn(&indemnite::state::Presence) -> bool,
) -> Vec<(EngagementId, NaiveDate)> {
    let Some(State::Attestation(day)) = state else { return Vec::new() };
    let open = day.presences.values().filter(|p| p.reponse.is_none() && asked(p));
    open.map(|p| (p.tenue.engagement.clone(), p.tenue.date)).collect()
}

pub(super) fn questions(state: Option<&State>, tache: Uuid) -> Vec<u32> {
    let Some(State::Attestation(day)) = state else { return Vec::new() };
    (1..).zip(&day.questions).filter(|(_, q)| q.tache == Some(tache)).map(|(n, _)| n).collect()
}
