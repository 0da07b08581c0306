//! Calls to agencies, publications, and what an operator does with failures.

use std::rc::Rc;

use bus::Origin;
use chrono::TimeDelta;
use kernel::Fault;
use service::{
    AskKind, Service,
    banc::{self, AfterFault},
};
use store::{AskRow, Leased, OutboxRow};

use super::{Moteur, Repond, lots::ROUTINE};
use crate::{
    milieu::{Boucle, Courrier, Milieu, Tic},
    sabotage::Sabotage,
};

/// Asks and publications taken at a time, as in the frame.
const DEMANDES: usize = 64;
const EN_VOL: usize = 256;

/// Failures that a replay cannot help: an agency answered what it was not asked. The operator
/// replays them once, reads them, and sets them aside.
const ECARTEES: [&str; 6] = [
    "demande-depassee",
    "demande-inconnue",
    "mauvaise-agence",
    "corps-invalide",
    "version-inconnue",
    "numero-am-contradictoire",
];

impl<S: Service> Moteur<S> {
    /// Begins the calls that are due.
    pub(crate) fn appeler(&mut self, m: &mut Milieu) {
        if !self.est_l_heure(Boucle::Demandes, m) {
            return;
        }
        let until = Self::bail(m);
        for leased in self.tables.claim_asks(m.now, until, &[], DEMANDES) {
            let nom = (leased.row.id, leased.row.attempts);
            let takes = m.latence(&nom);
            m.dans(takes, Tic::Appel(self.qui, self.vie, Box::new(leased)));
        }
        self.regarder(m);
    }

    /// A call ends.
    pub(crate) fn conclure(
        &mut self,
        vie: u32,
        leased: &Leased<AskRow>,
        monde: &mut impl Repond<S>,
        m: &mut Milieu,
    ) {
        if !self.debout || vie != self.vie {
            return;
        }
        let (qui, row, lease) = (self.qui, &leased.row, leased.lease);
        let ask: S::Ask = serde_json::from_str(&row.body).expect("asks decode");
        let nom = (row.id, row.attempts);
        let lost = Fault::transient("injectee", "no answer");
        let result = if m.en_panne(ask.agency()) {
            m.compter("appels à une agence en panne");
            Err(Fault::transient("indisponible", "the agency is down"))
        } else if m.malheur(40, "pannes passagères avant", &nom) {
            Err(lost)
        } else if m.malheur(3, "pannes définitives", &nom) {
            Err(Fault::permanent("injectee", "refused"))
        } else {
            let result = monde.repondre(&ask, row.id, m);
            if m.malheur(30, "pannes passagères après", &nom) {
                result.and(Err(lost))
            } else if m.malheur(6, "arrêts pendant un appel", &nom) {
                self.tomber(m);
                return;
            } else {
                result
            }
        };
        match result {
            Ok(answer) => {
                if !ROUTINE.contains(&ask.kind()) {
                    m.note(|| format!("{qui:?} {} : répondu", ask.kind()));
                }
                let answer = serde_json::to_string(&answer).expect("answers encode");
                if self.tables.ask_answered(row.id, lease, &answer, None) {
                    m.livre.repondue(qui, row.id);
                } else {
                    m.compter("réponses sans bail");
                }
            }
            Err(fault) => self.echouer(leased, &fault, m),
        }
        self.regarder(m);
    }

    fn echouer(&mut self, leased: &Leased<AskRow>, fault: &Fault, m: &mut Milieu) {
        let (qui, row) = (self.qui, &leased.row);
        match banc::fault::<S>(row, fault, m.now) {
            AfterFault::Later(at) => {
                self.tables.ask_later(row.id, leased.lease, at, &fault.chain(), true);
            }
            AfterFault::Failed(failure, announced) => {
                m.note(|| format!("{qui:?} {} : panne {}", row.kind, fault.code()));
                let id = announced.id;
                if self.tables.ask_failed(row.id, leased.lease, *failure, vec![*announced]) {
                    m.livre.echouee(qui, row.id, id);
                }
            }
        }
    }

    /// Publishes what is due; a row goes once it is confirmed, unless the service dies first.
    pub(crate) fn relayer(&mut self, m: &mut Milieu) -> Vec<Rc<Courrier>> {
        if !self.est_l_heure(Boucle::Relais, m) {
            return Vec::new();
        }
        let mut sent = Vec::new();
        let until = Self::bail(m);
        for leased in self.tables.claim_outbox(m.now, until, EN_VOL) {
            let settled = [(leased.row.id, leased.lease)];
            let nom = leased.row.id;
            if self.sabote(Sabotage::OublieAvantConfirmation) {
                self.tables.outbox_done(&settled);
            }
            if m.malheur(6, "publications refusées", &nom) {
                self.tables.outbox_later(
                    &settled,
                    m.now + TimeDelta::seconds(1),
                    Vec::new(),
                    Vec::new(),
                );
                continue;
            }
            sent.push(self.envoyer(&leased.row, m));
            if m.malheur(3, "arrêts après publication", &nom) {
                self.tomber(m);
                return sent;
            }
            if m.malheur(6, "confirmations perdues", &nom) {
                self.tables.outbox_later(
                    &settled,
                    m.now + TimeDelta::seconds(1),
                    Vec::new(),
                    Vec::new(),
                );
            } else {
                self.tables.outbox_done(&settled);
            }
        }
        self.regarder(m);
        sent
    }

    fn envoyer(&self, row: &OutboxRow, m: &mut Milieu) -> Rc<Courrier> {
        m.livre.publie(self.qui, row.id);
        Courrier::new(banc::publication(row), Origin::Relais)
    }

    /// The operator replays every failure, and sets aside those that a replay cannot help.
    pub(crate) fn depanner(&mut self, m: &mut Milieu) {
        if !self.debout {
            return;
        }
        for failure in self.tables.failures(true, usize::MAX) {
            if failure.attempts > 1 && ECARTEES.contains(&failure.code.as_str()) {
                m.compter("pannes écartées");
                let writes = banc::discard::<S>(failure.id, m.now);
                m.livre.commis(self.qui, crate::livre::Effets::of(&writes));
                self.tables.transact(&[], &[], |_| writes).expect("no conflict");
                self.regarder(m);
            } else {
                m.compter("pannes rejouées");
                self.ajouter(vec![banc::replay::<S>(failure.id, m.now)], m);
            }
        }
        self.tables.purge_inbox((m.now - TimeDelta::days(banc::inbox_days() + 1)).date_naive());
    }
}
