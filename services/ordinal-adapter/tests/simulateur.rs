//! The simulated CDOM on the in-process transport, in virtual time.
#![cfg(feature = "simulator")]

use std::{sync::Arc, time::Duration};

use bus::{Consumer, MemoryBus, Origin, Publication, QueueSpec, Transport};
use chrono::{DateTime, Utc};
use contracts::{
    Agence, Demande, DossierId, Envelope, Flux, Incoming, Message,
    messages::{Issue, VerificationDemandee, VerificationRendue, binding},
};
use kernel::{Clock, Tasks, VirtualDriver, derive_id};
use ordinal_adapter::{
    Entrant,
    simulator::{
        CdomSimule, Facon, ReactionCdom, Script, choix, reaction_par_defaut, repondre_au_lien,
    },
};

struct Scene {
    bus: Arc<MemoryBus>,
    clock: Clock,
    driver: VirtualDriver,
    tasks: Tasks,
    cdom: CdomSimule,
    consumer: Box<dyn Consumer>,
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("instant")
}

fn agence() -> Agence {
    "cdom.63".parse().expect("agency")
}

fn demandee(rang: u32) -> VerificationDemandee {
    let body = include_str!("verification-demandee.json");
    let mut m: VerificationDemandee = serde_json::from_str(body).expect("decodes");
    m.demande = Demande { id: derive_id(&["essai"]), rang };
    m
}

async fn scene(script: Script) -> Scene {
    let (clock, driver) = Clock::virtual_at(at("2026-03-02T09:00:00Z"));
    let bus = MemoryBus::new(clock.clone());
    let tasks = Tasks::new();
    let cdom = CdomSimule::start(bus.agency(agence()), agence(), clock.clone(), &tasks, script)
        .await
        .expect("starts");
    let queue = QueueSpec {
        name: "ordinal-adapter".to_owned(),
        bindings: Entrant::bindings().into_iter().filter(|(f, _)| *f == Flux::Reponses).collect(),
    };
    assert!(queue.bindings.contains(&binding::<VerificationRendue>()));
    let consumer = bus.consume(&queue, 64).await.expect("consumes");
    Scene { bus, clock, driver, tasks, cdom, consumer }
}

impl Scene {
    async fn demander(&self, m: &VerificationDemandee) {
        let id = derive_id(&["demande", &m.demande.rang.to_string()]).to_string();
        let envelope = Envelope::of(id, "/relais/ordinal-adapter", self.clock.now(), m);
        let publication = Publication {
            flux: Flux::Demandes,
            routing_key: agence().routing_key(VerificationDemandee::TYPE),
            envelope,
            mandatory: true,
        };
        let confirmed = self.bus.publish(vec![publication]).await;
        assert_eq!(confirmed, [bus::Confirmation::Confirmed]);
    }

    /// Reads what the CDOM publishes until nothing more is planned: (days since the start, id,
    /// decoded answer when it is one).
    async fn reponses(&mut self) -> Vec<(i64, String, Option<VerificationRendue>)> {
        let start = at("2026-03-02T09:00:00Z");
        let mut all = Vec::new();
        let limit = at("2027-01-01T00:00:00Z");
        loop {
            tokio::select! {
                biased;
                batch = self.consumer.next_batch(16) => {
                    let batch = batch.expect("open");
                    for d in &batch {
                        assert_eq!(d.origin, Origin::Agence(agence()));
                        assert_eq!(d.rejection, None);
                        assert_eq!(d.envelope.source, "/agences/cdom-63");
                        let days = (self.clock.now() - start).num_days();
                        let answer = serde_json::from_slice(&d.envelope.data).ok();
                        all.push((days, d.envelope.id.clone(), answer));
                    }
                    let tags: Vec<u64> = batch.iter().map(|d| d.tag).collect();
                    self.consumer.ack(&tags).await.expect("open");
                }
                moved = self.driver.advance(limit) => {
                    if moved.is_none() {
                        break;
                    }
                }
            }
        }
        all
    }
}

