//! What follows from a decision about a dossier, gathered while it is taken.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    DossierId, Message,
    messages::{
        Candidature, CandidatureIncomplete, CandidatureRetiree, DecisionLueDs, DossierDisparuDs,
        Issue, Manque, TacheFaite, TacheOuverte,
    },
};
use service::{Context, Decision, Effect, Service};

use super::{annonces, medecin, textes};
use crate::{
    DsIntake, Event,
    agency::{Ask, Cible, Correction},
    config::Annotation,
    state::{Dossier, Phase, State},
    wire::{EtatDs, Lecture},
};

/// A person must report a decision on DS: Relais could not.
pub(super) const A_REPORTER: &str = "ds-decision-a-reporter";
/// A dossier was accepted on DS though it is not a complete application.
pub(super) const SANS_CANDIDATURE: &str = "ds-decision-sans-candidature";
/// A withdrawn dossier is back on DS: the doctor must file a new one.
pub(super) const RESTAURE: &str = "ds-dossier-restaure";
/// DS shows a decision that nobody of the CDOM took: automatic, or the robot's own.
pub(super) const SANS_INSTRUCTEUR: &str = "ds-decision-sans-instructeur";
/// Wakes an open dossier up that the complete lists leave out.
pub(super) const ABSENT: &str = "absent";
/// Wakes a dossier up that DS did not find.
pub(super) const INTROUVABLE: &str = "introuvable";

/// A dossier on its way to its next state, with what follows.
pub(super) struct Suite<'a, 'c> {
    pub(super) numero: u64,
    pub(super) dossier: Dossier,
    pub(super) cx: &'a Context<'c, DsIntake>,
    /// What DS shows as decided was decided by nobody of the CDOM.
    pub(super) sans_instructeur: bool,
    effets: Vec<Effect<DsIntake>>,
}

impl<'a, 'c> Suite<'a, 'c> {
    pub(super) fn new(numero: u64, state: Option<&Dossier>, cx: &'a Context<'c, DsIntake>) -> Self {
        let dossier = state.cloned().unwrap_or_default();
        Self { numero, dossier, cx, sans_instructeur: false, effets: Vec::new() }
    }

    pub(super) fn publier<M: Message>(&mut self, fact: &M) {
        self.effets.push(Effect::publish(fact));
    }

    /// Reads the dossier; a reading asked for before is not needed any more.
    pub(super) fn lire(&mut self, jusqua: Option<DateTime<Utc>>) {
        self.effets.push(Effect::CancelAsks("lire-dossier"));
        self.effets.push(Effect::Ask(Ask::Lire { numero: self.numero }));
        self.dossier.attendu = self.dossier.attendu.max(jusqua);
    }

    /// Tells the doctor what to correct, and everybody that the application is incomplete.
    pub(super) fn avertir(&mut self, manques: Vec<Manque>) {
        let only_missing = manques.iter().all(|m| m.code == "manquant");
        let correction = if only_missing { Correction::Incomplete } else { Correction::Incorrect };
        self.ecrire_au_medecin(textes::a_corriger(self.numero, &manques), Some(correction));
        self.publier(&CandidatureIncomplete { dossier: DossierId(self.numero), manques });
    }

    pub(super) fn ecrire_au_medecin(&mut self, corps: String, correction: Option<Correction>) {
        let numero = self.numero;
        self.effets.push(Effect::Ask(Ask::EnvoyerMessage { numero, corps, correction }));
    }

    /// Brings the dossier to a state on DS, unless it is there or that is asked for already.
    pub(super) fn vouloir(&mut self, cible: Cible) {
        let etat = self.dossier.version.map(|v| v.etat);
        if !self.cx.config.ecrit(cible) || self.dossier.disparu {
            return;
        }
        if etat.is_some_and(|etat| cible.atteinte(etat)) {
            self.dossier.voulu = None;
            return;
        }
        if self.dossier.voulu == Some(cible) {
            return;
        }
        if let Some(before) = self.dossier.voulu {
            self.effets.push(Effect::CancelAsks(before.kind()));
        }
        self.dossier.voulu = Some(cible);
        if etat.is_some_and(EtatDs::est_termine) {
            // Another decision stands on DS: a person decides which one is right.
            self.ouvrir_tache(A_REPORTER);
        } else {
            self.effets.push(Effect::Ask(Ask::Ecrire { numero: self.numero, cible }));
        }
    }

