//! A simulated CDOM: reads `agence.cdom.<code>`, answers by itself after a delay that a script
//! chooses. Written from the message catalogue (`contracts/`), not from the service's code. A CDOM
//! without a queue is a person who follows the link of a mail: see [`repondre_au_lien`].

mod poste;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use agency::{HttpClient, HttpError};
use bus::{BusError, Delivery, SharedTransport};
use chrono::NaiveDate;
use contracts::{
    Agence, Demande, Envelope, Incoming, Rpps,
    messages::{
        ActiviteNotifiee, FinPrononcee, Issue, SuspensionLevee, SuspensionPrononcee,
        VerificationDemandee, VerificationRendue,
    },
};
use kernel::{Clock, Draw, Tasks, derive_id};
use uuid::Uuid;

use self::poste::{Poste, Reponse};

/// What a CDOM does with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReactionCdom {
    /// Nothing; the reminder is a new chance.
    Silence,
    /// It answers.
    Rendre {
        /// After this business time.
        apres: Duration,
        /// Its decision.
        issue: Issue,
        /// What it needs, for a complement.
        champs: Vec<String>,
        /// How it sends it.
        facon: Facon,
    },
    /// Several answers to the same request.
    Plusieurs(Vec<ReactionCdom>),
}

impl ReactionCdom {
    /// A plain answer.
    pub fn rendre(apres: Duration, issue: Issue) -> Self {
        Self::Rendre { apres, issue, champs: Vec::new(), facon: Facon::Normale }
    }
}

/// How an answer is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Facon {
    /// Once.
    Normale,
    /// Twice, as two messages.
    DeuxFois,
    /// Twice, as one message delivered again.
    MemeMessage,
    /// With a body that is not what its type announces, and never again.
    Malformee,
    /// To a request that nobody made.
    AutreDemande,
}

/// Chooses the reaction to a request.
pub type Script = Arc<dyn Fn(&VerificationDemandee) -> ReactionCdom + Send + Sync>;

contracts::incoming! {
    /// What a CDOM receives.
    enum Recu { VerificationDemandee, ActiviteNotifiee }
}

/// A simulated CDOM; cheap to clone.
#[derive(Clone)]
pub struct CdomSimule {
    poste: Poste,
    script: Script,
    journal: Arc<Mutex<Journal>>,
}

impl std::fmt::Debug for CdomSimule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("CdomSimule").field(&self.poste.agence().user()).finish()
    }
}

#[derive(Default)]
struct Journal {
    demandes: Vec<VerificationDemandee>,
    notifications: Vec<ActiviteNotifiee>,
    illisibles: usize,
    /// Answers given to each request: a reminder of an answered one is not answered again.
    reponses: BTreeMap<Uuid, u32>,
    suspensions: u32,
}

impl CdomSimule {
    /// Starts to read the agency's queue.
    ///
    /// # Errors
    /// [`BusError`] when the transport refuses the queue.
    pub async fn start(
        transport: SharedTransport,
        agence: Agence,
        clock: Clock,
        tasks: &Tasks,
        script: Script,
    ) -> Result<Self, BusError> {
        let poste = Poste::new(transport, agence, clock, tasks.clone());
        let cdom = Self { poste, script, journal: Arc::default() };
        let reader = cdom.clone();
        cdom.poste.ecouter(move |delivery| reader.recevoir(delivery)).await?;
        Ok(cdom)
    }

    /// Every verification that was asked, reminders included.
    pub fn demandes(&self) -> Vec<VerificationDemandee> {
        self.lock().demandes.clone()
    }

    /// Every activity that the CDOM was told of.
    pub fn notifications(&self) -> Vec<ActiviteNotifiee> {
        self.lock().notifications.clone()
    }

    /// How many messages could not be read: none, unless Relais is wrong.
    pub fn illisibles(&self) -> usize {
        self.lock().illisibles
    }

    /// Suspends a doctor, at once.
    pub fn prononcer_suspension(&self, rpps: Rpps, a_compter_du: NaiveDate) {
        let id = self.suspension_id();
        let message = SuspensionPrononcee { rpps, a_compter_du };
        self.poste.publier_apres(Duration::ZERO, vec![Reponse::new(id, &message, None)]);
    }

    /// Ends the mission at once, at a site or at all of them.
    pub fn mettre_fin(&self, fin: &FinPrononcee) {
        let id = self.suspension_id();
        self.poste.publier_apres(Duration::ZERO, vec![Reponse::new(id, fin, None)]);
    }

    /// Lifts a suspension, at once.
    pub fn lever_suspension(&self, rpps: Rpps, a_compter_du: NaiveDate) {
        let id = self.suspension_id();
        let message = SuspensionLevee { rpps, a_compter_du };
        self.poste.publier_apres(Duration::ZERO, vec![Reponse::new(id, &message, None)]);
    }

    fn suspension_id(&self) -> Uuid {
        let rank = {
            let mut journal = self.lock();
            journal.suspensions += 1;
            journal.suspensions.to_string()
        };
        derive_id(&["cdom simule", &self.poste.agence().user(), "suspension", &rank])
    }

