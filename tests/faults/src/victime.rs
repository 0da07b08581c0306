//! The service that faults happen to: it counts its inputs and publishes one effect for each, at
//! once or by way of a call, another state, a wake-up or a request. An input says which in its
//! `cause`.

use agency::{HttpClient, HttpError, HttpSettings};
use chrono::TimeDelta;
use contracts::{
    Agence, DossierId, EngagementId, Famille, incoming,
    messages::{CandidatureIncomplete, CandidatureRetiree, Manque, RibDemande},
};
use kernel::Fault;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use service::{
    AskKind, Attempt, Context, Decision, Equipment, Input, Limit, OperatorAction, Refusal, Repeat,
    Service,
};
use uuid::Uuid;

/// The service.
pub struct Victime {
    agence: HttpClient,
}

/// Its settings.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Reglages {
    /// Where the simulated agency is.
    pub agence_url: String,
}

/// Its states.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Etat {
    /// Effects published so far.
    pub compte: u64,
    /// A text of the last input, as it came.
    #[serde(default)]
    pub texte: String,
}

incoming! {
    /// What it reads.
    pub enum Recu { CandidatureRetiree, VerificationRendue }
}

/// What a state tells another, and what comes from outside.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Evenement {
    /// At each start.
    Amorce,
    /// Publish the effect of this input.
    Effet {
        /// The input.
        entree: String,
        /// Its dossier.
        dossier: u64,
    },
    /// Take a text that PostgreSQL refuses.
    Gater,
}

/// What may be done again after an attempt without a result; what the agency does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Genre {
    /// Doing it twice is doing it once.
    Idempotent,
    /// The agency does it twice; it is read first.
    Relecture,
    /// It may be done twice, under one id.
    Peutetre,
    /// The agency fails once, then does it.
    Passager,
    /// The agency refuses.
    Refus,
    /// The agency answers when the test says so.
    Retenu,
}

impl Genre {
    /// Its name in a URL and in a `cause`.
    pub fn nom(self) -> &'static str {
        match self {
            Self::Idempotent => "idempotent",
            Self::Relecture => "relecture",
            Self::Peutetre => "peutetre",
            Self::Passager => "passager",
            Self::Refus => "refus",
            Self::Retenu => "retenu",
        }
    }

    fn de(nom: &str) -> Option<Self> {
        serde_json::from_value(serde_json::Value::from(nom)).ok()
    }
}

/// A call to the agency.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Appel {
    /// Which.
    pub genre: Genre,
    /// The input it is for.
    pub entree: String,
    /// Its dossier.
    pub dossier: u64,
}

impl AskKind for Appel {
    fn kind(&self) -> &'static str {
        self.genre.nom()
    }
    fn agency(&self) -> &'static str {
        // Each genre behind its own breaker: one that fails must not hold the others up.
        self.genre.nom()
    }
    fn repeat(&self) -> Repeat {
        match self.genre {
            Genre::Idempotent | Genre::Passager | Genre::Refus | Genre::Retenu => {
                Repeat::Idempotent
            }
            Genre::Relecture => Repeat::ReadBack,
            Genre::Peutetre => Repeat::MaybeTwice,
        }
    }
}

impl Service for Victime {
    const NAME: &'static str = "victime";
    const FAMILLE: Option<Famille> = None;
    type Config = Reglages;
    type State = Etat;
    type Message = Recu;
    type Event = Evenement;
    type Ask = Appel;
    type Answer = bool;

    fn new(config: &Reglages, _: &Equipment) -> Result<Self, String> {
        let agence = HttpClient::new(HttpSettings {
            base_url: config.agence_url.clone(),
            timeout_ms: 3_000,
            max_body_bytes: 1 << 16,
        })?;
        Ok(Self { agence })
    }

    fn key(message: &Recu) -> String {
        match message {
            Recu::CandidatureRetiree(m) if m.cause.starts_with("cle:") => m.cause.clone(),
            Recu::CandidatureRetiree(m) => format!("dossier/{}", m.dossier),
            Recu::VerificationRendue(m) => format!("dossier/{}", m.dossier),
        }
    }

