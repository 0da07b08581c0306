//! The mailer of `contact` against the simulated mail server.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use agency::faults::FaultKind;
use chrono::{DateTime, Utc};
use contact::{Courriel, Fichier, Lien, Links, Mailer, MailerSettings, Modele};
use kernel::{Clock, Fault, Secret, Tasks, derive_id};
use simulators::smtp::SmtpSimule;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const SITE: &str = "accueil@msp-fictive.example";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("instant")
}

fn clock() -> Clock {
    Clock::virtual_at(at("2026-03-02T08:00:00Z")).0
}

fn links() -> Links {
    Links::new(Secret::new("clé de test"), "https://relais.example", "indemnite")
}

fn mailer(server: &SmtpSimule, timeout_ms: u64) -> Mailer {
    let settings = MailerSettings {
        url: server.url(),
        user: None,
        password: None,
        from: "Relais <ne-pas-repondre@relais.example>".to_owned(),
        reply_to: None,
        timeout_ms,
    };
    Mailer::new(settings, clock(), links()).expect("a mailer")
}

fn attestation() -> Courriel {
    Courriel {
        a: SITE.to_owned(),
        modele: Modele::AttestationDemandee { date: "2026-03-02".parse().expect("date") },
        reference: "lieu creuse-01".to_owned(),
        lien: Some(Lien {
            sujet: "attestation".to_owned(),
            cle: "attestation/creuse-01/2026-03-02".to_owned(),
            question: "1".to_owned(),
            expire_le: at("2026-04-01T00:00:00Z"),
        }),
    }
}

#[tokio::test]
async fn a_mail_arrives_whole_and_its_link_is_the_one_that_was_signed() {
    let tasks = Tasks::new();
    let server = SmtpSimule::start(clock(), &tasks, 0).await.expect("starts");
    let (courriel, id) = (attestation(), derive_id(&["a"]));
    mailer(&server, 5000).send(id, &courriel).await.expect("sent");
    let mail = server.mails().pop().expect("one mail");
    assert_eq!(mail.id, format!("<{id}@relais.example>"));
    assert_eq!((mail.de.as_str(), mail.a.as_str()), ("ne-pas-repondre@relais.example", SITE));
    assert_eq!(mail.objet, "Présence à attester – lundi 2 mars 2026 (lieu creuse-01)");
    assert!(mail.texte.contains("l’indemnité des médecins en dépend."), "{}", mail.texte);
    let token = mail.liens[0].strip_prefix("https://relais.example/r/").expect("the base");
    assert_eq!(links().check(token, mail.recu_le), Ok(courriel.lien.expect("a link")));
    assert_eq!(mail.recu_le, at("2026-03-02T08:00:00Z"));
}

#[tokio::test]
async fn attachments_arrive_in_their_order_and_to_the_byte() {
    let tasks = Tasks::new();
    let server = SmtpSimule::start(clock(), &tasks, 0).await.expect("starts");
    let calendar = |text: &str| ("planning.ics", "text/calendar; charset=utf-8", text.into());
    let long =
        format!("BEGIN:VCALENDAR\r\n.\r\n..é\r\nX:{}\r\nEND:VCALENDAR\r\n", "x".repeat(3000));
    // Every byte, in every place of a base64 group, and what ends a mail or a part.
    let mut binary: Vec<u8> = (0..=255).cycle().take(300_001).collect();
    binary.extend(b"\r\n.\r\n--x--\r\n\r\n");
    let files: Vec<(&str, &str, Vec<u8>)> = vec![
        calendar(&long),
        ("planning.pdf", "application/pdf", binary),
        calendar("BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n\r\n"),
        ("vide.bin", "application/octet-stream", Vec::new()),
    ];
    let day = "2026-03-02".parse().expect("date");
    let modele = Modele::PlanningPublie { du: day, au: day, imprime: true };
    let courriel = Courriel { modele, lien: None, ..attestation() };
    let file = |(nom, kind, octets): &(&str, &str, Vec<u8>)| Fichier {
        nom: (*nom).to_owned(),
        type_mime: (*kind).to_owned(),
        octets: octets.clone(),
    };
    let sent = files.iter().map(file).collect();
    mailer(&server, 5000).send_with(derive_id(&["a"]), &courriel, sent).await.expect("sent");
    let mail = server.mails().pop().expect("one mail");
    assert!(mail.texte.starts_with("Bonjour,") && mail.liens.is_empty(), "{}", mail.texte);
    assert_eq!(mail.pieces.len(), files.len());
    for (piece, (nom, kind, octets)) in mail.pieces.iter().zip(&files) {
        assert_eq!((piece.nom.as_str(), piece.type_mime.as_str()), (*nom, *kind));
        assert!(piece.contenu == *octets, "{nom}: {} bytes", piece.contenu.len());
    }
}

#[tokio::test]
async fn an_attachment_of_no_type_is_refused_before_anything_is_sent() {
    let tasks = Tasks::new();
    let server = SmtpSimule::start(clock(), &tasks, 0).await.expect("starts");
    let (nom, type_mime) = ("x".to_owned(), "pas un type".to_owned());
    let file = Fichier { nom, type_mime, octets: vec![] };
    let (mailer, courriel) = (mailer(&server, 5000), attestation());
    let sent = mailer.send_with(derive_id(&["a"]), &courriel, vec![file]).await;
    assert_eq!(sent.expect_err("refused").code(), "courriel-impossible");
    assert_eq!(server.compte().recus, 0);
}

