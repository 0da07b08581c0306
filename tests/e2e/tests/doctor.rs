//! `relais doctor`, and services that refuse to start: on a good broker, then on one that was
//! broken on purpose. The service speaks to the broker over TLS, with a client certificate.

use std::process::Command;

use e2e::{Cellule, Poste, code_et_texte};
use harness::{Serveurs, binaire, tls};
use reqwest::Method;
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection};

fn doctor(cellule: &Cellule, poste: &Poste, management: &str) -> (Option<i32>, String) {
    let output = Command::new(binaire("relais"))
        .args(["doctor", "--services", poste.service])
        .arg("--config")
        .arg(&poste.config)
        .arg("--secrets")
        .arg(cellule.chemin("secrets"))
        .env("AMQP_MGMT_URL", management)
        .output();
    code_et_texte(&output.expect("the command runs"))
}

fn contient(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.contains(line), "{line} is missing in:\n{text}");
    }
}

async fn sql(poste: &Poste, text: &'static str) {
    let mut conn = PgConnection::connect(&poste.base()).await.expect("a base");
    conn.execute(text).await.expect("done");
    conn.close().await.expect("closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_broker_is_told_from_a_broken_one() {
    let Some(serveurs) = Serveurs::trouver() else { return };
    let Some((amqps, certificats)) = tls() else { return };
    let Some(cellule) = Cellule::ouvrir().await else { return };
    let (code, text) = cellule.topology("apply", &[]);
    assert_eq!(code, Some(0), "{text}");
    let dossier = certificats.display();
    let plus = format!(
        "amqp_ca = \"{dossier}/ca.pem\"\namqp_cert = \"{dossier}/client.pem\"\n\
         amqp_key = \"{dossier}/client.key\""
    );
    let url = cellule.url(&amqps, "cpam-cps");
    let poste = Poste::preparer(&cellule, &serveurs, "cpam-cps", &url, &plus).await;
    let management = cellule.gestion().expose().to_owned();

    let (code, text) = doctor(&cellule, &poste, &management);
    assert_eq!(code, Some(0), "{text}");
    contient(&text, &["ok         base           cpam-cps : neuve"]);
    // A service starts on it, over TLS.
    let mut process = poste.lancer(None);
    poste.attendre_pret(&mut process).await;
    let (code, text) = doctor(&cellule, &poste, &management);
    assert_eq!(code, Some(0), "{text}");
    contient(
        &text,
        &[
            "ok         configuration  lisible pour cpam-cps\n",
            "ok         référentiel    complet\n",
            "ok         base           cpam-cps : à jour (version 1",
            "ok         horloge        PostgreSQL : +0 s",
            "ok         courtier       amqp_url : connecté",
            "ok         courtier       RabbitMQ ",
            "ok         topologie      files, limites et droits : ",
            "ok         certificat     amqp_cert (CN=client) : valable jusqu'au ",
            "ok         certificat     courtier (CN=serveur) : valable jusqu'au ",
            "aucune erreur, aucun avertissement\n",
        ],
    );
    process.tuer();
    // The supervision's user sees limits, not users: the doctor says so instead of guessing.
    let (code, text) = doctor(&cellule, &poste, &cellule.gestion_de("relais-supervision"));
    assert_eq!(code, Some(1), "{text}");
    contient(&text, &["l'étiquette administrator"]);

    casser_les_limites(&cellule, &poste, &management).await;
    base_trop_recente(&cellule, &poste, &management).await;
    poste.effacer().await;
    cellule.fermer().await;
}

async fn casser_les_limites(cellule: &Cellule, poste: &Poste, management: &str) {
    let vhost = cellule.nom.as_str();
    let weak = json!({ "pattern": "^cpam-cps$", "apply-to": "queues", "priority": 9,
        "definition": { "max-length": 10 } });
    cellule.gerer(Method::PUT, &["policies", vhost, "intruse"], Some(weak)).await;
    cellule.gerer(Method::DELETE, &["topic-permissions", vhost, "cpam-981"], None).await;
    let (code, text) = doctor(cellule, poste, management);
    assert_eq!(code, Some(1), "{text}");
    contient(
        &text,
        &[
            "erreur     topologie      conflit : file cpam-cps : la politique intruse (priorité 9)",
            "erreur     droits         création : clés de réponse de cpam-981",
            "2 erreurs, 1 avertissement\n",
        ],
    );
    let mut process = poste.lancer(None);
    let (code, text) = poste.attendre_fin(&mut process).await;
    assert_eq!(code, Some(1), "{text}");
    contient(
        &text,
        &[
            "cpam-cps ne démarre pas, le courtier perdrait des messages",
            "file cpam-cps : aucune limite de livraisons",
            "file cpam-cps : pleine, elle jette ses plus vieux messages",
            "file cpam-cps : ce qui est livré trop souvent est jeté",
        ],
    );
    let run = Command::new(binaire("relais"))
        .args(["run", "--services", "cpam-cps", "--config"])
        .arg(&poste.config)
        .output();
    let (code, text) = code_et_texte(&run.expect("the command runs"));
    assert_eq!(code, Some(1), "{text}");
    contient(&text, &["cpam-cps ne démarre pas"]);
    cellule.gerer(Method::DELETE, &["policies", vhost, "intruse"], None).await;
    // A queue that was made by hand, without end: RabbitMQ 3.10 drops at the first failure.
    cellule.gerer(Method::DELETE, &["queues", vhost, "cpam-cps"], None).await;
    let endless = json!({ "durable": true,
        "arguments": { "x-queue-type": "quorum", "x-delivery-limit": -1 } });
    cellule.gerer(Method::PUT, &["queues", vhost, "cpam-cps"], Some(endless)).await;
    let (code, text) = doctor(cellule, poste, management);
    assert_eq!(code, Some(1), "{text}");
    contient(&text, &["conflit : file cpam-cps : ses arguments sont x-delivery-limit = -1"]);
    let mut process = poste.lancer(None);
    let (code, text) = poste.attendre_fin(&mut process).await;
    assert_eq!(code, Some(1), "{text}");
    contient(&text, &["file cpam-cps : limite de livraisons -1"]);
    cellule.gerer(Method::DELETE, &["queues", vhost, "cpam-cps"], None).await;
    assert_eq!(cellule.topology("apply", &[]).0, Some(0));
}

async fn base_trop_recente(cellule: &Cellule, poste: &Poste, management: &str) {
    sql(
        poste,
        "insert into _sqlx_migrations
            (version, description, success, checksum, execution_time)
         values (999, 'future', true, '', 0)",
    )
    .await;
    let (code, text) = doctor(cellule, poste, management);
    assert_eq!(code, Some(1), "{text}");
    contient(&text, &["migrée à la version 999 par un programme plus récent"]);
    let mut process = poste.lancer(None);
    let (code, text) = poste.attendre_fin(&mut process).await;
    assert_eq!(code, Some(1), "{text}");
    contient(&text, &["a newer program brought the store to version 999"]);
    // A broker that nobody trusts.
    let text = std::fs::read_to_string(&poste.config).expect("the settings");
    std::fs::write(&poste.config, text.replace("/ca.pem", "/autre-ca.pem")).expect("a file");
    let (code, text) = doctor(cellule, poste, management);
    assert_eq!(code, Some(1), "{text}");
    contient(&text, &["erreur     certificat     courtier : TLS: the broker's certificate"]);
}
