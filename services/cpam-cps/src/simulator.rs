//! A simulated CPAM: reads `agence.cpam.<code>`, creates numbers, obtains bank details and pays
//! statements by itself, after delays that a script chooses. Written from the message catalogue
//! (`contracts/`) and from what is public of the numéro AM, not from the service's code.

mod caisse;
mod poste;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bus::{BusError, Delivery, SharedTransport};
use chrono::TimeDelta;
use contracts::{
    Agence, Demande, EngagementId, Envelope, Incoming, Message, NumeroAm, Rib,
    messages::{
        EtatMensuel, NumeroAmCree, NumeroAmDemande, NumeroAmRefuse, PaiementEffectue,
        PaiementRejete, RibDemande, RibRecu,
    },
};
use kernel::{Clock, Draw, Tasks, derive_id, paris_date};
use uuid::Uuid;

use self::{
    caisse::Caisse,
    poste::{Poste, Reponse},
};

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

/// What a CPAM does with a request for a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReactionNumero {
    /// Nothing; the reminder is a new chance.
    Silence,
    /// It creates the number.
    Creer {
        /// After this business time.
        apres: Duration,
        /// What it knows of the bank details.
        rib: Rib,
        /// How it says so.
        facon: Facon,
    },
    /// It refuses.
    Refuser {
        /// After this business time.
        apres: Duration,
        /// Its reason.
        code: String,
    },
}

/// What a CPAM does with a request for bank details.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReactionRib {
    /// Nothing; the reminder is a new chance.
    Silence,
    /// It has them.
    Recu {
        /// After this business time.
        apres: Duration,
        /// How it says so.
        facon: Facon,
    },
}

/// What a CPAM does with a monthly statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReactionEtat {
    /// Nothing.
    Silence,
    /// It pays the lines, those excepted that it rejects.
    Payer {
        /// After this business time.
        apres: Duration,
        /// Rejected lines, each with its code.
        rejets: BTreeMap<Uuid, String>,
        /// How it says so.
        facon: Facon,
    },
}

/// Chooses the reactions to requests.
#[derive(Clone)]
pub struct Script {
    /// To a request for a number.
    pub numero: Arc<dyn Fn(&NumeroAmDemande) -> ReactionNumero + Send + Sync>,
    /// To a request for bank details.
    pub rib: Arc<dyn Fn(&RibDemande) -> ReactionRib + Send + Sync>,
    /// To a statement.
    pub etat: Arc<dyn Fn(&EtatMensuel) -> ReactionEtat + Send + Sync>,
}

impl Script {
    /// Plausible reactions, drawn from each request alone: see [`numero_par_defaut`],
    /// [`rib_par_defaut`] and [`etat_par_defaut`].
    pub fn par_defaut(seed: u64) -> Self {
        Self {
            numero: Arc::new(move |m| numero_par_defaut(seed, m)),
            rib: Arc::new(move |m| rib_par_defaut(seed, m)),
            etat: Arc::new(move |m| etat_par_defaut(seed, m)),
        }
    }
}

/// 4 % stay without an answer until they are repeated; a number takes 2 to 8 days; bank details are
/// known for 70 % of the engagements, missing otherwise.
pub fn numero_par_defaut(seed: u64, m: &NumeroAmDemande) -> ReactionNumero {
    let draw = |step: &str| Draw::of(seed, &["cpam", m.engagement.as_str(), step]);
    if m.demande.rang == 1 && draw("silence").percent(4) {
        return ReactionNumero::Silence;
    }
    let apres = Duration::from_hours(draw("delai").between(2 * 24, 8 * 24));
    let rib = if draw("rib").percent(70) { Rib::Present } else { Rib::Manquant };
    ReactionNumero::Creer { apres, rib, facon: Facon::Normale }
}

/// 30 % of the doctors need a reminder; then 2 to 10 days.
pub fn rib_par_defaut(seed: u64, m: &RibDemande) -> ReactionRib {
    let draw = |step: &str| Draw::of(seed, &["cpam", m.engagement.as_str(), step]);
    if m.demande.rang == 1 && draw("rib-silence").percent(30) {
        return ReactionRib::Silence;
    }
    let apres = Duration::from_hours(draw("rib-delai").between(2 * 24, 10 * 24));
    ReactionRib::Recu { apres, facon: Facon::Normale }
}

/// Everything is paid after 3 to 12 days.
pub fn etat_par_defaut(seed: u64, m: &EtatMensuel) -> ReactionEtat {
    let id = m.demande.id.to_string();
    let hours = Draw::of(seed, &["cpam", &id, "paiement"]).between(3 * 24, 12 * 24);
    let apres = Duration::from_hours(hours);
    ReactionEtat::Payer { apres, rejets: BTreeMap::new(), facon: Facon::Normale }
}

contracts::incoming! {
    /// What a CPAM receives.
    enum Recu { NumeroAmDemande, RibDemande, EtatMensuel }
}

/// A simulated CPAM; cheap to clone.
#[derive(Clone)]
pub struct CpamSimulee {
    poste: Poste,
    script: Script,
    journal: Arc<Mutex<Journal>>,
}

impl std::fmt::Debug for CpamSimulee {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("CpamSimulee").field(&self.poste.agence().user()).finish()
    }
}

struct Journal {
    caisse: Caisse,
    numeros: Vec<NumeroAmDemande>,
    ribs: Vec<RibDemande>,
    etats: Vec<EtatMensuel>,
    illisibles: usize,
    /// Answers given to each request: a reminder of an answered one is not answered again.
    reponses: BTreeMap<Uuid, u32>,
}

