//! `relais topology` against a real broker, in a virtual host of the test's own.

use std::process::{Command, Output};

use agency::{HttpClient, HttpSettings};
use e2e::{binaire, gestion};
use kernel::Secret;
use reqwest::{Method, Url};

/// Deletes the virtual host whatever happens.
struct Hote {
    nom: String,
    gestion: Secret,
}

impl Hote {
    fn topology(&self, verb: &str) -> Output {
        Command::new(binaire("relais"))
            .args(["topology", verb, "--vhost", &self.nom])
            .env("AMQP_MGMT_URL", self.gestion.expose())
            .output()
            .expect("the command runs")
    }

    async fn effacer(&self) {
        let mut base: Url = self.gestion.expose().parse().expect("a URL");
        let (user, password) =
            (base.username().to_owned(), base.password().unwrap_or_default().to_owned());
        base.set_username("").and_then(|()| base.set_password(None)).expect("an HTTP URL");
        let settings = HttpSettings {
            base_url: base.to_string(),
            timeout_ms: 20_000,
            max_body_bytes: 1 << 20,
        };
        let client = HttpClient::new(settings).expect("a client");
        let path = format!("/api/vhosts/{}", self.nom);
        let request = client.request(Method::DELETE, &path).basic_auth(user, Some(password));
        if let Err(error) = client.send(request).await {
            eprintln!("virtual host {} may remain: {error}", self.nom);
        }
    }
}

fn code_et_texte(output: &Output) -> (Option<i32>, String) {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    (output.status.code(), String::from_utf8_lossy(&both).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_applied_is_verified_and_a_second_time_changes_nothing() {
    let Some(gestion) = gestion() else { return };
    let nom = format!("e2e-{:08x}", uuid::Uuid::new_v4().as_fields().0);
    let hote = Hote { nom, gestion };
    let steps = ["verify", "apply", "verify", "apply"].map(|verb| hote.topology(verb));
    hote.effacer().await;
    let [missing, applied, verified, again] = steps.map(|output| code_et_texte(&output));
    assert_eq!(missing.0, Some(1), "nothing exists yet: {}", missing.1);
    assert_eq!(applied.0, Some(0), "{}", applied.1);
    assert!(applied.1.contains("corrigé : "), "{}", applied.1);
    assert_eq!(verified, (Some(0), "aucun écart\n".to_owned()));
    assert_eq!(again, (Some(0), "aucune correction\n".to_owned()));
}
