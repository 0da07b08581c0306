//! The simulated CPAM on the in-process transport, in virtual time.
#![cfg(feature = "simulator")]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bus::{Confirmation, Consumer, MemoryBus, Origin, Publication, QueueSpec, Transport};
use chrono::{DateTime, Utc};
use contracts::{
    Agence, Centimes, Demande, DemiJournee, EngagementId, Envelope, Flux, Message, Rib,
    messages::{
        EtatMensuel, LigneEtat, NumeroAmCree, NumeroAmDemande, NumeroAmRefuse, PaiementEffectue,
        PaiementRejete, RibDemande, RibRecu,
    },
};
use cpam_cps::simulator::{
    CpamSimulee, Facon, ReactionEtat, ReactionNumero, ReactionRib, Script, numero_par_defaut,
};
use kernel::{Clock, Tasks, VirtualDriver, derive_id};
use uuid::Uuid;

const JOUR: Duration = Duration::from_hours(24);

struct Scene {
    bus: Arc<MemoryBus>,
    clock: Clock,
    driver: VirtualDriver,
    _tasks: Tasks,
    cpam: CpamSimulee,
    consumer: Box<dyn Consumer>,
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("instant")
}

fn agence() -> Agence {
    "cpam.631".parse().expect("agency")
}

fn engagement(n: u32) -> EngagementId {
    format!("{n:010}").parse().expect("engagement")
}

fn demande(name: &str) -> Demande {
    Demande { id: derive_id(&[name]), rang: 1 }
}

fn numero_demande(n: u32) -> NumeroAmDemande {
    let body = include_str!("numero-am-demande.json");
    let mut m: NumeroAmDemande = serde_json::from_str(body).expect("decodes");
    (m.engagement, m.demande) = (engagement(n), demande(&n.to_string()));
    m
}

fn ligne(n: u8) -> LigneEtat {
    LigneEtat {
        ligne: Uuid::from_u128(n.into()),
        rpps: "99790000014".parse().expect("RPPS"),
        nom: "Dr Paul Fictif".to_owned(),
        numero_am: "631990017".parse().expect("number"),
        lieu: "ambert".parse().expect("site"),
        date: "2026-03-03".parse().expect("date"),
        demi_journee: DemiJournee::Matin,
        centimes: Centimes(10_000),
        corrige: None,
    }
}

fn script() -> Script {
    Script {
        numero: Arc::new(|_| ReactionNumero::Creer {
            apres: JOUR,
            rib: Rib::Manquant,
            facon: Facon::Normale,
        }),
        rib: Arc::new(|_| ReactionRib::Recu { apres: 2 * JOUR, facon: Facon::DeuxFois }),
        etat: Arc::new(|m| ReactionEtat::Payer {
            apres: 3 * JOUR,
            rejets: m.lignes.iter().skip(1).map(|l| (l.ligne, "doublon".to_owned())).collect(),
            facon: Facon::Normale,
        }),
    }
}

async fn scene(script: Script) -> Scene {
    let (clock, driver) = Clock::virtual_at(at("2026-03-02T09:00:00Z"));
    let bus = MemoryBus::new(clock.clone());
    let tasks = Tasks::new();
    let cpam = CpamSimulee::start(bus.agency(agence()), agence(), clock.clone(), &tasks, script)
        .await
        .expect("starts");
    let queue = QueueSpec {
        name: "cpam-cps".to_owned(),
        bindings: vec![(Flux::Reponses, "cpam.#".to_owned())],
    };
    let consumer = bus.consume(&queue, 64).await.expect("consumes");
    Scene { bus, clock, driver, _tasks: tasks, cpam, consumer }
}

impl Scene {
    async fn demander<M: Message>(&self, m: &M) {
        let mut envelope = Envelope::of("", "/relais/cpam-cps", self.clock.now(), m);
        let said = String::from_utf8_lossy(&envelope.data);
        envelope.id = derive_id(&[M::TYPE, &said]).to_string();
        envelope.correlation_id = Some("1042".to_owned());
        let publication = Publication {
            flux: Flux::Demandes,
            routing_key: agence().routing_key(M::TYPE),
            envelope,
            mandatory: true,
        };
        assert_eq!(self.bus.publish(vec![publication]).await, [Confirmation::Confirmed]);
    }

