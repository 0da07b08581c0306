//! A virtual host of a test's own, made by `relais topology apply` for a small register, with its
//! users and their passwords. Users belong to the whole broker: tests that make some take turns.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Command, Output},
};

use bus::conformance::broker_users;
use harness::{Serveurs, binaire};
use kernel::Secret;
use reqwest::{Client, Method, Url};
use serde_json::Value;
use tempfile::TempDir;

/// Three agencies with a queue, in two families; codes that no real one has.
const CPAM: &str = "code,nom,canal,courriel,source\n\
    981,CPAM fictive 981,file,,fictif\n982,CPAM fictive 982,file,,fictif\n\
    983,CPAM fictive 983,courriel,983@cpam.example,fictif\n";
const CDOM: &str = "code,nom,canal,courriel,source\n\
    976,CDOM fictif 976,file,,fictif\n974,CDOM fictif 974,ds,974@ordre.example,fictif\n";
const LIEUX: &str = "id,nom,adresse,commune,departement,intercommunalite,finess,rpps_rang,cpam,\
    cdom,contact_courriel,latitude,longitude,source\n";

/// The broker, seen by its administrator, and one virtual host.
pub struct Cellule {
    /// The virtual host.
    pub nom: String,
    gestion: Secret,
    dossier: TempDir,
    _tour: File,
}

impl Cellule {
    /// Waits for its turn; `None`, said aloud, without a broker.
    ///
    /// # Panics
    /// When a server is required and missing.
    pub async fn ouvrir() -> Option<Self> {
        let gestion = Serveurs::trouver()?.gestion;
        agency::install_crypto_provider();
        let tour = broker_users(gestion.expose());
        let nom = format!("e2e-{:08x}", uuid::Uuid::new_v4().as_fields().0);
        let dossier = tempfile::tempdir().expect("a folder");
        let registre = dossier.path().join("registre");
        fs::create_dir(&registre).expect("a folder");
        for (name, text) in [("cpam.csv", CPAM), ("cdom.csv", CDOM), ("lieux.csv", LIEUX)] {
            fs::write(registre.join(name), text).expect("a file");
        }
        let cellule = Self { nom, gestion, dossier, _tour: tour };
        // An earlier run that was killed may have left them.
        cellule.effacer_utilisateurs().await;
        Some(cellule)
    }

    /// A file or folder of this test.
    pub fn chemin(&self, name: &str) -> PathBuf {
        self.dossier.path().join(name)
    }

    /// The register's folder.
    pub fn registre(&self) -> PathBuf {
        self.chemin("registre")
    }

    /// `relais topology <verb>` on this virtual host, with the passwords' folder.
    ///
    /// # Panics
    /// When the command cannot be run.
    pub fn topology(&self, verb: &str, args: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(binaire("relais"));
        command.args(["topology", verb, "--vhost", &self.nom]).args(args);
        command.arg("--referentiel").arg(self.registre());
        if !args.contains(&"--kubernetes") {
            command.arg("--secrets").arg(self.chemin("secrets"));
        }
        if verb != "export" {
            command.env("AMQP_MGMT_URL", self.gestion.expose());
        }
        code_et_texte(&command.output().expect("it runs"))
    }

    /// The password that was made for a user.
    ///
    /// # Panics
    /// When there is none.
    pub fn mot_de_passe(&self, user: &str) -> String {
        fs::read_to_string(self.chemin("secrets").join(user)).expect("a password")
    }

    /// The URL of the broker for one user of this virtual host.
    ///
    /// # Panics
    /// When the broker's URL is not one.
    pub fn url(&self, amqp: &Secret, user: &str) -> String {
        let mut url: Url = amqp.expose().parse().expect("a URL");
        url.set_username(user).expect("a user");
        url.set_password(Some(&self.mot_de_passe(user))).expect("a password");
        url.set_path(&format!("/{}", self.nom));
        url.to_string()
    }

    /// The management API for its administrator.
    pub fn gestion(&self) -> &Secret {
        &self.gestion
    }

    /// The management API for another user of this broker.
    ///
    /// # Panics
    /// When the URL is not one.
    pub fn gestion_de(&self, user: &str) -> String {
        let mut url: Url = self.gestion.expose().parse().expect("a URL");
        url.set_username(user).expect("a user");
        url.set_password(Some(&self.mot_de_passe(user))).expect("a password");
        url.to_string()
    }

    /// A call to the management API, by its administrator.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn gerer(&self, method: Method, path: &[&str], body: Option<Value>) -> Value {
        let (status, answer) = self.demander(method, path, body).await;
        assert!(status < 300, "{path:?}: {status} {answer}");
        answer
    }

    /// Deletes the virtual host and the users.
    pub async fn fermer(self) {
        let _ = self.demander(Method::DELETE, &["vhosts", &self.nom], None).await;
        self.effacer_utilisateurs().await;
    }

    async fn effacer_utilisateurs(&self) {
        let services = crate::SERVICES.iter().copied();
        let others = ["cpam-981", "cpam-982", "cdom-976", "relais-supervision", "relais-chef"];
        for user in services.chain(others) {
            let _ = self.demander(Method::DELETE, &["users", user], None).await;
        }
    }

    /// A call to the management API by another user of this broker, and what comes back.
    ///
    /// # Panics
    /// When the broker does not answer.
    pub async fn gerer_comme(
        &self,
        user: &str,
        method: Method,
        path: &[&str],
        body: Option<Value>,
    ) -> (u16, Value) {
        appeler(&self.gestion_de(user), method, path, body).await
    }

    async fn demander(&self, method: Method, path: &[&str], body: Option<Value>) -> (u16, Value) {
        appeler(self.gestion.expose(), method, path, body).await
    }
}

async fn appeler(base: &str, method: Method, path: &[&str], body: Option<Value>) -> (u16, Value) {
    let mut url: Url = base.parse().expect("a URL");
    let (user, password) = (url.username().to_owned(), url.password().map(str::to_owned));
    url.set_username("").and_then(|()| url.set_password(None)).expect("a plain URL");
    url.path_segments_mut().expect("a path").pop_if_empty().push("api").extend(path);
    let client = Client::builder().tls_certs_only([]).build().expect("a client");
    let mut request = client.request(method, url).basic_auth(user, password);
    if let Some(body) = body {
        request = request.json(&body);
    }
    let response = request.send().await.expect("an answer");
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or(Value::Null))
}

/// How a command ended, and all that it wrote.
pub fn code_et_texte(output: &Output) -> (Option<i32>, String) {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    (output.status.code(), String::from_utf8_lossy(&both).into_owned())
}
