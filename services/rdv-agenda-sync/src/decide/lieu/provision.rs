//! The provisioning of a site, step by step: by the API, or by a person through a task.

use std::collections::BTreeMap;

use contracts::Lieu;
use service::{Decision, Effect, Refusal};
use uuid::Uuid;

use super::{
    super::{Cx, Decide, Effets, OBSERVE, champs, constater_plus_tard, tache, tache_faite},
    cogestion, objet, pret, suite, veille,
};
use crate::{
    RdvAgendaSync,
    config::Capacite,
    state::{CONSTATER, Constat, EnCours, Etape, EtatLieu, PROVISION, Question, Reponse},
    webhook::{ABONNEMENTS, adresse},
};

/// A step of the provisioning, once the organisation is known.
#[derive(Clone, Copy)]
pub(super) enum Pas {
    Webhook,
    Lieu,
    Motif,
    Pret,
}

/// Enters a step: asks the API, or a person.
pub(super) fn entrer(
    etat: &mut EtatLieu,
    pas: Pas,
    organisation: i64,
    webhook: Option<i64>,
    cx: &Cx<'_>,
) -> Effets {
    let capacites = cx.config.capacites;
    let (capacite, question) = match pas {
        Pas::Webhook => {
            let lieu = etat.lieu.id.clone();
            (capacites.webhook, Some(Question::EnregistrerWebhook { lieu, organisation }))
        }
        Pas::Lieu => (capacites.lieu, creer_lieu(&etat.lieu, organisation, cx)),
        Pas::Motif => {
            let lieu = etat.lieu.id.clone();
            (capacites.motif, Some(Question::CreerMotif { organisation, lieu }))
        }
        Pas::Pret => {
            etat.etape = Etape::Pret { organisation, webhook };
            let mut effets: Effets =
                etat.engagements.keys().map(|e| pret(e, organisation)).collect();
            effets.extend(veille::suivre(etat, cx));
            effets.extend(cogestion::accorder(etat, cx));
            return effets;
        }
    };
    let (tache, effet) = if let Some(question) = question.filter(|_| capacite == Capacite::Api) {
        (None, Effect::Ask(question))
    } else {
        let (tache, effet) = demander(&etat.lieu, pas, organisation, cx);
        (Some(tache), effet)
    };
    let en_cours = EnCours { organisation, webhook, tache };
    let constat = tache.map(|_| constater_plus_tard(cx));
    etat.etape = match pas {
        Pas::Webhook => Etape::Webhook(en_cours),
        Pas::Lieu => Etape::Lieu(en_cours),
        Pas::Motif => Etape::Motif(en_cours),
        Pas::Pret => Etape::Pret { organisation, webhook },
    };
    [effet].into_iter().chain(constat).collect()
}

/// Looks whether a person made what the open task asks for; `None` when none is open.
pub(super) fn constater(etat: &EtatLieu, cx: &Cx<'_>) -> Option<Effets> {
    let lieu = &etat.lieu;
    let a_la_main = |e: &EnCours| e.tache.map(|_| e.organisation);
    let constat = match &etat.etape {
        Etape::Organisation { .. } => Constat::Organisation { nom: lieu.nom.clone() },
        Etape::Webhook(e) => {
            Constat::Webhook { lieu: lieu.id.clone(), organisation: a_la_main(e)? }
        }
        Etape::Lieu(e) => Constat::Lieu { organisation: a_la_main(e)?, nom: lieu.nom.clone() },
        Etape::Motif(e) => Constat::Motif { organisation: a_la_main(e)? },
        Etape::Pret { .. } => return None,
    };
    let ask = Effect::Ask(Question::Constater(constat));
    Some(vec![Effect::CancelAsks(CONSTATER), ask, constater_plus_tard(cx)])
}

