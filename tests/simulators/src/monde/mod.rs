//! The world around Relais: doctors, agencies, sites and an operator, each doing what its script
//! says, on the clock. Nothing here is drawn at the moment it happens: every draw is a hash of
//! (seed, who, what).

mod agences;
mod lieux;
mod medecins;
mod operateur;
mod pannes;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs::File,
    io::{self, BufWriter, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bus::{Publication, SharedTransport};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use contracts::{
    Agence, CodeCpam, DossierId, Envelope, LieuId, Message, Referentiel, Rpps,
    messages::EtatMensuel,
};
use kernel::{Clock, Draw, Secret, Tasks};
use rdv_agenda_sync::simulator as rdv;
use rpps_flux::simulator as rpps;
use uuid::Uuid;

use crate::{
    modele::Attendu,
    population::{DossierPrevu, EngagementPrevu, Parcours, Sort, population},
    registre::Registre,
    smtp::SmtpSimule,
};

/// What a world starts with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Seed of every draw.
    pub seed: u64,
    /// Number of doctors.
    pub medecins: u32,
    /// First day of the deposits.
    pub debut: NaiveDate,
    /// First TCP port; 0 for free ones.
    pub port: u16,
    /// Agencies fail now and then.
    pub pannes: bool,
    /// Number of the démarche.
    pub demarche: u64,
}

/// The world; cheap to clone.
#[derive(Clone)]
pub struct Monde {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for Monde {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Monde").finish_non_exhaustive()
    }
}

struct Inner {
    options: Options,
    clock: Clock,
    tasks: Tasks,
    referentiel: Arc<Referentiel>,
    population: Vec<Parcours>,
    par_dossier: HashMap<DossierId, (usize, usize)>,
    par_courriel: HashMap<String, usize>,
    par_rpps: HashMap<Rpps, usize>,
    ds: ds_intake::simulator::Simulateur,
    rdv: rdv::Simulateur,
    rpps: rpps::RppsSimule,
    smtp: SmtpSimule,
    etat: Mutex<Etat>,
    registre: Mutex<Registre>,
    journal: Mutex<Option<BufWriter<File>>>,
}

/// What happened so far, as far as the people must remember it.
#[derive(Default)]
struct Etat {
    /// Messages already counted: (source, id).
    vus: HashSet<(String, String)>,
    /// Dossiers that were corrected or completed once.
    corriges: HashSet<DossierId>,
    /// Requests of a CDOM already answered, by dossier.
    demandes: HashMap<DossierId, Vec<String>>,
    /// Sites by organisation of RDV Service Public.
    organisations: BTreeMap<i64, LieuId>,
    /// Who is expected where: the site's people know the truth.
    attendus: BTreeMap<(LieuId, NaiveDate), Vec<(Rpps, Sort)>>,
    /// Links by which a doctor may withdraw, by key of the state.
    retraits: HashMap<String, String>,
    /// Where each service is reached.
    services: BTreeMap<String, String>,
    jeton: Option<Secret>,
    /// Questions whose answer is already on its way.
    repondus: HashSet<String>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The robot instructeur of the simulated démarche.
pub const ROBOT: &str = "SW5zdHJ1Y3RldXItOTAwMg==";
/// The token of the simulated Démarches simplifiées.
pub const JETON_DS: &str = "jeton-fictif-ds";

impl Monde {
    /// Starts the agencies' servers and schedules the deposits.
    ///
    /// # Errors
    /// When a port cannot be taken.
    pub async fn start(
        clock: Clock,
        tasks: &Tasks,
        referentiel: Arc<Referentiel>,
        options: Options,
    ) -> io::Result<Self> {
        let people = population(options.seed, options.medecins, options.debut, &referentiel);
        let port = |n: u16| if options.port == 0 { 0 } else { options.port + n };
        let ds = medecins::demarches_simplifiees(&clock, tasks, &options, port(0)).await?;
        let rdv = medecins::rdv_service_public(&clock, tasks, port(1)).await?;
        let annuaire = rpps::Options { port: port(2), graine: options.seed, lignes_de_fond: 1_500 };
        let rpps = rpps::RppsSimule::start(clock.clone(), tasks, annuaire).await?;
        let smtp = SmtpSimule::start(clock.clone(), tasks, port(3)).await?;
        smtp.set_keep(false);
        let index = |key: fn(&Parcours) -> String| -> HashMap<String, usize> {
            people.iter().enumerate().map(|(n, p)| (key(p), n)).collect()
        };
        let inner = Inner {
            par_dossier: dossiers(&people),
            par_courriel: index(|p| p.personne.courriel.clone()),
            par_rpps: people
                .iter()
                .enumerate()
                .map(|(n, p)| (p.personne.rpps.clone(), n))
                .collect(),
            options,
            clock,
            tasks: tasks.clone(),
            referentiel,
            population: people,
            ds,
            rdv,
            rpps,
            smtp,
            etat: Mutex::default(),
            registre: Mutex::default(),
            journal: Mutex::default(),
        };
        let monde = Self { inner: Arc::new(inner) };
        monde.ecouter();
        monde.deposer_tout();
        if monde.inner.options.pannes {
            monde.semer_les_pannes();
        }
        Ok(monde)
    }

