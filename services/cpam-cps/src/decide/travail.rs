//! One decision in the making: the engagement, the effects so far, and what several rules do:
//! tasks, steps of a ladder, the channel of a CPAM, the snapshot that is published.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use contact::{Courriel, Echelle, Lien, Modele, jour_ouvre_suivant};
use contracts::{
    Agence, CodeCpam, Demande,
    messages::{
        FacturationOuverte, ModeFacturation, NumeroAmDemande, RelanceEnvoyee, TacheFaite,
        TacheOuverte,
    },
    referentiel::Canal,
};
use kernel::{derive_id, paris_at, paris_date};
use service::{Decision, Service};
use uuid::Uuid;

use super::{Cx, Decided, Effet, Event};
use crate::{
    CpamCps,
    agency::Ask,
    config::Delais,
    papier::Fiche,
    state::{
        DemandeFaite, Engagement, Etape, Facturation, LigneDemande, Nature, State, Suivi, cle_depot,
    },
    wire::SUJET_NUMERO,
};

/// Who closes a task when Relais itself saw the result.
const OBSERVE: &str = "observe";

/// Reasons of the wake-ups.
pub(super) mod reveil {
    pub(crate) const RPPS: &str = "rpps";
    pub(crate) const CPAM: &str = "cpam";
    pub(crate) const RELANCE: &str = "relance";
    pub(crate) const RIB: &str = "rib";
    pub(crate) const CARTE: &str = "carte";
}

/// Kinds of tasks.
pub(super) mod tache {
    pub(crate) const CPAM_MANQUANTE: &str = "lieu-cpam-manquante";
    pub(crate) const A_DEMANDER: &str = "numero-am-a-demander";
    pub(crate) const ESCALADE: &str = "cpam-escalade";
    pub(crate) const REFUS: &str = "numero-am-refuse";
    pub(crate) const EN_DOUBLE: &str = "numero-am-en-double";
    pub(crate) const A_VERIFIER: &str = "numero-am-a-verifier";
    pub(crate) const RIB: &str = "rib-a-obtenir";
}

/// One decision in the making.
pub(super) struct Travail<'a, 'c> {
    pub suivi: Suivi,
    pub cx: &'a Cx<'c>,
    effets: Vec<Effet>,
}

impl<'a, 'c> Travail<'a, 'c> {
    pub(super) fn new(suivi: Suivi, cx: &'a Cx<'c>) -> Self {
        Self { suivi, cx, effets: Vec::new() }
    }

    /// The decision.
    pub(super) fn fin(self) -> Decided {
        let engagement = Engagement::Connu(Box::new(self.suivi));
        Decision::next(State::Engagement(Box::new(engagement))).with_all(self.effets)
    }

    pub(super) fn effet(&mut self, effet: Effet) {
        self.effets.push(effet);
    }

    pub(super) fn reveiller(&mut self, at: DateTime<Utc>, reason: &str) {
        self.effet(Effet::WakeAt { at, reason: reason.to_owned() });
    }

    pub(super) fn annuler(&mut self, reasons: &[&str]) {
        for reason in reasons {
            self.effet(Effet::CancelWake((*reason).to_owned()));
        }
    }

    /// Opens a task of a kind of which none is open.
    pub(super) fn ouvrir_tache(&mut self, gabarit: &str, autres: &[(&str, String)]) {
        if self.suivi.taches.0.values().any(|open| open == gabarit) {
            return;
        }
        self.suivi.taches_ouvertes += 1;
        let rank = self.suivi.taches_ouvertes.to_string();
        let tache = derive_id(&[CpamCps::NAME, "tache", self.cx.key, gabarit, &rank]);
        self.suivi.taches.0.insert(tache, gabarit.to_owned());
        let commun = self.champs();
        let champs = commun.iter().chain(autres).map(|(k, v)| ((*k).to_owned(), v.clone()));
        self.effet(Effet::publish(&TacheOuverte {
            tache,
            gabarit: gabarit.to_owned(),
            service: CpamCps::NAME.to_owned(),
            cle: self.cx.key.to_owned(),
            objet: format!("facturation/{}", self.suivi.activite.engagement),
            champs: champs.collect(),
        }));
    }

