use super::*;
use crate::config::tests::exemple;

/// A body as `WebhookJob` makes it, transcribed by hand from the blueprints.
fn corps(model: &str, event: &str, reason: &str, data: &str) -> String {
    format!(
        r#"{{"data":{data},"meta":{{"model":"{model}","event":"{event}",
        "webhook_reason":{reason},"timestamp":"2026-03-03 12:44:33 +0100"}}}}"#
    )
}

const AGENT: &str =
    r#"{"id":7,"email":"Medecin@exemple.example","first_name":"A","last_name":"B"}"#;

fn rdv_json() -> String {
    format!(
        r#"{{"id":10,"status":"seen","starts_at":"2026-03-02 08:00:00 +0100",
        "ends_at":"2026-03-02T08:20:00+01:00","context":"PATIENT-MARQUEUR","address":"PATIENT-MARQUEUR",
        "agents":[{AGENT}],"cancelled_at":null,
        "users":[{{"id":68,"first_name":"PATIENT-MARQUEUR","birth_date":"1950-01-01"}}],
        "participations":[{{"id":13,"user":{{"last_name":"PATIENT-MARQUEUR"}}}}]}}"#
    )
}

fn plage_json(rrule: &str) -> String {
    format!(
        r#"{{"id":41,"agent":{AGENT},"first_day":"2026-03-02","start_time":"08:00:00",
        "end_time":"12:00","title":"PATIENT-MARQUEUR","lieu":null,"motifs":[],"rrule":{rrule}}}"#
    )
}

fn observe(corps: &str) -> Observation {
    let lecture = lire(corps.as_bytes());
    let Lecture::Observation(observation) = lecture else { panic!("unexpected {lecture:?}") };
    observation
}

#[test]
fn only_the_right_signature_of_the_right_site_is_accepted() {
    let config = exemple();
    let lieu: LieuId = "msp-demo".parse().expect("id");
    let autre: LieuId = "msp-autre".parse().expect("id");
    let secret_lieu = secret(&config, &lieu);
    assert_ne!(secret_lieu, secret(&config, &autre), "one secret a site");
    assert_eq!(secret_lieu.expose().len(), 64);
    let mut mac = cle(&secret_lieu);
    mac.update(b"{}");
    let good = hex::encode(mac.finalize().into_bytes());
    assert!(signature_valide(&secret_lieu, b"{}", Some(&good)));
    let long = format!("{good}00");
    let wrong = [
        None,
        Some(""),
        Some("zz"),
        Some(&good[..62]),
        Some(long.as_str()),
        Some("sha256=00"),
        Some("é"),
    ];
    for signature in wrong {
        assert!(!signature_valide(&secret_lieu, b"{}", signature), "{signature:?}");
    }
    assert!(!signature_valide(&secret_lieu, b"{} ", Some(&good)), "another body");
    assert!(!signature_valide(&secret(&config, &autre), b"{}", Some(&good)), "another site");
}

#[test]
fn an_endpoint_made_by_hand_has_the_secret_that_was_chosen() {
    let lieu: LieuId = "msp-demo".parse().expect("id");
    let mut config = exemple();
    config.webhook_secrets.insert(lieu.clone(), Secret::new("choisi"));
    assert_eq!(secret(&config, &lieu).expose(), "choisi");
    assert_eq!(adresse(&config, &lieu), "https://relais.example/hooks/rdvsp/msp-demo");
}

#[test]
fn nothing_about_patients_is_left() {
    for event in ["created", "updated", "destroyed"] {
        let observation = observe(&corps("Rdv", event, "null", &rdv_json()));
        let stored = serde_json::to_string(&Evenement::Webhook(observation)).expect("encodes");
        for word in ["MARQUEUR", "1950", "first_name", "68"] {
            assert!(!stored.contains(word), "{word} in {stored}");
        }
    }
    let titled = observe(&corps("PlageOuverture", "created", "null", &plage_json("null")));
    assert!(!format!("{titled:?}").contains("MARQUEUR"));
}

