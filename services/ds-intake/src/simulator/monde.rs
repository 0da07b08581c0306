//! The démarche as DS keeps it: dossiers, their states, their thread, and the rules of each
//! change (facts of the API, sections 2 to 4). Knows nothing of HTTP.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::depot::{Champs, Depot};

/// State of a dossier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Etat {
    /// `en_construction`.
    EnConstruction,
    /// `en_instruction`.
    EnInstruction,
    /// `accepte`.
    Accepte,
    /// `refuse`.
    Refuse,
    /// `sans_suite`.
    SansSuite,
}

impl Etat {
    /// `DossierState`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EnConstruction => "en_construction",
            Self::EnInstruction => "en_instruction",
            Self::Accepte => "accepte",
            Self::Refuse => "refuse",
            Self::SansSuite => "sans_suite",
        }
    }

    /// What error texts call it.
    fn en_francais(self) -> &'static str {
        match self {
            Self::EnConstruction => "en construction",
            Self::EnInstruction => "en instruction",
            Self::Accepte => "accepté",
            Self::Refuse => "refusé",
            Self::SansSuite => "classé sans suite",
        }
    }

    fn est_termine(self) -> bool {
        matches!(self, Self::Accepte | Self::Refuse | Self::SansSuite)
    }
}

/// A message in the thread of a dossier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageDs {
    /// The text.
    pub corps: String,
    /// When.
    pub le: DateTime<Utc>,
    /// `incomplete`, `incorrect` or `outdated`, when it asks for a correction.
    pub correction: Option<String>,
    /// When the doctor deposited the correction.
    pub resolue_le: Option<DateTime<Utc>>,
}

/// Something that happened to a dossier: its `TraitementEvent`, when, and who did it.
pub(super) type Traitement = (&'static str, DateTime<Utc>, Option<&'static str>);

/// The robot instructeur.
pub(super) const ROBOT: &str = "robot@relais.example";
/// The people of the CDOM.
pub(super) const AGENT: &str = "agent@cdom.example";

#[derive(Clone, Debug)]
pub(super) struct DossierDs {
    pub(super) depot: Depot,
    pub(super) etat: Etat,
    pub(super) modifie_le: DateTime<Utc>,
    pub(super) depose_le: DateTime<Utc>,
    pub(super) construit_le: DateTime<Utc>,
    pub(super) instruit_le: Option<DateTime<Utc>>,
    pub(super) traite_le: Option<DateTime<Utc>>,
    pub(super) traitements: Vec<Traitement>,
    pub(super) messages: Vec<MessageDs>,
    pub(super) annotations: BTreeMap<String, String>,
    /// E-mails that the doctor received.
    pub(super) courriels: usize,
    /// What the doctor changed and has not deposited: never shown.
    brouillon: Option<Champs>,
}

impl DossierDs {
    pub(super) fn correction_en_attente(&self) -> bool {
        self.messages.iter().any(|m| m.correction.is_some() && m.resolue_le.is_none())
    }
}

/// A dossier that is not visible any more.
#[derive(Clone, Debug)]
pub(super) struct Disparu {
    pub(super) etat: Etat,
    pub(super) raison: &'static str,
    pub(super) le: DateTime<Utc>,
    /// In the final list, not in the one of those that may be restored.
    pub(super) definitif: bool,
    dossier: DossierDs,
}

/// What the world is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evenement {
    /// An instructeur wrote to the doctor.
    MessageAuDossier {
        /// The dossier.
        numero: u64,
        /// The reason, when it asks for a correction.
        correction: Option<String>,
        /// The text.
        corps: String,
    },
    /// A dossier changed state, whoever did it.
    EtatChange {
        /// The dossier.
        numero: u64,
        /// Its state now.
        etat: Etat,
    },
}

/// The démarche.
#[derive(Debug, Default)]
pub(super) struct Monde {
    pub(super) dossiers: BTreeMap<u64, DossierDs>,
    /// By (updated_at, id): the order of the cursor.
    pub(super) par_date: BTreeSet<(DateTime<Utc>, u64)>,
    pub(super) disparus: BTreeMap<u64, Disparu>,
    /// Ids of the annotations of the form.
    pub(super) annotations: BTreeSet<String>,
    pub(super) revision: u32,
    /// What the hook must be told, once the lock is released.
    pub(super) evenements: Vec<Evenement>,
}

