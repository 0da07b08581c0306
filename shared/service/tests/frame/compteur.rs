//! A small service: what the frame is tried with.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use chrono::TimeDelta;
use contracts::{
    CodeCdom, DossierId, incoming,
    messages::{CandidatureRefusee, RibDemande, TacheFaite, TacheOuverte},
    valeurs::Demande,
};
use kernel::Fault;
use serde::{Deserialize, Serialize};
use service::{
    AskKind, Attempt, Context, Decision, Equipment, Etape, Input, OperatorAction, Refusal, Repeat,
    Service,
};
use tokio::sync::Semaphore;
use uuid::Uuid;

/// Counts withdrawals of a dossier; each is confirmed to an agency, then published as a refusal.
pub(crate) struct Compteur {
    agence: Arc<Mutex<Agence>>,
}

/// A request to a CPAM.
fn demander(etat: Etat, cx: &Context<'_, Compteur>) -> Decision<Compteur> {
    let engagement = cx.id("engagement").simple().to_string().parse().expect("32 digits");
    let demande = Demande { id: cx.id("demande"), rang: 1 };
    let agence = "cpam.631".parse().expect("an agency");
    Decision::next(etat).request(&agence, &RibDemande { demande, engagement })
}

#[derive(Default)]
pub(crate) struct Agence {
    pub(crate) appels: Vec<(Uuid, Attempt)>,
    pub(crate) pannes: Vec<Fault>,
    /// It answers once this is closed.
    pub(crate) retenue: Option<Arc<Semaphore>>,
}

