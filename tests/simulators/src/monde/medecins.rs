//! The doctors: they file, correct or delete their dossier, accept the invitation, open slots,
//! close some, meet patients, and sometimes withdraw.

use std::{io, time::Duration};

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use contracts::{Civilite, DemiJournee, DossierId, LieuId, ModeExercice, Rpps};
use ds_intake::simulator::{self as ds, Champs, Depot};
use kernel::{Clock, Tasks, paris_at, paris_date};
use rdv_agenda_sync::simulator as rdv;

use super::{JETON_DS, Monde, Options, ROBOT, lock};
use crate::population::{
    DossierPrevu, EngagementPrevu, Parcours, Personne, Profil, Sort, VacationPrevue, rpps_faux,
    rpps_inconnu,
};

/// Starts Démarches simplifiées.
pub(super) async fn demarches_simplifiees(
    clock: &Clock,
    tasks: &Tasks,
    options: &Options,
    port: u16,
) -> io::Result<ds::Simulateur> {
    let options = ds::Options {
        port,
        demarche: options.demarche,
        jeton: JETON_DS.to_owned(),
        instructeur_id: ROBOT.to_owned(),
        ..ds::Options::default()
    };
    ds::start(clock.clone(), tasks, options).await
}

/// Starts RDV Service Public.
pub(super) async fn rdv_service_public(
    clock: &Clock,
    tasks: &Tasks,
    port: u16,
) -> io::Result<rdv::Simulateur> {
    let options = rdv::Options { port, ..rdv::Options::default() };
    // Two hours of an accelerated clock may be less than one call.
    let a_minute = clock.business_duration(Duration::from_mins(1)).num_seconds();
    let expires_in_s = u32::try_from(a_minute).unwrap_or(u32::MAX).max(options.expires_in_s);
    rdv::start(clock.clone(), tasks, rdv::Options { expires_in_s, ..options }).await
}

impl Monde {
    /// Schedules every deposit, and lets the Annuaire know every doctor.
    pub(super) fn deposer_tout(&self) {
        for parcours in &self.inner.population {
            let p = &parcours.personne;
            let fiche = rpps_flux::simulator::Fiche::medecin(p.rpps.clone(), &p.nom, &p.prenom);
            self.inner.rpps.enregistrer_medecin(fiche);
            for dossier in &parcours.dossiers {
                let numero = dossier.numero;
                self.le(dossier.depose_le, move |monde| async move {
                    if let Some((parcours, dossier)) = monde.dossier(numero) {
                        let rpps = saisie(parcours, dossier.profil);
                        monde.inner.ds.deposer(depot(&parcours.personne, dossier, rpps));
                    }
                });
            }
        }
    }

    /// The doctor reads what an instructeur writes.
    pub(super) fn message_ds(&self, evenement: &ds::Evenement) {
        let ds::Evenement::MessageAuDossier { numero, correction: Some(_), .. } = evenement else {
            return;
        };
        let numero = *numero;
        let id = DossierId(numero);
        let Some((_, dossier)) = self.dossier(id) else { return };
        let profil = dossier.profil;
        if !lock(&self.inner.etat).corriges.insert(id) {
            return;
        }
        let delai = self.delai(&["correction", &numero.to_string()], 14, 60);
        self.apres(delai, move |monde| async move {
            match profil {
                Profil::RppsFauxAbandon | Profil::RppsInconnuAbandon => {}
                Profil::Retrait => {
                    monde.inner.ds.supprimer(numero);
                }
                Profil::Normal
                | Profil::Refus
                | Profil::Complement
                | Profil::RppsFauxCorrige
                | Profil::RppsInconnuCorrige => {
                    if let Some((parcours, dossier)) = monde.dossier(id) {
                        let rpps = parcours.personne.rpps.to_string();
                        let champs = champs(&parcours.personne, dossier, rpps);
                        monde.inner.ds.redeposer(numero, Some(champs));
                    }
                }
            }
        });
    }