#[test]
fn every_model_that_is_followed_is_read() {
    let rdv = observe(&corps("Rdv", "updated", "null", &rdv_json()));
    assert_eq!((rdv.id, rdv.agents[0].id), (10, 7));
    assert_eq!(rdv.horodatage.to_rfc3339(), "2026-03-03T11:44:33+00:00");
    let Fait::Rdv(Some(content)) = rdv.fait else { panic!("{rdv:?}") };
    assert_eq!(content.statut, StatutRdv::Seen);
    assert_eq!((content.fin - content.debut).num_minutes(), 20);

    let rule = r#""FREQ=WEEKLY;BYDAY=MO;""#;
    let plage = observe(&corps("PlageOuverture", "created", "null", &plage_json(rule)));
    let Fait::Plage(Some(content)) = plage.fait else { panic!("{plage:?}") };
    assert!(content.regle.is_some());

    let role = format!(r#"{{"id":77,"access_level":"basic","agent":{AGENT},"organisation":{{}}}}"#);
    for (event, present) in [("created", true), ("destroyed", false)] {
        let seen = observe(&corps("AgentRole", event, "null", &role));
        assert_eq!(seen.fait, Fait::Role(present));
    }

    let absence = format!(
        r#"{{"id":18,"agent":{AGENT},"first_day":"2026-03-02","end_day":"2026-03-04",
        "start_time":"08:00:00","end_time":"15:00:00","organisation":{{"id":1}},"rrule":null}}"#
    );
    let seen = observe(&corps("Absence", "created", "null", &absence));
    assert!(matches!(seen.fait, Fait::Absence(Some(_))), "{seen:?}");
    assert_eq!(observe(&corps("Absence", "destroyed", "null", &absence)).fait, Fait::Absence(None));
}

#[test]
fn a_status_that_is_not_known_is_accepted() {
    let waiting = rdv_json().replace("\"seen\"", "\"waiting\"");
    let Fait::Rdv(Some(rdv)) = observe(&corps("Rdv", "updated", "null", &waiting)).fait else {
        panic!("not an appointment");
    };
    assert_eq!(rdv.statut, StatutRdv::Autre);
}

#[test]
fn a_purge_and_models_that_are_not_followed_are_nothing() {
    let purge = corps("Rdv", "destroyed", "\"rgpd\"", &rdv_json());
    assert_eq!(lire(purge.as_bytes()), Lecture::SansObjet);
    for model in ["User", "Organisation", "Nouveau"] {
        assert_eq!(lire(corps(model, "created", "null", "{}").as_bytes()), Lecture::SansObjet);
    }
}

#[test]
fn what_cannot_be_read_is_seen_without_its_content() {
    let cases = [
        ("pas du JSON".to_owned(), "inconnu"),
        (corps("Rdv", "created", "null", r#"{"id":"PATIENT-MARQUEUR"}"#), "Rdv"),
        (
            corps("PlageOuverture", "created", "null", &plage_json("\"FREQ=LUNAIRE;\"")),
            "PlageOuverture",
        ),
    ];
    for (body, modele) in cases {
        assert_eq!(lire(body.as_bytes()), Lecture::Illisible { modele }, "{body}");
    }
}

#[test]
fn the_same_delivery_has_the_same_id() {
    let lieu: LieuId = "msp-demo".parse().expect("id");
    let autre: LieuId = "msp-autre".parse().expect("id");
    let body = corps("Rdv", "updated", "null", &rdv_json());
    let event = |b: &str| Evenement::Webhook(observe(b));
    assert_eq!(id_de(&lieu, &event(&body)), id_de(&lieu, &event(&body)));
    assert_ne!(id_de(&lieu, &event(&body)), id_de(&autre, &event(&body)));
    let later = body.replace("12:44:33", "12:44:34");
    assert_ne!(id_de(&lieu, &event(&body)), id_de(&lieu, &event(&later)));
    // Only what is kept counts.
    let renamed = body.replace("PATIENT-MARQUEUR", "Autre");
    assert_eq!(id_de(&lieu, &event(&body)), id_de(&lieu, &event(&renamed)));
}
