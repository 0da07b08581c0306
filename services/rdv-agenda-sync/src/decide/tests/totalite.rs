//! Every state × every input: a decision or a refusal, never a panic; and the ends stay ends.

use super::*;
use crate::state::{Acces, Constat, Releve};

fn etats() -> Vec<(&'static str, Option<Etat>)> {
    let mut all = vec![("aucun", None)];
    let mut banc = Banc::new();
    banc.config.organisations.clear();
    banc.activite(&activite(Situation::Ouverte, "2026-03-01"));
    all.push(("lieu sans organisation", Some(banc.etats[LIEU].clone())));
    all.push(("engagement qui attend", Some(banc.etats[ENGAGEMENT].clone())));
    let mut banc = Banc::new();
    banc.activite(&activite(Situation::Ouverte, "2026-03-01"));
    all.push(("webhook", Some(banc.etats[LIEU].clone())));
    banc.repondre("enregistrer-webhook", &Reponse::Webhook(1));
    all.push(("lieu", Some(banc.etats[LIEU].clone())));
    banc.repondre("creer-lieu", &Reponse::Lieu(2));
    all.push(("motif", Some(banc.etats[LIEU].clone())));
    banc.repondre("creer-motif", &Reponse::Motif(3));
    all.push(("prêt", Some(banc.etats[LIEU].clone())));
    all.push(("invitation", Some(banc.etats[ENGAGEMENT].clone())));
    banc.repondre("inviter", &agent(AGENT, banc.now));
    all.push(("invité", Some(banc.etats[ENGAGEMENT].clone())));
    banc.webhook(41, "2026-03-01T10:00:00Z", plage("2026-03-05", "08:00:00", "12:00:00"));
    all.push(("actif", Some(banc.etats[ENGAGEMENT].clone())));
    all.push(("planning", Some(banc.etats[PLANNING].clone())));
    banc.webhook(41, "2026-03-01T11:00:00Z", rdv("2026-03-05T08:00:00Z", StatutRdv::Seen));
    all.push(("titulaires", Some(banc.etats[TITULAIRES].clone())));
    banc.activite(&activite(Situation::Terminee, "2026-03-02"));
    all.push(("terminé", Some(banc.etats[ENGAGEMENT].clone())));
    banc.webhook(70, "2026-03-02T10:00:00Z", Fait::Role(false));
    let mut compte = Banc::new();
    compte.evenement(COMPTE, Evenement::VerifierCompte);
    let blocage = Some("rdv-consentement-revoque".to_owned());
    compte.repondre("verifier-compte", &Reponse::Compte { blocage });
    all.push(("compte bloqué", Some(compte.etats[COMPTE].clone())));
    all.push(("retiré", Some(banc.etats[ENGAGEMENT].clone())));
    all
}

fn entree() -> contracts::messages::VacationAuPlanning {
    contracts::messages::VacationAuPlanning {
        vacation: "abc123-2026-03-09".parse().expect("id"),
        medecin: "Dr Ada Fictive".to_owned(),
        date: day("2026-03-09"),
        creneaux: vec![],
        annulee: false,
        version: 1,
        retires: vec![],
    }
}

fn releve() -> Releve {
    let lu_le = at("2026-03-01T12:00:00Z");
    let vue = |fait| observation(AGENT, 41, "2026-03-01T12:00:00Z", fait);
    Releve {
        lu_le,
        agents: vec![Agent { id: AGENT, email: Some(COURRIEL.to_owned()) }],
        absences: vec![],
        rdvs: vec![vue(rdv("2026-03-05T08:00:00Z", StatutRdv::Seen))],
    }
}

