//! What was really published, counted: reads every message of a run and compares it with what the
//! model expects.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use contracts::{
    CodeCpam, DossierId, EngagementId, Envelope, LieuId, Message, Mois, NumeroAm, Rpps, VacationId,
    messages::{
        Activite, ActiviteAutorisee, ActiviteEnregistreeRpps, AgendaOuvert, CandidatureDeposee,
        CandidatureIncomplete, CandidatureRefusee, CandidatureRetiree, CarteCpsConstatee,
        EtatMensuel, EtatMensuelEmis, FacturationOuverte, IndemnitePayee, IndemniteRetenue, Ligne,
        PanneClose, PanneOuverte, TacheFaite, TacheOuverte, VacationAnnulee, VacationPlanifiee,
        VacationRealisee,
    },
};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::modele::{Attendu, Fin};

/// Where a vacation stands, by the latest version of it.
#[derive(Clone, Debug)]
struct EtatVacation {
    engagement: EngagementId,
    date: NaiveDate,
    version: u64,
    realisee: bool,
}

/// Everything that was published, by what it is about.
#[derive(Clone, Debug, Default)]
pub struct Registre {
    /// Messages published on the three exchanges.
    pub messages: u64,
    deposees: BTreeMap<DossierId, DateTime<Utc>>,
    incompletes: BTreeSet<DossierId>,
    refusees: BTreeSet<DossierId>,
    retirees: BTreeSet<DossierId>,
    activites: BTreeMap<EngagementId, (Activite, DateTime<Utc>)>,
    enregistrees: BTreeMap<EngagementId, DateTime<Utc>>,
    numeros: BTreeMap<NumeroAm, EngagementId>,
    numeros_le: BTreeMap<EngagementId, DateTime<Utc>>,
    cartes: BTreeMap<Rpps, DateTime<Utc>>,
    cartes_vues: BTreeSet<String>,
    agendas: BTreeMap<EngagementId, DateTime<Utc>>,
    vacations: BTreeMap<VacationId, EtatVacation>,
    retenues: BTreeMap<Uuid, Ligne>,
    etats: BTreeMap<String, EtatMensuelEmis>,
    enonces: BTreeMap<(CodeCpam, Mois, u32), EtatMensuel>,
    payees: BTreeSet<Uuid>,
    pannes: BTreeMap<Uuid, PanneOuverte>,
    closes: BTreeMap<Uuid, String>,
    taches: BTreeMap<Uuid, TacheOuverte>,
    faites: BTreeSet<Uuid>,
}

fn body<M: DeserializeOwned>(envelope: &Envelope) -> Option<M> {
    serde_json::from_slice(&envelope.data).ok()
}

impl Registre {
    /// Notes one message.
    pub fn note(&mut self, envelope: &Envelope) {
        self.messages += 1;
        let time = envelope.time;
        match envelope.message_type.as_str() {
            CandidatureDeposee::TYPE => {
                if let Some(m) = body::<CandidatureDeposee>(envelope) {
                    self.deposees.entry(m.0.dossier).or_insert(m.0.depose_le);
                }
            }
            CandidatureIncomplete::TYPE => {
                self.incompletes.extend(body::<CandidatureIncomplete>(envelope).map(|m| m.dossier));
            }
            CandidatureRefusee::TYPE => {
                self.refusees.extend(body::<CandidatureRefusee>(envelope).map(|m| m.dossier));
            }
            CandidatureRetiree::TYPE => {
                self.retirees.extend(body::<CandidatureRetiree>(envelope).map(|m| m.dossier));
            }
            ActiviteAutorisee::TYPE => {
                if let Some(m) = body::<ActiviteAutorisee>(envelope) {
                    self.activites.entry(m.0.engagement.clone()).or_insert((m.0, time));
                }
            }
            ActiviteEnregistreeRpps::TYPE => {
                if let Some(m) = body::<ActiviteEnregistreeRpps>(envelope) {
                    self.enregistrees.entry(m.engagement).or_insert(time);
                }
            }
            CarteCpsConstatee::TYPE => {
                if let Some(m) = body::<CarteCpsConstatee>(envelope) {
                    self.cartes_vues.extend(envelope.subject.clone());
                    self.cartes.entry(m.rpps).or_insert(time);
                }
            }
            FacturationOuverte::TYPE => {
                if let Some(m) = body::<FacturationOuverte>(envelope) {
                    self.numeros_le.entry(m.engagement.clone()).or_insert(time);
                    self.numeros.entry(m.numero_am).or_insert(m.engagement);
                }
            }
            AgendaOuvert::TYPE => {
                if let Some(m) = body::<AgendaOuvert>(envelope) {
                    self.agendas.entry(m.0.engagement).or_insert(time);
                }
            }
            _ => self.note_later(envelope),
        }
    }

