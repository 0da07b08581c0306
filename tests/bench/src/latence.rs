//! The latency: from the publication of a message to the arrival of its effect at an observer, at a
//! steady rate, whatever the answers (no omission is coordinated).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::{StreamExt, future::join_all};
use kernel::Tasks;
use lapin::{
    Channel,
    message::Delivery,
    options::{BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions},
    types::FieldTable,
};
use service::{EngineConfig, Service};

use crate::{
    Erreur,
    banc::{Banc, EFFETS, Schema, connecter, fermer},
    chiffres::{Resultat, centile_ms, decimal, entier, mediane, rapport},
    cli::Cli,
    compteur::Compteur,
    hop::{self, DOSSIERS, Serie},
    limite,
    messages::{self, CLE_ENTREE},
};

/// The steady rate of an ordinary day, far above the programme's.
const DEBIT: f64 = 500.0;
/// How long each round lasts.
const DUREE: Duration = Duration::from_secs(6);
/// Messages that come one by one, each after the effect of the one before.
const SOLITAIRES: u32 = 200;

/// What carries messages from the input queue to the effects.
#[derive(Clone, Copy)]
enum Porteur {
    Lapin,
    Relais,
}

/// Percentiles of some rounds, in milliseconds.
#[derive(Default)]
struct Centiles {
    p50: Vec<f64>,
    p99: Vec<f64>,
}

impl Centiles {
    fn ajouter(&mut self, mut samples: Vec<Duration>) {
        self.p50.push(centile_ms(&mut samples, 0.5));
        self.p99.push(centile_ms(&mut samples, 0.99));
    }
}

/// Measures latencies.
pub(crate) async fn mesurer(banc: &Banc, cli: &Cli) -> Result<Resultat, Erreur> {
    let schema = banc.schema("latency", DOSSIERS, 1).await?;
    let mut sature = Serie::default();
    for _ in 0..3 {
        hop::tour(banc, &schema, cli.messages / 2, &[EngineConfig::default()], &mut sature).await?;
    }
    let moitie = mediane(&sature.debits) / 2.0;
    let [mut brut, mut relais, mut charge, mut seul] = [(); 4].map(|()| Centiles::default());
    for _ in 0..cli.tours {
        brut.ajouter(tour(banc, &schema, Porteur::Lapin, Cadence::Fixe(DEBIT)).await?);
        relais.ajouter(tour(banc, &schema, Porteur::Relais, Cadence::Fixe(DEBIT)).await?);
        charge.ajouter(tour(banc, &schema, Porteur::Relais, Cadence::Fixe(moitie)).await?);
        seul.ajouter(tour(banc, &schema, Porteur::Relais, Cadence::UnParUn).await?);
    }
    let (p50, p99) = (mediane(&relais.p50), mediane(&relais.p99));
    let (brut_p50, brut_p99) = (mediane(&brut.p50), mediane(&brut.p99));
    let ratio = rapport(&relais.p99, &brut.p99);
    let mut resultat = Resultat::new("latency : de la publication à l'effet");
    resultat
        .ligne(format!(
            "à {} messages/s : p50 {} ms, p99 {} ms ; courtier seul {} et {} ms ; rapport des p99 \
             {} (visé : au plus 4)",
            entier(DEBIT),
            decimal(p50, 1),
            decimal(p99, 1),
            decimal(brut_p50, 1),
            decimal(brut_p99, 1),
            decimal(ratio, 1)
        ))
        .ligne(format!(
            "à la moitié de la saturation ({} messages/s) : p50 {} ms, p99 {} ms",
            entier(moitie),
            decimal(mediane(&charge.p50), 1),
            decimal(mediane(&charge.p99), 1)
        ))
        .ligne(format!(
            "un message seul : p50 {} ms, p99 {} ms",
            decimal(mediane(&seul.p50), 1),
            decimal(mediane(&seul.p99), 1)
        ))
        .valeur("rate_per_s", DEBIT)
        .valeur("raw_per_s", DEBIT)
        .valeur("ratio", ratio)
        .valeur("p50", p50)
        .valeur("p99", p99)
        .valeur("raw_p50", brut_p50)
        .valeur("raw_p99", brut_p99)
        .valeur("half_rate_per_s", moitie)
        .valeur("half_p50", mediane(&charge.p50))
        .valeur("half_p99", mediane(&charge.p99))
        .valeur("lone_p50", mediane(&seul.p50))
        .valeur("lone_p99", mediane(&seul.p99));
    Ok(resultat)
}

/// When messages are published.
#[derive(Clone, Copy)]
enum Cadence {
    /// So many a second, whatever comes back.
    Fixe(f64),
    /// Each after the effect of the one before.
    UnParUn,
}

/// When each message was published, by its id.
type Departs = Arc<Mutex<HashMap<String, Instant>>>;

