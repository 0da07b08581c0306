//! The service on the frame, against the simulated RDV Service Public, in virtual time: from the
//! authorisation to a day held, with real webhooks.

mod commun;
#[path = "commun/facteur.rs"]
mod facteur;

use std::{sync::Arc, time::Duration};

use agency::{HttpClient, HttpSettings};
use bus::{Consumer, MemoryBus, Publication, QueueSpec, Transport};
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use commun::Banc;
use contracts::{
    Civilite, DossierId, Envelope, Flux, Medecin, Message, ModeExercice, Referentiel,
    messages::{
        Activite, ActiviteAutorisee, ActiviteTerminee, AgendaFerme, AgendaOuvert, PanneOuverte,
        PlanningPublie, Situation, TacheOuverte, VacationAnnulee, VacationPlanifiee,
        VacationRealisee,
    },
};
use facteur::{Boite, facteur};
use rdv_agenda_sync::{
    RdvAgendaSync, ics,
    simulator::{MARQUEUR, Options},
};
use service::{Host, OperatorAction, Running, config::LinksConfig};

const COURRIEL: &str = "medecin@exemple.example";

struct Bout {
    banc: Banc,
    bus: Arc<MemoryBus>,
    running: Running,
    temoin: Box<dyn Consumer>,
    vus: Vec<Envelope>,
    boite: Boite,
}

fn referentiel() -> Arc<Referentiel> {
    Arc::new(Referentiel::demo())
}

fn lieu() -> contracts::Lieu {
    let complete =
        |f: &&contracts::referentiel::FicheLieu| f.latitude.is_some() && f.longitude.is_some();
    let register = referentiel();
    let found = register.lieux().find(complete).expect("the demo's register is complete");
    found.lieu.clone()
}

fn activite(situation: Situation, a_compter_du: &str) -> Activite {
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
    }
}

async fn flux(options: Options) -> Bout {
    let banc = Banc::new(options).await;
    let bus = MemoryBus::new(banc.clock.clone());
    let types = [
        TacheOuverte::TYPE,
        AgendaOuvert::TYPE,
        AgendaFerme::TYPE,
        VacationPlanifiee::TYPE,
        VacationAnnulee::TYPE,
        VacationRealisee::TYPE,
        PlanningPublie::TYPE,
        PanneOuverte::TYPE,
    ];
    let bindings = types.iter().map(|t| (Flux::Evenements, (*t).to_owned())).collect();
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
    let config = banc.config(&public_url);
    let running = service::start::<RdvAgendaSync>(config, host).await.expect("started");
    Bout { banc, bus, running, temoin, vus: Vec::new(), boite }
}

impl Bout {
    async fn publier<M: Message>(&self, sequence: u64, message: &M) {
        let envelope = Envelope {
            id: format!("m{sequence}"),
            source: "/relais/ordinal-adapter".to_owned(),
            message_type: M::TYPE.to_owned(),
            subject: Some(message.subject()),
            time: self.banc.clock.now(),
            sequence: Some(sequence),
            correlation_id: Some("1042".to_owned()),
            causation_id: None,
            traceparent: None,
            data: serde_json::to_vec(message).expect("encodes"),
        };
        let routing_key = M::TYPE.to_owned();
        let flux = Flux::Evenements;
        let publication = Publication { flux, routing_key, envelope, mandatory: false };
        self.bus.publish(vec![publication]).await;
    }