impl CpamSimulee {
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
        let journal = Journal {
            caisse: Caisse::new(&agence.code),
            numeros: Vec::new(),
            ribs: Vec::new(),
            etats: Vec::new(),
            illisibles: 0,
            reponses: BTreeMap::new(),
        };
        let poste = Poste::new(transport, agence, clock, tasks.clone());
        let cpam = Self { poste, script, journal: Arc::new(Mutex::new(journal)) };
        let reader = cpam.clone();
        cpam.poste.ecouter(move |delivery| reader.recevoir(delivery)).await?;
        Ok(cpam)
    }

    /// Every request for a number, reminders included.
    pub fn demandes_numero(&self) -> Vec<NumeroAmDemande> {
        self.lock().numeros.clone()
    }

    /// Every request for bank details, reminders included.
    pub fn demandes_rib(&self) -> Vec<RibDemande> {
        self.lock().ribs.clone()
    }

    /// Every statement received.
    pub fn etats(&self) -> Vec<EtatMensuel> {
        self.lock().etats.clone()
    }

    /// The number created for each engagement.
    pub fn numeros(&self) -> BTreeMap<EngagementId, NumeroAm> {
        self.lock().caisse.numeros().clone()
    }

    /// How many messages could not be read: none, unless Relais is wrong.
    pub fn illisibles(&self) -> usize {
        self.lock().illisibles
    }

    fn lock(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn recevoir(&self, delivery: &Delivery) {
        let envelope = &delivery.envelope;
        match Recu::decode(&envelope.message_type, &envelope.data) {
            Err(_) => self.lock().illisibles += 1,
            Ok(Recu::NumeroAmDemande(m)) => {
                self.lock().numeros.push(m.clone());
                if self.attend(m.demande) {
                    self.creer(&m, envelope);
                }
            }
            Ok(Recu::RibDemande(m)) => {
                self.lock().ribs.push(m.clone());
                if self.attend(m.demande) {
                    self.obtenir_rib(&m, envelope);
                }
            }
            Ok(Recu::EtatMensuel(m)) => {
                self.lock().etats.push(m.clone());
                if self.attend(m.demande) {
                    self.payer(&m, envelope);
                }
            }
        }
    }

    /// Says whether a request was not answered yet.
    fn attend(&self, demande: Demande) -> bool {
        !self.lock().reponses.contains_key(&demande.id)
    }

    fn creer(&self, m: &NumeroAmDemande, cause: &Envelope) {
        match (self.script.numero)(m) {
            ReactionNumero::Silence => {}
            ReactionNumero::Refuser { apres, code } => {
                let (demande, engagement) = (m.demande, m.engagement.clone());
                let answer = NumeroAmRefuse { demande, engagement, code };
                self.envoyer(apres, m.demande, &answer, Facon::Normale, cause);
            }
            ReactionNumero::Creer { apres, rib, facon } => {
                let numero_am = self.lock().caisse.numero(&m.engagement);
                let answer = NumeroAmCree {
                    demande: adressee(m.demande, facon),
                    engagement: m.engagement.clone(),
                    numero_am,
                    rib,
                };
                self.envoyer(apres, m.demande, &answer, facon, cause);
            }
        }
    }

    fn obtenir_rib(&self, m: &RibDemande, cause: &Envelope) {
        match (self.script.rib)(m) {
            ReactionRib::Silence => {}
            ReactionRib::Recu { apres, facon } => {
                let demande = adressee(m.demande, facon);
                let answer = RibRecu { demande, engagement: m.engagement.clone() };
                self.envoyer(apres, m.demande, &answer, facon, cause);
            }
        }
    }

    fn payer(&self, m: &EtatMensuel, cause: &Envelope) {
        let ReactionEtat::Payer { apres, rejets, facon } = (self.script.etat)(m) else { return };
        let demande = adressee(m.demande, facon);
        let paid: Vec<Uuid> =
            m.lignes.iter().map(|l| l.ligne).filter(|id| !rejets.contains_key(id)).collect();
        if !paid.is_empty() {
            let due = self.poste.clock().now() + TimeDelta::from_std(apres).unwrap_or_default();
            let answer = PaiementEffectue { demande, lignes: paid, date: paris_date(due) };
            self.envoyer(apres, m.demande, &answer, facon, cause);
        }
        for (ligne, code) in rejets {
            if m.lignes.iter().any(|l| l.ligne == ligne) {
                let answer = PaiementRejete { demande, ligne, code };
                self.envoyer(apres, m.demande, &answer, facon, cause);
            }
        }
    }

    fn envoyer<M: Message>(
        &self,
        apres: Duration,
        demande: Demande,
        answer: &M,
        facon: Facon,
        cause: &Envelope,
    ) {
        let reponse = || Reponse::new(self.reponse_id(demande.id), answer, Some(cause));
        let reponses = match facon {
            Facon::Normale | Facon::AutreDemande => vec![reponse()],
            Facon::DeuxFois => vec![reponse(), reponse()],
            Facon::MemeMessage => {
                let once = reponse();
                vec![once.clone(), once]
            }
            Facon::Malformee => vec![Reponse { data: br#"{"demande":1}"#.to_vec(), ..reponse() }],
        };
        self.poste.publier_apres(apres, reponses);
    }

    /// The n-th answer to a request always has the same id.
    fn reponse_id(&self, demande: Uuid) -> Uuid {
        let rank = {
            let mut journal = self.lock();
            let count = journal.reponses.entry(demande).or_default();
            *count += 1;
            count.to_string()
        };
        derive_id(&["cpam simulee", &self.poste.agence().user(), &demande.to_string(), &rank])
    }
}

fn adressee(demande: Demande, facon: Facon) -> Demande {
    match facon {
        Facon::AutreDemande => Demande { id: derive_id(&["inconnue"]), rang: 1 },
        Facon::Normale | Facon::DeuxFois | Facon::MemeMessage | Facon::Malformee => demande,
    }
}
