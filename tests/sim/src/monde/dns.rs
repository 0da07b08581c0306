//! The DNS: closes tasks, with what each needs.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use contracts::{EngagementId, messages::TacheOuverte};
use indemnite::Choix;
use service::OperatorAction;

use super::{Monde, rdv::organisation};
use crate::{
    milieu::{Milieu, Qui},
    scenario::LIEUX,
};

impl Monde {
    /// What the operator writes to close a task; the presence of a manual attestation is given by
    /// the caller, who knows the question.
    pub(crate) fn fermeture(
        &mut self,
        tache: &TacheOuverte,
        choix: Option<String>,
        m: &Milieu,
    ) -> (Qui, OperatorAction) {
        let mut champs = BTreeMap::from([("tache".to_owned(), tache.tache.to_string())]);
        let mut set = |name: &str, value: String| {
            champs.insert(name.to_owned(), value);
        };
        match tache.gabarit.as_str() {
            "rdv-organisation" => {
                let site = tache.cle.trim_start_matches("lieu/");
                let lieu = LIEUX.iter().position(|l| l.0 == site).expect("a site");
                set("organisation_id", organisation(lieu).to_string());
            }
            "numero-am-a-demander" => {
                let id = tache.cle.trim_start_matches("engagement/");
                let engagement: EngagementId = id.parse().expect("engagement");
                let (_, lieu) = self.de_engagement(&engagement).expect("of the script");
                let numero = self.caisses.numero(&engagement, LIEUX[lieu].2);
                set("numero_am", numero.to_string());
                set("rib", "present".to_owned());
            }
            "rib-a-obtenir" => set("rib", "present".to_owned()),
            "etat-mensuel-a-transmettre" => {
                set("paye_le", kernel::paris_date(m.now).to_string());
            }
            "attestation-manuelle" => {
                if let Some(choix) = choix {
                    set("choix", choix);
                }
            }
            _ => {}
        }
        let qui = match tache.service.as_str() {
            "ds-intake" => Qui::Ds,
            "ordinal-adapter" => Qui::Ordinal,
            "rpps-flux" => Qui::Rpps,
            "cpam-cps" => Qui::Cpam,
            "rdv-agenda-sync" => Qui::Rdv,
            "indemnite" => Qui::Indemnite,
            other => panic!("a task of {other}"),
        };
        let action = OperatorAction {
            action: "fermer-tache".to_owned(),
            cle: tache.cle.clone(),
            champs,
            par: "agent-dns".to_owned(),
        };
        (qui, action)
    }

    /// Asks cpam-cps for the number again, whatever became of the activity.
    pub(crate) fn redemande(tache: &TacheOuverte) -> OperatorAction {
        OperatorAction {
            action: "redemander".to_owned(),
            cle: format!("engagement/{}", tache.champs["engagement"]),
            champs: BTreeMap::new(),
            par: "agent-dns".to_owned(),
        }
    }

    /// The next answer that says the truth about some doctors: who was absent is said one by one,
    /// then the others were present.
    pub(crate) fn attestation(&self, members: &[(EngagementId, NaiveDate)]) -> Choix {
        let absent = |(e, date): &&(EngagementId, NaiveDate)| !self.present(e, *date);
        match members.iter().find(absent) {
            None => Choix::Presents,
            Some(_) if members.iter().filter(absent).count() == members.len() => Choix::Absents,
            Some((engagement, _)) => Choix::Absent(engagement.clone()),
        }
    }
}
