//! No word about a patient stays in Relais: marked patients go through the real endpoint of
//! webhooks, readable, unreadable, unsigned, too large, and through what is read of the API. Then
//! every column of every table, the bytes of the store's files, everything that was logged, and
//! everything that was published or mailed is searched. Each search must also find what is there.

#[path = "commun/bout.rs"]
mod bout;
mod commun;
#[path = "commun/facteur.rs"]
mod facteur;
#[path = "commun/relais_api.rs"]
mod relais_api;

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use bout::{Bout, COURRIEL, activite, lieu};
use chrono::TimeDelta;
use commun::{Banc, FICHIER};
use contracts::messages::{
    ActiviteModifiee, AgendaOuvert, PanneOuverte, PlanningPublie, Situation,
};
use hmac::{Hmac, KeyInit, Mac};
use rdv_agenda_sync::{
    simulator::{MARQUEUR, Options},
    webhook,
};
use relais_api::RelaisApi;
use service::OperatorAction;
use sha2::Sha256;
use store::sqlite::search;

/// What every patient of this test is made of, beside those of the simulator ([`MARQUEUR`]).
const PATIENT: &str = "Zoé-MARQUE-Patiente";
/// The same to someone who only reads ASCII.
const ASCII: &str = "MARQUE-Patiente";

/// Everything that is logged, at every level.
#[derive(Clone, Default)]
struct Journal(Arc<Mutex<Vec<u8>>>);

impl io::Write for Journal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("lock").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Journal {
    fn poser() -> Self {
        let journal = Self::default();
        let writer = journal.clone();
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .init();
        journal
    }

    fn lignes(&self, word: &str) -> Vec<String> {
        let bytes = self.0.lock().expect("lock").clone();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        text.lines().filter(|l| l.contains(word)).map(str::to_owned).collect()
    }
}

/// Bodies that hold the patient wherever a body may hold something.
fn corps(agent: i64) -> Vec<String> {
    let whole = format!(
        r#"{{"data":{{"id":901,"status":"unknown","starts_at":"2026-03-09 09:00:00 +0100","ends_at":"2026-03-09 09:15:00 +0100","agents":[{{"id":{agent},"email":"{COURRIEL}","first_name":"{PATIENT}"}}],"context":"{PATIENT}","name":"{PATIENT}","users":[{{"id":1,"first_name":"{PATIENT}","affiliation_number":"{PATIENT}","notes":"{PATIENT}"}}],"participations":[{{"user":{{"last_name":"{PATIENT}"}}}}],"{PATIENT}":"{PATIENT}"}},"meta":{{"model":"Rdv","event":"created","webhook_reason":null,"timestamp":"2026-03-02 10:00:00 +0100","{PATIENT}":"{PATIENT}"}},"{PATIENT}":["{PATIENT}"]}}"#
    );
    let absence = format!(
        r#"{{"data":{{"id":902,"agent":{{"id":{agent}}},"title":"{PATIENT}","first_day":"2026-03-12","end_day":"2026-03-12","start_time":"08:00","end_time":"09:00","rrule":null}},"meta":{{"model":"Absence","event":"updated","timestamp":"2026-03-02 10:00:00 +0100"}}}}"#
    );
    let quoted = format!("\"{PATIENT}\"");
    let spoil = |from: &str, to: &str| {
        assert!(whole.contains(from), "{from}");
        whole.replacen(from, to, 1)
    };
    vec![
        absence.replace("\"rrule\":null", &format!("\"rrule\":\"FREQ=WEEKLY;BYDAY={PATIENT};\"")),
        absence.replace("\"2026-03-12\"", &quoted),
        absence,
        // A field of ours with a patient in it.
        spoil("901", &quoted),
        spoil("\"unknown\"", &quoted),
        spoil("\"2026-03-09 09:00:00 +0100\"", &quoted),
        spoil("\"2026-03-02 10:00:00 +0100\"", &quoted),
        spoil("\"Rdv\"", &quoted),
        spoil("\"created\"", &quoted),
        spoil("\"webhook_reason\":null", &format!("\"webhook_reason\":{quoted}")),
        spoil("\"Rdv\"", "\"User\""),
        // Not JSON, or only at its beginning.
        format!("{PATIENT} n'est pas du JSON"),
        whole[..whole.len() - 3].to_owned(),
        format!("{{\"meta\":{{\"model\":\"Rdv\"}},\"data\":\"{PATIENT}\"}}"),
        whole,
    ]
}