/// What comes after the step under way.
fn apres(mut etat: EtatLieu, webhook: Option<i64>, cx: &Cx<'_>) -> Option<(EtatLieu, Effets)> {
    let (pas, en_cours) = match &etat.etape {
        Etape::Webhook(en_cours) => (Pas::Lieu, en_cours.clone()),
        Etape::Lieu(en_cours) => (Pas::Motif, en_cours.clone()),
        Etape::Motif(en_cours) => (Pas::Pret, en_cours.clone()),
        Etape::Organisation { .. } | Etape::Pret { .. } => return None,
    };
    let webhook = webhook.or(en_cours.webhook);
    let effets = entrer(&mut etat, pas, en_cours.organisation, webhook, cx);
    Some((etat, effets))
}

/// The API needs coordinates; a site without them is a person's affair.
fn creer_lieu(lieu: &Lieu, organisation: i64, cx: &Cx<'_>) -> Option<Question> {
    let fiche = cx.referentiel.lieux().find(|f| f.lieu.id == lieu.id)?;
    Some(Question::CreerLieu {
        organisation,
        lieu: lieu.id.clone(),
        nom: lieu.nom.clone(),
        adresse: adresse_postale(lieu),
        latitude: fiche.latitude?,
        longitude: fiche.longitude?,
    })
}

fn adresse_postale(lieu: &Lieu) -> String {
    let parts = [lieu.adresse.as_str(), lieu.commune.as_str()];
    parts.into_iter().filter(|p| !p.is_empty()).collect::<Vec<_>>().join(", ")
}

pub(super) fn demander_organisation(etat: &mut EtatLieu, cx: &Cx<'_>) -> Effect<RdvAgendaSync> {
    let lieu = &etat.lieu;
    let champs = champs([
        ("nom_organisation", lieu.nom.clone()),
        ("adresse", adresse_postale(lieu)),
        ("contact_courriel", lieu.contact_courriel.clone().unwrap_or_default()),
        (
            "consigne",
            "Créer l'organisation du site dans l'espace national de RDV Service Public, puis \
             reporter son numéro."
                .to_owned(),
        ),
        ("a_renseigner", "organisation_id".to_owned()),
    ]);
    let (tache, effet) = tache("rdv-organisation", objet(lieu), champs, cx);
    etat.etape = Etape::Organisation { tache };
    effet
}

/// A step that the API does not do here.
fn demander(
    lieu: &Lieu,
    pas: Pas,
    organisation: i64,
    cx: &Cx<'_>,
) -> (Uuid, Effect<RdvAgendaSync>) {
    let organisation = ("organisation_id", organisation.to_string());
    let consigne = |texte: &str| ("consigne", texte.to_owned());
    let (gabarit, champs) = match pas {
        Pas::Webhook => (
            "rdv-webhook",
            champs([
                organisation,
                ("target_url", adresse(cx.config, &lieu.id)),
                ("subscriptions", ABONNEMENTS.join(", ")),
                consigne(
                    "Créer le webhook dans l'organisation, avec un secret reporté dans \
                     webhook_secrets de la configuration.",
                ),
            ]),
        ),
        Pas::Lieu => (
            "rdv-lieu",
            champs([
                organisation,
                ("nom", lieu.nom.clone()),
                ("adresse", adresse_postale(lieu)),
                consigne("Créer le lieu dans l'organisation."),
            ]),
        ),
        Pas::Motif | Pas::Pret => (
            "rdv-motif",
            champs([
                organisation,
                ("nom", cx.config.motif.nom.clone()),
                ("duree_min", cx.config.motif.duree_min.to_string()),
                consigne("Créer le motif, sur place, réservable en ligne par tous."),
            ]),
        ),
    };
    tache(gabarit, objet(lieu), champs, cx)
}