    /// The doctor receives access to an agenda.
    pub(super) fn evenement_rdv(&self, evenement: rdv::Evenement) {
        let (courriel, organisation) = match evenement {
            rdv::Evenement::InvitationEnvoyee { courriel, organisation }
            | rdv::Evenement::AccesDonne { courriel, organisation } => (courriel, organisation),
            rdv::Evenement::WebhookEnregistre { .. } | rdv::Evenement::MotifCree { .. } => return,
        };
        let lieu = lock(&self.inner.etat).organisations.get(&organisation).cloned();
        let (Some(lieu), Some(n)) = (lieu, self.inner.par_courriel.get(&courriel).copied()) else {
            return;
        };
        let delai = self.delai(&["invitation", &courriel, lieu.as_str()], 3, 48);
        self.apres(delai, move |monde| async move {
            monde.inner.rdv.accepter_invitation(&courriel);
            let rpps = monde.inner.population[n].personne.rpps.clone();
            monde.ouvrir_agenda(&courriel, organisation, &rpps, &lieu);
        });
    }

    /// Opens every slot at once, one vacation a week from the first whole week on.
    fn ouvrir_agenda(&self, courriel: &str, organisation: i64, rpps: &Rpps, lieu: &LieuId) {
        let Some(engagement) = self.engagement(rpps, lieu) else { return };
        let lundi = premier_lundi(self.inner.clock.now());
        for (n, vacation) in engagement.vacations.iter().enumerate() {
            let weeks = u64::try_from(n).unwrap_or(0);
            let jour = lundi + Days::new(7 * weeks + vacation.jour);
            self.ouvrir_vacation(courriel, organisation, jour, vacation);
            let mut etat = lock(&self.inner.etat);
            let key = (lieu.clone(), jour);
            etat.attendus.entry(key).or_default().push((rpps.clone(), vacation.sort));
        }
        self.prevoir_retrait(engagement, rpps, lundi);
    }

    fn ouvrir_vacation(
        &self,
        courriel: &str,
        organisation: i64,
        jour: NaiveDate,
        vacation: &VacationPrevue,
    ) {
        let rdv = &self.inner.rdv;
        for demi in &vacation.demi_journees {
            let (debut, fin) = horaires(*demi);
            let plage = rdv.ouvrir_plage(courriel, organisation, jour, debut, fin, None);
            if let (Sort::Annulee, Some(plage)) = (vacation.sort, plage) {
                let veille = paris_at(jour - Days::new(2), horaire(11, 0));
                self.le(veille, move |monde| async move {
                    monde.inner.rdv.supprimer_plage(plage);
                });
            }
        }
        let patients = match vacation.sort {
            Sort::Honoree { rdv } => rdv,
            Sort::Absent => 2,
            Sort::SansPatient | Sort::Annulee => 0,
        };
        let Some(premier) = vacation.demi_journees.first() else { return };
        for n in 0..patients {
            let debut =
                paris_at(jour, horaires(*premier).0) + TimeDelta::minutes(20 * i64::from(n));
            // The last of several patients does not come.
            let venu =
                matches!(vacation.sort, Sort::Honoree { .. }) && (n == 0 || n + 1 < patients);
            let (courriel, venu) = (courriel.to_owned(), if venu { "seen" } else { "noshow" });
            self.apres(TimeDelta::hours(2), move |monde| async move {
                monde.rendez_vous(&courriel, debut, venu);
            });
        }
    }

    fn rendez_vous(&self, courriel: &str, debut: DateTime<Utc>, statut: &'static str) {
        let duree = Duration::from_mins(20);
        let Some(id) = self.inner.rdv.prendre_rdv(courriel, debut, duree) else { return };
        self.le(debut + TimeDelta::minutes(30), move |monde| async move {
            monde.inner.rdv.statuer_rdv(id, statut);
        });
    }