#[tokio::test]
async fn answers_after_its_delay_under_its_own_name() {
    let mut scene =
        scene(Arc::new(|_| ReactionCdom::rendre(Duration::from_hours(72), Issue::Favorable))).await;
    scene.demander(&demandee(1)).await;
    scene.demander(&demandee(2)).await;
    let answers = scene.reponses().await;
    assert_eq!(answers.len(), 1, "a reminder of an answered request is not answered again");
    let (days, _, answer) = &answers[0];
    let answer = answer.as_ref().expect("an answer");
    assert_eq!((*days, answer.issue, answer.dossier), (3, Issue::Favorable, DossierId(1042)));
    assert_eq!(answer.rendue_le, at("2026-03-05T09:00:00Z"));
    assert_eq!((scene.cdom.demandes().len(), scene.cdom.illisibles()), (2, 0));
    assert!(scene.tasks.stop(Duration::from_secs(5)).await);
}

#[tokio::test]
async fn the_first_request_may_stay_without_an_answer() {
    let mut scene = scene(Arc::new(|m: &VerificationDemandee| match m.demande.rang {
        1 => ReactionCdom::Silence,
        _ => ReactionCdom::rendre(Duration::from_hours(24), Issue::Complement),
    }))
    .await;
    scene.demander(&demandee(1)).await;
    assert!(scene.reponses().await.is_empty());
    scene.demander(&demandee(2)).await;
    assert_eq!(scene.reponses().await.len(), 1);
}

#[tokio::test]
async fn doubles_and_nonsense_can_be_asked_for() {
    let of = |facon| -> Script {
        Arc::new(move |_| ReactionCdom::Rendre {
            apres: Duration::from_hours(24),
            issue: Issue::Favorable,
            champs: Vec::new(),
            facon,
        })
    };
    let mut twice = scene(of(Facon::DeuxFois)).await;
    twice.demander(&demandee(1)).await;
    let answers = twice.reponses().await;
    assert!(answers.len() == 2 && answers[0].1 != answers[1].1);

    let mut again = scene(of(Facon::MemeMessage)).await;
    again.demander(&demandee(1)).await;
    let answers = again.reponses().await;
    assert!(answers.len() == 2 && answers[0].1 == answers[1].1);

    let mut malformed = scene(of(Facon::Malformee)).await;
    malformed.demander(&demandee(1)).await;
    assert_eq!(malformed.reponses().await[0].2, None);
}

#[tokio::test]
async fn suspensions_come_unasked() {
    let mut scene = scene(Arc::new(|_| ReactionCdom::Silence)).await;
    let rpps: contracts::Rpps = "99790000014".parse().expect("RPPS");
    let day = "2026-04-01".parse().expect("date");
    scene.cdom.prononcer_suspension(rpps.clone(), day);
    scene.cdom.lever_suspension(rpps, day);
    let received = scene.reponses().await;
    assert_eq!(received.len(), 2);
    assert_ne!(received[0].1, received[1].1);
}

#[test]
fn the_default_reaction_depends_on_nothing_but_the_request() {
    let mut issues = std::collections::BTreeMap::<String, u32>::new();
    for n in 0..500 {
        let mut m = demandee(2);
        m.dossier = DossierId(n);
        let reaction = reaction_par_defaut(7, &m);
        assert_eq!(reaction, reaction_par_defaut(7, &m));
        let ReactionCdom::Rendre { apres, issue, .. } = reaction else { panic!("a reminder") };
        assert!((1..=9).contains(&(apres.as_secs() / 86_400)));
        *issues.entry(format!("{issue:?}")).or_default() += 1;
    }
    assert!(issues["Favorable"] > 380 && issues["Defavorable"] > 10, "{issues:?}");
}

#[tokio::test]
async fn a_link_is_answered_as_a_browser_does() {
    use agency::{HttpClient, HttpSettings};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let base_url = format!("http://{}", listener.local_addr().expect("bound"));
    let page = async {
        let (mut stream, _) = listener.accept().await.expect("a visitor");
        let mut request = String::new();
        let mut buffer = [0; 1024];
        while !request.ends_with("choix=favorable") {
            let read = stream.read(&mut buffer).await.expect("readable");
            assert_ne!(read, 0, "closed too early: {request}");
            request.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        stream.write_all(answer.as_bytes()).await.expect("writable");
        request
    };
    let settings =
        HttpSettings { base_url: base_url.clone(), timeout_ms: 5_000, max_body_bytes: 1 << 16 };
    let client = HttpClient::new(settings).expect("a client");
    let link = format!("{base_url}/r/jeton");
    let (request, outcome) =
        tokio::join!(page, repondre_au_lien(&client, &link, choix(Issue::Favorable)));
    outcome.expect("taken");
    assert!(request.starts_with("POST /r/jeton HTTP/1.1"), "{request}");
}