    /// The same, though it was asked for: the doctor deposited a new version meanwhile.
    pub(super) fn revouloir(&mut self, cible: Cible) {
        if let Some(before) = self.dossier.voulu.take() {
            self.effets.push(Effect::CancelAsks(before.kind()));
        }
        self.vouloir(cible);
    }

    /// Publishes a decision that a CDOM took on DS itself, once. One that nobody of it took is for a
    /// person to look at.
    pub(super) fn decision_lue(&mut self, issue: Issue, lecture: &Lecture) {
        if self.sans_instructeur {
            self.ouvrir_tache(SANS_INSTRUCTEUR);
            return;
        }
        self.fermer_tache(SANS_INSTRUCTEUR);
        let rendue_le = lecture.traite_le.unwrap_or(lecture.modifie_le);
        if self.dossier.decision_lue != Some((issue, rendue_le)) {
            self.dossier.decision_lue = Some((issue, rendue_le));
            self.publier(&DecisionLueDs { dossier: DossierId(self.numero), issue, rendue_le });
        }
    }

    /// Asks the doctor's state whether an engagement is open at one of the sites.
    pub(super) fn candidater(&mut self, candidature: &Candidature) {
        let lieux = candidature.lieux_souhaites.clone();
        self.effets.push(Effect::Tell {
            key: medecin::cle(&candidature.medecin.rpps),
            event: Event::Candidater { dossier: candidature.dossier, lieux },
        });
    }

    /// Withdraws the application: terminal.
    pub(super) fn retirer(&mut self, cause: &str) {
        let rpps = match &self.dossier.phase {
            Phase::Instruction { candidature, .. } => Some(candidature.medecin.rpps.clone()),
            Phase::Reception | Phase::Autorisee | Phase::Refusee | Phase::Retiree { .. } => None,
        };
        // Nobody heard of an application that was never read, or never judged.
        if rpps.is_some() || self.dossier.averti.is_some() {
            let dossier = DossierId(self.numero);
            self.publier(&CandidatureRetiree { dossier, rpps, cause: cause.to_owned() });
        }
        self.dossier.phase = Phase::Retiree { le: self.cx.now };
        self.oublier();
    }

    /// Says, for information, that an authorised dossier is not on DS any more.
    pub(super) fn disparaitre(&mut self, voie: &str) {
        self.dossier.disparu = true;
        let dossier = DossierId(self.numero);
        self.publier(&DossierDisparuDs { dossier, voie: voie.to_owned() });
        self.oublier();
    }

    /// Drops what was asked of DS about a dossier that is not there.
    pub(super) fn oublier(&mut self) {
        let kinds = ["lire-dossier", "envoyer-message", "annoter"];
        self.effets.extend(kinds.map(Effect::CancelAsks));
        if let Some(cible) = self.dossier.voulu.take() {
            self.effets.push(Effect::CancelAsks(cible.kind()));
        }
        self.trouver();
        self.dossier.attendu = None;
        self.fermer_tache(A_REPORTER);
    }

    /// No message to the doctor is needed any more.
    pub(super) fn taire(&mut self) {
        self.effets.push(Effect::CancelAsks("envoyer-message"));
    }

    /// DS did not find it; another reading, a day later, will tell.
    pub(super) fn perdre(&mut self) {
        self.dossier.attendu = None;
        self.dossier.introuvable_depuis = Some(self.cx.now);
        let at = self.cx.now + super::dossier::DELAI_INTROUVABLE;
        self.effets.push(Effect::WakeAt { at, reason: INTROUVABLE.to_owned() });
    }

    /// An open application is in every complete list, once a day; one that a list left out is read:
    /// DS hides some before it lists them as deleted (facts of the API, section 7).
    pub(super) fn veiller(&mut self) {
        const DISPERSION_MINUTES: u64 = 720;
        let every = TimeDelta::hours(i64::from(self.cx.config.reconcile_every_h));
        let open = matches!(self.dossier.phase, Phase::Reception | Phase::Instruction { .. });
        let effet = if open && !every.is_zero() {
            let spread = i64::try_from(self.numero % DISPERSION_MINUTES).unwrap_or(0);
            let at = self.cx.now + every * 3 / 2 + TimeDelta::minutes(spread);
            Effect::WakeAt { at, reason: ABSENT.to_owned() }
        } else {
            Effect::CancelWake(ABSENT.to_owned())
        };
        self.effets.push(effet);
    }