    /// Withdraws the day after the vacation that was decided to be the last.
    fn prevoir_retrait(&self, engagement: &EngagementPrevu, rpps: &Rpps, lundi: NaiveDate) {
        let Some(apres) = engagement.retrait_apres else { return };
        let Some(derniere) = apres.checked_sub(1).and_then(|n| engagement.vacations.get(n)) else {
            return;
        };
        let weeks = u64::try_from(apres - 1).unwrap_or(0);
        let jour = lundi + Days::new(7 * weeks + derniere.jour + 1);
        let (rpps, lieu) = (rpps.clone(), engagement.lieu.clone());
        self.le(paris_at(jour, horaire(10, 0)), move |monde| async move {
            monde.se_retirer(&rpps, &lieu, jour).await;
        });
    }

    async fn se_retirer(&self, rpps: &Rpps, lieu: &LieuId, jour: NaiveDate) {
        let id = self.avec_registre(|r| r.engagement(rpps, lieu).cloned());
        let Some(id) = id else { return };
        let lien = lock(&self.inner.etat).retraits.get(&format!("engagement/{id}")).cloned();
        {
            let mut etat = lock(&self.inner.etat);
            for ((site, date), people) in &mut etat.attendus {
                if site == lieu && *date > jour {
                    people.retain(|(who, _)| who != rpps);
                }
            }
        }
        if let Some(lien) = lien {
            self.repondre(&lien, "retirer").await;
        }
    }
}

/// The Monday of the first week that begins at least five days later.
fn premier_lundi(now: DateTime<Utc>) -> NaiveDate {
    let day = paris_date(now) + Days::new(5);
    let ahead = (7 - day.weekday().num_days_from_monday()) % 7;
    day + Days::new(u64::from(ahead))
}

fn horaire(heure: u32, minute: u32) -> NaiveTime {
    NaiveTime::from_hms_opt(heure, minute, 0).unwrap_or(NaiveTime::MIN)
}

fn horaires(demi: DemiJournee) -> (NaiveTime, NaiveTime) {
    match demi {
        DemiJournee::Matin => (horaire(9, 0), horaire(12, 0)),
        DemiJournee::ApresMidi => (horaire(14, 0), horaire(17, 30)),
    }
}

/// The number that the doctor types at first.
fn saisie(parcours: &Parcours, profil: Profil) -> String {
    let personne = &parcours.personne;
    match profil {
        Profil::RppsFauxCorrige | Profil::RppsFauxAbandon => rpps_faux(&personne.rpps),
        Profil::RppsInconnuCorrige | Profil::RppsInconnuAbandon => {
            rpps_inconnu(personne.rang).to_string()
        }
        Profil::Normal | Profil::Refus | Profil::Complement | Profil::Retrait => {
            personne.rpps.to_string()
        }
    }
}

fn depot(personne: &Personne, dossier: &DossierPrevu, rpps: String) -> Depot {
    Depot {
        numero: dossier.numero.0,
        civilite: match personne.civilite {
            Civilite::Mme => "Mme".to_owned(),
            Civilite::M => "M".to_owned(),
        },
        nom: personne.nom.clone(),
        prenom: personne.prenom.clone(),
        courriel: Some(personne.courriel.clone()),
        usager: personne.courriel.clone(),
        par_un_tiers: false,
        champs: champs(personne, dossier, rpps),
    }
}

fn champs(personne: &Personne, dossier: &DossierPrevu, rpps: String) -> Champs {
    let demi = |d: DemiJournee| match d {
        DemiJournee::Matin => "Matin".to_owned(),
        DemiJournee::ApresMidi => "Après-midi".to_owned(),
    };
    Champs {
        rpps,
        telephone: personne.telephone.clone(),
        courriel: personne.courriel.clone(),
        mode_exercice: match personne.mode {
            ModeExercice::Liberal => "Libéral",
            ModeExercice::Salarie => "Salarié",
            ModeExercice::Hospitalier => "Hospitalier",
            ModeExercice::Remplacant => "Remplaçant",
            ModeExercice::Retraite => "Retraité",
        }
        .to_owned(),
        departement: personne.departement.to_string(),
        cdom: format!("{} - CDOM", personne.cdom),
        lieux: dossier.engagements.iter().map(|e| e.lieu.to_string()).collect(),
        creneaux: dossier.creneaux.iter().map(|c| (c.date, demi(c.demi_journee))).collect(),
        remplacement: Some(dossier.remplacement),
    }
}
