//! An application: from its first reading to the decision of the CDOM, and what the others do of
//! it. Terminal states stay terminal.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    LieuId,
    messages::{ComplementDemande, Manque, MedecinIdentifie, Situation, TacheFaite},
};
use service::{Context, Decision, Input};
use uuid::Uuid;

use super::{
    lecture,
    suite::{A_REPORTER, ABSENT, INTROUVABLE, Suite},
    textes,
};
use crate::{
    DsIntake, Event, Message,
    agency::{Answer, Ask, Cible, Correction},
    config::Champ,
    state::{Attente, Dossier, Identite, Phase, ResumeActivite},
    wire::{EtatDs, RaisonDisparition},
};

/// How long a dossier that DS does not find is waited for: the lists of deleted dossiers say
/// sooner how it disappeared, when they know it.
pub(super) const DELAI_INTROUVABLE: TimeDelta = TimeDelta::hours(24);

pub(super) fn decide(
    state: Option<&Dossier>,
    numero: u64,
    input: Input<DsIntake>,
    cx: &Context<'_, DsIntake>,
) -> Decision<DsIntake> {
    let s = Suite::new(numero, state, cx);
    match input {
        Input::Event(event) => evenement(s, state.is_some(), event),
        Input::Answer { ask, answer, .. } => reponse(s, &ask, answer),
        Input::Wake { reason } if reason == INTROUVABLE => relire_introuvable(s),
        Input::Wake { reason } if reason == ABSENT => relire_absent(s),
        Input::Wake { .. } => Decision::Ignore("reveil-inconnu"),
        Input::Message { message, .. } => match message {
            Message::MedecinIdentifie(m) => identifier(s, &m),
            Message::MedecinRppsDivergent(m) => identifier(s, &m.identite),
            Message::ComplementDemande(m) => complement(s, &m),
            Message::CandidatureRefusee(_) => refuser(s),
            Message::ActiviteAutorisee(_)
            | Message::ActiviteModifiee(_)
            | Message::ActiviteSuspendue(_)
            | Message::ActiviteRetablie(_)
            | Message::ActiviteTerminee(_)
            | Message::FacturationOuverte(_)
            | Message::AgendaOuvert(_)
            | Message::AgendaFerme(_) => Decision::Ignore("sans-objet"),
        },
    }
}

fn evenement(mut s: Suite<'_, '_>, exists: bool, event: Event) -> Decision<DsIntake> {
    match event {
        Event::Vu { modifie_le, relire } => vu(s, modifie_le, relire),
        Event::Disparu { .. } if !exists => Decision::Ignore("jamais-vu"),
        Event::Disparu { raison, .. } => disparu(s, raison),
        Event::Activite(activite) => autoriser(s, activite),
        Event::Facturation { engagement, mode } => {
            s.dossier.engagements.entry(engagement).or_default().facturation = Some(mode);
            s.fin()
        }
        Event::Agenda { engagement, ouvert, url } => {
            let progres = s.dossier.engagements.entry(engagement).or_default();
            (progres.agenda, progres.agenda_url) = (Some(ouvert), url);
            s.fin()
        }
        Event::Doublon { lieux } => doublon(s, lieux),
        Event::TacheFermee { tache, par } => fermer_tache(s, tache, par),
        Event::Relire => {
            s.lire(None);
            s.fin()
        }
        Event::Demarrer
        | Event::Reveil
        | Event::Relever
        | Event::Engagement { .. }
        | Event::Candidater { .. } => Decision::Ignore("sans-objet"),
    }
}

/// The doctor is engaged already at sites that the application asks for: told once per site.
fn doublon(mut s: Suite<'_, '_>, lieux: Vec<LieuId>) -> Decision<DsIntake> {
    let decided = s.dossier.version.is_some_and(|v| v.etat.est_termine());
    match &mut s.dossier.phase {
        Phase::Instruction { attente, .. } if !decided => {
            let before = s.dossier.doublons_signales.len();
            s.dossier.doublons_signales.extend(lieux);
            if s.dossier.doublons_signales.len() == before {
                return Decision::Ignore("doublon-deja-signale");
            }
            attente.get_or_insert(Attente::Doublon);
            let champ = Champ::LieuxSouhaites.as_str().to_owned();
            s.avertir(vec![Manque { champ, code: "lieu-deja-engage".to_owned() }]);
            s.fin()
        }
        Phase::Reception
        | Phase::Instruction { .. }
        | Phase::Autorisee
        | Phase::Refusee
        | Phase::Retiree { .. } => Decision::Ignore("candidature-close-ou-inconnue"),
    }
}

