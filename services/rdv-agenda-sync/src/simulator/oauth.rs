//! Doorkeeper's tokens: a refresh token dies, with its access token, when the access token that
//! was made from it is first used (`refresh_token_revoked_on_use`).

use chrono::{DateTime, TimeDelta, Utc};
use kernel::Draw;

struct Jeton {
    acces: Option<String>,
    renouvellement: String,
    expire_le: DateTime<Utc>,
    vivant: bool,
    precedent: Option<usize>,
}

/// Every token ever given.
pub(super) struct Jetons {
    seed: u64,
    tous: Vec<Jeton>,
    /// Codes that were not exchanged yet, with their redirect URI.
    codes: Vec<(String, String)>,
}

/// A pair as it is answered.
pub(super) struct Paire {
    pub(super) acces: String,
    pub(super) renouvellement: String,
}

impl Jetons {
    pub(super) fn new(seed: u64, premier: &str) -> Self {
        let mut jetons = Self { seed, tous: Vec::new(), codes: Vec::new() };
        jetons.ajouter(None, premier.to_owned(), DateTime::UNIX_EPOCH, None);
        jetons
    }

    fn ajouter(
        &mut self,
        acces: Option<String>,
        renouvellement: String,
        expire_le: DateTime<Utc>,
        precedent: Option<usize>,
    ) {
        self.tous.push(Jeton { acces, renouvellement, expire_le, vivant: true, precedent });
    }

    fn tirer(&self, usage: &str) -> String {
        let n = self.tous.len().to_string();
        format!("{usage}-{:016x}", Draw::of(self.seed, &["jeton", usage, &n]).bits())
    }

    /// An agent consents in a browser: the code that comes back.
    pub(super) fn autoriser(&mut self, redirect_uri: &str) -> String {
        let code = self.consentir();
        self.codes.push((code.clone(), redirect_uri.to_owned()));
        code
    }

    /// A code serves once, with the redirect URI that it was given for.
    pub(super) fn encaisser(&mut self, code: &str, redirect_uri: &str) -> bool {
        let given = self.codes.iter().position(|(c, uri)| c == code && uri == redirect_uri);
        given.is_some_and(|index| {
            self.codes.remove(index);
            true
        })
    }

    pub(super) fn consentir(&mut self) -> String {
        let renouvellement = self.tirer("consentement");
        self.ajouter(None, renouvellement.clone(), DateTime::UNIX_EPOCH, None);
        renouvellement
    }

    pub(super) fn revoquer(&mut self) {
        for jeton in &mut self.tous {
            jeton.vivant = false;
        }
    }

    pub(super) fn perimer(&mut self) {
        for jeton in &mut self.tous {
            jeton.expire_le = DateTime::UNIX_EPOCH;
        }
    }

    /// Exchanges a refresh token that is alive.
    pub(super) fn renouveler(
        &mut self,
        renouvellement: &str,
        now: DateTime<Utc>,
        expires_in_s: u32,
    ) -> Option<Paire> {
        let given = |j: &Jeton| j.vivant && j.renouvellement == renouvellement;
        let precedent = self.tous.iter().rposition(given)?;
        let paire =
            Paire { acces: self.tirer("acces"), renouvellement: self.tirer("renouvellement") };
        let expire_le = now + TimeDelta::seconds(expires_in_s.into());
        let (acces, next) = (Some(paire.acces.clone()), paire.renouvellement.clone());
        self.ajouter(acces, next, expire_le, Some(precedent));
        Some(paire)
    }

    /// Whether an access token is good; its first use kills the pair before it.
    pub(super) fn presenter(&mut self, acces: &str, now: DateTime<Utc>) -> bool {
        let given = |j: &Jeton| j.vivant && j.acces.as_deref() == Some(acces) && now < j.expire_le;
        let Some(index) = self.tous.iter().rposition(given) else { return false };
        if let Some(precedent) = self.tous[index].precedent.take() {
            self.tous[precedent].vivant = false;
        }
        true
    }
}
