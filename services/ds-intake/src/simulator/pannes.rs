//! What a test makes DS unable to do, or to know.

use std::sync::PoisonError;

use super::{Limites, Simulateur};

impl Simulateur {
    fn limites(&self) -> std::sync::MutexGuard<'_, Limites> {
        self.interne.limites.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lists of more than `first` dossiers run into DS's limit of 30 s (without waiting for it).
    pub fn limiter_pages(&self, first: Option<usize>) {
        self.limites().page_max = first;
    }

    /// DS's own data of this dossier are inconsistent: `invalid_null` wherever it is shown.
    pub fn empoisonner(&self, numero: u64) {
        self.limites().empoisonnes.insert(numero);
    }

    /// DS's support repaired the dossier.
    pub fn guerir(&self, numero: u64) {
        self.limites().empoisonnes.remove(&numero);
    }

    /// Answers so many calls per minute of the clock, as DS does (400); no limit by default.
    pub fn limiter_debit(&self, par_minute: u32) {
        self.limites().par_minute = Some(par_minute);
    }

    /// The form has another type of field there, or no field; dossiers keep theirs.
    pub fn retoucher(&self, stable_id: u64, genre: Option<&str>) {
        self.limites().retouches.insert(stable_id, genre.map(str::to_owned));
    }

    /// The form is as it was.
    pub fn retablir(&self) {
        self.limites().retouches.clear();
    }

    /// A token is refused from now on: 401 for one that expired, 403 for one that was revoked.
    pub fn refuser_jeton(&self, jeton: &str, status: u16) {
        self.limites().refuses.insert(jeton.to_owned(), status);
    }

    /// Another token is as good as the first.
    pub fn ajouter_jeton(&self, jeton: &str) {
        self.limites().autres_jetons.insert(jeton.to_owned());
    }

    /// This call (see [`Simulateur::faults`]) is answered with that body, or rightly again.
    pub fn repondre(&self, appel: &str, corps: Option<&[u8]>) {
        let mut limites = self.limites();
        match corps {
            Some(corps) => limites.corps.insert(appel.to_owned(), corps.to_vec()),
            None => limites.corps.remove(appel),
        };
    }
}
