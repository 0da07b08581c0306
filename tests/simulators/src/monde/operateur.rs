//! The operator of the DNS: does the tasks, replays the failures.

use std::collections::BTreeMap;

use agency::{HttpClient, HttpSettings};
use chrono::TimeDelta;
use contracts::{
    Envelope, LieuId, Message,
    messages::{PanneOuverte, TacheOuverte},
};
use uuid::Uuid;

use super::{Monde, lock, nom};

/// How often a failure that stays open is replayed again.
const REJEUX: u32 = 8;

impl Monde {
    /// Looks at a fact that concerns an operator.
    pub(super) fn operateur_voit(&self, envelope: &Envelope) {
        match envelope.message_type.as_str() {
            TacheOuverte::TYPE => {
                if let Ok(tache) = serde_json::from_slice::<TacheOuverte>(&envelope.data) {
                    let delai = self.delai(&["tache", &nom(tache.tache)], 2, 20);
                    self.apres(delai, move |monde| async move { monde.faire(tache).await });
                }
            }
            PanneOuverte::TYPE => {
                if let Ok(panne) = serde_json::from_slice::<PanneOuverte>(&envelope.data) {
                    let delai = self.delai(&["panne", &nom(panne.panne)], 1, 6);
                    self.apres(delai, move |monde| async move {
                        monde.rejouer(panne.service, panne.panne, REJEUX).await;
                    });
                }
            }
            _ => {}
        }
    }

    async fn faire(&self, tache: TacheOuverte) {
        let mut champs = BTreeMap::from([("tache".to_owned(), tache.tache.to_string())]);
        if tache.gabarit == "rdv-organisation"
            && let Some(lieu) = tache.cle.strip_prefix("lieu/").and_then(|l| l.parse().ok())
        {
            champs.insert("organisation_id".to_owned(), self.organisation(&lieu).to_string());
        }
        match tache.gabarit.as_str() {
            // The CPAM told on the phone that it has them.
            "rib-a-obtenir" => {
                champs.insert("rib".to_owned(), "present".to_owned());
            }
            "facturation-manquante" if !self.redemander(&tache).await => {
                self.apres(TimeDelta::hours(1), move |monde| monde.refaire(tache));
                return;
            }
            _ => {}
        }
        let action = serde_json::json!({
            "action": "fermer-tache",
            "cle": tache.cle,
            "champs": champs,
            "par": "operateur-simule",
        });
        if !self.ops(&tache.service, "/ops/actions", &action).await {
            self.apres(TimeDelta::hours(1), move |monde| monde.refaire(tache));
        }
    }

    /// Asks for the number that half-days owed wait for; bank details have a task of their own.
    async fn redemander(&self, tache: &TacheOuverte) -> bool {
        let missing = tache.champs.get("manque").map(String::as_str);
        let (Some("numero_am"), Some(engagement)) = (missing, tache.champs.get("engagement"))
        else {
            return true;
        };
        let action = serde_json::json!({
            "action": "redemander",
            "cle": format!("engagement/{engagement}"),
            "par": "operateur-simule",
        });
        self.ops("cpam-cps", "/ops/actions", &action).await
    }

    fn refaire(self, tache: TacheOuverte) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move { self.faire(tache).await })
    }

    /// The DNS creates the organisation of a site by hand.
    fn organisation(&self, lieu: &LieuId) -> i64 {
        let name =
            self.inner.referentiel.lieu(lieu).map_or_else(|| lieu.to_string(), |l| l.nom.clone());
        let id = self.inner.rdv.creer_organisation(&format!("{name} ({lieu})"));
        lock(&self.inner.etat).organisations.insert(id, lieu.clone());
        id
    }

    async fn rejouer(&self, service: String, panne: Uuid, restants: u32) {
        let open = self.avec_registre(|r| r.pannes_ouvertes().any(|p| p.panne == panne));
        if !open || restants == 0 {
            return;
        }
        let path = format!("/ops/pannes/{panne}/rejeu");
        self.ops(&service, &path, &serde_json::json!({})).await;
        self.apres(TimeDelta::hours(6), move |monde| {
            monde.rejouer_encore(service, panne, restants - 1)
        });
    }

    fn rejouer_encore(
        self,
        service: String,
        panne: Uuid,
        restants: u32,
    ) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move { self.rejouer(service, panne, restants).await })
    }

    /// Posts to a service's operator endpoint; false when it could not be done.
    async fn ops(&self, service: &str, path: &str, body: &serde_json::Value) -> bool {
        let (base_url, jeton) = {
            let etat = lock(&self.inner.etat);
            match (etat.services.get(service), &etat.jeton) {
                (Some(url), Some(jeton)) => (url.clone(), jeton.clone()),
                _ => return false,
            }
        };
        let settings = HttpSettings { base_url, timeout_ms: 10_000, max_body_bytes: 1 << 20 };
        let Ok(client) = HttpClient::new(settings) else { return false };
        let request =
            client.request(reqwest::Method::POST, path).bearer_auth(jeton.expose()).json(body);
        match client.send(request).await {
            Ok(_) => true,
            Err(error) => {
                tracing::debug!(service, path, %error, "the operator was refused");
                false
            }
        }
    }
}