/// Why a mutation did nothing: the French text of `errors[].message`.
pub(super) type Refus = String;

impl Monde {
    pub(super) fn deposer(&mut self, depot: Depot, now: DateTime<Utc>) {
        let numero = depot.numero;
        let dossier = DossierDs {
            depot,
            etat: Etat::EnConstruction,
            modifie_le: now,
            depose_le: now,
            construit_le: now,
            instruit_le: None,
            traite_le: None,
            traitements: vec![("depose", now, None)],
            messages: Vec::new(),
            annotations: BTreeMap::new(),
            courriels: 0,
            brouillon: None,
        };
        if let Some(before) = self.dossiers.insert(numero, dossier) {
            self.par_date.remove(&(before.modifie_le, numero));
        }
        self.par_date.insert((now, numero));
    }

    /// `updated_at`: any change moves the dossier to the end of the list.
    fn toucher(&mut self, numero: u64, now: DateTime<Utc>) {
        if let Some(dossier) = self.dossiers.get_mut(&numero) {
            self.par_date.remove(&(dossier.modifie_le, numero));
            dossier.modifie_le = now;
            self.par_date.insert((now, numero));
        }
    }

    /// The doctor changes the form without depositing it.
    pub(super) fn modifier(&mut self, numero: u64, champs: Champs) -> bool {
        let editable = self.dossiers.get_mut(&numero).filter(|d| d.etat == Etat::EnConstruction);
        let Some(dossier) = editable else { return false };
        dossier.brouillon = Some(champs);
        true
    }

    /// The doctor deposits again, with what was changed since.
    pub(super) fn redeposer(
        &mut self,
        numero: u64,
        champs: Option<Champs>,
        now: DateTime<Utc>,
    ) -> bool {
        let editable = self.dossiers.get_mut(&numero).filter(|d| d.etat == Etat::EnConstruction);
        let Some(dossier) = editable else { return false };
        if let Some(champs) = champs.or_else(|| dossier.brouillon.take()) {
            dossier.depot.champs = champs;
        }
        dossier.brouillon = None;
        dossier.construit_le = now;
        dossier.traitements.push(("depose_correction_usager", now, None));
        for message in dossier.messages.iter_mut().filter(|m| m.correction.is_some()) {
            message.resolue_le.get_or_insert(now);
        }
        self.toucher(numero, now);
        true
    }

    pub(super) fn disparaitre(
        &mut self,
        numero: u64,
        raison: &'static str,
        definitif: bool,
        now: DateTime<Utc>,
    ) -> bool {
        let Some(dossier) = self.dossiers.remove(&numero) else { return false };
        self.par_date.remove(&(dossier.modifie_le, numero));
        let etat = dossier.etat;
        self.disparus.insert(numero, Disparu { etat, raison, le: now, definitif, dossier });
        true
    }

    pub(super) fn cacher(&mut self, numero: u64) -> bool {
        let Some(dossier) = self.dossiers.remove(&numero) else { return false };
        self.par_date.remove(&(dossier.modifie_le, numero))
    }

    pub(super) fn restaurer(&mut self, numero: u64, now: DateTime<Utc>) -> bool {
        let Some(disparu) = self.disparus.remove(&numero) else { return false };
        self.par_date.insert((disparu.dossier.modifie_le, numero));
        self.dossiers.insert(numero, disparu.dossier);
        self.toucher(numero, now);
        true
    }