thread_local! {
    /// What the service that is started on this thread calls.
    pub(crate) static AGENCE: RefCell<Option<Arc<Mutex<Agence>>>> = const { std::cell::RefCell::new(None) };
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Etat {
    pub(crate) retraits: u32,
    pub(crate) confirmes: u32,
    pub(crate) reveils: u32,
    pub(crate) texte: String,
}

incoming! {
    /// What it reads.
    pub(crate) enum Recu { CandidatureRetiree, ComplementDemande }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Evenement {
    Note,
    Demarrer,
    Fermer {
        tache: Uuid,
        par: String,
    },
    /// Tells the next state of « suite/n » until 0.
    Suivre(u32),
    /// Keeps a text.
    Garder(String),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Confirmer(u32);

impl AskKind for Confirmer {
    fn kind(&self) -> &'static str {
        "confirmer"
    }
    fn agency(&self) -> &'static str {
        "agence"
    }
    fn repeat(&self) -> Repeat {
        Repeat::Idempotent
    }
}

impl Service for Compteur {
    const NAME: &'static str = "compteur";
    const STATE_VERSION: u32 = 2;
    /// The states that a start concerns.
    type Config = Vec<String>;
    type State = Etat;
    type Message = Recu;
    type Event = Evenement;
    type Ask = Confirmer;
    type Answer = bool;

    fn new(_: &Vec<String>, _: &Equipment) -> Result<Self, String> {
        let agence = AGENCE.with_borrow(Clone::clone).ok_or("no agency")?;
        Ok(Self { agence })
    }

    fn key(message: &Recu) -> String {
        match message {
            Recu::CandidatureRetiree(m) => format!("dossier/{}", m.dossier),
            Recu::ComplementDemande(m) => format!("dossier/{}", m.dossier),
        }
    }

    fn decide(
        state: Option<&Etat>,
        input: Input<Self>,
        cx: &Context<'_, Self>,
    ) -> Result<Decision<Self>, Refusal> {
        let mut etat = state.cloned().unwrap_or_default();
        match input {
            Input::Message { message: Recu::CandidatureRetiree(m), .. } => match m.cause.as_str() {
                "panique" => panic!("asked to"),
                "ignore" => Ok(Decision::Ignore("asked to")),
                "tache" => Ok(Decision::next(etat).publish(&TacheOuverte {
                    tache: cx.id("tache"),
                    gabarit: "compter".to_owned(),
                    service: Self::NAME.to_owned(),
                    cle: cx.key.to_owned(),
                    objet: "dossier/1".to_owned(),
                    champs: BTreeMap::from([("a-copier".to_owned(), "valeur".to_owned())]),
                })),
                "chaine" => Ok(Decision::next(etat).tell("suite/5", Evenement::Suivre(5))),
                "long" => {
                    etat.retraits += 1;
                    let told =
                        |d: Decision<Self>, n| d.tell(format!("branche/{n}"), Evenement::Note);
                    let decision = Decision::next(etat).tell("suite/30", Evenement::Suivre(30));
                    Ok((0..400).fold(decision, told))
                }
                "mauvais" => {
                    etat.retraits += 1;
                    let garder = |text: &str| Evenement::Garder(text.to_owned());
                    Ok(Decision::next(etat)
                        .tell("suite/bon", garder("avant"))
                        .tell("suite/panique", garder("panique"))
                        .tell("suite/bon", garder("après")))
                }
                "refus" => Err(Refusal::new("cause-refusee", "asked to")),
                _ => {
                    etat.retraits += 1;
                    let ask = Confirmer(etat.retraits);
                    Ok(Decision::next(etat)
                        .ask(ask)
                        .wake_at(cx.now + TimeDelta::days(3), "relance"))
                }
            },
            Input::Message { message: Recu::ComplementDemande(_), .. } => {
                Ok(Decision::Ignore("complement"))
            }
            Input::Answer { .. } => {
                etat.confirmes += 1;
                let refus = CandidatureRefusee {
                    dossier: DossierId(1),
                    cdom: "63".parse::<CodeCdom>().expect("valid"),
                };
                Ok(Decision::next(etat).publish(&refus))
            }
            Input::Wake { .. } | Input::Event(Evenement::Note) => {
                etat.reveils += 1;
                Ok(Decision::next(etat))
            }
            Input::Event(Evenement::Demarrer) if cx.key.starts_with("requete/") => {
                Ok(demander(etat, cx))
            }
            Input::Event(Evenement::Demarrer) => {
                etat.reveils += 1;
                let par = format!("départ {}", etat.reveils);
                Ok(Decision::next(etat).publish(&TacheFaite { tache: Uuid::nil(), faite_par: par }))
            }
            Input::Event(Evenement::Suivre(reste)) => {
                etat.reveils += 1;
                let decision = Decision::next(etat);
                Ok(match reste.checked_sub(1) {
                    Some(n) => decision.tell(format!("suite/{n}"), Evenement::Suivre(n)),
                    None => decision,
                })
            }
            Input::Event(Evenement::Garder(text)) => {
                assert!(text != "panique", "asked to");
                etat.texte.push_str(&text);
                Ok(Decision::next(etat))
            }
            Input::Event(Evenement::Fermer { tache, par }) => {
                Ok(Decision::next(etat).publish(&TacheFaite { tache, faite_par: par }))
            }
        }
    }

    fn boot(config: &Vec<String>) -> Vec<(String, Evenement)> {
        config.iter().map(|key| (key.clone(), Evenement::Demarrer)).collect()
    }

    fn operator(action: &OperatorAction) -> Result<(String, Evenement), String> {
        let tache =
            action.champs.get("tache").and_then(|t| t.parse().ok()).ok_or("quelle tâche ?")?;
        Ok((action.cle.clone(), Evenement::Fermer { tache, par: action.par.clone() }))
    }

    /// Withdrawals had another name.
    fn upcast(version: u32, mut body: serde_json::Value) -> Result<serde_json::Value, String> {
        let fields = body.as_object_mut().filter(|_| version == 1).ok_or("an unknown version")?;
        let retraits = fields.remove("retires").ok_or("no withdrawals")?;
        fields.insert("retraits".to_owned(), retraits);
        Ok(body)
    }

    fn etape(etat: &Etat) -> Option<Etape> {
        Some(if etat.confirmes < etat.retraits {
            Etape::Attente("a-confirmer")
        } else {
            Etape::Acquise("confirme")
        })
    }

    async fn ask(&self, _: &Confirmer, id: Uuid, attempt: Attempt) -> Result<bool, Fault> {
        let retenue = {
            let mut agence = self.agence.lock().expect("lock");
            agence.appels.push((id, attempt));
            agence.retenue.clone()
        };
        if let Some(retenue) = retenue {
            let _ = retenue.acquire().await;
        }
        let mut agence = self.agence.lock().expect("lock");
        if agence.pannes.is_empty() { Ok(true) } else { Err(agence.pannes.remove(0)) }
    }
}