    fn lock(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn recevoir(&self, delivery: &Delivery) {
        let envelope = &delivery.envelope;
        match Recu::decode(&envelope.message_type, &envelope.data) {
            Err(_) => self.lock().illisibles += 1,
            Ok(Recu::ActiviteNotifiee(m)) => self.lock().notifications.push(m),
            Ok(Recu::VerificationDemandee(m)) => {
                let answered = {
                    let mut journal = self.lock();
                    journal.demandes.push(m.clone());
                    journal.reponses.contains_key(&m.demande.id)
                };
                if !answered {
                    let reaction = (self.script)(&m);
                    self.reagir(&m, reaction, envelope);
                }
            }
        }
    }

    fn reagir(&self, m: &VerificationDemandee, reaction: ReactionCdom, cause: &Envelope) {
        match reaction {
            ReactionCdom::Silence => {}
            ReactionCdom::Plusieurs(all) => {
                for one in all {
                    self.reagir(m, one, cause);
                }
            }
            ReactionCdom::Rendre { apres, issue, champs, facon } => {
                let reponses = self.rediger(m, issue, &champs, facon, apres, cause);
                self.poste.publier_apres(apres, reponses);
            }
        }
    }

    fn rediger(
        &self,
        m: &VerificationDemandee,
        issue: Issue,
        champs: &[String],
        facon: Facon,
        apres: Duration,
        cause: &Envelope,
    ) -> Vec<Reponse> {
        let demande = match facon {
            Facon::AutreDemande => Demande { id: derive_id(&["inconnue"]), rang: 1 },
            Facon::Normale | Facon::DeuxFois | Facon::MemeMessage | Facon::Malformee => m.demande,
        };
        let rendue = VerificationRendue {
            demande,
            dossier: m.dossier,
            issue,
            champs: champs.to_vec(),
            rendue_le: self.poste.clock().now() + apres,
            agent: "agent-1".to_owned(),
        };
        let reponse = || Reponse::new(self.reponse_id(m.demande.id), &rendue, Some(cause));
        match facon {
            Facon::Normale | Facon::AutreDemande => vec![reponse()],
            Facon::DeuxFois => vec![reponse(), reponse()],
            Facon::MemeMessage => {
                let once = reponse();
                vec![once.clone(), once]
            }
            Facon::Malformee => {
                vec![Reponse { data: br#"{"issue":"peut-etre"}"#.to_vec(), ..reponse() }]
            }
        }
    }

    /// The n-th answer to a request always has the same id.
    fn reponse_id(&self, demande: Uuid) -> Uuid {
        let rank = {
            let mut journal = self.lock();
            let count = journal.reponses.entry(demande).or_default();
            *count += 1;
            count.to_string()
        };
        derive_id(&["cdom simule", &self.poste.agence().user(), &demande.to_string(), &rank])
    }
}

/// A plausible reaction, drawn from the request alone: 4 % of the requests stay without an answer
/// until they are repeated, 10 % are answered by a complement, 6 % of the dossiers are refused; an
/// answer takes 1 to 9 days.
pub fn reaction_par_defaut(seed: u64, m: &VerificationDemandee) -> ReactionCdom {
    let (dossier, demande) = (m.dossier.to_string(), m.demande.id.to_string());
    let draw = |step: &str, n: &str| Draw::of(seed, &["cdom", &dossier, step, n]);
    if m.demande.rang == 1 && draw("silence", &demande).percent(4) {
        return ReactionCdom::Silence;
    }
    let apres = Duration::from_hours(draw("delai", &demande).between(24, 9 * 24));
    if draw("complement", &demande).percent(10) {
        let champs = vec!["attestation-assurance".to_owned()];
        let facon = Facon::Normale;
        return ReactionCdom::Rendre { apres, issue: Issue::Complement, champs, facon };
    }
    let refused = draw("refus", "").percent(6);
    let issue = if refused { Issue::Defavorable } else { Issue::Favorable };
    ReactionCdom::rendre(apres, issue)
}

/// The choice of an answer link that stands for a decision.
pub fn choix(issue: Issue) -> &'static str {
    match issue {
        Issue::Favorable => "favorable",
        Issue::Defavorable => "defavorable",
        Issue::Complement => "complement",
    }
}

/// Answers the question behind a link of a mail, as a browser does: posts the form `choix=…`.
/// `client` is a client of the service's public address; only the link's path is used.
///
/// # Errors
/// [`HttpError`] when the page does not take the answer.
pub async fn repondre_au_lien(
    client: &HttpClient,
    url: &str,
    choix: &str,
) -> Result<(), HttpError> {
    let path = url
        .split_once("://")
        .map_or(url, |(_, rest)| rest.find('/').map_or("/", |slash| &rest[slash..]));
    let request = client.request(reqwest::Method::POST, path).form(&[("choix", choix)]);
    client.send(request).await.map(drop)
}
