//! Every kind of state × every input, and the rules of each, on one key at a time.

use std::collections::BTreeMap;

use bus::Origin;
use chrono::{DateTime, Utc};
use contact::{Courriel, Lien, Modele};
use contracts::{
    Agence, Centimes, Demande, DemiJournee, Lieu, Medecin, Referentiel, Rib,
    messages::{
        Activite, ActiviteAutorisee, ActiviteModifiee, ActiviteRetablie, ActiviteSuspendue,
        ActiviteTerminee, FacturationOuverte, LigneEtat, ModeFacturation, PaiementEffectue,
        PaiementRejete, Situation, Vacation, VacationAnnulee, VacationPlanifiee, VacationRealisee,
    },
};
use service::{Context, Decision, Effect, Input, Meta, Outgoing, Refusal};
use uuid::Uuid;

use super::{decide, medecin_mois::ligne_id};
use crate::{
    Answer, Ask, Config, Incoming, Indemnite,
    state::{Attestation, Etat, EtatEmis, LigneEmise, Reglement, State, Tenue},
    wire::{Choix, Event},
};

const RPPS: &str = "99790000014";
const MONTH: &str = "medecin-mois/99790000014/2026-02";
const DAY: &str = "attestation/ambert/2026-02-03";
const DEMANDE: Uuid = Uuid::from_u128(77);

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("instant")
}

fn id<T: std::str::FromStr>(text: &str) -> T {
    text.parse().ok().expect("identifier")
}

fn activite(situation: Situation, du: &str) -> Activite {
    let medecin = Medecin {
        rpps: id(RPPS),
        civilite: contracts::Civilite::Mme,
        nom: "Essai".to_owned(),
        prenom: "Zoé".to_owned(),
        courriel: "zoe@medecin.example".to_owned(),
        telephone: "0100000000".to_owned(),
        mode_exercice: contracts::ModeExercice::Liberal,
        departement_exercice_principal: id("63"),
        cdom_inscription: id("63"),
    };
    let lieu = Lieu {
        id: id("ambert"),
        nom: "MSP d'Ambert".to_owned(),
        adresse: String::new(),
        commune: String::new(),
        departement: id("63"),
        finess: None,
        rpps_rang: None,
        cpam: Some(id("631")),
        cdom: Some(id("63")),
        contact_courriel: Some("ambert@lieu.example".to_owned()),
    };
    Activite {
        engagement: id("0aaaaaaaaa"),
        dossier: contracts::DossierId(1),
        medecin,
        lieu,
        creneaux_souhaites: Vec::new(),
        remplacement_autorise: false,
        situation,
        a_compter_du: id(du),
        cause: None,
        interruptions: Vec::new(),
    }
}

fn facturation(rib: Rib) -> FacturationOuverte {
    FacturationOuverte {
        engagement: id("0aaaaaaaaa"),
        rpps: id(RPPS),
        cpam: id("631"),
        lieu: id("ambert"),
        numero_am: id("631990017"),
        numero_cree_le: id("2026-01-20"),
        rib,
        mode: ModeFacturation::Papier,
    }
}

fn vacation(date: &str, halves: &[DemiJournee], rdv: u32) -> Vacation {
    let engagement = id("0aaaaaaaaa");
    Vacation {
        vacation: contracts::VacationId::new(&engagement, id(date)),
        engagement,
        date: id(date),
        demi_journees: halves.to_vec(),
        rdv_honores: rdv,
        creneaux: Vec::new(),
    }
}

fn tenue(version: u64, engagement: &str, halves: &[DemiJournee], rdv: u32) -> Tenue {
    Tenue {
        version,
        engagement: id(engagement),
        rpps: id(RPPS),
        nom: "ESSAI Zoé".to_owned(),
        medecin_courriel: "zoe@medecin.example".to_owned(),
        lieu: id("ambert"),
        lieu_nom: "MSP d'Ambert".to_owned(),
        contact_courriel: Some("ambert@lieu.example".to_owned()),
        date: id("2026-02-03"),
        demi_journees: halves.to_vec(),
        rdv_honores: rdv,
    }
}