async fn tour(
    banc: &Banc,
    schema: &Schema,
    porteur: Porteur,
    cadence: Cadence,
) -> Result<Vec<Duration>, Erreur> {
    let n = match cadence {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a few thousand"
        )]
        Cadence::Fixe(debit) => (debit * DUREE.as_secs_f64()) as u32,
        Cadence::UnParUn => SOLITAIRES,
    };
    let departs = Departs::default();
    let tasks = Tasks::new();
    let (arrivees, mut recues) = tokio::sync::mpsc::unbounded_channel();
    let observateur = connecter(&banc.amqp).await?;
    observer(banc, &observateur.create_channel().await?, &tasks, &departs, arrivees).await?;
    let emetteur = connecter(&banc.amqp).await?;
    let canal = emetteur.create_channel().await?;
    canal.confirm_select(ConfirmSelectOptions::default()).await?;

    let work = async {
        let mut samples = Vec::new();
        match cadence {
            Cadence::Fixe(debit) => {
                publier_au_rythme(banc, schema, &canal, &departs, n, debit).await?;
                while samples.len() < n as usize {
                    samples.push(prochaine(&mut recues).await?);
                }
                // The first second warms connections and plans up.
                samples.drain(..samples.len() / 6);
            }
            Cadence::UnParUn => {
                for _ in 0..n {
                    publier(banc, schema, &canal, &departs).await?;
                    samples.push(prochaine(&mut recues).await?);
                }
            }
        }
        Ok::<_, Erreur>(samples)
    };
    let samples = match porteur {
        Porteur::Lapin => {
            let (entree, sortie) = (connecter(&banc.amqp).await?, connecter(&banc.amqp).await?);
            let (entrant, sortant) =
                (entree.create_channel().await?, sortie.create_channel().await?);
            entrant.basic_qos(1024, BasicQosOptions::default()).await?;
            sortant.confirm_select(ConfirmSelectOptions::default()).await?;
            let (samples, relayed) =
                tokio::join!(work, limite::relayer(banc, &entrant, &sortant, n));
            relayed?;
            fermer(&entree).await;
            fermer(&sortie).await;
            samples?
        }
        Porteur::Relais => {
            let running = banc.replique(schema, EngineConfig::default()).await?.lancer().await?;
            let samples = work.await;
            running.arreter().await?;
            banc.verifier(schema, n).await?;
            samples?
        }
    };
    tasks.stop(Duration::from_secs(1)).await;
    fermer(&emetteur).await;
    fermer(&observateur).await;
    banc.vider(EFFETS).await?;
    banc.vider(Compteur::NAME).await?;
    Ok(samples)
}

async fn prochaine(
    recues: &mut tokio::sync::mpsc::UnboundedReceiver<Duration>,
) -> Result<Duration, Erreur> {
    let next = tokio::time::timeout(Duration::from_mins(1), recues.recv()).await;
    next?.ok_or_else(|| "the observer is gone".into())
}

/// Publishes at a steady rate; what is late is published at once, with the others that are.
async fn publier_au_rythme(
    banc: &Banc,
    schema: &Schema,
    canal: &Channel,
    departs: &Departs,
    n: u32,
    debit: f64,
) -> Result<(), Erreur> {
    let started = tokio::time::Instant::now();
    let mut sent = 0;
    while sent < n {
        let due = started + Duration::from_secs_f64(f64::from(sent) / debit);
        tokio::time::sleep_until(due).await;
        let elapsed = started.elapsed().as_secs_f64();
        let mut group = Vec::new();
        while sent < n && f64::from(sent) / debit <= elapsed {
            group.push(publier(banc, schema, canal, departs));
            sent += 1;
        }
        for published in join_all(group).await {
            published?;
        }
    }
    Ok(())
}

/// Publishes one message; does not wait for its confirm.
async fn publier(
    banc: &Banc,
    schema: &Schema,
    canal: &Channel,
    departs: &Departs,
) -> Result<(), Erreur> {
    let envelope = messages::entree(&banc.prefixe, banc.suivant(), schema.dossiers, schema.ecart);
    let echange = messages::echange(&banc.prefixe);
    let properties = messages::proprietes(&envelope);
    partir(departs, &envelope.id);
    let options = BasicPublishOptions::default();
    canal
        .basic_publish(
            echange.as_str().into(),
            CLE_ENTREE.into(),
            options,
            &envelope.data,
            properties,
        )
        .await?;
    Ok(())
}

fn partir(departs: &Departs, id: &str) {
    let mut known = departs.lock().unwrap_or_else(PoisonError::into_inner);
    known.insert(id.to_owned(), Instant::now());
}

/// Reads the effects, and says of each how long after its cause it came.
async fn observer(
    banc: &Banc,
    canal: &Channel,
    tasks: &Tasks,
    departs: &Departs,
    arrivees: tokio::sync::mpsc::UnboundedSender<Duration>,
) -> Result<(), Erreur> {
    let queue = format!("{}{EFFETS}", banc.prefixe);
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let mut effets = canal
        .basic_consume(queue.as_str().into(), "".into(), options, FieldTable::default())
        .await?;
    let departs = Arc::clone(departs);
    tasks.spawn_until_stopped(async move {
        while let Some(Ok(effet)) = effets.next().await {
            let now = Instant::now();
            let cause = cause(&effet);
            let known = departs.lock().unwrap_or_else(PoisonError::into_inner).remove(&cause);
            if let Some(departed) = known {
                let _ = arrivees.send(now - departed);
            }
        }
    });
    Ok(())
}

/// The id of the message that caused an effect: its own, when it was only passed on.
fn cause(effet: &Delivery) -> String {
    let properties = &effet.properties;
    let header = properties.headers().as_ref().and_then(|headers| {
        let value = headers.inner().get("cloudEvents_causationid")?;
        Some(String::from_utf8_lossy(value.as_long_string()?.as_bytes()).into_owned())
    });
    header.unwrap_or_else(|| {
        properties.message_id().as_ref().map(|id| id.as_str().to_owned()).unwrap_or_default()
    })
}
