//! Every state × every input, as a table in `matrice.txt`; properties; the poll.

use std::sync::LazyLock;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{Referentiel, messages};
use service::{AskKind, Effect, Meta};
use uuid::Uuid;

use super::*;
use crate::{
    Event, Message,
    agency::{Answer, Ask, Cible},
    config::Config,
    state::{Phase, ResumeActivite},
    wire::{CreneauBrut, EtatDs, Formulaire, Lecture, RaisonDisparition},
};

mod demarche;
mod matrice;
mod proprietes;

fn at(minutes: i64) -> DateTime<Utc> {
    let start: DateTime<Utc> = "2026-03-02T08:00:00Z".parse().expect("instant");
    start + TimeDelta::minutes(minutes)
}

fn config() -> Config {
    let mut config =
        Config::new("http://127.0.0.1:1", 1, kernel::Secret::new("jeton-fictif"), "robot");
    config.annotations.insert(crate::config::Annotation::Avancement, "note".to_owned());
    config
}

fn register() -> Referentiel {
    let lieux = "id,nom,adresse,commune,departement,intercommunalite,finess,rpps_rang,cpam,cdom,contact_courriel,latitude,longitude,source\n\
ambert,Centre,,Ambert,63,,,,631,63,,,,test\n";
    let agences = "code,nom,canal,courriel,source\n";
    Referentiel::parse(lieux, agences, agences).expect("register")
}

/// Decides at minute `now`; `cause` distinguishes inputs.
fn run_as(
    key: &str,
    state: Option<&State>,
    input: Input<DsIntake>,
    now: i64,
    cause: &str,
) -> Decision<DsIntake> {
    static SETTINGS: LazyLock<(Config, Referentiel)> = LazyLock::new(|| (config(), register()));
    let (config, referentiel) = &*SETTINGS;
    let now = at(now);
    let cx = Context { now, config, referentiel, key, cause };
    decide(state, input, &cx).expect("no refusal")
}

fn run(key: &str, state: Option<&State>, input: Input<DsIntake>) -> Decision<DsIntake> {
    run_as(key, state, input, 60, "cause")
}

fn form() -> Formulaire {
    let text = |t: &str| Some(t.to_owned());
    Formulaire {
        rpps: text("99790000014"),
        civilite: text("M"),
        nom: text("EXEMPLE"),
        prenom: text("Jean"),
        courriel: text("jean@medecins.example"),
        telephone: text("0600000000"),
        mode_exercice: text("Salarié"),
        departement: text("63"),
        cdom: text("63"),
        lieux: vec!["ambert".to_owned()],
        creneaux: vec![CreneauBrut {
            date: "2026-03-23".to_owned(),
            demi_journee: "Matin".to_owned(),
        }],
        remplacement: None,
    }
}

/// The `depots`-th deposit, read when it was modified at minute `modified`.
fn lecture(etat: EtatDs, depots: u32, modified: i64) -> Lecture {
    Lecture {
        etat,
        depose_le: at(0),
        soumis_le: at(i64::from(depots) - 1),
        depots,
        modifie_le: at(modified),
        traite_le: etat.est_termine().then(|| at(modified)),
        correction_en_attente: false,
        formulaire: form(),
    }
}

fn incomplete(mut lecture: Lecture) -> Lecture {
    lecture.formulaire.rpps = None;
    lecture
}

fn lu(lecture: Lecture) -> Input<DsIntake> {
    let answer = Answer::Lu(Box::new(lecture));
    Input::Answer { ask: Ask::Lire { numero: 7 }, answer, id: Uuid::nil() }
}

fn message(message: Message) -> Input<DsIntake> {
    let meta = Meta {
        id: "m".to_owned(),
        source: "/relais/test".to_owned(),
        time: at(0),
        subject: None,
        sequence: None,
    };
    Input::Message { message, origin: bus::Origin::Relais, meta }
}

fn identifie(trouve: bool, actif: bool) -> messages::MedecinIdentifie {
    messages::MedecinIdentifie {
        dossier: contracts::DossierId(7),
        rpps: "99790000014".parse().expect("rpps"),
        trouve,
        actif,
        profession: None,
        savoir_faire: Vec::new(),
        concordance_identite: None,
    }
}

fn resume(situation: messages::Situation) -> ResumeActivite {
    ResumeActivite {
        engagement: "eng0000001".parse().expect("engagement"),
        lieu: "ambert".parse().expect("lieu"),
        lieu_nom: "Centre".to_owned(),
        situation,
        a_compter_du: "2026-03-10".parse().expect("day"),
    }
}

/// The state after these inputs.
fn after(inputs: Vec<Input<DsIntake>>) -> Option<State> {
    let mut state = None;
    for (rank, input) in inputs.into_iter().enumerate() {
        let now = i64::try_from(rank).expect("few inputs");
        if let Decision::Next { state: next, .. } =
            run_as("dossier/7", state.as_ref(), input, now, &rank.to_string())
        {
            state = Some(next);
        }
    }
    state
}

/// What is decided, in one line.
fn summary(decision: &Decision<DsIntake>) -> String {
    let (state, effects) = match decision {
        Decision::Ignore(reason) => return format!("ignore ({reason})"),
        Decision::Next { state, effects } => (state, effects),
    };
    let mut line = match state {
        State::Dossier(d) => phase(&d.phase).to_owned(),
        State::Demarche(_) => "demarche".to_owned(),
        State::Engagement(_) => "engagement".to_owned(),
        State::Medecin(_) => "medecin".to_owned(),
    };
    let told = effects.iter().map(|effect| match effect {
        Effect::Publish(m) => format!("publish {}", m.message_type.trim_end_matches(".v1")),
        Effect::Ask(ask) => format!("ask {}", ask.kind()),
        Effect::CancelAsks(kind) => format!("cancel {kind}"),
        Effect::Tell { key, .. } => format!("tell {key}"),
        Effect::WakeAt { reason, .. } => format!("wake {reason}"),
        Effect::CancelWake(reason) => format!("unwake {reason}"),
    });
    // Cancelling is always safe: only what is done shows.
    for effect in told.filter(|t| !t.starts_with("cancel")) {
        line.push_str(", ");
        line.push_str(&effect);
    }
    line
}

fn phase(phase: &Phase) -> &'static str {
    match phase {
        Phase::Reception => "reception",
        Phase::Instruction { attente: None, .. } => "instruction",
        Phase::Instruction { attente: Some(_), .. } => "instruction+attente",
        Phase::Autorisee => "autorisee",
        Phase::Refusee => "refusee",
        Phase::Retiree { .. } => "retiree",
    }
}
