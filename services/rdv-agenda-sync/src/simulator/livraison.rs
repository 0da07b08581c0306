//! Webhook deliveries: signed, one per endpoint of each organisation concerned, repeated n⁴
//! seconds after the n-th failure, 20 times (`default_job_behaviour.rb`).
//!
//! Created and updated bodies are rendered when the job runs, removals before the record goes.
//! Deliveries of one record follow each other; those of different records do not.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use kernel::{Busy, Clock, Draw, Tasks};
use reqwest::Method;
use serde_json::json;
use sha2::Sha256;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{Commun, monde::Monde, rendu};

/// Deliveries in flight at a time.
const OUVRIERS: usize = 8;

/// Attempts of a delivery.
const ESSAIS: u32 = 20;

/// The models that have webhooks here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Genre {
    Rdv,
    Plage,
    Absence,
    Role,
}

impl Genre {
    fn modele(self) -> &'static str {
        match self {
            Self::Rdv => "Rdv",
            Self::Plage => "PlageOuverture",
            Self::Absence => "Absence",
            Self::Role => "AgentRole",
        }
    }

    fn abonnement(self) -> &'static str {
        match self {
            Self::Rdv => "rdv",
            Self::Plage => "plage_ouverture",
            Self::Absence => "absence",
            Self::Role => "agent_role",
        }
    }
}

/// What happened to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nature {
    Created,
    Updated,
    Destroyed { rgpd: bool },
}

impl Nature {
    fn nom(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Destroyed { .. } => "destroyed",
        }
    }
}

pub(super) struct Livraison {
    webhook: i64,
    genre: Genre,
    id: i64,
    nature: Nature,
    /// Rendered already: a removal, or a delivery held back.
    corps: Option<String>,
    essais: u32,
    busy: Busy,
}

/// Hands deliveries to their workers.
pub(super) struct Expediteur {
    clock: Clock,
    tasks: Tasks,
    ouvriers: Vec<UnboundedSender<Livraison>>,
}

impl Expediteur {
    pub(super) fn new(clock: &Clock, tasks: &Tasks) -> (Self, Vec<UnboundedReceiver<Livraison>>) {
        let (ouvriers, receveurs) = (0..OUVRIERS).map(|_| unbounded_channel()).unzip();
        (Self { clock: clock.clone(), tasks: tasks.clone(), ouvriers }, receveurs)
    }

    fn envoyer(&self, livraison: Livraison) {
        let rang = usize::try_from(livraison.id.unsigned_abs()).unwrap_or(0) % OUVRIERS;
        // A worker is gone only when the simulator stops.
        let _ = self.ouvriers[rang].send(livraison);
    }

    /// Hands it over at `due`: the timer exists before the work at hand is let go of.
    fn envoyer_a(&self, due: DateTime<Utc>, livraison: Livraison) {
        let timer = self.clock.timer(due);
        let rang = usize::try_from(livraison.id.unsigned_abs()).unwrap_or(0) % OUVRIERS;
        let (ouvrier, mut livraison) = (self.ouvriers[rang].clone(), livraison);
        livraison.busy = Clock::system().busy();
        self.tasks.spawn_until_stopped(async move {
            livraison.busy = timer.await;
            let _ = ouvrier.send(livraison);
        });
    }
}

/// A record changed: every endpoint concerned will know.
pub(super) fn annoncer(commun: &Commun, genre: Genre, id: i64, nature: Nature) {
    let monde = commun.monde();
    let organisations = match genre {
        Genre::Rdv => monde.rdvs.get(&id).map(|r| r.organisation).into_iter().collect(),
        Genre::Plage => monde.plages.get(&id).map(|p| p.organisation).into_iter().collect(),
        Genre::Role => monde.roles.get(&id).map(|r| r.organisation).into_iter().collect(),
        Genre::Absence => {
            monde.absences.get(&id).map_or(vec![], |a| monde.organisations_de(a.agent))
        }
    };
    let concerned = monde.webhooks.iter().filter(|(_, w)| organisations.contains(&w.organisation));
    for (webhook, _) in concerned {
        expedier(commun, &monde, *webhook, genre, id, nature);
    }
}

