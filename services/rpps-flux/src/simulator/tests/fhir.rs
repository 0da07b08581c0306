//! The API, over HTTP.

use agency::HttpError;
use chrono::{DateTime, Utc};

use super::*;
use crate::{
    Ressource,
    agency::fhir::{Api, ApiError},
    config::Fhir as Reglages,
    simulator::fhir::CLE,
};

fn api(banc: &Banc, cle: &str, page: u16) -> Api {
    let text = format!("base_url = \"{}\"\ncle = \"{cle}\"\npage = {page}", banc.simule.url_fhir());
    let reglages: Reglages = toml::from_str(&text).expect("valid settings");
    Api::new(&reglages, 1_000).expect("a client")
}

fn site() -> Structure {
    Structure::Finess("639990019".parse().expect("a FINESS"))
}

fn rpps(n: usize) -> Rpps {
    let luhn = |d: &str| (0..10).map(|k| format!("{d}{k}")).find_map(|n| n.parse().ok());
    luhn(&format!("997{n:07}")).expect("one of ten keys is right")
}

#[tokio::test]
async fn somebody_is_found_with_sites_and_card_and_is_nobody_once_gone() {
    let banc = banc("").await;
    let (simule, numero, today) = (&banc.simule, medecin(), jour("2026-01-05"));
    simule.enregistrer_activite(&numero, site(), "MSP", today);
    let rang = Structure::Rang("R10100000990018".parse().expect("a RPPS-rang"));
    simule.enregistrer_activite(&numero, rang, "Cabinet", today);
    simule.emettre_carte(&numero, "2800999002", today, jour("2029-01-04"), today);
    let api = api(&banc, CLE, 200);
    let Ok(Answer::Praticien { ids, fiche: Some(fiche) }) = api.praticien(&numero).await else {
        panic!("known")
    };
    assert!(fiche.est_medecin() && fiche.savoir_faire.contains("SM54"));
    assert_eq!(fiche.cartes[0].numero, "9002");
    let Ok(Answer::Situations { structures, suite: None }) = api.situations(&ids, None).await
    else {
        panic!("one page")
    };
    assert_eq!(structures.into_iter().collect::<Vec<_>>(), ["639990019", "R10100000990018"]);
    simule.retirer_medecin(&numero, today);
    let Ok(Answer::Praticien { fiche, .. }) = api.praticien(&numero).await else { panic!("none") };
    assert_eq!(fiche, None);
    banc.arreter().await;
}

#[tokio::test]
async fn the_changes_come_page_after_page_and_a_page_is_not_followed_elsewhere() {
    let banc = banc("").await;
    for n in 0..7 {
        banc.simule.enregistrer_medecin(Fiche::medecin(rpps(n), "EXEMPLE", "ANNE"));
        banc.simule.enregistrer_activite(&rpps(n), site(), "MSP", jour("2026-01-05"));
    }
    let api = api(&banc, CLE, 3);
    for (ressource, depuis, expected) in [
        // The doctor of the bench has changed nothing since.
        (Ressource::Praticiens, Some("2026-01-05T00:00:00Z"), 7),
        (Ressource::Situations, Some("2026-01-05T00:00:00Z"), 7),
        (Ressource::Praticiens, Some("2026-01-06T00:00:00Z"), 0),
        (Ressource::Praticiens, None, 8),
    ] {
        let depuis = depuis.map(|d| d.parse::<DateTime<Utc>>().expect("an instant"));
        let (mut all, mut page) = (Vec::new(), None);
        loop {
            let answer = api.changements(ressource, depuis, page.as_deref()).await;
            let Ok(Answer::Changements { numeros, suite }) = answer else { panic!("{answer:?}") };
            assert!(numeros.len() <= 3);
            all.extend(numeros);
            page = suite;
            if page.is_none() {
                break;
            }
        }
        all.sort();
        all.dedup();
        assert_eq!(all.len(), expected, "{ressource:?} {depuis:?}");
    }
    let foreign = "https://ailleurs.example/fhir/v2/_page?id=00";
    let refused = api.changements(Ressource::Praticiens, None, Some(foreign)).await;
    assert!(matches!(refused, Err(ApiError::PageEtrangere)), "the key goes nowhere else");
    let sibling = format!("{}-autre/_page?id=00", banc.simule.url_fhir());
    let refused = api.changements(Ressource::Praticiens, None, Some(&sibling)).await;
    assert!(matches!(refused, Err(ApiError::PageEtrangere)));
    let gone = format!("{}/_page?id=00", banc.simule.url_fhir());
    let expired = api.changements(Ressource::Praticiens, None, Some(&gone)).await;
    assert!(matches!(expired, Ok(Answer::PagePerimee)), "{expired:?}");
    banc.arreter().await;
}

#[tokio::test]
async fn faults_pass_but_a_wrong_key_does_not() {
    let banc = banc("").await;
    let right = api(&banc, CLE, 200);
    banc.simule.faults.set(|_, n| {
        let all = [
            FaultKind::Status(503),
            FaultKind::TooMany(2),
            FaultKind::Down,
            FaultKind::Wrong,
            FaultKind::Slow(Duration::from_secs(3)),
        ];
        all.get(usize::try_from(n).ok()?).copied()
    });
    for expected in
        ["http-indisponible", "http-indisponible", "fhir-forme", "fhir-forme", "http-injoignable"]
    {
        match right.praticien(&medecin()).await.map_err(Fault::from) {
            Err(Fault::Transient { code, .. })
                if code == expected || code == "http-injoignable" => {}
            other => panic!("{expected}: {other:?}"),
        }
    }
    assert!(right.praticien(&medecin()).await.is_ok());
    let wrong = api(&banc, "autre", 200).praticien(&medecin()).await;
    assert!(matches!(wrong, Err(ApiError::Http(HttpError::Status { status: 401, .. }))));
    let fault = Fault::from(wrong.expect_err("refused"));
    assert!(matches!(fault, Fault::Permanent { .. }), "{fault:?}");
    banc.arreter().await;
}
