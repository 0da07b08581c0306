//! The six services, started in one process on whatever transport and stores are given.

use std::{collections::BTreeMap, time::Duration};

use service::{Host, Launch, Program, Running, StartError};

/// The services, in the order of a dossier's way.
pub(crate) static SERVICES: [&Program; 6] = [
    &ds_intake::PROGRAM,
    &ordinal_adapter::PROGRAM,
    &rpps_flux::PROGRAM,
    &cpam_cps::PROGRAM,
    &rdv_agenda_sync::PROGRAM,
    &indemnite::PROGRAM,
];

/// Their names, in the same order.
pub(crate) fn noms() -> [&'static str; 6] {
    SERVICES.map(Program::name)
}

/// The rank of rdv-agenda-sync, the one that has to be told its own address.
pub(crate) fn rang_de_rdv() -> usize {
    let name = rdv_agenda_sync::PROGRAM.name();
    noms().iter().position(|nom| *nom == name).expect("one of the services")
}

/// The services that run.
#[derive(Default)]
pub(crate) struct Plateforme {
    running: Vec<Running>,
}

impl Plateforme {
    /// Starts one service.
    pub(crate) async fn lancer(&mut self, launch: Launch, host: Host) -> Result<(), StartError> {
        self.running.push(launch(host).await?);
        Ok(())
    }

    /// Where each service is reached.
    pub(crate) fn adresses(&self) -> BTreeMap<String, String> {
        let of = |r: &Running| (r.name().to_owned(), format!("http://{}", r.addr()));
        self.running.iter().map(of).collect()
    }

    /// Stops every service, the last started first. Returns false when one did not end in time.
    pub(crate) async fn arreter(mut self, grace: Duration) -> bool {
        let mut ended = true;
        while let Some(running) = self.running.pop() {
            ended &= running.stop(grace).await;
        }
        ended
    }
}
