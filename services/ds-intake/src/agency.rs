//! The client of Démarches simplifiées: GraphQL over HTTP, with its errors turned into the two
//! classes of fault. Before a mutation is repeated, the dossier is read.

use std::collections::BTreeMap;

use agency::{HttpClient, HttpError};
use chrono::{DateTime, Utc};
use kernel::{Clock, Fault, Secret};
use reqwest::Method;
use serde::{Serialize, de::DeserializeOwned};
use service::Attempt;
use uuid::Uuid;

use crate::{
    config::{Champ, Config},
    wire::{
        CodeRacine, DemarcheLue, DossierDisparu, DossierListe, EtatDs, EtatLu, Illisible, Mutation,
        Page, ResultatDemarche, ResultatDossier, ResultatEtat, decoder,
        documents::{self, Document},
        requetes::{
            Annotation, Annotations, Changement, Input, Message, Requete, RequeteDossier,
            RequeteListe, Texte, VariablesMutation, id_dossier,
        },
        seconde_passee,
    },
};

mod asks;
mod faute;

pub use asks::{AGENCE, Answer, Ask, Cible, Correction, Lister};
pub use faute::Erreur;

/// The client.
#[derive(Clone, Debug)]
pub struct Client {
    http: HttpClient,
    jeton: Secret,
    demarche: u64,
    instructeur_id: String,
    champs: BTreeMap<Champ, String>,
}

/// What DS gives as the reason of a refusal; the CDOM's own reasons are never carried.
const MOTIVATION: &str = "Le conseil départemental de l’Ordre des médecins n’a pas donné une suite \
favorable à cette candidature. Il vous fait connaître lui-même les raisons de sa décision.";

