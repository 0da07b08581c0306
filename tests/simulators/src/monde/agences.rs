//! The CDOMs and the CPAMs: what each decides, when, and what follows at the Order (RPPS row) and
//! at the card's issuer.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bus::{BusError, SharedTransport};
use chrono::{DateTime, Days, TimeDelta, Utc};
use contracts::{
    Agence, DossierId, Famille, Lieu, LieuId, Referentiel, Rib, Rpps,
    messages::{Issue, NumeroAmDemande, VerificationDemandee},
    referentiel::Canal,
};
use cpam_cps::simulator::{
    CpamSimulee, Facon, ReactionEtat, ReactionNumero, ReactionRib, Script as ScriptCpam,
};
use kernel::paris_date;
use ordinal_adapter::simulator::{CdomSimule, ReactionCdom};
use rpps_flux::simulator::Structure;

use super::{Monde, lock};
use crate::population::{Parcours, Profil};

/// The agencies that the population meets and that have a queue.
pub(super) fn rencontrees(population: &[Parcours], referentiel: &Referentiel) -> Vec<Agence> {
    let mut met = BTreeSet::new();
    for parcours in population {
        met.insert(Agence::cdom(&parcours.personne.cdom));
        for engagement in parcours.dossiers.iter().flat_map(|d| &d.engagements) {
            let Some(lieu) = referentiel.lieu(&engagement.lieu) else { continue };
            met.extend(lieu.cdom.as_ref().map(Agence::cdom));
            met.extend(lieu.cpam.as_ref().map(Agence::cpam));
        }
    }
    let with_queue: BTreeSet<_> = referentiel
        .agences()
        .filter(|(_, fiche)| fiche.canal == Canal::File)
        .map(|(agence, _)| agence)
        .collect();
    met.intersection(&with_queue).cloned().collect()
}

/// Starts an agency with its script.
pub(super) async fn ouvrir(
    monde: &Monde,
    agence: Agence,
    transport: SharedTransport,
) -> Result<(), BusError> {
    let (clock, tasks) = (monde.inner.clock.clone(), monde.inner.tasks.clone());
    let script = monde.clone();
    match agence.famille {
        Famille::Cdom => {
            let script = Arc::new(move |m: &VerificationDemandee| script.cdom_repond(m));
            CdomSimule::start(transport, agence, clock, &tasks, script).await?;
        }
        Famille::Cpam => {
            let script = script.script_cpam();
            CpamSimulee::start(transport, agence, clock, &tasks, script).await?;
        }
    }
    Ok(())
}

fn duree(delai: TimeDelta) -> Duration {
    delai.to_std().unwrap_or_default()
}

impl Monde {
    /// What a CDOM decides on a request, and after which delay.
    pub(super) fn decision_cdom(&self, dossier: DossierId, demande: &str) -> (TimeDelta, Issue) {
        let rang = {
            let mut etat = lock(&self.inner.etat);
            let seen = etat.demandes.entry(dossier).or_default();
            if !seen.iter().any(|d| d == demande) {
                seen.push(demande.to_owned());
            }
            seen.iter().position(|d| d == demande).unwrap_or(0)
        };
        let profil = self.dossier(dossier).map(|(_, d)| d.profil);
        let issue = match (profil, rang) {
            (Some(Profil::Refus | Profil::RppsInconnuAbandon) | None, _) => Issue::Defavorable,
            (Some(Profil::Complement | Profil::Retrait), 0) => Issue::Complement,
            _ => Issue::Favorable,
        };
        let parts = ["cdom", &dossier.to_string(), &rang.to_string()];
        (self.delai(&parts, 20, 110), issue)
    }

    fn cdom_repond(&self, m: &VerificationDemandee) -> ReactionCdom {
        let (delai, issue) = self.decision_cdom(m.dossier, &m.demande.id.to_string());
        if issue == Issue::Favorable && m.demande.rang == 1 {
            self.inscrire(m.dossier, self.inner.clock.now() + delai);
        }
        if issue == Issue::Complement {
            let champs = vec!["attestation-assurance".to_owned()];
            let (apres, facon) = (duree(delai), ordinal_adapter::simulator::Facon::Normale);
            return ReactionCdom::Rendre { apres, issue, champs, facon };
        }
        ReactionCdom::rendre(duree(delai), issue)
    }

    /// The activity entered in Ordinal reaches the RPPS some days later.
    pub(super) fn inscrire(&self, dossier: DossierId, decide_le: DateTime<Utc>) {
        let Some((parcours, prevu)) = self.dossier(dossier) else { return };
        for engagement in &prevu.engagements {
            let Some(lieu) = self.inner.referentiel.lieu(&engagement.lieu) else { continue };
            let Some(structure) = structure(lieu) else { continue };
            let days = self.de(&["rpps", &dossier.to_string(), lieu.id.as_str()]).between(1, 4);
            let visible = paris_date(decide_le) + Days::new(days);
            let rpps = &parcours.personne.rpps;
            self.inner.rpps.enregistrer_activite(rpps, structure, &lieu.nom, visible);
        }
    }

    fn carte(&self, rpps: &Rpps, lieu: &LieuId, cree_le: DateTime<Utc>) {
        let Some(n) = self.inner.par_rpps.get(rpps) else { return };
        let jours = self.inner.population[*n].jours_carte;
        let debut = paris_date(cree_le) + Days::new(jours);
        let numero = self.de(&["carte", rpps.as_str(), lieu.as_str()]).below(1_000_000_000);
        let numero = format!("2{numero:09}");
        let fin = debut + Days::new(3 * 365);
        self.inner.rpps.emettre_carte(rpps, &numero, debut, fin, debut + Days::new(1));
    }
}

fn structure(lieu: &Lieu) -> Option<Structure> {
    let finess = lieu.finess.clone().map(Structure::Finess);
    finess.or_else(|| lieu.rpps_rang.clone().map(Structure::Rang))
}

impl Monde {
    fn script_cpam(&self) -> ScriptCpam {
        let (numero, rib, etat) = (self.clone(), self.clone(), self.clone());
        ScriptCpam {
            numero: Arc::new(move |m| numero.cpam_cree(m)),
            rib: Arc::new(move |m| ReactionRib::Recu {
                apres: duree(rib.delai(&["rib", m.engagement.as_str()], 72, 190)),
                facon: Facon::Normale,
            }),
            etat: Arc::new(move |m| ReactionEtat::Payer {
                apres: duree(etat.delai(&["paiement", &m.mois.to_string(), &m.sha256], 48, 140)),
                rejets: BTreeMap::new(),
                facon: Facon::Normale,
            }),
        }
    }

    fn cpam_cree(&self, m: &NumeroAmDemande) -> ReactionNumero {
        let rpps = &m.medecin.rpps;
        let delai = self.delai(&["numero-am", rpps.as_str(), m.lieu.id.as_str()], 20, 100);
        if m.demande.rang == 1 {
            self.carte(rpps, &m.lieu.id, self.inner.clock.now() + delai);
        }
        let missing =
            self.inner.par_rpps.get(rpps).is_some_and(|n| self.inner.population[*n].rib_manquant);
        let rib = if missing { Rib::Manquant } else { Rib::Present };
        ReactionNumero::Creer { apres: duree(delai), rib, facon: Facon::Normale }
    }
}