fn vu(mut s: Suite<'_, '_>, modifie_le: DateTime<Utc>, relire: bool) -> Decision<DsIntake> {
    let read = s
        .dossier
        .version
        .is_some_and(|v| v.modifie_le > modifie_le || (v.modifie_le == modifie_le && v.stable));
    let asked = s.dossier.attendu.is_some_and(|attendu| attendu >= modifie_le);
    let open = matches!(s.dossier.phase, Phase::Reception | Phase::Instruction { .. });
    if !relire && read && open {
        s.veiller();
        return s.fin();
    }
    if !relire && (read || asked) {
        return Decision::Ignore("deja-lu");
    }
    s.lire(Some(modifie_le));
    s.fin()
}

fn disparu(mut s: Suite<'_, '_>, raison: RaisonDisparition) -> Decision<DsIntake> {
    // Accepted on DS by the CDOM: the authorisation is on its way, a deletion does not undo it.
    let accepted = s.dossier.version.is_some_and(|v| v.etat == EtatDs::Accepte);
    match &s.dossier.phase {
        Phase::Retiree { .. } => return Decision::Ignore("deja-retiree"),
        Phase::Refusee | Phase::Autorisee | Phase::Instruction { .. } if s.dossier.disparu => {
            return Decision::Ignore("deja-disparu");
        }
        Phase::Refusee => {
            s.dossier.disparu = true;
            s.oublier();
        }
        Phase::Autorisee => s.disparaitre(raison.voie()),
        Phase::Instruction { .. } if accepted => s.disparaitre(raison.voie()),
        Phase::Reception | Phase::Instruction { .. } => s.retirer(raison.cause()),
    }
    s.fin()
}

fn reponse(mut s: Suite<'_, '_>, ask: &Ask, answer: Answer) -> Decision<DsIntake> {
    match answer {
        Answer::Lu(lu) => lecture::lu(s, &lu, true),
        Answer::LuTropTot(lu) => lecture::lu(s, &lu, false),
        Answer::LuSansInstructeur { lecture, stable } => {
            s.sans_instructeur = true;
            lecture::lu(s, &lecture, stable)
        }
        Answer::Introuvable => introuvable(s),
        Answer::Ecrit { etat } => {
            noter_etat(&mut s, etat);
            if s.dossier.voulu.is_some_and(|cible| cible.atteinte(etat)) {
                s.dossier.voulu = None;
                s.fermer_tache(A_REPORTER);
            }
            s.fin()
        }
        Answer::Empeche { etat } => {
            noter_etat(&mut s, etat);
            match ask {
                Ask::Ecrire { cible, .. } if s.dossier.voulu == Some(*cible) => match cible {
                    // The next deposit by the doctor asks for it again.
                    Cible::EnInstruction => s.dossier.voulu = None,
                    Cible::Accepte | Cible::Refuse => s.ouvrir_tache(A_REPORTER),
                },
                Ask::Ecrire { .. }
                | Ask::Lister(_)
                | Ask::Lire { .. }
                | Ask::EnvoyerMessage { .. }
                | Ask::Annoter { .. } => {}
            }
            s.fin()
        }
        Answer::MessageEnvoye | Answer::Annote => Decision::Ignore("fait"),
        Answer::Page(_)
        | Answer::PageParSuivant(_)
        | Answer::FormulaireInadapte { .. }
        | Answer::PageTropLourde => Decision::Ignore("reponse-sans-objet"),
    }
}

/// A mutation says where the dossier stands; a decision read since stays.
fn noter_etat(s: &mut Suite<'_, '_>, etat: EtatDs) {
    if let Some(version) = s.dossier.version.as_mut().filter(|v| !v.etat.est_termine()) {
        version.etat = etat;
    }
}

fn introuvable(mut s: Suite<'_, '_>) -> Decision<DsIntake> {
    match s.dossier.introuvable_depuis {
        Some(since) if s.cx.now - since >= DELAI_INTROUVABLE => {
            disparu(s, RaisonDisparition::Introuvable)
        }
        Some(_) => {
            s.dossier.attendu = None;
            s.fin()
        }
        None => {
            s.perdre();
            s.fin()
        }
    }
}

fn relire_introuvable(mut s: Suite<'_, '_>) -> Decision<DsIntake> {
    let gone = s.dossier.disparu || matches!(s.dossier.phase, Phase::Retiree { .. });
    if gone || s.dossier.introuvable_depuis.is_none() {
        return Decision::Ignore("retrouve");
    }
    s.lire(None);
    s.fin()
}