    fn ecouter(&self) {
        let monde = self.clone();
        self.inner.ds.set_hook(move |evenement| monde.message_ds(&evenement));
        let monde = self.clone();
        self.inner.rdv.set_hook(move |evenement| monde.evenement_rdv(evenement));
        let monde = self.clone();
        self.inner.smtp.set_hook(move |mail| monde.courriel(mail));
    }

    /// Tells the operator where each service is reached, and with which token.
    pub fn set_services(&self, services: BTreeMap<String, String>, jeton: Secret) {
        let mut etat = lock(&self.inner.etat);
        etat.services = services;
        etat.jeton = Some(jeton);
    }

    /// Writes every message from now on, one structured CloudEvent a line.
    pub fn set_journal(&self, file: File) {
        *lock(&self.inner.journal) = Some(BufWriter::new(file));
    }

    /// Ends the journal.
    ///
    /// # Errors
    /// When what remains cannot be written.
    pub fn clore_journal(&self) -> io::Result<()> {
        match lock(&self.inner.journal).take() {
            Some(mut journal) => journal.flush(),
            None => Ok(()),
        }
    }

    /// Sees a publication, on whichever exchange: counts it, keeps it, lets the operator act.
    pub fn publie(&self, publication: &Publication) {
        self.voir(&publication.routing_key, &publication.envelope);
    }

    /// Sees a message; the same one twice is seen once.
    pub fn voir(&self, routing_key: &str, envelope: &Envelope) {
        let key = (envelope.source.clone(), envelope.id.clone());
        if !lock(&self.inner.etat).vus.insert(key) {
            return;
        }
        if let Some(journal) = lock(&self.inner.journal).as_mut() {
            // A journal that cannot be written shows when it is closed.
            let _ = writeln!(journal, "{}", envelope.to_structured());
        }
        {
            let mut registre = lock(&self.inner.registre);
            registre.note(envelope);
            if envelope.message_type == EtatMensuel::TYPE
                && let Some(cpam) = cpam_de(routing_key)
                && let Ok(etat) = serde_json::from_slice(&envelope.data)
            {
                registre.note_enonce(cpam, etat);
            }
        }
        self.operateur_voit(envelope);
    }

    /// What was published, as it stands.
    pub fn registre(&self) -> Registre {
        lock(&self.inner.registre).clone()
    }

    /// Reads what was published without copying it.
    pub fn avec_registre<T>(&self, f: impl FnOnce(&Registre) -> T) -> T {
        f(&lock(&self.inner.registre))
    }

    /// What the model expects.
    pub fn attendu(&self) -> Attendu {
        Attendu::de(&self.inner.population)
    }

    /// The mail server.
    pub fn smtp(&self) -> &SmtpSimule {
        &self.inner.smtp
    }

    /// Who applies, and how it goes.
    pub fn population(&self) -> &[Parcours] {
        &self.inner.population
    }

    /// The simulated Démarches simplifiées.
    pub fn ds(&self) -> &ds_intake::simulator::Simulateur {
        &self.inner.ds
    }

