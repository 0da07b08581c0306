//! The account that Relais acts as: a consent that is gone is a task with its remedy, and every call
//! waits until a person has given another one.

use chrono::TimeDelta;
use service::{Decision, Effect, Input};

use super::{Cx, Decide, Effets, OBSERVE, champs, deplace, tache, tache_faite, wake};
use crate::state::{
    CLE_COMPTE, Etat, EtatCompte, Evenement, Question, Reponse, VERIFIER, cle_lieu,
};

/// Reason of the wake-up that looks again.
const VERIFICATION: &str = "verification";
/// Minutes between two looks at one that does not.
const TOUTES_LES_MINUTES: i64 = 10;

/// Anything that happens to the account.
pub(super) fn decide(
    mut etat: EtatCompte,
    input: Input<crate::RdvAgendaSync>,
    cx: &Cx<'_>,
) -> Decide {
    let effets = match input {
        Input::Event(Evenement::VerifierCompte) | Input::Wake { .. } => verifier(&etat, cx),
        Input::Event(Evenement::Consentement { jetons }) => {
            vec![Effect::Ask(Question::Consentir { jetons })]
        }
        Input::Event(Evenement::SiteSuivi { lieu }) => {
            if !etat.lieux.insert(lieu) {
                return Ok(Decision::Ignore("site-deja-suivi"));
            }
            Vec::new()
        }
        Input::Event(Evenement::ReconcilierTout) => {
            let tell = |lieu| Effect::Tell { key: cle_lieu(lieu), event: Evenement::Reconcilier };
            etat.lieux.iter().map(tell).collect()
        }
        Input::Event(Evenement::TacheFaite { tache, par, .. }) => {
            if etat.tache != Some(tache) {
                return Ok(Decision::Ignore("tache-deja-close"));
            }
            // What is said is looked at: the task opens again if nothing changed.
            (etat.tache, etat.blocage) = (None, None);
            let mut effets = verifier(&etat, cx);
            effets.push(tache_faite(tache, &par));
            effets
        }
        Input::Answer { answer: Reponse::Compte { blocage }, .. } => vu(&mut etat, blocage, cx),
        Input::Event(_) | Input::Answer { .. } | Input::Message { .. } => return Err(deplace()),
    };
    Ok(Decision::next(Etat::Compte(etat)).with_all(effets))
}

fn verifier(etat: &EtatCompte, cx: &Cx<'_>) -> Effets {
    vec![
        Effect::CancelAsks(VERIFIER),
        Effect::Ask(Question::VerifierCompte),
        wake(cx.now + ecart(etat, cx), VERIFICATION),
    ]
}

fn ecart(etat: &EtatCompte, cx: &Cx<'_>) -> TimeDelta {
    match etat.blocage {
        Some(_) => TimeDelta::minutes(TOUTES_LES_MINUTES),
        None => TimeDelta::hours(cx.config.verification_heures.into()),
    }
}

/// What a look at the account showed.
fn vu(etat: &mut EtatCompte, blocage: Option<String>, cx: &Cx<'_>) -> Effets {
    etat.verifie = true;
    let mut effets = Effets::new();
    if etat.blocage != blocage {
        effets.extend(etat.tache.take().map(|t| tache_faite(t, OBSERVE)));
    }
    if let Some(code) = blocage.as_deref().filter(|_| etat.tache.is_none()) {
        let champs = champs([
            ("code", code.to_owned()),
            ("consigne", remede(code).to_owned()),
            ("commande", "relais rdv login".to_owned()),
        ]);
        let (ouverte, effet) = tache("rdv-compte", CLE_COMPTE.to_owned(), champs, cx);
        etat.tache = Some(ouverte);
        effets.push(effet);
    }
    etat.blocage = blocage;
    effets.push(wake(cx.now + ecart(etat, cx), VERIFICATION));
    effets
}

/// What a person does about it.
fn remede(code: &str) -> &'static str {
    match code {
        "rdv-consentement-absent" => {
            "Relais n'a pas encore d'accès à RDV Service Public : lancer la commande et consentir \
             avec le compte de service de la DNS. Les appels en attente reprennent d'eux-mêmes."
        }
        "rdv-consentement-revoque" => {
            "RDV Service Public refuse le consentement du compte de service : il a été révoqué, ou a \
             déjà servi. Lancer la commande et consentir de nouveau. Les appels en attente \
             reprennent d'eux-mêmes."
        }
        "rdv-application-refusee" => {
            "RDV Service Public refuse l'application : vérifier client_id et client_secret avec \
             support@rdv-service-public.fr, redémarrer le service, puis lancer la commande s'il le \
             faut encore."
        }
        "rdv-jetons-illisibles" => {
            "credential_key a changé : remettre l'ancienne et redémarrer le service, ou lancer la \
             commande et consentir de nouveau."
        }
        _ => {
            "RDV Service Public ne reconnaît plus le compte de service : vérifier dans son interface \
             qu'il existe et qu'il administre l'espace (un compte sans rendez-vous ni connexion \
             pendant deux ans est supprimé), puis lancer la commande et consentir de nouveau."
        }
    }
}