fn relire_absent(mut s: Suite<'_, '_>) -> Decision<DsIntake> {
    match s.dossier.phase {
        Phase::Reception | Phase::Instruction { .. } => {
            s.lire(None);
            s.fin()
        }
        Phase::Autorisee | Phase::Refusee | Phase::Retiree { .. } => {
            Decision::Ignore("candidature-close-ou-inconnue")
        }
    }
}

fn identifier(mut s: Suite<'_, '_>, m: &MedecinIdentifie) -> Decision<DsIntake> {
    let (identite, code) = match (m.trouve, m.actif) {
        (true, true) => (Identite::Active, ""),
        (true, false) => (Identite::Inactive, "rpps-inactif"),
        (false, _) => (Identite::Inconnue, "rpps-inconnu"),
    };
    match &mut s.dossier.phase {
        Phase::Instruction { candidature, .. } if candidature.medecin.rpps != m.rpps => {
            Decision::Ignore("rpps-remplace")
        }
        Phase::Instruction { attente, .. } => {
            s.dossier.identite = Some(identite);
            let decided = s.dossier.version.is_some_and(|v| v.etat.est_termine());
            // Told once per number: the doctor corrects it, or the CDOM decides with it.
            if identite != Identite::Active
                && !decided
                && s.dossier.rpps_signales.insert(m.rpps.clone())
            {
                attente.get_or_insert(Attente::Identite);
                let champ = Champ::Rpps.as_str().to_owned();
                s.avertir(vec![Manque { champ, code: code.to_owned() }]);
            }
            s.fin()
        }
        Phase::Autorisee => {
            s.dossier.identite = Some(identite);
            s.fin()
        }
        Phase::Reception | Phase::Refusee | Phase::Retiree { .. } => {
            Decision::Ignore("candidature-close-ou-inconnue")
        }
    }
}

fn complement(mut s: Suite<'_, '_>, m: &ComplementDemande) -> Decision<DsIntake> {
    let wanted = Attente::Complement { rang: m.rang };
    match &mut s.dossier.phase {
        Phase::Instruction { attente, .. } if *attente == Some(wanted) => {
            Decision::Ignore("complement-deja-demande")
        }
        Phase::Instruction { attente, .. } => {
            *attente = Some(wanted);
            s.ecrire_au_medecin(
                textes::complement(s.numero, &m.champs),
                Some(Correction::Incomplete),
            );
            s.fin()
        }
        Phase::Reception | Phase::Autorisee | Phase::Refusee | Phase::Retiree { .. } => {
            Decision::Ignore("candidature-close-ou-inconnue")
        }
    }
}

fn refuser(mut s: Suite<'_, '_>) -> Decision<DsIntake> {
    match s.dossier.phase {
        Phase::Reception | Phase::Instruction { .. } => {
            s.dossier.phase = Phase::Refusee;
            s.taire();
            s.vouloir(Cible::Refuse);
            s.fin()
        }
        Phase::Autorisee => Decision::Ignore("deja-autorisee"),
        Phase::Refusee => Decision::Ignore("deja-refusee"),
        Phase::Retiree { .. } => Decision::Ignore("deja-retiree"),
    }
}

fn autoriser(mut s: Suite<'_, '_>, activite: ResumeActivite) -> Decision<DsIntake> {
    let open = activite.situation == Situation::Ouverte;
    let progres = s.dossier.engagements.entry(activite.engagement.clone()).or_default();
    progres.activite = Some(activite);
    // Whatever it says, an activity was authorised: its end may be the first that is heard of it.
    let first = matches!(s.dossier.phase, Phase::Reception | Phase::Instruction { .. });
    match s.dossier.phase {
        Phase::Reception | Phase::Instruction { .. } => {
            s.dossier.phase = Phase::Autorisee;
            s.taire();
        }
        // DS shows a refusal: a person puts it right there.
        Phase::Refusee if open => s.ouvrir_tache(A_REPORTER),
        Phase::Autorisee | Phase::Refusee | Phase::Retiree { .. } => {}
    }
    if (open || first) && s.dossier.phase == Phase::Autorisee {
        s.vouloir(Cible::Accepte);
    }
    s.fin()
}

fn fermer_tache(mut s: Suite<'_, '_>, tache: Uuid, par: String) -> Decision<DsIntake> {
    let before = s.dossier.taches.len();
    s.dossier.taches.retain(|_, open| *open != tache);
    if s.dossier.taches.len() == before {
        return Decision::Ignore("tache-deja-fermee");
    }
    s.publier(&TacheFaite { tache, faite_par: par });
    s.fin()
}
