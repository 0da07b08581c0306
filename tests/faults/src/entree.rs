//! Inputs of the test service, and what each must lead to.

use bus::Publication;
use contracts::{DossierId, Envelope, Flux, Message, messages::CandidatureRetiree};
use kernel::Clock;

use crate::Genre;

/// What an input must lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attendu {
    /// One effect.
    Effet,
    /// One failure of this code.
    Panne(&'static str),
    /// Nothing.
    Rien,
}

/// One input.
#[derive(Clone, Debug)]
pub struct Entree {
    /// Its id.
    pub id: String,
    /// Its dossier.
    pub dossier: u64,
    /// What it asks for.
    pub cause: String,
    /// What it must lead to.
    pub attendu: Attendu,
    /// Sent instead of what `cause` says.
    pub corps: Option<Vec<u8>>,
    /// Its type, when it is another than the catalogue's.
    pub message_type: Option<&'static str>,
    /// The publisher's version of the dossier, for snapshots.
    pub sequence: Option<u64>,
}

impl Entree {
    /// One that has an effect.
    pub fn new(id: impl Into<String>, dossier: u64, cause: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            dossier,
            cause: cause.into(),
            attendu: Attendu::Effet,
            corps: None,
            message_type: None,
            sequence: None,
        }
    }

    /// One that becomes a failure of this code.
    #[must_use]
    pub fn en_panne(self, code: &'static str) -> Self {
        Self { attendu: Attendu::Panne(code), ..self }
    }

    /// The same with this body.
    #[must_use]
    pub fn avec_corps(self, corps: impl Into<Vec<u8>>) -> Self {
        Self { corps: Some(corps.into()), ..self }
    }

    /// As it is published.
    ///
    /// # Panics
    /// Never: the message encodes.
    pub fn publication(&self) -> Publication {
        let corps = CandidatureRetiree {
            dossier: DossierId(self.dossier),
            rpps: None,
            cause: self.cause.clone(),
        };
        let data = self.corps.clone();
        let envelope = Envelope {
            id: self.id.clone(),
            source: "/relais/essai".to_owned(),
            message_type: self.message_type.unwrap_or(CandidatureRetiree::TYPE).to_owned(),
            subject: self.sequence.map(|_| format!("dossier/{}", self.dossier)),
            time: Clock::system().now(),
            sequence: self.sequence,
            correlation_id: None,
            causation_id: None,
            traceparent: None,
            data: data.unwrap_or_else(|| serde_json::to_vec(&corps).expect("encodes")),
        };
        Publication {
            flux: Flux::Evenements,
            routing_key: CandidatureRetiree::TYPE.to_owned(),
            envelope,
            mandatory: true,
        }
    }
}

/// `n` inputs of every kind, over a few dossiers: effects at once, by a call that may be repeated,
/// read back or done twice, by a call that fails once or for good, by another state, by a wake-up;
/// and inputs that cannot be right.
pub fn melange(lot: &str, n: usize) -> Vec<Entree> {
    (0..n).map(|rang| entree(lot, rang)).collect()
}

fn entree(lot: &str, rang: usize) -> Entree {
    let dossier = 1 + rang as u64 % 5;
    let id = format!("{lot}-{rang}");
    let appel = |genre: Genre| format!("appel:{}", genre.nom());
    match rang % 12 {
        1 => Entree::new(id, dossier, appel(Genre::Idempotent)),
        2 => Entree::new(id, dossier, appel(Genre::Relecture)),
        3 => Entree::new(id, dossier, appel(Genre::Peutetre)),
        4 => Entree::new(id, dossier, appel(Genre::Passager)),
        5 => Entree::new(id, dossier, appel(Genre::Refus)).en_panne("http-refus"),
        6 | 7 => Entree::new(id, dossier, "dire"),
        8 => Entree::new(id, dossier, "reveil"),
        9 => Entree::new(id, dossier, "refus").en_panne("cause-refusee"),
        10 => Entree::new(id, dossier, "x").avec_corps("{pas du JSON").en_panne("corps-invalide"),
        _ => Entree::new(id, dossier, "direct"),
    }
}