impl Client {
    /// A client of the démarche of the settings.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn new(config: &Config, clock: Clock) -> Result<Self, String> {
        Ok(Self {
            http: HttpClient::new(config.http.clone())?.with_clock(clock),
            jeton: config.jeton.clone(),
            demarche: config.demarche,
            instructeur_id: config.instructeur_id.clone(),
            champs: config.champs.clone(),
        })
    }

    /// Asks.
    ///
    /// # Errors
    /// [`Fault`], see [`Erreur`].
    pub async fn ask(&self, ask: &Ask, id: Uuid, attempt: Attempt) -> Result<Answer, Fault> {
        let answer = match ask {
            Ask::Lister(lister) => self.lister(lister).await,
            Ask::Lire { numero } => self.lire(*numero).await,
            Ask::Ecrire { numero, cible } => self.ecrire(*numero, *cible, attempt).await,
            Ask::EnvoyerMessage { numero, corps, correction } => {
                self.envoyer_message(*numero, corps, *correction, id).await
            }
            Ask::Annoter { numero, valeurs } => self.annoter(*numero, valeurs).await,
        };
        match answer {
            Ok(answer) => Ok(answer),
            Err(Erreur::Disparu) => Ok(Answer::Introuvable),
            Err(erreur) => Err(erreur.into()),
        }
    }

    async fn lister(&self, l: &Lister) -> Result<Answer, Erreur> {
        let mut requete = RequeteListe::new(self.demarche, l);
        let (lue, lu_a) = match self.liste(&requete).await {
            Ok(page) => page,
            Err(e) if l.taille > 1 && e.page_trop_lourde() => return Ok(Answer::PageTropLourde),
            // A single dossier that DS cannot show: its cursor alone leads past it.
            Err(Erreur::Reponse(Illisible::Racine(CodeRacine::InvalidNull))) => {
                tracing::warn!(curseur = l.apres.is_some(), "DS cannot show a dossier of the list");
                requete.avec_noeuds = false;
                self.liste(&requete).await?
            }
            Err(e) => return Err(e),
        };
        let dossiers = lue.dossiers.as_ref().ok_or(Erreur::SansPage)?;
        let disparus = if l.disparus_depuis.is_some() {
            Some(self.disparus(requete.clone(), &lue).await?)
        } else {
            None
        };
        Ok(Answer::Page(Page {
            lu_a,
            revision: lue.active_revision.id.clone(),
            dossiers: dossiers.lignes().map(DossierListe::from).collect(),
            curseur: dossiers.page_info.end_cursor.clone(),
            suite: dossiers.page_info.has_next_page,
            illisibles: u32::from(!requete.avec_noeuds),
            disparus,
        }))
    }

    /// Goes on where the first answer ended, list by list.
    async fn disparus(
        &self,
        mut requete: RequeteListe,
        premiere: &DemarcheLue,
    ) -> Result<Vec<DossierDisparu>, Erreur> {
        let mut found = Vec::new();
        requete.avec_dossiers = false;
        let mut take = |lue: &DemarcheLue, requete: &mut RequeteListe| {
            for (connexion, avec, apres) in [
                (
                    &lue.pending_deleted_dossiers,
                    &mut requete.avec_attente,
                    &mut requete.apres_attente,
                ),
                (&lue.deleted_dossiers, &mut requete.avec_definitif, &mut requete.apres_definitif),
            ] {
                *avec = false;
                if let Some(page) = connexion {
                    found.extend(page.lignes().map(DossierDisparu::from));
                    *avec = page.page_info.has_next_page && page.page_info.end_cursor.is_some();
                    apres.clone_from(&page.page_info.end_cursor);
                }
            }
        };
        take(premiere, &mut requete);
        while requete.avec_attente || requete.avec_definitif {
            let (lue, _) = self.liste(&requete).await?;
            take(&lue, &mut requete);
        }
        Ok(found)
    }

    async fn liste(
        &self,
        requete: &RequeteListe,
    ) -> Result<(DemarcheLue, Option<DateTime<Utc>>), Erreur> {
        let (lue, date) = self.appeler::<ResultatDemarche, _>(documents::LISTER, requete).await?;
        Ok((lue.demarche, date))
    }

    async fn lire(&self, numero: u64) -> Result<Answer, Erreur> {
        let lu = self.appeler::<ResultatDossier, _>(documents::LIRE, RequeteDossier { numero });
        let (resultat, lu_a) = lu.await.map_err(Erreur::ou_disparu)?;
        let lecture = Box::new(resultat.dossier.lecture(&self.champs));
        let stable = seconde_passee(lecture.modifie_le, lu_a);
        Ok(if stable { Answer::Lu(lecture) } else { Answer::LuTropTot(lecture) })
    }

    async fn relire(&self, numero: u64) -> Result<EtatLu, Erreur> {
        let lu = self.appeler::<ResultatEtat, _>(documents::RELIRE, RequeteDossier { numero });
        Ok(lu.await.map_err(Erreur::ou_disparu)?.0.dossier)
    }

    async fn ecrire(&self, numero: u64, cible: Cible, attempt: Attempt) -> Result<Answer, Erreur> {
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

    async fn envoyer_message(
        &self,
        numero: u64,
        corps: &str,
        correction: Correction,
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
            (!lu.correction_en_attente() && !lu.state.est_termine()).then_some(correction);
        let body = format!("{corps}\n\nRéf. {reference}");
        match self.muter(numero, documents::ENVOYER_MESSAGE, Message { body, correction }).await? {
            None => Ok(Answer::MessageEnvoye),
            Some(refus) => Err(Erreur::Refus(refus)),
        }
    }

    async fn annoter(
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
        let input =
            Input { dossier_id: id_dossier(numero), instructeur_id: &self.instructeur_id, champs };
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

    async fn appeler<T: DeserializeOwned, V: Serialize + Send + Sync>(
        &self,
        document: Document,
        variables: V,
    ) -> Result<(T, Option<DateTime<Utc>>), Erreur> {
        let body = Requete { query: document.texte, operation_name: document.operation, variables };
        let request = self
            .http
            .request(Method::POST, "/api/v2/graphql")
            .bearer_auth(format!("token={}", self.jeton.expose()))
            .json(&body);
        let response = self.http.send(request).await?;
        if !(200..300).contains(&response.status) {
            return Err(Erreur::Http(HttpError::Status {
                status: response.status,
                retry_after: None,
                body: response.body,
            }));
        }
        let date = response.headers.get("date").and_then(|v| v.to_str().ok());
        let date = date.and_then(|d| DateTime::parse_from_rfc2822(d).ok());
        Ok((decoder(&response.body)?, date.map(|d| d.with_timezone(&Utc))))
    }
}

fn etat_de(cible: Cible) -> EtatDs {
    match cible {
        Cible::EnInstruction => EtatDs::EnInstruction,
        Cible::Accepte => EtatDs::Accepte,
        Cible::Refuse => EtatDs::Refuse,
    }
}