/// Registration and update of an endpoint send every record again, as created.
pub(super) fn rejouer(commun: &Commun, webhook: i64) {
    let monde = commun.monde();
    let Some(organisation) = monde.webhooks.get(&webhook).map(|w| w.organisation) else { return };
    let roles = monde.roles.iter().filter(|(_, r)| r.organisation == organisation);
    let plages = monde.plages.iter().filter(|(_, p)| p.organisation == organisation);
    let rdvs = monde.rdvs.iter().filter(|(_, r)| r.organisation == organisation);
    let absences = monde.absences.iter();
    let absences =
        absences.filter(|(_, a)| monde.organisations_de(a.agent).contains(&organisation));
    let all = roles
        .map(|(id, _)| (Genre::Role, *id))
        .chain(plages.map(|(id, _)| (Genre::Plage, *id)))
        .chain(absences.map(|(id, _)| (Genre::Absence, *id)))
        .chain(rdvs.map(|(id, _)| (Genre::Rdv, *id)));
    for (genre, id) in all {
        expedier(commun, &monde, webhook, genre, id, Nature::Created);
    }
}

fn expedier(commun: &Commun, monde: &Monde, webhook: i64, genre: Genre, id: i64, nature: Nature) {
    let Some(point) = monde.webhooks.get(&webhook) else { return };
    if !point.abonnements.iter().any(|a| a == genre.abonnement()) {
        return;
    }
    let now = commun.clock.now();
    let busy = commun.clock.busy();
    let mut livraison = Livraison { webhook, genre, id, nature, corps: None, essais: 0, busy };
    let path = [
        "desordre",
        point.target_url.as_str(),
        genre.modele(),
        &id.to_string(),
        nature.nom(),
        &now.to_rfc3339(),
    ];
    let draw = Draw::of(commun.options.seed, &path);
    let held = draw.percent(commun.options.desordre_pour_cent);
    if held || matches!(nature, Nature::Destroyed { .. }) {
        livraison.corps = rendre(monde, genre, id, nature, now);
    }
    if held {
        let wait = i64::try_from(draw.between(1, 600)).unwrap_or(1);
        commun.expediteur.envoyer_a(now + TimeDelta::seconds(wait), livraison);
    } else {
        commun.expediteur.envoyer(livraison);
    }
}

fn rendre(
    monde: &Monde,
    genre: Genre,
    id: i64,
    nature: Nature,
    now: DateTime<Utc>,
) -> Option<String> {
    let data = rendu::enregistrement(monde, genre, id)?;
    let reason = matches!(nature, Nature::Destroyed { rgpd: true }).then_some("rgpd");
    let meta = json!({
        "model": genre.modele(), "event": nature.nom(), "webhook_reason": reason,
        "timestamp": rendu::instant(now),
    });
    Some(json!({ "data": data, "meta": meta }).to_string())
}

/// Starts the workers.
pub(super) fn demarrer(
    commun: &Arc<Commun>,
    receveurs: Vec<UnboundedReceiver<Livraison>>,
    tasks: &Tasks,
) {
    for mut receveur in receveurs {
        let commun = Arc::clone(commun);
        tasks.spawn_until_stopped(async move {
            while let Some(livraison) = receveur.recv().await {
                livrer(&commun, livraison).await;
            }
        });
    }
}

async fn livrer(commun: &Commun, mut livraison: Livraison) {
    let now = commun.clock.now();
    let (point, corps) = {
        let monde = commun.monde();
        let Some(point) = monde.webhooks.get(&livraison.webhook).cloned() else { return };
        let Livraison { genre, id, nature, .. } = livraison;
        let corps = livraison.corps.clone();
        // A record that is gone has nothing left to say but its removal.
        let Some(corps) = corps.or_else(|| rendre(&monde, genre, id, nature, now)) else { return };
        (point, corps)
    };
    let mut mac = Hmac::<Sha256>::new_from_slice(point.secret.as_bytes())
        .expect("HMAC accepts keys of any length");
    mac.update(corps.as_bytes());
    let request = point
        .http
        .request(Method::POST, "")
        .header("Content-Type", "application/json; charset=utf-8")
        .header("X-Lapin-Signature", hex::encode(mac.finalize().into_bytes()))
        .body(corps);
    if point.http.send(request).await.is_ok() {
        commun.monde().livraisons += 1;
        return;
    }
    livraison.essais += 1;
    if livraison.essais >= ESSAIS {
        tracing::warn!(essais = livraison.essais, "simulated webhook given up");
        return;
    }
    let wait = i64::from(livraison.essais).pow(4);
    commun.expediteur.envoyer_a(now + TimeDelta::seconds(wait), livraison);
}
