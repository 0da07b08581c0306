//! Mail: whoever reads it, and what they do. The people of a site attest who was there; the agents
//! of a CDOM without a queue decide by a link; a doctor keeps the link that lets one withdraw.

use agency::{HttpClient, HttpSettings};
use chrono::{NaiveDate, TimeDelta};
use contracts::{DossierId, EngagementId, LieuId, messages::Issue};

use super::{Monde, cle_du_lien, lock};
use crate::{population::Sort, smtp::Mail};

impl Monde {
    /// Somebody reads a mail.
    pub(super) fn courriel(&self, mail: &Mail) {
        let Some((lien, (sujet, cle))) =
            mail.liens.iter().find_map(|l| Some((l.clone(), cle_du_lien(l)?)))
        else {
            return;
        };
        match sujet.as_str() {
            "retrait" => {
                lock(&self.inner.etat).retraits.insert(cle, lien);
            }
            "verification" => self.cdom_lit(lien, &cle),
            "attestation" => self.lieu_lit(lien, &cle),
            _ => {}
        }
    }

    fn cdom_lit(&self, lien: String, cle: &str) {
        let Some(numero) = cle.strip_prefix("dossier/").and_then(|n| n.parse().ok()) else {
            return;
        };
        let dossier = DossierId(numero);
        if !lock(&self.inner.etat).repondus.insert(lien.clone()) {
            return;
        }
        let (delai, issue) = self.decision_cdom(dossier, &lien);
        if issue == Issue::Favorable {
            self.inscrire(dossier, self.inner.clock.now() + delai);
        }
        let choix = ordinal_adapter::simulator::choix(issue);
        self.apres(delai, move |monde| async move { monde.repondre(&lien, choix).await });
    }

    fn lieu_lit(&self, lien: String, cle: &str) {
        let mut parts = cle.split('/').skip(1);
        let (Some(lieu), Some(date)) = (parts.next(), parts.next()) else { return };
        let (Ok(lieu), Ok(date)) = (lieu.parse::<LieuId>(), date.parse::<NaiveDate>()) else {
            return;
        };
        if !lock(&self.inner.etat).repondus.insert(cle.to_owned()) {
            return;
        }
        let delai = self.delai(&["attestation", cle], 1, 40);
        // A site that only saw honoured appointments sometimes never answers.
        let sorts = self.attendus(&lieu, date);
        let silence = self.de(&["attestation-silence", cle]).percent(15)
            && sorts.iter().all(|(_, sort)| matches!(sort, Sort::Honoree { .. } | Sort::Annulee));
        if silence {
            return;
        }
        self.apres(delai, move |monde| async move { monde.attester(&lien, &lieu, date).await });
    }

    fn attendus(&self, lieu: &LieuId, date: NaiveDate) -> Vec<(contracts::Rpps, Sort)> {
        let etat = lock(&self.inner.etat);
        etat.attendus.get(&(lieu.clone(), date)).cloned().unwrap_or_default()
    }

    /// Says who was absent, one by one, then that the others were there.
    async fn attester(&self, lien: &str, lieu: &LieuId, date: NaiveDate) {
        let people = self.attendus(lieu, date);
        let of = |(rpps, sort): &(contracts::Rpps, Sort)| -> Option<(EngagementId, bool)> {
            let id = self.avec_registre(|r| r.engagement(rpps, lieu).cloned())?;
            match sort {
                Sort::Annulee => None,
                Sort::Absent => Some((id, false)),
                Sort::Honoree { .. } | Sort::SansPatient => Some((id, true)),
            }
        };
        let presences: Vec<_> = people.iter().filter_map(of).collect();
        for choix in indemnite::simulator::truth(&presences) {
            self.repondre(lien, &choix.to_string()).await;
        }
    }

    /// Follows a link as a browser does; a service that is away is tried again a little later.
    pub(super) async fn repondre(&self, lien: &str, choix: &str) {
        let settings =
            HttpSettings { base_url: lien.to_owned(), timeout_ms: 10_000, max_body_bytes: 1 << 20 };
        let Ok(client) = HttpClient::new(settings) else { return };
        let request = client.request(reqwest::Method::POST, "").form(&[("choix", choix)]);
        if let Err(error) = client.send(request).await {
            let again = !matches!(&error, agency::HttpError::Status { status: 400..=499, .. });
            tracing::debug!(%error, again, "a person could not answer a link");
            if again {
                let (lien, choix) = (lien.to_owned(), choix.to_owned());
                self.apres(TimeDelta::minutes(30), move |monde| async move {
                    monde.repondre_plus_tard(lien, choix).await;
                });
            }
        }
    }

    fn repondre_plus_tard(
        self,
        lien: String,
        choix: String,
    ) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move { self.repondre(&lien, &choix).await })
    }
}