    /// Closes a task that somebody did; gives its kind.
    pub(super) fn fermer_tache(&mut self, tache: Uuid, par: &str) -> Option<String> {
        let gabarit = self.suivi.taches.0.remove(&tache)?;
        self.effet(Effet::publish(&TacheFaite { tache, faite_par: par.to_owned() }));
        Some(gabarit)
    }

    /// Closes the open tasks of these kinds: Relais saw the result.
    pub(super) fn fermer_taches(&mut self, gabarits: &[&str]) {
        let open = &self.suivi.taches.0;
        let ids: Vec<Uuid> = open
            .iter()
            .filter(|(_, gabarit)| gabarits.contains(&gabarit.as_str()))
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            self.fermer_tache(id, OBSERVE);
        }
    }

    /// What an operator copies for a CPAM.
    fn champs(&self) -> Vec<(&'static str, String)> {
        let activite = &self.suivi.activite;
        let (medecin, lieu) = (&activite.medecin, &activite.lieu);
        let code = self.cpam();
        let fiche = code.as_ref().and_then(|c| self.cx.referentiel.cpam(c));
        let structure = lieu
            .finess
            .as_ref()
            .map(ToString::to_string)
            .or_else(|| lieu.rpps_rang.as_ref().map(ToString::to_string));
        vec![
            ("dossier", activite.dossier.to_string()),
            ("rpps", medecin.rpps.to_string()),
            ("medecin", format!("{} {}", medecin.prenom, medecin.nom)),
            ("lieu", lieu.id.to_string()),
            ("lieu_nom", lieu.nom.clone()),
            ("lieu_adresse", format!("{} {}", lieu.adresse, lieu.commune).trim().to_owned()),
            ("structure", structure.unwrap_or_default()),
            ("constat_rpps", self.suivi.constat.map(|d| d.to_string()).unwrap_or_default()),
            ("cpam", code.map(|c| c.to_string()).unwrap_or_default()),
            ("cpam_nom", fiche.map(|f| f.nom.clone()).unwrap_or_default()),
            ("cpam_courriel", fiche.and_then(|f| f.courriel.clone()).unwrap_or_default()),
        ]
    }

    /// The CPAM of the site: given by the DNS, frozen with the activity, or known to the register
    /// since.
    pub(super) fn cpam(&self) -> Option<CodeCpam> {
        let lieu = &self.suivi.activite.lieu;
        let register = || self.cx.referentiel.lieu(&lieu.id).and_then(|l| l.cpam.clone());
        self.suivi.cpam.clone().or_else(|| lieu.cpam.clone()).or_else(register)
    }

    /// The delays of the CPAM that was asked, or is to be.
    pub(super) fn delais(&self) -> Delais<'c> {
        let asked = match &self.suivi.etape {
            Etape::Demandee { demande, .. } => Some(demande.cpam.clone()),
            Etape::Ouverte(facturation) => Some(facturation.demande.cpam.clone()),
            Etape::Constat | Etape::CpamManquante => self.cpam(),
        };
        self.cx.config.delais(asked.as_ref())
    }

    /// The n-th request of this kind for this engagement has the same id however it came about.
    pub(super) fn demande(&self, kind: &str, rank: usize, cpam: CodeCpam) -> DemandeFaite {
        let id = derive_id(&[CpamCps::NAME, kind, self.cx.key, &rank.to_string()]);
        DemandeFaite { id, cpam, rang: 1, faite_le: self.cx.now }
    }

    /// Sends the request for a number, or its reminder.
    pub(super) fn transmettre(&mut self, demande: &DemandeFaite) {
        match acheminement(&demande.cpam, self.cx) {
            Acheminement::File(agence) => {
                let request = NumeroAmDemande {
                    demande: Demande { id: demande.id, rang: demande.rang },
                    engagement: self.suivi.activite.engagement.clone(),
                    medecin: self.suivi.activite.medecin.clone(),
                    lieu: self.suivi.activite.lieu.clone(),
                    constat_rpps: self.suivi.constat,
                };
                self.effet(Effet::request(&agence, &request));
                self.relance_envoyee(demande, "file");
            }
            Acheminement::Courriel(adresse) => {
                let modele = match demande.rang {
                    1 => Modele::NumeroAmDemande,
                    rang => Modele::NumeroAmRelance { rang: rang - 1 },
                };
                let lien = self.lien(SUJET_NUMERO, demande);
                self.courriel(adresse, modele, Some(lien));
                self.relance_envoyee(demande, "courriel");
            }
            Acheminement::Fichier => {
                self.deposer(demande, Nature::NumeroAm);
                self.relance_envoyee(demande, "fichier");
            }
            Acheminement::Personne if demande.rang == 1 => {
                self.ouvrir_tache(tache::A_DEMANDER, &[]);
            }
            Acheminement::Personne => {}
        }
    }

    /// Says that a CPAM was reminded; nothing for a first request.
    pub(super) fn relance_envoyee(&mut self, demande: &DemandeFaite, canal: &str) {
        if demande.rang == 1 {
            return;
        }
        let (id, rang) = (demande.id.to_string(), demande.rang.to_string());
        self.effet(Effet::publish(&RelanceEnvoyee {
            relance: derive_id(&[CpamCps::NAME, "relance", &id, &rang]),
            destinataire: "cpam".to_owned(),
            canal: canal.to_owned(),
            rang: demande.rang - 1,
            objet: format!("facturation/{}", self.suivi.activite.engagement),
        }));
    }

    /// Tells the DNS by mail too, when it wants that.
    pub(super) fn escalade(&mut self, gabarit: &str) {
        if let Some(adresse) = self.cx.config.dns_courriel.clone() {
            self.courriel(adresse, Modele::Escalade { gabarit: gabarit.to_owned() }, None);
        }
    }

    pub(super) fn courriel(&mut self, adresse: String, modele: Modele, lien: Option<Lien>) {
        let courriel = self.lettre(adresse, modele, lien);
        self.effet(Effet::Ask(Ask::Courriel(courriel)));
    }

    fn lettre(&self, adresse: String, modele: Modele, lien: Option<Lien>) -> Courriel {
        let reference = format!("dossier {}", self.suivi.activite.dossier);
        Courriel { a: adresse, modele, reference, lien }
    }

    /// The link by which a CPAM answers a request.
    pub(super) fn lien(&self, sujet: &str, demande: &DemandeFaite) -> Lien {
        Lien {
            sujet: sujet.to_owned(),
            cle: self.cx.key.to_owned(),
            question: demande.id.to_string(),
            expire_le: self.cx.now + Days::new(self.cx.config.lien_jours.into()),
        }
    }

    /// Writes to the doctor, when that is wanted and the doctor may practise.
    pub(super) fn ecrire_au_medecin(&mut self, modele: Modele) {
        if self.cx.config.courriels_medecin && self.suivi.actif() {
            let adresse = self.suivi.activite.medecin.courriel.clone();
            self.courriel(adresse, modele, None);
        }
    }

    /// Tells the doctor that paper may be used, with the notice.
    pub(super) fn annoncer_papier(&mut self, facturation: &Facturation) {
        let waits = facturation.mode == ModeFacturation::Papier && self.suivi.actif();
        if !waits || !self.cx.config.courriels_medecin {
            return;
        }
        let lieu = &self.suivi.activite.lieu;
        let cpam = &facturation.demande.cpam;
        let fiche = Fiche {
            numero_am: facturation.numero_am.clone(),
            lieu: lieu.nom.clone(),
            adresse: format!("{} {}", lieu.adresse, lieu.commune).trim().to_owned(),
            cpam: self
                .cx
                .referentiel
                .cpam(cpam)
                .map_or_else(|| cpam.to_string(), |f| f.nom.clone()),
            rib: facturation.rib,
            carte_attendue_le: self.carte_attendue_le(facturation),
            faite_le: self.cx.today(),
        };
        let adresse = self.suivi.activite.medecin.courriel.clone();
        let courriel = self.lettre(adresse, Modele::DebutPapier, None);
        self.effet(Effet::Ask(Ask::Papier { courriel, fiche }));
    }

    /// Leaves a line in the folder of the CPAM.
    pub(super) fn deposer(&mut self, demande: &DemandeFaite, nature: Nature) {
        let activite = &self.suivi.activite;
        let mut champs: BTreeMap<String, String> =
            self.champs().into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        let more = [
            ("nom", &activite.medecin.nom),
            ("prenom", &activite.medecin.prenom),
            ("adresse", &activite.lieu.adresse),
            ("commune", &activite.lieu.commune),
        ];
        champs.extend(more.map(|(k, v)| (k.to_owned(), v.clone())));
        let ligne = LigneDemande {
            demande: demande.id,
            rang: demande.rang,
            nature,
            engagement: activite.engagement.clone(),
            champs,
        };
        let event = Event::Deposer(Box::new(ligne));
        self.effet(Effet::Tell { key: cle_depot(&demande.cpam), event });
    }

    /// Publishes what the doctor may bill with.
    pub(super) fn publier(&mut self, facturation: &Facturation) {
        let activite = &self.suivi.activite;
        let fact = FacturationOuverte {
            engagement: activite.engagement.clone(),
            rpps: activite.medecin.rpps.clone(),
            cpam: facturation.demande.cpam.clone(),
            lieu: activite.lieu.id.clone(),
            numero_am: facturation.numero_am.clone(),
            numero_cree_le: facturation.cree_le,
            rib: facturation.rib,
            mode: facturation.mode,
        };
        self.effet(Effet::publish(&fact));
    }

    /// Moves to `etape` and publishes it when it is billing.
    pub(super) fn ouvrir(&mut self, facturation: Facturation) {
        self.publier(&facturation);
        self.suivi.etape = Etape::Ouverte(facturation);
    }

    /// The step after `taken` reminders of a request made at `depuis`; when the service was stopped
    /// or the doctor suspended meanwhile, what is late keeps some days between its steps, at most as
    /// many as the ladder has.
    pub(super) fn echeance(&self, depuis: DateTime<Utc>, taken: u32) -> DateTime<Utc> {
        const RATTRAPAGE_JOURS: u32 = 3;
        let delais = self.delais();
        let ladder =
            Echelle { relances: delais.relances_jours.to_vec(), escalade: delais.escalade_jours };
        let steps: Vec<u32> = ladder.relances.iter().copied().chain([ladder.escalade]).collect();
        let gap = match usize::try_from(taken).unwrap_or(usize::MAX) {
            0 => 1,
            next => match steps.get(next - 1..=next) {
                Some([before, after]) => after.saturating_sub(*before).min(RATTRAPAGE_JOURS),
                Some(_) | None => RATTRAPAGE_JOURS,
            },
        };
        let earliest = self.matin_ouvre_dans(gap);
        ladder.prochaine(depuis, taken).map_or(earliest, |(at, _)| at.max(earliest))
    }

    /// 09:00 in Paris, that many days from now or on the next working day.
    pub(super) fn matin_ouvre_dans(&self, days: u32) -> DateTime<Utc> {
        matin(jour_ouvre_suivant(paris_date(self.cx.now) + Days::new(days.into())))
    }
}

