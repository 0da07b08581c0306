//! The service on the frame, against the simulated RDV Service Public, in virtual time.

use std::{sync::Arc, time::Duration};

use agency::{HttpClient, HttpSettings};
use bus::{Consumer, MemoryBus, Publication, QueueSpec, Transport};
use chrono::{DateTime, Utc};
use contracts::{
    Civilite, DossierId, Envelope, Flux, Medecin, Message, ModeExercice, Referentiel,
    messages::{Activite, ActiviteAutorisee, Situation, TacheOuverte},
};
use rdv_agenda_sync::RdvAgendaSync;
use service::{Host, OperatorAction, Running, config::LinksConfig};

use crate::{
    commun::Banc,
    facteur::{Boite, facteur},
};

/// The doctor.
pub(crate) const COURRIEL: &str = "medecin@exemple.example";

/// The service, and what surrounds it.
pub(crate) struct Bout {
    pub(crate) banc: Banc,
    bus: Arc<MemoryBus>,
    pub(crate) running: Running,
    temoin: Box<dyn Consumer>,
    pub(crate) vus: Vec<Envelope>,
    pub(crate) boite: Boite,
}

fn referentiel() -> Arc<Referentiel> {
    Arc::new(Referentiel::demo())
}

pub(crate) fn lieu() -> contracts::Lieu {
    let complete =
        |f: &&contracts::referentiel::FicheLieu| f.latitude.is_some() && f.longitude.is_some();
    let register = referentiel();
    let found = register.lieux().find(complete).expect("the demo's register is complete");
    found.lieu.clone()
}

pub(crate) fn activite(situation: Situation, a_compter_du: &str) -> Activite {
    Activite {
        engagement: "abc123".parse().expect("id"),
        dossier: DossierId(1042),
        medecin: Medecin {
            rpps: "99790000014".parse().expect("rpps"),
            civilite: Civilite::M,
            nom: "Fictif".to_owned(),
            prenom: "Alan".to_owned(),
            courriel: COURRIEL.to_owned(),
            telephone: "0600000000".to_owned(),
            mode_exercice: ModeExercice::Liberal,
            departement_exercice_principal: "63".parse().expect("département"),
            cdom_inscription: "63".parse().expect("cdom"),
        },
        lieu: lieu(),
        creneaux_souhaites: vec![],
        remplacement_autorise: false,
        situation,
        a_compter_du: a_compter_du.parse().expect("date"),
        cause: None,
        interruptions: Vec::new(),
    }
}

impl Bout {
    /// Starts it; `api` stands before the simulated API where there is one.
    pub(crate) async fn demarrer(banc: Banc, api: Option<String>) -> Self {
        let bus = MemoryBus::new(banc.clock.clone());
        // Everything that the service publishes, and nothing that it is sent.
        let kinds = ["agenda", "vacation", "planning", "tache", "panne", "relance"];
        let bindings = kinds.map(|kind| (Flux::Evenements, format!("{kind}.#"))).to_vec();
        let spec = QueueSpec { name: "temoin".to_owned(), bindings };
        let temoin = bus.consume(&spec, 100).await.expect("consume");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let (smtp, boite) = facteur(&banc.tasks).await;
        let public_url = format!("http://{}", listener.local_addr().expect("address"));
        let host = Host {
            clock: banc.clock.clone(),
            store: Arc::clone(&banc.store),
            transport: bus.clone(),
            referentiel: referentiel(),
            listener,
            links: LinksConfig::default(),
            smtp: Some(smtp),
            operators: service::Operators::shared(kernel::Secret::new("jeton")),
            data_dir: banc.dir.path().to_owned(),
            engine: service::EngineConfig::default(),
        };
        let mut config = banc.config(&public_url);
        if let Some(api) = api {
            config.api.base_url = api;
        }
        let running = service::start::<RdvAgendaSync>(config, host).await.expect("started");
        Self { banc, bus, running, temoin, vus: Vec::new(), boite }
    }

    pub(crate) async fn publier<M: Message>(&self, sequence: u64, message: &M) {
        let (id, now) = (format!("m{sequence}"), self.banc.clock.now());
        let envelope = Envelope {
            sequence: Some(sequence),
            ..Envelope::of(id, "/relais/ordinal-adapter", now, message)
        };
        let routing_key = M::TYPE.to_owned();
        let flux = Flux::Evenements;
        let publication = Publication { flux, routing_key, envelope, mandatory: false };
        self.bus.publish(vec![publication]).await;
    }

    /// Takes what was published until everything is quiet.
    pub(crate) async fn voir(&mut self) {
        loop {
            let batch = tokio::select! {
                biased;
                batch = self.temoin.next_batch(100) => batch.expect("open"),
                () = self.banc.driver.quiet() => return,
            };
            let tags: Vec<_> = batch.iter().map(|d| d.tag).collect();
            let held: Vec<_> = batch.iter().map(|d| d.busy.clone()).collect();
            self.vus.extend(batch.into_iter().map(|d| d.envelope));
            self.temoin.ack(&tags).await.expect("ack");
            drop(held);
        }
    }

    pub(crate) async fn vivre(&mut self, jusque: &str) {
        self.vivre_jusque(jusque.parse().expect("instant")).await;
    }

    pub(crate) async fn vivre_jusque(&mut self, jusque: DateTime<Utc>) {
        let mut timer = Some(self.banc.clock.timer(jusque));
        loop {
            self.voir().await;
            match self.banc.driver.advance(jusque).await {
                Some(now) if now == jusque => drop(timer.take()),
                Some(_) => {}
                None => return,
            }
        }
    }

    pub(crate) fn faits<M: Message>(&self) -> Vec<M> {
        let ours = self.vus.iter().filter(|e| e.message_type == M::TYPE);
        ours.map(|e| serde_json::from_slice(&e.data).expect("decodes")).collect()
    }

    pub(crate) async fn operer(&self, action: &OperatorAction) {
        let http = HttpClient::new(HttpSettings {
            base_url: format!("http://{}", self.running.addr()),
            timeout_ms: 5_000,
            max_body_bytes: 100_000,
        });
        let http = http.expect("client");
        let request = http.request(reqwest::Method::POST, "/ops/actions");
        http.send(request.bearer_auth("jeton").json(action)).await.expect("accepted");
    }

    /// Lets the operator make the organisation, the service make the rest, the doctor accept.
    pub(crate) async fn ouvrir(&mut self) -> i64 {
        self.publier(1, &ActiviteAutorisee(activite(Situation::Ouverte, "2026-03-02"))).await;
        self.voir().await;
        let tache = self.faits::<TacheOuverte>().pop().expect("a task");
        let organisation =
            self.banc.simulateur.creer_organisation(&tache.champs["nom_organisation"]);
        let champs = [
            ("tache".to_owned(), tache.tache.to_string()),
            ("organisation_id".to_owned(), organisation.to_string()),
        ];
        let action = OperatorAction {
            action: "fermer-tache".to_owned(),
            cle: tache.cle,
            champs: champs.into(),
            par: "dns".to_owned(),
        };
        self.operer(&action).await;
        self.vivre("2026-03-02T09:00:00Z").await;
        assert!(self.banc.simulateur.accepter_invitation(COURRIEL), "invited");
        organisation
    }

    pub(crate) async fn fin(self) {
        assert!(self.running.stop(Duration::from_secs(5)).await);
        self.banc.fin().await;
    }
}
