//! What is written to DS: states, messages, annotations. No mutation has an idempotency key, so
//! the dossier is read before one is repeated.

use std::collections::BTreeMap;

use serde::Serialize;
use service::Attempt;
use uuid::Uuid;

use super::{Answer, Cible, Client, Correction, Erreur};
use crate::wire::{
    CodeRacine, EtatDs, Illisible, Mutation,
    documents::{self, Document},
    requetes::{
        Annotation, Annotations, Changement, Input, Message, Texte, VariablesMutation, id_dossier,
    },
};

/// What DS gives as the reason of a refusal; the CDOM's own reasons are never carried.
const MOTIVATION: &str = "Le conseil départemental de l’Ordre des médecins n’a pas donné une suite \
favorable à cette candidature. Il vous fait connaître lui-même les raisons de sa décision.";

impl Client {
    pub(super) async fn ecrire(
        &self,
        numero: u64,
        cible: Cible,
        attempt: Attempt,
    ) -> Result<Answer, Erreur> {
        let mut etat = None;
        if attempt != Attempt::First {
            let lu = self.relire(numero).await?;
            if cible.atteinte(lu.state) {
                return Ok(Answer::Ecrit { etat: lu.state });
            }
            etat = Some(lu.state);
        }
        // A decision is only taken on a dossier en_instruction.
        if cible != Cible::EnInstruction && etat == Some(EtatDs::EnConstruction) {
            self.muter_etat(numero, Cible::EnInstruction).await?;
        }
        let Some(mut refus) = self.muter_etat(numero, cible).await? else {
            return Ok(Answer::Ecrit { etat: etat_de(cible) });
        };
        // DS says why in French only, and not always rightly: where it stands tells.
        let mut lu = self.relire(numero).await?;
        if cible != Cible::EnInstruction
            && lu.state == EtatDs::EnConstruction
            && !lu.correction_en_attente()
            && self.muter_etat(numero, Cible::EnInstruction).await?.is_none()
        {
            match self.muter_etat(numero, cible).await? {
                None => return Ok(Answer::Ecrit { etat: etat_de(cible) }),
                Some(second) => refus = second,
            }
            lu = self.relire(numero).await?;
        }
        match lu.state {
            etat if cible.atteinte(etat) => Ok(Answer::Ecrit { etat }),
            etat if etat.est_termine() || lu.correction_en_attente() => {
                Ok(Answer::Empeche { etat })
            }
            _ => Err(Erreur::Refus(refus)),
        }
    }

    async fn muter_etat(&self, numero: u64, cible: Cible) -> Result<Option<String>, Erreur> {
        let document = match cible {
            Cible::EnInstruction => documents::PASSER_EN_INSTRUCTION,
            Cible::Accepte => documents::ACCEPTER,
            Cible::Refuse => documents::REFUSER,
        };
        let motivation = (cible == Cible::Refuse).then_some(MOTIVATION);
        // The doctor hears of the verification from the CDOM: DS need not send a mail for it.
        let disable_notification = (cible == Cible::EnInstruction).then_some(true);
        let input = Changement { motivation, disable_notification };
        self.muter(numero, document, input).await
    }

    pub(super) async fn envoyer_message(
        &self,
        numero: u64,
        corps: &str,
        correction: Option<Correction>,
        id: Uuid,
    ) -> Result<Answer, Erreur> {
        // Each message is also an e-mail to the doctor: always looked for first, whatever the
        // attempt, because a replay by an operator is a first attempt too.
        let lu = self.relire(numero).await?;
        let reference = id.to_string();
        if lu.contient(&reference) {
            return Ok(Answer::MessageEnvoye);
        }
        let correction =
            correction.filter(|_| !lu.correction_en_attente() && !lu.state.est_termine());
        let body = format!("{corps}\n\nRéf. {reference}");
        match self.muter(numero, documents::ENVOYER_MESSAGE, Message { body, correction }).await? {
            None => Ok(Answer::MessageEnvoye),
            Some(refus) => Err(Erreur::Refus(refus)),
        }
    }

    pub(super) async fn annoter(
        &self,
        numero: u64,
        valeurs: &BTreeMap<String, String>,
    ) -> Result<Answer, Erreur> {
        let annotation = |(id, text): (&String, &String)| Annotation {
            id: id.clone(),
            value: Texte { text: text.clone() },
        };
        let input = Annotations { annotations: valeurs.iter().map(annotation).collect() };
        match self.muter(numero, documents::MODIFIER_ANNOTATIONS, input).await? {
            None => Ok(Answer::Annote),
            Some(refus) => Err(Erreur::Refus(refus)),
        }
    }

    /// Runs a mutation; `Some` is DS's reason for refusing it.
    async fn muter(
        &self,
        numero: u64,
        document: Document,
        champs: impl Serialize + Send + Sync,
    ) -> Result<Option<String>, Erreur> {
        let instructeur_id = &self.config.instructeur_id;
        let input = Input { dossier_id: id_dossier(numero), instructeur_id, champs };
        match self.appeler::<Mutation, _>(document, VariablesMutation { input }).await {
            Ok((mutation, _)) => Ok(mutation.refus()),
            // « not found » is the dossier or the instructeur: only reading tells.
            Err(Erreur::Reponse(Illisible::Racine(CodeRacine::NotFound))) => {
                self.relire(numero).await?;
                Err(Erreur::InstructeurInconnu)
            }
            Err(e) => Err(e),
        }
    }
}

fn etat_de(cible: Cible) -> EtatDs {
    match cible {
        Cible::EnInstruction => EtatDs::EnInstruction,
        Cible::Accepte => EtatDs::Accepte,
        Cible::Refuse => EtatDs::Refuse,
    }
}
