//! Why a call to DS failed, and its class.

use agency::HttpError;
use kernel::{BoxError, Fault};

use crate::wire::{CodeRacine, Illisible};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Erreur {
    /// The call itself failed.
    #[error("the call to DS failed")]
    Http(#[from] HttpError),
    /// The answer is not usable.
    #[error("the answer of DS is not usable")]
    Reponse(#[from] Illisible),
    /// A list without its page.
    #[error("the list has no page")]
    SansPage,
    /// The dossier is not visible any more.
    #[error("the dossier is not visible any more")]
    Disparu,
    /// The robot instructeur is unknown to DS.
    #[error("DS does not know the instructeur of the settings")]
    InstructeurInconnu,
    /// The budget of calls could not be written.
    #[error("the budget of calls to DS could not be written")]
    Budget(#[source] BoxError),
    /// DS refused a mutation, and where the dossier stands does not explain it.
    #[error("DS refused: {0}")]
    Refus(String),
}

impl Erreur {
    /// « not found » of a query about a dossier is an answer, not a failure.
    pub(super) fn ou_disparu(self) -> Self {
        let not_found = matches!(self, Self::Reponse(Illisible::Racine(CodeRacine::NotFound)));
        if not_found { Self::Disparu } else { self }
    }

    /// Says whether a smaller page may pass: DS or its proxy gave up, or one dossier of the page
    /// cannot be shown and takes the whole page with it.
    pub(super) fn page_trop_lourde(&self) -> bool {
        match self {
            Self::Reponse(Illisible::Racine(CodeRacine::Timeout | CodeRacine::InvalidNull))
            | Self::Http(HttpError::Status { status: 504, .. } | HttpError::TooLarge { .. }) => {
                true
            }
            Self::Http(HttpError::Interrupted(e)) => e.is_timeout(),
            Self::Http(HttpError::Connect(_) | HttpError::Status { .. })
            | Self::Reponse(_)
            | Self::SansPage
            | Self::Disparu
            | Self::InstructeurInconnu
            | Self::Budget(_)
            | Self::Refus(_) => false,
        }
    }
}

impl From<Erreur> for Fault {
    fn from(erreur: Erreur) -> Self {
        let permanent = match &erreur {
            // « Token expired »: somebody must renew it (a year at most since 2026-09).
            Erreur::Http(HttpError::Status { status: 401, .. }) => "ds-jeton-expire",
            // Missing, mistyped or revoked token, or an address outside the token's networks.
            Erreur::Http(HttpError::Status { status: 403, .. }) => "ds-interdit",
            // `graphql_parse_failed`, `bad_request`: the same request fails the same way.
            Erreur::Http(HttpError::Status { status: 400, .. })
            | Erreur::Reponse(Illisible::Racine(CodeRacine::Requete)) => "ds-requete",
            // The token's administrateur left the démarche, or the token does not cover it.
            Erreur::Reponse(Illisible::Racine(CodeRacine::Unauthorized)) => "ds-hors-perimetre",
            // The démarche itself: a wrong number in the settings.
            Erreur::Reponse(Illisible::Racine(CodeRacine::NotFound)) => "ds-introuvable",
            // DS's own data: support must repair them, the exception is theirs.
            Erreur::Reponse(Illisible::Racine(CodeRacine::InvalidNull)) => "ds-donnee-invalide",
            // The schema changed, or the address is another GraphQL service.
            Erreur::Reponse(Illisible::Forme { .. }) | Erreur::SansPage => "ds-forme",
            Erreur::InstructeurInconnu => "ds-instructeur",
            // Rights of the robot in the groupe instructeur, invalid annotations, read-only token.
            Erreur::Refus(_) => "ds-mutation-refusee",
            Erreur::Budget(_) => return Self::transient("ds-debit", erreur),
            // Asked again by a decision, never by the frame; kept total.
            Erreur::Disparu => "ds-dossier-disparu",
            // The query took more than 30 s: an hour later it may not.
            Erreur::Reponse(Illisible::Racine(CodeRacine::Timeout)) => {
                return Self::transient("ds-timeout", erreur);
            }
            // Intermittent on DS's side (issue 11942).
            Erreur::Reponse(Illisible::Racine(CodeRacine::InternalServerError)) => {
                return Self::transient("ds-erreur-interne", erreur);
            }
            // A proxy's or a maintenance page with status 200.
            Erreur::Reponse(Illisible::PasJson) => {
                return Self::transient("ds-illisible", erreur);
            }
            // 429 (400 calls a minute per token), 500, 502 and 504 in HTML, lost connections.
            Erreur::Http(_) => {
                let Erreur::Http(http) = erreur else { return Self::transient("ds", erreur) };
                return http.into();
            }
        };
        Self::permanent(permanent, erreur)
    }
}