    /// Any change of state, with its `TraitementEvent`.
    pub(super) fn passer(
        &mut self,
        numero: u64,
        etat: Etat,
        now: DateTime<Utc>,
        agent: Option<&'static str>,
    ) {
        let Some(dossier) = self.dossiers.get_mut(&numero) else { return };
        let event = match (dossier.etat, etat) {
            (_, Etat::EnConstruction) => "repasse_en_construction",
            (before, Etat::EnInstruction) if before.est_termine() => "repasse_en_instruction",
            (_, Etat::EnInstruction) => "passe_en_instruction",
            (_, Etat::Accepte) if agent.is_none() => "accepte_automatiquement",
            (_, Etat::Accepte) => "accepte",
            (_, Etat::Refuse) if agent.is_none() => "refuse_automatiquement",
            (_, Etat::Refuse) => "refuse",
            (_, Etat::SansSuite) => "classe_sans_suite",
        };
        dossier.etat = etat;
        dossier.traitements.push((event, now, agent));
        match etat {
            Etat::EnConstruction => dossier.construit_le = now,
            Etat::EnInstruction => {
                dossier.instruit_le = Some(now);
                dossier.brouillon = None;
            }
            Etat::Accepte | Etat::Refuse | Etat::SansSuite => dossier.traite_le = Some(now),
        }
        self.toucher(numero, now);
        self.evenements.push(Evenement::EtatChange { numero, etat });
    }

    /// DS sends the doctor an e-mail: for each message, and for each change of state unless it is
    /// asked not to.
    pub(super) fn prevenir(&mut self, numero: u64) {
        if let Some(dossier) = self.dossiers.get_mut(&numero) {
            dossier.courriels += 1;
        }
    }

    /// The e-mails that the doctor of a dossier received, deleted or not.
    pub(super) fn courriels(&self, numero: u64) -> usize {
        let gone = || self.disparus.get(&numero).map(|d| d.dossier.courriels);
        self.dossiers.get(&numero).map(|d| d.courriels).or_else(gone).unwrap_or(0)
    }

    /// `dossierPasserEnInstruction`, `dossierAccepter`, `dossierRefuser`.
    pub(super) fn muter(
        &mut self,
        numero: u64,
        vers: Etat,
        now: DateTime<Utc>,
        notifier: bool,
    ) -> Result<(), Refus> {
        let Some(dossier) = self.dossiers.get(&numero) else { return Ok(()) };
        let depuis =
            if vers == Etat::EnInstruction { Etat::EnConstruction } else { Etat::EnInstruction };
        if dossier.etat != depuis {
            return Err(format!("Le dossier est déjà {}", dossier.etat.en_francais()));
        }
        if vers == Etat::EnInstruction && dossier.correction_en_attente() {
            return Err("Le dossier est en attente de correction".to_owned());
        }
        self.passer(numero, vers, now, Some(ROBOT));
        if notifier {
            self.prevenir(numero);
        }
        Ok(())
    }

    /// `dossierEnvoyerMessage`; a correction sends an en_instruction dossier back.
    pub(super) fn ecrire(
        &mut self,
        numero: u64,
        corps: String,
        correction: Option<String>,
        now: DateTime<Utc>,
    ) -> Result<(), Refus> {
        let Some(dossier) = self.dossiers.get_mut(&numero) else { return Ok(()) };
        if correction.is_some() && dossier.correction_en_attente() {
            return Err("Le dossier a déjà une demande de correction en attente".to_owned());
        }
        let correction = correction.filter(|_| !dossier.etat.est_termine());
        dossier.messages.push(MessageDs {
            corps: corps.clone(),
            le: now,
            correction: correction.clone(),
            resolue_le: None,
        });
        dossier.courriels += 1;
        let back = correction.is_some() && dossier.etat == Etat::EnInstruction;
        self.toucher(numero, now);
        self.evenements.push(Evenement::MessageAuDossier { numero, correction, corps });
        if back {
            self.passer(numero, Etat::EnConstruction, now, Some(ROBOT));
        }
        Ok(())
    }

    /// `dossierModifierAnnotations`: not atomic, what can be saved is saved.
    pub(super) fn annoter(
        &mut self,
        numero: u64,
        valeurs: Vec<(String, Option<String>)>,
        now: DateTime<Utc>,
    ) -> Vec<Refus> {
        let known = self.annotations.clone();
        let Some(dossier) = self.dossiers.get_mut(&numero) else { return Vec::new() };
        let mut refus = Vec::new();
        for (id, text) in valeurs {
            match text {
                _ if !known.contains(&id) => {
                    refus.push(format!("L‘annotation \"{id}\" n’existe pas"));
                }
                None => refus.push(format!("L‘annotation \"{id}\" n’est pas de type attendu")),
                Some(text) => {
                    dossier.annotations.insert(id, text);
                }
            }
        }
        self.toucher(numero, now);
        refus
    }
}