/// Answers of the API in place of a list of appointments.
fn reponses() -> Vec<(u16, String)> {
    let rdv = |id: &str, status: &str, at: &str| {
        format!(
            r#"{{"rdvs":[{{"id":{id},"agents":[],"status":{status},"starts_at":{at},"ends_at":"2026-03-09 09:15:00 +0100","users":[{{"first_name":"{PATIENT}"}}],"{PATIENT}":"{PATIENT}"}}],"meta":{{"next_page":null}}}}"#
        )
    };
    let (quoted, at) = (format!("\"{PATIENT}\""), "\"2026-03-09 09:00:00 +0100\"");
    vec![
        (200, rdv(&quoted, "\"seen\"", at)),
        (200, rdv("1", "\"seen\"", &quoted)),
        (200, rdv("1", &format!("{{{quoted}:{quoted}}}"), at)),
        (200, format!("{{\"rdvs\":{quoted}}}")),
        (200, format!("{PATIENT} en maintenance")),
        (500, format!("{{\"errors\":[{quoted}]}}")),
        (429, quoted.clone()),
        (200, rdv("903", &quoted, at)),
    ]
}

#[expect(clippy::disallowed_methods, reason = "the sender is not one of Relais")]
async fn poster(bout: &Bout, corps: &str, signature: &str) -> u16 {
    let url = format!("http://{}/hooks/rdvsp/{}", bout.running.addr(), lieu().id);
    let request = reqwest::Client::new().post(url).header("X-Lapin-Signature", signature);
    let sent = request.header("Content-Type", "application/json").body(corps.to_owned()).send();
    sent.await.expect("answered").status().as_u16()
}

/// Posts everything: signed, with a wrong signature, unsigned, and too large.
async fn assaillir(bout: &Bout, agent: i64) {
    let secret = webhook::secret(&bout.banc.config("http://127.0.0.1:9"), &lieu().id);
    let signer = |corps: &str| {
        let mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes());
        let mut mac = mac.expect("any length");
        mac.update(corps.as_bytes());
        hex::encode(mac.finalize().into_bytes())
    };
    for corps in corps(agent) {
        assert_eq!(poster(bout, &corps, &signer(&corps)).await, 200, "{corps}");
        for wrong in ["00", "", ASCII, &signer("autre chose")] {
            assert_eq!(poster(bout, &corps, wrong).await, 400, "{corps}");
        }
    }
    let large = PATIENT.repeat(webhook::CORPS_MAX / PATIENT.len() + 1);
    assert_eq!(poster(bout, &large, &signer(&large)).await, 413);
}

/// The files of a folder that hold a word.
fn fichiers(folder: &Path, word: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("folder") {
        let path = entry.expect("entry").path();
        let bytes = std::fs::read(&path).expect("a file");
        if bytes.windows(word.len()).any(|w| w == word.as_bytes()) {
            found.push(path.file_name().expect("name").to_string_lossy().into_owned());
        }
    }
    found.sort();
    found
}