    fn note_later(&mut self, envelope: &Envelope) {
        match envelope.message_type.as_str() {
            VacationPlanifiee::TYPE | VacationAnnulee::TYPE | VacationRealisee::TYPE => {
                self.vacation(envelope);
            }
            IndemniteRetenue::TYPE => {
                if let Some(m) = body::<IndemniteRetenue>(envelope) {
                    self.retenues.insert(m.0.ligne, m.0);
                }
            }
            EtatMensuelEmis::TYPE => {
                if let (Some(m), Some(subject)) = (body(envelope), envelope.subject.clone()) {
                    self.etats.insert(subject, m);
                }
            }
            IndemnitePayee::TYPE => {
                self.payees.extend(body::<IndemnitePayee>(envelope).map(|m| m.ligne));
            }
            PanneOuverte::TYPE => {
                if let Some(m) = body::<PanneOuverte>(envelope) {
                    self.closes.remove(&m.panne);
                    self.pannes.insert(m.panne, m);
                }
            }
            PanneClose::TYPE => {
                if let Some(m) = body::<PanneClose>(envelope) {
                    self.closes.insert(m.panne, m.issue);
                }
            }
            TacheOuverte::TYPE => {
                if let Some(m) = body::<TacheOuverte>(envelope) {
                    self.taches.insert(m.tache, m);
                }
            }
            TacheFaite::TYPE => {
                self.faites.extend(body::<TacheFaite>(envelope).map(|m| m.tache));
            }
            _ => {}
        }
    }

    fn vacation(&mut self, envelope: &Envelope) {
        // The three facts have the same body.
        let Some(VacationRealisee(m)) = body(envelope) else { return };
        let version = envelope.sequence.unwrap_or(0);
        if self.vacations.get(&m.vacation).is_some_and(|known| known.version > version) {
            return;
        }
        let realisee = envelope.message_type == VacationRealisee::TYPE;
        let etat = EtatVacation { engagement: m.engagement, date: m.date, version, realisee };
        self.vacations.insert(m.vacation, etat);
    }

    /// Notes a statement as it went to a CPAM.
    pub fn note_enonce(&mut self, cpam: CodeCpam, etat: EtatMensuel) {
        self.enonces.insert((cpam, etat.mois, etat.rang), etat);
    }

    /// The statements as they went to the CPAMs.
    pub fn enonces(&self) -> impl Iterator<Item = (&CodeCpam, &EtatMensuel)> {
        self.enonces.iter().map(|((cpam, _, _), etat)| (cpam, etat))
    }

    /// The engagement of a doctor at a site, once authorised.
    pub fn engagement(&self, rpps: &Rpps, lieu: &LieuId) -> Option<&EngagementId> {
        let of = |a: &Activite| a.medecin.rpps == *rpps && a.lieu.id == *lieu;
        self.activites.iter().find(|(_, (a, _))| of(a)).map(|(id, _)| id)
    }

    /// Distinct subjects, by what they are.
    pub fn comptes(&self) -> Comptes {
        let realisees = self.vacations.values().filter(|v| v.realisee).count();
        Comptes {
            candidatures_deposees: self.deposees.len(),
            candidatures_incompletes: self.incompletes.len(),
            candidatures_refusees: self.refusees.len(),
            candidatures_retirees: self.retirees.len(),
            activites_autorisees: self.activites.len(),
            activites_enregistrees_rpps: self.enregistrees.len(),
            numeros_am: self.numeros.len(),
            cartes_cps: self.cartes_vues.len(),
            agendas_ouverts: self.agendas.len(),
            vacations_realisees: realisees,
            indemnites_centimes: self.etats.values().map(|e| e.total_centimes.0).sum(),
            etats_mensuels: self.etats.len(),
            messages: self.messages,
            pannes_ouvertes: self.pannes_ouvertes().count(),
            pannes_rejouees: self.closes.values().filter(|i| *i == "rejouee").count(),
        }
    }

