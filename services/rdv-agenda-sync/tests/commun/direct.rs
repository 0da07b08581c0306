//! The service without the frame: its agency client alone.

use std::sync::Arc;

use contact::{Links, Mailer};
use contracts::Referentiel;
use kernel::Secret;
use rdv_agenda_sync::RdvAgendaSync;
use service::{Equipment, Service};

use crate::commun::Banc;

/// What the frame would give it.
pub(crate) fn equipment(banc: &Banc) -> Equipment {
    let key = Secret::new("une clé de liens, fictive, assez longue");
    Equipment {
        clock: banc.clock.clone(),
        referentiel: Arc::new(Referentiel::default()),
        store: Arc::clone(&banc.store),
        mailer: Mailer::absent(),
        links: Links::new(key, "http://127.0.0.1", RdvAgendaSync::NAME),
        data_dir: banc.dir.path().to_owned(),
    }
}