    /// DS shows it.
    pub(super) fn trouver(&mut self) {
        if self.dossier.introuvable_depuis.take().is_some() {
            self.effets.push(Effect::CancelWake(INTROUVABLE.to_owned()));
        }
    }

    /// Opens a task of this kind, unless one is open.
    pub(super) fn ouvrir_tache(&mut self, gabarit: &str) {
        if self.dossier.taches.contains_key(gabarit) {
            return;
        }
        let tache = self.cx.id(gabarit);
        self.dossier.taches.insert(gabarit.to_owned(), tache);
        let mut champs = BTreeMap::from([("dossier".to_owned(), self.numero.to_string())]);
        if let Some(cible) = self.dossier.voulu {
            let decision = match cible {
                Cible::EnInstruction => "en instruction",
                Cible::Accepte => "accepté",
                Cible::Refuse => "refusé",
            };
            champs.insert("decision".to_owned(), decision.to_owned());
        }
        self.publier(&TacheOuverte {
            tache,
            gabarit: gabarit.to_owned(),
            service: DsIntake::NAME.to_owned(),
            cle: self.cx.key.to_owned(),
            objet: format!("dossier/{}", self.numero),
            champs,
        });
    }

    /// Closes the task of this kind, if one is open: Relais saw the result.
    pub(super) fn fermer_tache(&mut self, gabarit: &str) {
        if let Some(tache) = self.dossier.taches.remove(gabarit) {
            self.publier(&TacheFaite { tache, faite_par: "observe".to_owned() });
        }
    }

    pub(super) fn controler(&self, lecture: &Lecture) -> Result<Candidature, Vec<Manque>> {
        super::controle::controler(self.numero, lecture, self.cx.config, self.cx.referentiel)
    }

    /// Tells the doctor of the milestones of the settings, each once per engagement; none while the
    /// activity is not open, or once the dossier disappeared.
    fn annoncer(&mut self) {
        if self.dossier.disparu || self.dossier.phase != Phase::Autorisee {
            return;
        }
        for (engagement, progres) in &self.dossier.engagements {
            for jalon in &self.cx.config.messages {
                let Some(text) = annonces::annonce(*jalon, self.numero, progres) else { continue };
                if self.dossier.annonces.insert(format!("{engagement} {jalon}")) {
                    let numero = self.numero;
                    self.effets.push(Effect::Ask(Ask::EnvoyerMessage {
                        numero,
                        corps: text,
                        correction: None,
                    }));
                }
            }
        }
    }

    /// Ends the decision; the annotations and the messages follow from the state.
    pub(super) fn fin(mut self) -> Decision<DsIntake> {
        self.annoncer();
        let wanted = self.annotations();
        if !wanted.is_empty() && wanted != self.dossier.annotations {
            self.effets.push(Effect::CancelAsks("annoter"));
            let (numero, valeurs) = (self.numero, wanted.clone());
            self.effets.push(Effect::Ask(Ask::Annoter { numero, valeurs }));
            self.dossier.annotations = wanted;
        }
        Decision::next(State::Dossier(Box::new(self.dossier))).with_all(self.effets)
    }

    /// The texts of the configured annotations; none before the dossier was read, or after it
    /// disappeared.
    fn annotations(&self) -> BTreeMap<String, String> {
        let d = &self.dossier;
        let gone = d.disparu || matches!(d.phase, Phase::Retiree { .. });
        if gone || d.version.is_none() {
            return BTreeMap::new();
        }
        let text = |name: Annotation| match name {
            Annotation::Avancement => textes::avancement(d),
            Annotation::Identite => d.identite.map_or("", textes::identite).to_owned(),
            Annotation::Facturation => textes::facturation(d),
            Annotation::Agenda => textes::agenda(d),
        };
        let all = self.cx.config.annotations.iter().map(|(name, id)| (id.clone(), text(*name)));
        all.filter(|(_, text)| !text.is_empty()).collect()
    }
}
