//! The simulator's deliveries: signed, repeated as its jobs do, in virtual time.

mod commun;
#[path = "commun/direct.rs"]
mod direct;

use std::sync::{Arc, Mutex};

use agency::{HttpClient, HttpSettings};
use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use chrono::{DateTime, TimeDelta, Utc};
use commun::{Banc, debut};
use direct::equipment;
use kernel::Clock;
use rdv_agenda_sync::{
    RdvAgendaSync,
    simulator::{MARQUEUR, Options},
    state::Question,
};
use service::{Attempt, Service};

/// When a body came, and the body.
type Recu = (DateTime<Utc>, String);

#[derive(Clone)]
struct Receveur {
    clock: Clock,
    pannes: Arc<Mutex<u32>>,
    recus: Arc<Mutex<Vec<Recu>>>,
}

async fn recevoir(State(receveur): State<Receveur>, corps: Bytes) -> StatusCode {
    let text = String::from_utf8_lossy(&corps).into_owned();
    receveur.recus.lock().expect("lock").push((receveur.clock.now(), text));
    let mut pannes = receveur.pannes.lock().expect("lock");
    if *pannes > 0 {
        *pannes -= 1;
        return StatusCode::INTERNAL_SERVER_ERROR;
    }
    StatusCode::OK
}

#[tokio::test]
async fn a_failed_delivery_is_repeated_n4_seconds_later_with_a_fresh_body() {
    let banc = Banc::new(Options::default()).await;
    let clock = banc.clock.clone();
    let receveur = Receveur { clock, pannes: Arc::default(), recus: Arc::default() };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let public_url = format!("http://{}", listener.local_addr().expect("address"));
    let router =
        Router::new().route("/hooks/rdvsp/{lieu}", post(recevoir)).with_state(receveur.clone());
    banc.tasks.spawn_until_stopped(async move {
        axum::serve(listener, router).await.expect("served");
    });
    let service = RdvAgendaSync::new(&banc.config(&public_url), &equipment(&banc)).expect("valid");
    let sim = &banc.simulateur;
    let organisation = sim.creer_organisation("MSP");
    let courriel = "medecin@exemple.example".to_owned();
    let lieu = "msp-demo".parse().expect("id");
    for question in [
        Question::Inviter { organisation, courriel: courriel.clone(), niveau: None },
        Question::EnregistrerWebhook { lieu, organisation },
    ] {
        service.ask(&question, uuid::Uuid::nil(), Attempt::First).await.expect("done");
    }
    banc.driver.quiet().await;
    let recus = |receveur: &Receveur| std::mem::take(&mut *receveur.recus.lock().expect("lock"));
    let replayed = recus(&receveur);
    assert_eq!(replayed.len(), 1, "registration sends what exists: {replayed:?}");
    assert!(replayed[0].1.contains(r#""model":"AgentRole""#));

    *receveur.pannes.lock().expect("lock") = 3;
    let rdv = sim.prendre_rdv(
        &courriel,
        debut() + TimeDelta::days(3),
        std::time::Duration::from_mins(20),
    );
    let rdv = rdv.expect("booked");
    let limit = debut() + TimeDelta::days(1);
    banc.driver.advance(limit).await.expect("a retry is due");
    // Changed between two attempts: its own delivery, and the next repetition shows it too.
    assert!(sim.statuer_rdv(rdv, "revoked"));
    while banc.driver.advance(limit).await.is_some() {}
    let seen = recus(&receveur);
    let minutes: Vec<_> = seen.iter().map(|(t, _)| (*t - debut()).num_minutes()).collect();
    assert_eq!(minutes[0], 0);
    assert!(minutes.windows(2).all(|w| w[0] <= w[1]) && *minutes.last().expect("some") >= 2);
    assert!(seen.last().expect("some").1.contains(r#""status":"revoked""#), "rendered afresh");
    assert!(seen[0].1.contains(MARQUEUR), "their bodies carry patients");
    assert_eq!(sim.livraisons(), 3, "role, appointment, change");
    banc.fin().await;
}

#[tokio::test]
async fn no_call_goes_without_a_token() {
    let banc = Banc::new(Options::default()).await;
    let http = HttpClient::new(HttpSettings {
        base_url: banc.simulateur.url().to_owned(),
        timeout_ms: 1_000,
        max_body_bytes: 10_000,
    });
    let http = http.expect("client");
    for path in ["/api/v1/agents/me", "/api/v1/organisations", "/api/v1/lieux"] {
        let refused = http.send(http.request(reqwest::Method::GET, path)).await;
        let status = refused.expect_err("refused");
        assert!(matches!(status, agency::HttpError::Status { status: 401, .. }), "{status:?}");
    }
    banc.fin().await;
}
