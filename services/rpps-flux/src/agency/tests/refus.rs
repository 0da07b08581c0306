//! Every refusal, from a file: the message that announces it, and yesterday's view that stays.

use std::collections::BTreeSet;

use axum::{Router, routing::get};
use contracts::{Message, Referentiel, messages::RppsExtractionRefusee};
use service::{Context, Decision, Effect, Input};

use super::*;
use crate::{
    Ask, RppsFlux, decide,
    state::{Extraction, State},
};

/// Every reason that exists.
const TOUS: [Refus; 8] = [
    Refus::EnteteInconnue,
    Refus::Tronquee,
    Refus::Vide,
    Refus::LignesIllisibles,
    Refus::EcartExcessif,
    Refus::TropGrande,
    Refus::ArchiveIllisible,
    Refus::SansHorodatage,
];

/// What is published of an answer.
fn annonce(answer: Answer) -> (RppsExtractionRefusee, bool) {
    let config: Config =
        toml::from_str("repertoire = \"/x\"\ncle_pseudonymes = \"x\"").expect("valid settings");
    let referentiel = Referentiel::default();
    let cx = Context::<RppsFlux> {
        now: "2026-01-06T06:00:00Z".parse().expect("an instant"),
        config: &config,
        referentiel: &referentiel,
        key: decide::EXTRACTION,
        cause: "cause",
    };
    let state = State::Extraction(Extraction::default());
    let ask = Ask::Integrer { extrait: Extrait::Activites, deja: None, accepter: None };
    let input = Input::Answer { ask, answer, id: uuid::Uuid::nil() };
    let decision = decide::decide(Some(&state), input, &cx).expect("decided");
    let Decision::Next { effects, .. } = decision else { panic!("announced") };
    let [Effect::Publish(message), rest @ ..] = effects.as_slice() else { panic!("published") };
    assert_eq!(message.message_type, RppsExtractionRefusee::TYPE);
    let again = matches!(rest, [Effect::WakeAt { .. }]);
    (serde_json::from_str(&message.body).expect("decodes"), again)
}

/// Files of the next day, each wrong in one way; the last one is compressed.
fn fichiers() -> Vec<(&'static str, Refus, Vec<u8>)> {
    let header = entete(Variante::Actuelle);
    let whole = fichier(&header, &lignes(100));
    let text = "PS_LibreAcces_Personne_activite_202601060000.txt";
    let mut cases = Vec::new();
    // A required column that is missing, under every header; then one that is there twice.
    for variante in crate::exemples::VARIANTES {
        for colonne in ["Identifiant PP", "Nom d'exercice", "Code profession", "Numéro FINESS site"]
        {
            let header = entete(variante).replacen(&format!("|{colonne}|"), "|Autre|", 1);
            cases.push((text, Refus::EnteteInconnue, fichier(&header, &lignes(100)).into_bytes()));
        }
    }
    let twice = header.replacen("|Libellé profession|", "|Code profession|", 1);
    cases.push((text, Refus::EnteteInconnue, fichier(&twice, &lignes(100)).into_bytes()));
    cases.push((text, Refus::EnteteInconnue, b"<html>\nmaintenance\n</html>\n".to_vec()));
    // Cut in its last line, in its header, and with CRLF ends.
    cases.push((text, Refus::Tronquee, whole.as_bytes()[..whole.len() - 1].to_vec()));
    cases.push((text, Refus::Tronquee, header.as_bytes().to_vec()));
    cases.push((text, Refus::Tronquee, whole.replace('\n', "\r\n").as_bytes()[..900].to_vec()));
    cases.push((text, Refus::Vide, Vec::new()));
    cases.push((text, Refus::Vide, format!("{header}\n").into_bytes()));
    let short = whole.replacen("|10|", "|", 2);
    cases.push((text, Refus::LignesIllisibles, short.into_bytes()));
    // Fewer rows, more rows, other values: more than a fifth of them.
    for wrong in [fichier(&header, &lignes(79)), fichier(&header, &lignes(121))] {
        cases.push((text, Refus::EcartExcessif, wrong.into_bytes()));
    }
    cases.push((text, Refus::EcartExcessif, whole.replace("EXEMPLE", "AUTREMENT").into_bytes()));
    cases.push((text, Refus::TropGrande, whole.repeat(40).into_bytes()));
    let zip = "PS_LibreAcces_202601060000.zip";
    cases.push((zip, Refus::ArchiveIllisible, b"PK\x03\x04 and no more".to_vec()));
    cases.push((zip, Refus::ArchiveIllisible, whole.into_bytes()));
    cases
}

#[tokio::test]
async fn every_refusal_is_announced_and_yesterday_stays() {
    let mut banc = banc();
    let text = format!(
        "repertoire = {:?}\ncle_pseudonymes = \"x\"\necart_lignes_min = 10\n\
         taille_max_octets = 100000",
        banc.depot.path()
    );
    let config = toml::from_str(&text).expect("valid settings");
    banc.annuaire = Annuaire::new(&config, banc.travail.path()).expect("usable folder");
    banc.deposer_activites(5, &lignes(100));
    banc.integree().await;
    let mut seen = BTreeSet::new();
    for (nom, refus, octets) in fichiers() {
        let path = banc.depot.path().join(nom);
        fs::write(&path, &octets).expect("writable");
        let (fact, again) = annonce(banc.integrer(None, None).await);
        let fichier = "PS_LibreAcces_Personne_activite_202601060000.txt";
        assert_eq!((fact.fichier.as_str(), fact.raison.as_str()), (fichier, refus.code()));
        assert_eq!(again, refus.passager(), "{refus:?}");
        assert_eq!(banc.structures(&rang(99)).await, ["639990019"], "{refus:?}");
        let left = fs::read_dir(banc.travail.path()).expect("readable").count();
        assert_eq!(left, 4, "only yesterday's files are left after {refus:?}");
        fs::remove_file(path).expect("removable");
        seen.insert(refus.code());
    }
    let (fact, again) = annonce(sans_horodatage(&config).await);
    assert_eq!((fact.raison.as_str(), again), (Refus::SansHorodatage.code(), true));
    seen.insert(Refus::SansHorodatage.code());
    assert_eq!(seen, TOUS.map(Refus::code).into(), "every refusal was caused");
    // The next good file is taken, compared with the last good one.
    banc.deposer_activites(7, &lignes(90));
    assert_eq!(banc.integree().await.retraits, 10);
}

/// A server that does not say of which day its file is.
async fn sans_horodatage(config: &Config) -> Answer {
    let text = fichier(&entete(Variante::Actuelle), &lignes(100));
    let routes = Router::new()
        .route("/PS_LibreAcces_Personne_activite.txt", get(move || std::future::ready(text)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let tasks = kernel::Tasks::new();
    tasks.spawn_until_stopped(async move { drop(axum::serve(listener, routes).await) });
    let config = Config { base_url: Some(url), repertoire: None, ..config.clone() };
    let travail = tempfile::tempdir().expect("folder");
    let annuaire = Annuaire::new(&config, travail.path()).expect("a client");
    annuaire.integrer(Extrait::Activites, None, None).await.expect("an answer")
}