    /// Base URL of Démarches simplifiées.
    pub fn url_ds(&self) -> String {
        self.inner.ds.url()
    }

    /// Base URL of RDV Service Public.
    pub fn url_rdv(&self) -> String {
        self.inner.rdv.url().to_owned()
    }

    /// Base URL of the RPPS extracts.
    pub fn url_rpps(&self) -> String {
        self.inner.rpps.url()
    }

    /// The mail server.
    pub fn url_smtp(&self) -> String {
        self.inner.smtp.url()
    }

    /// The agencies that the population meets and that have a queue.
    pub fn agences(&self) -> Vec<Agence> {
        agences::rencontrees(&self.inner.population, &self.inner.referentiel)
    }

    /// Starts an agency on its own transport.
    ///
    /// # Errors
    /// When the transport refuses its queue.
    pub async fn ouvrir_agence(
        &self,
        agence: Agence,
        transport: SharedTransport,
    ) -> Result<(), bus::BusError> {
        agences::ouvrir(self, agence, transport).await
    }

    /// Faults that were really caused.
    pub fn pannes_causees(&self) -> u64 {
        pannes::causees(&self.inner)
    }

    fn de(&self, parts: &[&str]) -> Draw {
        Draw::of(self.inner.options.seed, parts)
    }

    /// A delay between `min` and `max` hours, to the minute.
    fn delai(&self, parts: &[&str], min: u64, max: u64) -> TimeDelta {
        let minutes = self.de(parts).between(min * 60, max * 60);
        TimeDelta::minutes(i64::try_from(minutes).unwrap_or(0))
    }

    /// Does something at an instant.
    fn le<F: Future<Output = ()> + Send + 'static>(
        &self,
        quand: DateTime<Utc>,
        action: impl FnOnce(Self) -> F + Send + 'static,
    ) {
        let timer = self.inner.clock.timer(quand);
        let monde = self.clone();
        self.inner.tasks.spawn_until_stopped(async move {
            let busy = timer.await;
            action(monde).await;
            drop(busy);
        });
    }

    /// Does something after a delay.
    fn apres<F: Future<Output = ()> + Send + 'static>(
        &self,
        delai: TimeDelta,
        action: impl FnOnce(Self) -> F + Send + 'static,
    ) {
        self.le(self.inner.clock.now() + delai, action);
    }

    fn dossier(&self, numero: DossierId) -> Option<(&Parcours, &DossierPrevu)> {
        let (parcours, dossier) = *self.inner.par_dossier.get(&numero)?;
        let parcours = &self.inner.population[parcours];
        Some((parcours, &parcours.dossiers[dossier]))
    }

    fn engagement(&self, rpps: &Rpps, lieu: &LieuId) -> Option<&EngagementPrevu> {
        let parcours = &self.inner.population[*self.inner.par_rpps.get(rpps)?];
        parcours.dossiers.iter().flat_map(|d| &d.engagements).find(|e| e.lieu == *lieu)
    }
}

fn dossiers(population: &[Parcours]) -> HashMap<DossierId, (usize, usize)> {
    let each = |(n, p): (usize, &Parcours)| {
        let numbered = p.dossiers.iter().enumerate();
        numbered.map(move |(m, d)| (d.numero, (n, m))).collect::<Vec<_>>()
    };
    population.iter().enumerate().flat_map(each).collect()
}

fn cpam_de(routing_key: &str) -> Option<CodeCpam> {
    routing_key.strip_prefix("cpam.")?.split('.').next()?.parse().ok()
}

/// The key of the state that a link's token names: what a person would know from the page.
fn cle_du_lien(url: &str) -> Option<(String, String)> {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    let token = url.rsplit('/').next()?;
    let claims = token.split('.').next()?;
    let json = BASE64_URL_SAFE_NO_PAD.decode(claims).ok()?;
    let value: serde_json::Value = serde_json::from_slice(&json).ok()?;
    let lien = value.get("lien").unwrap_or(&value);
    let text = |name: &str| lien.get(name)?.as_str().map(str::to_owned);
    Some((text("sujet")?, text("cle")?))
}

/// A name for a draw that hangs on an id.
fn nom(id: Uuid) -> String {
    id.to_string()
}