    /// Reads what the CPAM publishes until nothing more is planned, with the days since the start.
    async fn reponses(&mut self) -> Vec<(i64, Envelope)> {
        let start = at("2026-03-02T09:00:00Z");
        let limit = at("2027-01-01T00:00:00Z");
        let mut all = Vec::new();
        loop {
            tokio::select! {
                biased;
                batch = self.consumer.next_batch(16) => {
                    let batch = batch.expect("open");
                    let days = (self.clock.now() - start).num_days();
                    for d in &batch {
                        assert_eq!((&d.origin, &d.rejection), (&Origin::Agence(agence()), &None));
                        assert_eq!(d.envelope.correlation_id.as_deref(), Some("1042"));
                        all.push((days, d.envelope.clone()));
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

fn of<M: Message>(answers: &[(i64, Envelope)]) -> Vec<(i64, M)> {
    let typed = answers.iter().filter(|(_, e)| e.message_type == M::TYPE);
    typed.map(|(d, e)| (*d, serde_json::from_slice(&e.data).expect("decodes"))).collect()
}

#[tokio::test]
async fn a_cpam_creates_obtains_and_pays() {
    let mut scene = scene(script()).await;
    for n in 1..=20 {
        scene.demander(&numero_demande(n)).await;
    }
    scene.demander(&RibDemande { demande: demande("rib"), engagement: engagement(1) }).await;
    scene
        .demander(&EtatMensuel {
            demande: demande("etat"),
            mois: "2026-03".parse().expect("month"),
            rang: 1,
            lignes: vec![ligne(1), ligne(2)],
            total_centimes: Centimes(20_000),
            sha256: String::new(),
        })
        .await;
    let answers = scene.reponses().await;
    let created = of::<NumeroAmCree>(&answers);
    assert!(created.iter().all(|(day, m)| *day == 1 && m.rib == Rib::Manquant));
    let numbers: BTreeSet<_> = created.iter().map(|(_, m)| m.numero_am.clone()).collect();
    assert_eq!(numbers.len(), 20);
    assert!(numbers.iter().all(|n| n.key_is_valid() && n.as_str().starts_with("631")));
    let known: BTreeMap<_, _> =
        created.iter().map(|(_, m)| (m.engagement.clone(), m.numero_am.clone())).collect();
    assert_eq!(scene.cpam.numeros(), known);
    let ribs: Vec<i64> = of::<RibRecu>(&answers).into_iter().map(|(day, _)| day).collect();
    assert_eq!(ribs, [2, 2], "twice, as asked for");
    let (day, paid) = of::<PaiementEffectue>(&answers).remove(0);
    assert_eq!(
        (day, paid.lignes, paid.date.to_string()),
        (3, vec![ligne(1).ligne], "2026-03-05".into())
    );
    let (_, rejected) = of::<PaiementRejete>(&answers).remove(0);
    assert_eq!((rejected.ligne, rejected.code.as_str()), (ligne(2).ligne, "doublon"));
    assert_eq!((scene.cpam.etats().len(), scene.cpam.illisibles()), (1, 0));
}

#[tokio::test]
async fn silence_refusal_and_nonsense_can_be_asked_for() {
    let mut odd = script();
    odd.numero = Arc::new(|m| match (m.engagement == engagement(1), m.demande.rang) {
        (true, 1) => ReactionNumero::Silence,
        (true, _) => ReactionNumero::Refuser { apres: JOUR, code: "radie".to_owned() },
        (false, _) => {
            ReactionNumero::Creer { apres: JOUR, rib: Rib::Present, facon: Facon::Malformee }
        }
    });
    let mut scene = scene(odd).await;
    let mut first = numero_demande(1);
    scene.demander(&first).await;
    assert!(scene.reponses().await.is_empty());
    first.demande.rang = 2;
    scene.demander(&first).await;
    scene.demander(&numero_demande(2)).await;
    let answers = scene.reponses().await;
    assert_eq!(of::<NumeroAmRefuse>(&answers)[0].1.code, "radie");
    let malformed = answers.iter().find(|(_, e)| e.message_type == NumeroAmCree::TYPE);
    let (_, malformed) = malformed.expect("published");
    assert!(serde_json::from_slice::<NumeroAmCree>(&malformed.data).is_err());
    assert_eq!(scene.cpam.demandes_numero().len(), 3);
    assert!(scene.cpam.demandes_rib().is_empty());
}

#[test]
fn the_default_reaction_depends_on_nothing_but_the_request() {
    let mut missing = 0;
    for n in 0..500 {
        let mut m = numero_demande(n);
        m.demande.rang = 2;
        assert_eq!(numero_par_defaut(7, &m), numero_par_defaut(7, &m));
        let ReactionNumero::Creer { rib, .. } = numero_par_defaut(7, &m) else {
            panic!("a reminder is answered")
        };
        missing += u32::from(rib == Rib::Manquant);
    }
    assert!((100..200).contains(&missing), "{missing} of 500 for 30 %");
}