fn ligne(n: u128, date: &str) -> LigneEtat {
    LigneEtat {
        ligne: Uuid::from_u128(n),
        rpps: id(RPPS),
        nom: "ESSAI Zoé".to_owned(),
        numero_am: id("631990017"),
        lieu: id("ambert"),
        date: id(date),
        demi_journee: DemiJournee::Matin,
        centimes: Centimes(10_000),
        corrige: None,
    }
}

fn message(message: Incoming, origin: Origin) -> Input<Indemnite> {
    let meta = Meta {
        id: "m".to_owned(),
        source: "s".to_owned(),
        time: at("2026-02-01T00:00:00Z"),
        subject: None,
        sequence: None,
    };
    Input::Message { message, origin, meta }
}

/// One key under test.
struct Key {
    name: &'static str,
    state: Option<State>,
    now: DateTime<Utc>,
    inputs: u32,
    config: Config,
}

impl Key {
    fn new(key: &'static str, now: &str) -> Self {
        Self { name: key, state: None, now: at(now), inputs: 0, config: Config::default() }
    }

    fn try_give(&mut self, input: Input<Indemnite>) -> Result<Decision<Indemnite>, Refusal> {
        self.inputs += 1;
        let referentiel = Referentiel::default();
        let cause = self.inputs.to_string();
        let cx = Context {
            now: self.now,
            config: &self.config,
            referentiel: &referentiel,
            key: self.name,
            cause: &cause,
        };
        let decision = decide(self.state.as_ref(), input, &cx)?;
        if let Decision::Next { state, .. } = &decision {
            self.state = Some(state.clone());
        }
        Ok(decision)
    }

    /// The effects of an input, as short texts.
    fn give(&mut self, input: Input<Indemnite>) -> Vec<String> {
        match self.try_give(input) {
            Ok(Decision::Next { effects, .. }) => effects.iter().map(short).collect(),
            Ok(Decision::Ignore(reason)) => vec![format!("ignore {reason}")],
            Err(refusal) => vec![format!("refuse {}", refusal.code)],
        }
    }

    fn event(&mut self, event: Event) -> Vec<String> {
        self.give(Input::Event(event))
    }

    fn wake(&mut self, now: &str, reason: &str) -> Vec<String> {
        self.now = at(now);
        self.give(Input::Wake { reason: reason.to_owned() })
    }

    fn task(&self, gabarit: &str, objet: &str, cause: u32) -> Uuid {
        let name = format!("{gabarit} {objet}");
        kernel::derive_id(&["indemnite", self.name, &cause.to_string(), &name])
    }
}

fn short(effect: &Effect<Indemnite>) -> String {
    match effect {
        Effect::Publish(Outgoing { message_type, .. }) => format!("publish {message_type}"),
        Effect::Ask(ask) => format!("mail {}", ask.relance),
        Effect::CancelAsks(kind) => format!("cancel-asks {kind}"),
        Effect::Tell { key, event } => format!("tell {key} {}", kind(event)),
        Effect::WakeAt { at, reason } => format!("wake {reason} {}", at.to_rfc3339()),
        Effect::CancelWake(reason) => format!("cancel {reason}"),
    }
}

fn kind(event: &Event) -> String {
    let text = format!("{event:?}");
    text.split([' ', '(', '{']).next().unwrap_or_default().to_owned()
}

const M: DemiJournee = DemiJournee::Matin;
const AM: DemiJournee = DemiJournee::ApresMidi;

fn held(version: u64, halves: &[DemiJournee], rdv: u32) -> Event {
    Event::Tenue(Box::new(tenue(version, "0aaaaaaaaa", halves, rdv)))
}

fn asked(version: u64, engagement: &str, halves: &[DemiJournee]) -> Event {
    Event::AAttester(Box::new(tenue(version, engagement, halves, 1)))
}

fn presence(present: bool) -> Event {
    Event::Presence { engagement: id("0aaaaaaaaa"), date: id("2026-02-03"), present }
}

fn closed(tache: Uuid, champs: &[(&str, &str)]) -> Event {
    let champs = champs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Event::TacheFermee { tache, champs, par: "agent".to_owned() }
}

fn billing(version: u64, rib: Rib) -> Event {
    Event::Facturation { version, facturation: Box::new(facturation(rib)) }
}

mod attestations;
mod confirmations;
mod engagements;
mod etats;
mod mois;
mod table;