    fn decide(
        state: Option<&Etat>,
        input: Input<Self>,
        cx: &Context<'_, Self>,
    ) -> Result<Decision<Self>, Refusal> {
        let etat = state.cloned().unwrap_or_default();
        match input {
            Input::Message { message: Recu::CandidatureRetiree(m), meta, .. } => {
                recu(etat, &m, &meta.id, cx)
            }
            Input::Message { message: Recu::VerificationRendue(m), meta, .. } => {
                Ok(effet(etat, m.dossier, &meta.id, cx))
            }
            Input::Answer { ask, .. } => Ok(effet(etat, DossierId(ask.dossier), &ask.entree, cx)),
            Input::Wake { reason } => Ok(effet(etat, DossierId(0), &reason, cx)),
            Input::Event(Evenement::Effet { entree, dossier }) => {
                Ok(effet(etat, DossierId(dossier), &entree, cx))
            }
            Input::Event(Evenement::Gater) => {
                Ok(Decision::next(Etat { texte: "a\0b".to_owned(), ..etat }))
            }
            Input::Event(Evenement::Amorce) => Ok(Decision::Ignore("amorce")),
        }
    }

    async fn ask(&self, ask: &Appel, id: Uuid, attempt: Attempt) -> Result<bool, Fault> {
        let path = format!("/{}/{id}", ask.genre.nom());
        // A call that timed out ended with a result, and may have been made as well.
        if ask.repeat() == Repeat::ReadBack && attempt != Attempt::First {
            match self.agence.send(self.agence.request(Method::GET, &path)).await {
                Ok(_) => return Ok(true),
                Err(HttpError::Status { status: 404, .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.agence.send(self.agence.request(Method::POST, &path)).await?;
        Ok(true)
    }

    fn limits(_: &Reglages) -> Vec<(&'static str, Limit)> {
        let limit = Limit { calls: 1_000_000, ..Limit::default() };
        ["idempotent", "relecture", "peutetre", "passager", "refus", "retenu"]
            .map(|agence| (agence, limit))
            .to_vec()
    }

    fn boot(_: &Reglages) -> Vec<(String, Evenement)> {
        vec![("amorce".to_owned(), Evenement::Amorce)]
    }

    fn operator(action: &OperatorAction) -> Result<(String, Evenement), String> {
        let entree = action.champs.get("entree").cloned().ok_or("entree est requis")?;
        Ok((action.cle.clone(), Evenement::Effet { entree, dossier: 0 }))
    }
}

/// What the `cause` of an input asks for.
fn recu(
    mut etat: Etat,
    m: &CandidatureRetiree,
    entree: &str,
    cx: &Context<'_, Victime>,
) -> Result<Decision<Victime>, Refusal> {
    let (quoi, reste) = m.cause.split_once(':').unwrap_or((m.cause.as_str(), ""));
    let suite = |etat| Ok(Decision::next(etat));
    match quoi {
        "panique" => panic!("asked to"),
        "refus" => Err(Refusal::new("cause-refusee", "asked to")),
        "ignore" => Ok(Decision::Ignore("asked to")),
        "appel" => {
            let genre = Genre::de(reste).ok_or_else(|| Refusal::new("genre", "unknown"))?;
            let appel = Appel { genre, entree: entree.to_owned(), dossier: m.dossier.0 };
            suite(etat).map(|d| d.ask(appel))
        }
        "annule" => Ok(effet(etat, m.dossier, entree, cx).cancel_asks("retenu")),
        "dire" => {
            let event = Evenement::Effet { entree: entree.to_owned(), dossier: m.dossier.0 };
            suite(etat).map(|d| d.tell(format!("aval/{}", m.dossier.0 % 7), event))
        }
        "gater" => suite(etat).map(|d| d.tell("aval/0", Evenement::Gater)),
        "reveil" => {
            let at = cx.now + TimeDelta::seconds(2);
            suite(etat).map(|d| d.wake_at(at, entree))
        }
        "requete" => {
            let engagement: EngagementId =
                cx.id("engagement").simple().to_string().parse().expect("32 lower-case digits");
            let demande = contracts::valeurs::Demande { id: cx.id("demande"), rang: 1 };
            let request = RibDemande { demande, engagement };
            let agence: Agence = reste.parse().expect("a test names an agency");
            Ok(effet(etat, m.dossier, entree, cx).request(&agence, &request))
        }
        "texte" => {
            reste.clone_into(&mut etat.texte);
            Ok(effet(etat, m.dossier, entree, cx))
        }
        _ => Ok(effet(etat, m.dossier, entree, cx)),
    }
}

/// One more effect of this state: the fact names the input, the state and the count.
fn effet(
    mut etat: Etat,
    dossier: DossierId,
    entree: &str,
    cx: &Context<'_, Victime>,
) -> Decision<Victime> {
    etat.compte += 1;
    let code = format!("{}#{}", cx.key, etat.compte);
    let manques = vec![Manque { champ: entree.to_owned(), code }];
    Decision::next(etat).publish(&CandidatureIncomplete { dossier, manques })
}