/// 09:00 in Paris on that day.
pub(super) fn matin(day: NaiveDate) -> DateTime<Utc> {
    const NEUF_HEURES: NaiveTime = match NaiveTime::from_hms_opt(9, 0, 0) {
        Some(time) => time,
        None => NaiveTime::MIN,
    };
    paris_at(day, NEUF_HEURES)
}

/// How a CPAM is reached.
pub(super) enum Acheminement {
    /// Its own queue.
    File(Agence),
    /// A mail with an answer link.
    Courriel(String),
    /// Its folder.
    Fichier,
    /// Only a person can.
    Personne,
}

/// The channel that the register gives for a CPAM.
pub(super) fn acheminement(cpam: &CodeCpam, cx: &Cx<'_>) -> Acheminement {
    match cx.referentiel.cpam(cpam).map(|f| (f.canal, &f.courriel)) {
        Some((Canal::File, _)) => Acheminement::File(Agence::cpam(cpam)),
        Some((Canal::Courriel, Some(adresse))) => Acheminement::Courriel(adresse.clone()),
        Some((Canal::Fichier, _)) if cx.config.repertoire_echanges.is_some() => {
            Acheminement::Fichier
        }
        Some((Canal::Courriel, None) | (Canal::Ds | Canal::Fichier, _)) | None => {
            Acheminement::Personne
        }
    }
}