pub(super) fn tache_close(
    mut etat: EtatLieu,
    tache: Uuid,
    champs: &BTreeMap<String, String>,
    par: &str,
    cx: &Cx<'_>,
) -> Decide {
    let attendue = match &etat.etape {
        Etape::Organisation { tache } => Some(*tache),
        Etape::Webhook(e) | Etape::Lieu(e) | Etape::Motif(e) => e.tache,
        Etape::Pret { .. } => None,
    };
    if attendue != Some(tache) {
        return Ok(Decision::Ignore("tache-deja-close"));
    }
    let faite = tache_faite(tache, par);
    if matches!(etat.etape, Etape::Organisation { .. }) {
        let organisation = champs.get("organisation_id").and_then(|v| v.trim().parse().ok());
        let Some(organisation) = organisation else {
            let reason = "the task needs organisation_id, a number";
            return Err(Refusal::new("tache-incomplete", reason));
        };
        let effets = entrer(&mut etat, Pas::Webhook, organisation, None, cx);
        return Ok(suite(etat, effets).with(faite));
    }
    Ok(match apres(etat, None, cx) {
        Some((etat, effets)) => suite(etat, effets).with(faite),
        None => Decision::Ignore("tache-deja-close"),
    })
}

/// The organisation was wrong: the steps begin again in the right one.
pub(super) fn corriger(mut etat: EtatLieu, organisation: i64, cx: &Cx<'_>) -> Decide {
    let tache = match &etat.etape {
        Etape::Organisation { tache } => Some(*tache),
        Etape::Webhook(e) | Etape::Lieu(e) | Etape::Motif(e) => e.tache,
        Etape::Pret { .. } => {
            let reason = "the site is ready: doctors are already invited in its organisation";
            return Err(Refusal::new("lieu-deja-pret", reason));
        }
    };
    let effets = entrer(&mut etat, Pas::Webhook, organisation, None, cx);
    Ok(suite(etat, vec![])
        .with_all(PROVISION.map(Effect::CancelAsks))
        .with_all(tache.map(|t| tache_faite(t, OBSERVE)))
        .with_all(effets))
}

/// An answer advances the step that asked for it, in the organisation that it was asked for.
pub(super) fn reponse(
    mut etat: EtatLieu,
    ask: &Question,
    answer: &Reponse,
    cx: &Cx<'_>,
) -> Decision<RdvAgendaSync> {
    let (webhook, tache) = match (answer, &mut etat.etape) {
        (Reponse::Organisation(organisation), Etape::Organisation { tache }) => {
            let (organisation, faite) = (*organisation, tache_faite(*tache, OBSERVE));
            let effets = entrer(&mut etat, Pas::Webhook, organisation, None, cx);
            return suite(etat, effets).with(faite);
        }
        // A webhook made by hand is found again.
        (Reponse::Webhook(id), Etape::Pret { organisation, webhook })
            if webhook.is_none() && organisation_de(ask) == Some(*organisation) =>
        {
            *webhook = Some(*id);
            return suite(etat, vec![]);
        }
        (Reponse::Webhook(id), Etape::Webhook(e))
            if organisation_de(ask) == Some(e.organisation) =>
        {
            (Some(*id), e.tache)
        }
        (Reponse::Lieu(_), Etape::Lieu(e)) | (Reponse::Motif(_), Etape::Motif(e))
            if organisation_de(ask) == Some(e.organisation) =>
        {
            (None, e.tache)
        }
        (Reponse::PasEncore, _) => return Decision::Ignore("pas-encore"),
        _ => return Decision::Ignore("reponse-tardive"),
    };
    match apres(etat, webhook, cx) {
        Some((etat, effets)) => {
            suite(etat, effets).with_all(tache.map(|t| tache_faite(t, OBSERVE)))
        }
        None => Decision::Ignore("reponse-tardive"),
    }
}

/// The organisation that a question was about.
fn organisation_de(ask: &Question) -> Option<i64> {
    match ask {
        Question::EnregistrerWebhook { organisation, .. }
        | Question::Resynchroniser { organisation, .. }
        | Question::CreerLieu { organisation, .. }
        | Question::CreerMotif { organisation, .. }
        | Question::Inviter { organisation, .. }
        | Question::Relever { organisation, .. }
        | Question::Constater(
            Constat::Webhook { organisation, .. }
            | Constat::Lieu { organisation, .. }
            | Constat::Motif { organisation }
            | Constat::Agent { organisation, .. },
        ) => Some(*organisation),
        Question::Constater(Constat::Organisation { .. })
        | Question::VerifierCompte
        | Question::Consentir { .. }
        | Question::Courriel(_)
        | Question::Planning { .. } => None,
    }
}