fn entrees() -> Vec<Input<RdvAgendaSync>> {
    let lieu = lieu_demo();
    let engagement = || "abc123".parse().expect("id");
    let vue = |fait| observation(AGENT, 41, "2026-03-01T12:00:00Z", fait);
    let faits = [
        plage("2026-03-05", "14:00:00", "17:00:00"),
        Fait::Plage(None),
        Fait::Absence(None),
        rdv("2026-03-05T08:00:00Z", StatutRdv::Seen),
        Fait::Rdv(None),
        Fait::Role(true),
        Fait::Role(false),
    ];
    let mut events = vec![
        Evenement::Rattacher {
            engagement: engagement(),
            lieu: Box::new(lieu.clone()),
            courriel: COURRIEL.to_owned(),
        },
        Evenement::LieuPret { organisation: 1042 },
        Evenement::AgentConnu { engagement: engagement(), agent: AGENT },
        Evenement::Illisible { modele: "Rdv".to_owned(), recu_le: at("2026-03-01T12:00:00Z") },
        Evenement::RdvRetire { rdv: 10, horodatage: at("2026-03-01T12:00:00Z") },
        Evenement::AuPlanning { lieu: Box::new(lieu.clone()), entrees: vec![] },
        Evenement::AuPlanning { lieu: Box::new(lieu.clone()), entrees: vec![entree()] },
        Evenement::TacheFaite { tache: Uuid::nil(), champs: [].into(), par: "x".to_owned() },
        Evenement::CorrigerOrganisation { organisation: 5 },
        Evenement::Resynchroniser,
        Evenement::VerifierCompte,
        Evenement::Consentement { jetons: "00".to_owned() },
        Evenement::SiteSuivi { lieu: lieu.id.clone() },
        Evenement::ReconcilierTout,
        Evenement::Reconcilier,
        Evenement::Releve(Box::new(releve())),
    ];
    for fait in faits {
        events.push(Evenement::Webhook(vue(fait.clone())));
        let (siens, tous) = (vec![engagement()], vec![]);
        events.push(Evenement::Rdv { observation: vue(fait.clone()), siens, tous });
        events.push(Evenement::Observe(vue(fait)));
    }
    let mut inputs: Vec<_> = events.into_iter().map(Input::Event).collect();
    let asks = [
        (
            Question::EnregistrerWebhook { lieu: lieu.id.clone(), organisation: 1042 },
            Reponse::Webhook(1),
        ),
        (Question::Resynchroniser { organisation: 1042, webhook: 1 }, Reponse::Resynchronise),
        (Question::CreerMotif { organisation: 1042, lieu: lieu.id }, Reponse::Motif(3)),
        (
            Question::Inviter { organisation: 1042, courriel: COURRIEL.to_owned(), niveau: None },
            agent(AGENT, at("2026-03-01T12:00:00Z")),
        ),
        (Question::VerifierCompte, Reponse::Compte { blocage: None }),
        (
            Question::VerifierCompte,
            Reponse::Compte { blocage: Some("rdv-agent-refuse".to_owned()) },
        ),
        (
            Question::Constater(Constat::Organisation { nom: lieu_demo().nom }),
            Reponse::Organisation(1042),
        ),
        (Question::Constater(Constat::Motif { organisation: 1042 }), Reponse::PasEncore),
        (
            Question::Relever { organisation: 1042, du: day("2026-02-20"), au: day("2026-06-01") },
            Reponse::Releve(Box::new(releve())),
        ),
    ];
    let answers =
        asks.into_iter().map(|(ask, answer)| Input::Answer { ask, answer, id: Uuid::nil() });
    inputs.extend(answers);
    let reasons =
        ["planning", "relance", "echeance", "nuit", "constat", "verification", "inconnue"];
    inputs.extend(reasons.map(|r| Input::Wake { reason: r.to_owned() }));
    for situation in [Situation::Ouverte, Situation::Suspendue, Situation::Terminee] {
        let mut banc = Banc::new();
        banc.etats.clear();
        let snapshot = activite(situation, "2026-03-02");
        let message = Entrant::ActiviteModifiee(ActiviteModifiee(snapshot));
        let meta = Meta {
            id: String::new(),
            source: String::new(),
            time: banc.now,
            subject: None,
            sequence: None,
        };
        inputs.push(Input::Message { message, origin: bus::Origin::Relais, meta });
    }
    inputs
}

#[test]
fn every_state_answers_every_input_and_twice_is_once() {
    for (nom, etat) in etats() {
        let cle = match &etat {
            Some(Etat::Lieu(_)) => LIEU,
            Some(Etat::Planning(_)) => PLANNING,
            Some(Etat::Titulaires(_)) => TITULAIRES,
            Some(Etat::Compte(_)) => COMPTE,
            Some(Etat::Engagement(_)) | None => ENGAGEMENT,
        };
        for input in entrees() {
            let mut banc = Banc::new();
            banc.etats.extend(etat.clone().map(|e| (cle.to_owned(), e)));
            if let Err(refusal) = banc.donner(cle, input.clone()) {
                assert!(!refusal.reason.contains('@'), "{nom}: {refusal}");
                continue;
            }
            let (after, published) = (banc.etats.get(cle).cloned(), banc.publies.len());
            if matches!(input, Input::Event(_)) && banc.donner(cle, input.clone()).is_ok() {
                assert_eq!(banc.etats.get(cle).cloned(), after, "{nom}: {input:?} twice");
                assert_eq!(banc.publies.len(), published, "{nom}: {input:?} twice");
            }
        }
    }
}

#[test]
fn an_ended_engagement_opens_nothing_by_itself() {
    let (_, ended) = etats().into_iter().find(|(nom, _)| *nom == "retiré").expect("there");
    for input in entrees() {
        if matches!(input, Input::Message { .. }) {
            continue;
        }
        let mut banc = Banc::new();
        banc.etats.extend(ended.clone().map(|e| (ENGAGEMENT.to_owned(), e)));
        if banc.donner(ENGAGEMENT, input.clone()).is_ok() {
            let etat = banc.engagement();
            assert!(!etat.agenda_ouvert, "{input:?}");
            assert!(!matches!(etat.acces, Acces::Invitation { .. }), "{input:?}");
            assert!(banc.questions.is_empty(), "{input:?}");
        }
    }
}
