//! The client of Démarches simplifiées: GraphQL over HTTP, with its errors turned into the two
//! classes of fault. Before a mutation is repeated, the dossier is read.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicBool},
};

use agency::HttpClient;
use chrono::{DateTime, Utc};
use contracts::Referentiel;
use kernel::{Clock, Fault};
use service::{Attempt, Equipment};
use uuid::Uuid;

use crate::{
    config::{Champ, Config, Plateforme},
    formulaire::{Constat, Gravite, examiner},
    wire::{
        CodeRacine, DemarcheLue, DossierDisparu, DossierListe, EtatLu, FormulaireDs, Illisible,
        Page, ResultatDemarche, ResultatDossier, ResultatEtat, ResultatFormulaire, documents,
        dossier_du_curseur,
        requetes::{RequeteDemarche, RequeteDossier, RequeteListe},
        seconde_passee,
    },
};

mod appel;
mod asks;
mod ecriture;
mod faute;

use appel::{Debit, Jetons};
pub use asks::{AGENCE, Answer, Ask, Cible, Correction, Lister};
pub use faute::Erreur;

/// The client.
#[derive(Clone, Debug)]
pub struct Client {
    http: HttpClient,
    clock: Clock,
    jetons: Jetons,
    debit: Option<Debit>,
    /// The frame took one call from the budget for the ask in progress, and it was made.
    paye: Arc<AtomicBool>,
    config: Arc<Config>,
    referentiel: Option<Arc<Referentiel>>,
}

impl Client {
    /// A client of the démarche of the settings, on its own.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn new(config: &Config, clock: Clock) -> Result<Self, String> {
        Ok(Self {
            http: HttpClient::new(config.http.clone())?.with_clock(clock.clone()),
            clock,
            jetons: Jetons::new(config),
            debit: None,
            paye: Arc::default(),
            config: Arc::new(config.clone()),
            referentiel: None,
        })
    }

    /// A client that shares the budget of calls with every replica, and knows the register.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn with_equipment(config: &Config, equipment: &Equipment) -> Result<Self, String> {
        let debit = Debit::new(Arc::clone(&equipment.store), config.limite());
        Ok(Self {
            debit: Some(debit),
            referentiel: Some(Arc::clone(&equipment.referentiel)),
            ..Self::new(config, equipment.clock.clone())?
        })
    }

    /// Asks.
    ///
    /// # Errors
    /// [`Fault`], see [`Erreur`].
    pub async fn ask(&self, ask: &Ask, id: Uuid, attempt: Attempt) -> Result<Answer, Fault> {
        let client = Self { paye: Arc::new(AtomicBool::new(true)), ..self.clone() };
        let answer = match ask {
            Ask::Lister(lister) => client.lister(lister).await,
            Ask::Lire { numero } => client.lire(*numero).await,
            Ask::Ecrire { numero, cible } => client.ecrire(*numero, *cible, attempt).await,
            Ask::EnvoyerMessage { numero, corps, correction } => {
                client.envoyer_message(*numero, corps, *correction, id).await
            }
            Ask::Annoter { numero, valeurs } => client.annoter(*numero, valeurs).await,
        };
        match answer {
            Ok(answer) => Ok(answer),
            Err(Erreur::Disparu) => Ok(Answer::Introuvable),
            Err(erreur) => Err(erreur.into()),
        }
    }

    /// The form of the démarche, as DS describes it.
    ///
    /// # Errors
    /// [`Erreur`].
    pub async fn formulaire(&self) -> Result<FormulaireDs, Erreur> {
        let requete = RequeteDemarche { demarche: self.config.demarche };
        let lu = self.appeler::<ResultatFormulaire, _>(documents::DECRIRE, requete).await?;
        Ok(lu.0.demarche.into())
    }

    /// What makes the settings unfit for the form; the rest is only logged.
    async fn inadapte(&self) -> Result<Vec<String>, Erreur> {
        let constats =
            examiner(&self.config, &self.formulaire().await?, self.referentiel.as_deref());
        let (graves, autres): (Vec<Constat>, Vec<Constat>) =
            constats.into_iter().partition(|c| c.gravite == Gravite::Erreur);
        for constat in autres {
            tracing::warn!(constat = %constat.texte, "form of DS");
        }
        Ok(graves.into_iter().map(|c| c.texte).collect())
    }

    async fn lister(&self, l: &Lister) -> Result<Answer, Erreur> {
        if l.formulaire {
            let problemes = self.inadapte().await?;
            if !problemes.is_empty() {
                return Ok(Answer::FormulaireInadapte { problemes });
            }
        }
        let mut requete = RequeteListe::new(self.config.demarche, l);
        let (lue, lu_a) = match self.liste(&requete).await {
            Ok(page) => page,
            Err(e) if l.taille > 1 && e.page_trop_lourde() => return Ok(Answer::PageTropLourde),
            // A single dossier that DS cannot show: its cursor leads past it, and names it.
            Err(Erreur::Reponse(Illisible::Racine(CodeRacine::InvalidNull))) => {
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
        let curseur = dossiers.page_info.end_cursor.clone();
        let mut lignes: Vec<_> = dossiers.lignes().map(DossierListe::from).collect();
        let mut illisibles = dossiers.illisibles();
        if !requete.avec_noeuds {
            // Its own reading fails, and is kept as the failure of that dossier.
            lignes.extend(curseur.as_deref().and_then(dossier_du_curseur));
            illisibles += 1;
        }
        if illisibles > 0 {
            tracing::warn!(illisibles, "DS cannot show dossiers of the list");
        }
        let page = Page {
            lu_a,
            revision: lue.active_revision.id.clone(),
            dossiers: lignes,
            curseur,
            suite: dossiers.page_info.has_next_page,
            illisibles,
            disparus,
        };
        Ok(if self.jetons.premier() { Answer::Page(page) } else { Answer::PageParSuivant(page) })
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
        let document = match self.config.plateforme {
            Plateforme::DemarcheNumerique => documents::LIRE,
            Plateforme::DematSocial => documents::LIRE_SOCIAL,
        };
        let lu = self.appeler::<ResultatDossier, _>(document, RequeteDossier { numero });
        let (resultat, lu_a) = lu.await.map_err(Erreur::ou_disparu)?;
        let dossier = resultat.dossier;
        let lecture = Box::new(dossier.lecture(&self.champs_de(dossier.revision())));
        let stable = seconde_passee(lecture.modifie_le, lu_a);
        Ok(if !dossier.decide_par_son_cdom(&self.config.instructeur_id) {
            Answer::LuSansInstructeur { lecture, stable }
        } else if stable {
            Answer::Lu(lecture)
        } else {
            Answer::LuTropTot(lecture)
        })
    }

    fn champs_de(&self, revision: Option<&str>) -> BTreeMap<Champ, String> {
        self.config.champs_de(revision)
    }

    async fn relire(&self, numero: u64) -> Result<EtatLu, Erreur> {
        let lu = self.appeler::<ResultatEtat, _>(documents::RELIRE, RequeteDossier { numero });
        Ok(lu.await.map_err(Erreur::ou_disparu)?.0.dossier)
    }
}