/// Searches everything, for what must be there and for what must not.
async fn fouiller(bout: &Bout, journal: &Journal) {
    let folder = bout.banc.dir.path().to_owned();
    let file = folder.join(FICHIER);
    let present = search(&file, COURRIEL).await.expect("read");
    assert!(!present.is_empty(), "the search of the columns finds what is there");
    assert!(!fichiers(&folder, COURRIEL).is_empty());
    let wal = format!("{FICHIER}-wal");
    assert!(folder.join(&wal).exists(), "what was written last is searched too");
    for word in ["webhook with a wrong signature", "TRACE", "webhook too large"] {
        assert!(!journal.lignes(word).is_empty(), "{word} is logged");
    }
    let messages = |word: &str| {
        let has = |bytes: &[u8]| bytes.windows(word.len()).any(|w| w == word.as_bytes());
        bout.vus.iter().filter(|e| has(&e.data)).map(|e| e.message_type.clone()).collect::<Vec<_>>()
    };
    assert!(!messages("abc123").is_empty());
    let mails = bout.boite.lock().expect("lock").clone();
    assert!(mails.iter().any(|m| m.contains("Auto-Submitted")));
    for word in [PATIENT, ASCII, MARQUEUR] {
        assert_eq!(
            search(&file, word).await.expect("read"),
            [] as [String; 0],
            "{word} is in the store"
        );
        assert_eq!(fichiers(&folder, word), [] as [String; 0], "{word} is in a file");
        assert_eq!(journal.lignes(word), [] as [String; 0], "{word} is logged");
        assert_eq!(messages(word), [] as [String; 0], "{word} is published");
        assert!(mails.iter().all(|m| !m.contains(word)), "{word} is mailed");
    }
}

#[tokio::test]
async fn nothing_about_patients_stays_anywhere() {
    let journal = Journal::poser();
    let banc = Banc::new(Options::default()).await;
    let api = RelaisApi::demarrer(banc.simulateur.url(), &banc.tasks).await;
    let mut bout = Bout::demarrer(banc, Some(api.url().to_owned())).await;
    let organisation = bout.ouvrir().await;
    let sim = bout.banc.simulateur.clone();
    let [day, away] = ["2026-03-09", "2026-03-12"].map(|d| d.parse().expect("date"));
    let [eight, noon] = ["08:00:00", "12:00:00"].map(|t| t.parse().expect("time"));
    sim.ouvrir_plage(COURRIEL, organisation, day, eight, noon, None).expect("opened");
    let start = kernel::paris_at(day, eight);
    let seen = sim.prendre_rdv(COURRIEL, start, Duration::from_mins(15)).expect("booked");
    sim.prendre_rdv(COURRIEL, start + TimeDelta::hours(1), Duration::from_mins(15));
    sim.ajouter_absence(COURRIEL, away, eight, away, noon).expect("known");
    bout.vivre("2026-03-02T12:00:00Z").await;
    let open = bout.faits::<AgendaOuvert>().pop().expect("open").0;
    let agent = open.url.rsplit('/').next().and_then(|id| id.parse().ok()).expect("an agent");
    assaillir(&bout, agent).await;
    bout.voir().await;
    fouiller(&bout, &journal).await;

    // What is read of the API: as it should be, then one wrong answer after the other.
    let action = OperatorAction {
        action: "reconcilier".to_owned(),
        cle: format!("lieu/{}", lieu().id),
        champs: [].into(),
        par: "dns".to_owned(),
    };
    bout.operer(&action).await;
    bout.vivre("2026-03-03T12:00:00Z").await;
    assert!(api.marques(MARQUEUR) > 0, "real lists hold patients");
    fouiller(&bout, &journal).await;
    for wrong in reponses() {
        api.repondre(wrong);
        bout.operer(&action).await;
        bout.vivre_jusque(bout.banc.clock.now() + TimeDelta::seconds(2)).await;
        // While the call waits for its next attempt, why it failed is kept.
        fouiller(&bout, &journal).await;
        bout.vivre_jusque(bout.banc.clock.now() + TimeDelta::hours(2)).await;
    }
    assert_eq!(api.servies(), reponses().len(), "every wrong answer was read");
    bout.vivre("2026-03-10T12:00:00Z").await;
    assert!(sim.statuer_rdv(seen, "seen"));
    bout.publier(2, &ActiviteModifiee(activite(Situation::Ouverte, "2026-03-02"))).await;
    bout.vivre("2026-03-12T12:00:00Z").await;
    assert!(bout.faits::<PanneOuverte>().len() > 3, "what cannot be read is seen");
    assert!(!bout.faits::<PlanningPublie>().is_empty());

    fouiller(&bout, &journal).await;
    bout.fin().await;
}