    /// Takes what was published until everything is quiet.
    async fn voir(&mut self) {
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

    async fn vivre(&mut self, jusque: &str) {
        let jusque: DateTime<Utc> = jusque.parse().expect("instant");
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

    fn faits<M: Message>(&self) -> Vec<M> {
        let ours = self.vus.iter().filter(|e| e.message_type == M::TYPE);
        ours.map(|e| serde_json::from_slice(&e.data).expect("decodes")).collect()
    }

    async fn operer(&self, action: &OperatorAction) {
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
    async fn ouvrir(&mut self) -> i64 {
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

    /// Nothing about patients anywhere in the service's files.
    fn sans_patient(&self) {
        for file in std::fs::read_dir(self.banc.dir.path()).expect("folder") {
            let path = file.expect("entry").path();
            let Ok(bytes) = std::fs::read(&path) else { continue };
            let marker = MARQUEUR.as_bytes();
            assert!(!bytes.windows(marker.len()).any(|w| w == marker), "{}", path.display());
        }
    }

    async fn fin(self) {
        assert!(self.running.stop(Duration::from_secs(5)).await);
        self.banc.fin().await;
    }
}

fn heure(h: u32) -> NaiveTime {
    NaiveTime::from_hms_opt(h, 0, 0).expect("time")
}

fn jour(text: &str) -> NaiveDate {
    text.parse().expect("date")
}

#[tokio::test]
async fn from_the_authorisation_to_a_day_held() {
    let mut flux = flux(Options::default()).await;
    let organisation = flux.ouvrir().await;
    let sim = flux.banc.simulateur.clone();
    let url = flux.faits::<AgendaOuvert>().pop().expect("open").0.url;
    assert!(url.contains(&format!("/admin/organisations/{organisation}/agent_agendas/")));

    let rule = Some("FREQ=WEEKLY;BYDAY=TH;UNTIL=20260326T000000;".to_owned());
    let opened =
        sim.ouvrir_plage(COURRIEL, organisation, jour("2026-03-05"), heure(8), heure(12), rule);
    opened.expect("opened");
    let start = kernel::paris_at(jour("2026-03-05"), heure(9));
    let quarter = Duration::from_mins(15);
    let first = sim.prendre_rdv(COURRIEL, start, quarter).expect("booked");
    let second =
        sim.prendre_rdv(COURRIEL, start + TimeDelta::minutes(15), quarter).expect("booked");
    flux.vivre("2026-03-02T18:00:00Z").await;
    assert_eq!(flux.faits::<VacationPlanifiee>().len(), 4, "four Thursdays");
    let planning = flux.faits::<PlanningPublie>().pop().expect("published at 18:00");
    assert_eq!(planning.vacations.len(), 4);
    assert!(ics(&planning, &lieu()).contains("Dr Alan Fictif"));

    flux.vivre("2026-03-05T15:00:00Z").await;
    assert!(sim.statuer_rdv(first, "seen"));
    assert!(sim.statuer_rdv(second, "noshow"));
    flux.vivre("2026-03-06T06:00:00Z").await;
    let held = flux.faits::<VacationRealisee>();
    assert_eq!(held.len(), 1);
    assert_eq!((held[0].0.date, held[0].0.rdv_honores), (jour("2026-03-05"), 1));

    // Away on the 12th; ended from the 20th on: the 19th is held, the 26th is cancelled.
    sim.ajouter_absence(COURRIEL, jour("2026-03-12"), heure(0), jour("2026-03-12"), heure(23))
        .expect("known");
    flux.vivre("2026-03-16T08:00:00Z").await;
    flux.publier(2, &ActiviteTerminee(activite(Situation::Terminee, "2026-03-20"))).await;
    flux.vivre("2026-04-01T08:00:00Z").await;
    let dates = |all: Vec<NaiveDate>| all.iter().map(ToString::to_string).collect::<Vec<_>>();
    let held = flux.faits::<VacationRealisee>().into_iter().map(|v| v.0.date);
    assert_eq!(dates(held.collect()), ["2026-03-05", "2026-03-19"]);
    let gone = flux.faits::<VacationAnnulee>().into_iter().map(|v| v.0.date);
    assert_eq!(dates(gone.collect()), ["2026-03-12", "2026-03-26"]);
    assert_eq!(flux.faits::<AgendaFerme>().len(), 1);
    let task = flux.faits::<TacheOuverte>().pop().expect("a task");
    assert_eq!(task.gabarit, "rdv-revocation");
    assert_eq!(flux.faits::<PanneOuverte>(), []);
    let mails = flux.boite.lock().expect("lock").clone();
    let with = |kind: &str| mails.iter().filter(|m| m.contains(kind)).count();
    let plannings = flux.faits::<PlanningPublie>().len();
    let kinds = (with("text/calendar"), with("application/pdf"));
    assert_eq!(kinds, (plannings, plannings), "one mail each, to be imported and to be read");
    assert!(plannings < mails.len(), "the doctor's invitation");
    assert!(mails.iter().all(|m| !m.contains(MARQUEUR)));
    flux.sans_patient();
    flux.fin().await;
}

#[tokio::test]
async fn deliveries_in_disorder_give_the_same_days() {
    let mut ends = Vec::new();
    for desordre_pour_cent in [0, 60] {
        let mut flux = flux(Options { desordre_pour_cent, ..Options::default() }).await;
        let organisation = flux.ouvrir().await;
        let sim = flux.banc.simulateur.clone();
        let mut rdvs = Vec::new();
        for (rang, date) in ["2026-03-09", "2026-03-10", "2026-03-11"].iter().enumerate() {
            let at = format!("2026-03-02T1{rang}:00:00Z");
            flux.vivre(&at).await;
            let opened =
                sim.ouvrir_plage(COURRIEL, organisation, jour(date), heure(8), heure(12), None);
            let opened = opened.expect("opened");
            rdvs.push(sim.prendre_rdv(
                COURRIEL,
                kernel::paris_at(jour(date), heure(9)),
                Duration::from_mins(15),
            ));
            flux.vivre(&format!("2026-03-02T1{rang}:04:00Z")).await;
            match rang {
                0 => assert!(sim.modifier_plage(opened, heure(8), heure(17))),
                1 => assert!(sim.supprimer_plage(opened)),
                _ => {}
            }
        }
        flux.vivre("2026-03-11T15:00:00Z").await;
        for rdv in rdvs.into_iter().flatten() {
            assert!(sim.statuer_rdv(rdv, "seen"));
        }
        flux.vivre("2026-03-13T08:00:00Z").await;
        let held = flux.faits::<VacationRealisee>();
        let mut last = std::collections::BTreeMap::new();
        for v in held {
            last.insert(v.0.date, (v.0.rdv_honores, v.0.demi_journees));
        }
        flux.sans_patient();
        flux.fin().await;
        ends.push(last);
    }
    assert_eq!(ends[0].len(), 2, "{ends:?}");
    assert_eq!(ends[0], ends[1]);
}