    /// Failures that stay open.
    pub fn pannes_ouvertes(&self) -> impl Iterator<Item = &PanneOuverte> {
        self.pannes.values().filter(|p| !self.closes.contains_key(&p.panne))
    }

    /// Tasks that stay open.
    pub fn taches_ouvertes(&self) -> impl Iterator<Item = &TacheOuverte> {
        self.taches.values().filter(|t| !self.faites.contains(&t.tache))
    }

    /// Euros owed per CPAM, in cents.
    pub fn par_cpam(&self) -> BTreeMap<CodeCpam, i64> {
        let mut sums = BTreeMap::new();
        for etat in self.etats.values() {
            *sums.entry(etat.cpam.clone()).or_default() += etat.total_centimes.0;
        }
        sums
    }

    /// Days per step, each sorted: (name, days).
    pub fn delais(&self) -> Vec<(&'static str, Vec<f64>)> {
        let days = |from: DateTime<Utc>, to: DateTime<Utc>| (to - from).as_seconds_f64() / 86_400.0;
        let mut steps: [(&'static str, Vec<f64>); 6] = [
            ("dépôt → autorisation du CDOM", vec![]),
            ("autorisation → inscription au RPPS", vec![]),
            ("autorisation → numéro AM", vec![]),
            ("numéro AM → carte CPS", vec![]),
            ("autorisation → agenda ouvert", vec![]),
            ("dépôt → première consultation", vec![]),
        ];
        for (id, (activite, authorised)) in &self.activites {
            let deposited = self.deposees.get(&activite.dossier);
            let card = self.cartes.get(&activite.medecin.rpps);
            let number = self.numeros_le.get(id);
            let first = self.vacations.values().filter(|v| v.realisee && v.engagement == *id);
            let first = first.map(|v| v.date).min().map(noon);
            let pairs = [
                (deposited, Some(authorised)),
                (Some(authorised), self.enregistrees.get(id)),
                (Some(authorised), number),
                (number, card.filter(|c| number.is_some_and(|n| *c > n))),
                (Some(authorised), self.agendas.get(id)),
                (deposited, first.as_ref()),
            ];
            for ((_, list), pair) in steps.iter_mut().zip(pairs) {
                if let (Some(from), Some(to)) = pair {
                    list.push(days(*from, *to));
                }
            }
        }
        for (_, list) in &mut steps {
            list.sort_by(f64::total_cmp);
        }
        steps.into()
    }

    /// A cheap look: says whether it is worth asking for [`Registre::ecarts`].
    pub fn est_complet(&self, attendu: &Attendu) -> bool {
        let stated: i64 = self.etats.values().map(|e| e.total_centimes.0).sum();
        stated == attendu.centimes()
            && self.activites.len() == attendu.engagements.len()
            && self.payees.len() >= self.retenues.len()
    }

    /// Everything that is not as the model expects, one line each; empty when all is well.
    pub fn ecarts(&self, attendu: &Attendu) -> Vec<String> {
        let mut lines = Vec::new();
        for (dossier, fin) in &attendu.dossiers {
            let found = self.fin(*dossier);
            if found != Some(*fin) {
                lines.push(format!("dossier {dossier} : {fin:?} attendu, {found:?} constaté"));
            }
        }
        self.ecarts_engagements(attendu, &mut lines);
        let (owed, stated) = (attendu.centimes(), self.comptes().indemnites_centimes);
        if owed != stated {
            lines.push(format!("indemnités : {owed} centimes dus, {stated} centimes énoncés"));
        }
        let enonces: i64 =
            self.enonces.values().flat_map(|e| &e.lignes).map(|l| l.centimes.0).sum();
        if enonces != stated {
            lines.push(format!("états : {enonces} centimes en lignes, {stated} en totaux"));
        }
        let unpaid = self.retenues.keys().filter(|l| !self.payees.contains(l)).count();
        if unpaid > 0 {
            lines.push(format!("{unpaid} lignes retenues ne sont pas payées"));
        }
        for panne in self.pannes_ouvertes() {
            lines.push(format!("panne ouverte chez {} : {}", panne.service, panne.code));
        }
        for tache in self.taches_ouvertes() {
            lines.push(format!("tâche ouverte chez {} : {}", tache.service, tache.gabarit));
        }
        lines
    }

    fn ecarts_engagements(&self, attendu: &Attendu, lines: &mut Vec<String>) {
        let mut seen: BTreeMap<(Rpps, LieuId), (usize, usize)> = BTreeMap::new();
        for (id, (activite, _)) in &self.activites {
            let key = (activite.medecin.rpps.clone(), activite.lieu.id.clone());
            let held =
                self.vacations.values().filter(|v| v.realisee && v.engagement == *id).count();
            let lines = self.retenues.values().filter(|l| l.engagement == *id).count();
            seen.insert(key.clone(), (held, lines));
            if !attendu.engagements.contains_key(&key) {
                seen.remove(&key);
            }
        }
        if self.activites.len() != attendu.engagements.len() {
            lines.push(format!(
                "{} activités autorisées, {} attendues",
                self.activites.len(),
                attendu.engagements.len()
            ));
        }
        for (key, bilan) in &attendu.engagements {
            let found = seen.get(key).copied().unwrap_or_default();
            if found != (bilan.realisees, bilan.demi_journees) {
                lines.push(format!(
                    "engagement à {} : {} vacations et {} demi-journées attendues, {} et {} constatées",
                    key.1, bilan.realisees, bilan.demi_journees, found.0, found.1
                ));
            }
        }
        let numbers: BTreeSet<_> = self.numeros.values().collect();
        if numbers.len() != self.activites.len() || self.numeros.len() != numbers.len() {
            lines.push(format!(
                "{} numéros AM pour {} engagements autorisés",
                self.numeros.len(),
                self.activites.len()
            ));
        }
        if self.agendas.len() != self.activites.len() {
            lines.push(format!("{} agendas ouverts", self.agendas.len()));
        }
    }

    fn fin(&self, dossier: DossierId) -> Option<Fin> {
        if self.activites.values().any(|(a, _)| a.dossier == dossier) {
            Some(Fin::Autorisee)
        } else if self.refusees.contains(&dossier) {
            Some(Fin::Refusee)
        } else if self.retirees.contains(&dossier) {
            Some(Fin::Retiree)
        } else if self.deposees.contains_key(&dossier) {
            None
        } else {
            self.incompletes.contains(&dossier).then_some(Fin::Incomplete)
        }
    }
}

fn noon(day: NaiveDate) -> DateTime<Utc> {
    kernel::paris_at(day, chrono::NaiveTime::MIN + chrono::TimeDelta::hours(12))
}

/// The counts of a run; each is the number of distinct subjects of a type of message.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Comptes {
    /// Dossiers of `candidature.deposee.v1`.
    pub candidatures_deposees: usize,
    /// Dossiers of `candidature.incomplete.v1`.
    pub candidatures_incompletes: usize,
    /// Dossiers of `candidature.refusee.v1`.
    pub candidatures_refusees: usize,
    /// Dossiers of `candidature.retiree.v1`.
    pub candidatures_retirees: usize,
    /// Engagements of `activite.autorisee.v1`.
    pub activites_autorisees: usize,
    /// Engagements of `activite.enregistree-rpps.v1`.
    pub activites_enregistrees_rpps: usize,
    /// Numbers of `facturation.ouverte.v1`.
    pub numeros_am: usize,
    /// Cards of `carte-cps.constatee.v1`.
    pub cartes_cps: usize,
    /// Engagements of `agenda.ouvert.v1`.
    pub agendas_ouverts: usize,
    /// Vacations of `vacation.realisee.v1`.
    pub vacations_realisees: usize,
    /// Sum of `total_centimes` of `etat-mensuel.emis.v1`.
    pub indemnites_centimes: i64,
    /// Statements of `etat-mensuel.emis.v1`.
    pub etats_mensuels: usize,
    /// Everything published on the three exchanges.
    pub messages: u64,
    /// Failures that stay open.
    pub pannes_ouvertes: usize,
    /// Failures that were replayed.
    pub pannes_rejouees: usize,
}