#[tokio::test]
async fn attachments_that_are_not_made_to_the_end_are_made_again() {
    let tasks = Tasks::new();
    let server = SmtpSimule::start(clock(), &tasks, 0).await.expect("starts");
    let (mailer, courriel, id) = (mailer(&server, 5000), attestation(), derive_id(&["a"]));
    let sent = mailer.send_making(id, &courriel, || panic!("a font without glyphs")).await;
    let fault = sent.expect_err("interrupted");
    assert!(matches!(&fault, Fault::Transient { .. }), "{fault:?}");
    assert_eq!(fault.code(), "courriel-interrompu");
    let wrong = || Err(Fault::permanent("sans-planning", std::fmt::Error));
    let refused = mailer.send_making(id, &courriel, wrong).await.expect_err("its own fault");
    assert_eq!(refused.code(), "sans-planning");
    assert_eq!(server.compte().recus, 0, "nothing leaves without its files");
    let (nom, type_mime) = ("x.pdf".to_owned(), "application/pdf".to_owned());
    let made = move || Ok(vec![Fichier { nom, type_mime, octets: b"%PDF".to_vec() }]);
    mailer.send_making(id, &courriel, made).await.expect("sent");
    assert_eq!(server.mails().pop().expect("one mail").pieces[0].contenu, b"%PDF");
}

#[tokio::test]
async fn each_fault_has_its_class_and_the_next_mail_passes() {
    let tasks = Tasks::new();
    let server = SmtpSimule::start(clock(), &tasks, 0).await.expect("starts");
    let mailer = mailer(&server, 500);
    let faults = [
        (FaultKind::Status(451), "smtp-reporte", true),
        (FaultKind::Status(550), "smtp-refus", false),
        (FaultKind::TooMany(60), "smtp-reporte", true),
        (FaultKind::Down, "smtp-injoignable", true),
        (FaultKind::Wrong, "smtp-injoignable", true),
        (FaultKind::Slow(Duration::from_secs(5)), "smtp-injoignable", true),
    ];
    for (round, (kind, code, transient)) in faults.into_iter().enumerate() {
        server.faults().set(move |call, _| (call == format!("mail {SITE}")).then_some(kind));
        let id = derive_id(&["fault", &round.to_string()]);
        let fault = mailer.send(id, &attestation()).await.expect_err("a fault");
        assert_eq!(fault.code(), code, "{kind:?}: {}", fault.chain());
        assert_eq!(matches!(fault, Fault::Transient { .. }), transient, "{kind:?}");
        assert!(!fault.chain().contains('@'), "{}", fault.chain());
        server.faults().clear();
        mailer.send(id, &attestation()).await.expect("sent");
    }
    // Only the slow one was taken before its fault, hence twice.
    let compte = server.compte();
    assert_eq!((compte.recus, compte.distincts), (7, 6));
    assert_eq!(server.mails().last().map(|mail| mail.exemplaire), Some(2));
}

#[tokio::test]
async fn the_hook_is_told_before_the_sender_and_big_runs_only_count() {
    let tasks = Tasks::new();
    let server = SmtpSimule::start(clock(), &tasks, 0).await.expect("starts");
    server.set_keep(false);
    let told = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&told);
    server.set_hook(move |mail| seen.lock().expect("lock").push(mail.exemplaire));
    let mailer = mailer(&server, 5000);
    for expected in 1..=3 {
        mailer.send(derive_id(&["same"]), &attestation()).await.expect("sent");
        assert_eq!(told.lock().expect("lock").last(), Some(&expected));
    }
    assert!(server.mails().is_empty());
    assert_eq!((server.compte().recus, server.compte().distincts), (3, 1));
}

#[tokio::test]
async fn a_mailer_without_settings_waits() {
    let fault = Mailer::absent().send(derive_id(&["a"]), &attestation()).await.expect_err("absent");
    assert!(matches!(fault, Fault::Transient { code: "smtp-non-configure", .. }));
}

#[tokio::test]
async fn the_server_speaks_smtp_to_any_client() {
    let tasks = Tasks::new();
    let server = SmtpSimule::start(clock(), &tasks, 0).await.expect("starts");
    let address = server.url().replace("smtp://", "");
    let mut client = TcpStream::connect(address).await.expect("connected");
    let dialogue = "HELO x\r\nDATA\r\nRCPT TO:<a@b.example>\r\nNOOP\r\nnonsense\r\n\
        MAIL FROM:<>\r\nRSET\r\nMAIL FROM:<c@d.example>\r\nrcpt to:<a@b.example>\r\nDATA\r\n\
        Subject: x\r\n\r\n..leading dot\r\n.\r\nQUIT\r\n";
    client.write_all(dialogue.as_bytes()).await.expect("pipelined");
    let mut answers = String::new();
    client.read_to_string(&mut answers).await.expect("answers");
    let codes: Vec<_> = answers.lines().map(|line| &line[..3]).collect();
    let expected =
        ["220", "250", "503", "503", "250", "502", "250", "250", "250", "250", "354", "250", "221"];
    assert_eq!(codes, expected);
    assert_eq!(server.mails()[0].texte, ".leading dot");
}
