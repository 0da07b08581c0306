//! What each user of the broker may do, tried for real: every user on every queue, every exchange
//! and every kind of routing key, against a rule that knows nothing of regular expressions.

use std::collections::BTreeSet;

use contracts::{Agence, Famille};
use e2e::{Cellule, SERVICES};
use futures_util::StreamExt;
use harness::Serveurs;
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind,
    options::{
        BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions,
        ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions,
        QueueDeleteOptions, QueuePurgeOptions,
    },
    types::FieldTable,
};
use reqwest::Method;

/// The agencies of the test's register that have a queue.
const AGENCES: [&str; 3] = ["cpam.981", "cpam.982", "cdom.976"];
/// The broker's answer to what is not permitted (AMQP 0.9.1, ACCESS_REFUSED).
const REFUSE: u16 = 403;

/// (user, what, on what), e.g. (`cpam-981`, `lire`, `agence.cpam.981`).
type Acte = (String, &'static str, String);

fn agence(text: &str) -> Agence {
    text.parse().expect("an agency")
}

/// What the design promises, in words of its own.
fn permis((user, quoi, sur): &Acte) -> bool {
    let (exchange, key) = sur.split_once(' ').unwrap_or((sur, ""));
    match (Agence::from_user(user), *quoi) {
        (Some(own), "lire" | "prendre" | "purger") => *sur == own.queue(),
        (Some(own), "publier") => {
            let mut words = key.split('.');
            exchange == "relais.reponses"
                && words.next() == Some(own.famille.as_str())
                && words.next() == Some(own.code.as_str())
                && words.next().is_some()
        }
        (None, "lire" | "prendre" | "purger") if SERVICES.contains(&user.as_str()) => {
            let famille = match user.as_str() {
                "cpam-cps" => Some(Famille::Cpam),
                "ordinal-adapter" => Some(Famille::Cdom),
                _ => None,
            };
            let of_family = famille.map(|f| format!("agence.{}.morts", f.as_str()));
            sur == user || *sur == format!("{user}.morts") || Some(sur) == of_family.as_ref()
        }
        (None, "publier") if SERVICES.contains(&user.as_str()) => {
            ["relais.evenements", "relais.demandes"].contains(&exchange)
        }
        // Nobody makes, deletes or binds anything; the supervision does nothing at all.
        _ => false,
    }
}

/// Keys of every agency, and keys that look like theirs.
fn cles() -> Vec<String> {
    let of = |agence: &&str| {
        [
            format!("{agence}.numero-am-cree.v1"),
            format!("{agence}0.numero-am-cree.v1"),
            format!("x{agence}.numero-am-cree.v1"),
            format!("x.{agence}.numero-am-cree.v1"),
            agence.replace('.', "x") + ".numero-am-cree.v1",
            (*agence).to_owned(),
            agence.to_uppercase() + ".numero-am-cree.v1",
            format!("agence.{agence}"),
        ]
    };
    let others = ["", "#", "*.981.#", "activite.autorisee.v1", "cpam-cps", "audit"];
    AGENCES.iter().flat_map(of).chain(others.map(str::to_owned)).collect()
}

async fn noms(cellule: &Cellule, kind: &str) -> Vec<String> {
    let list = cellule.gerer(Method::GET, &[kind, &cellule.nom], None).await;
    let names = list.as_array().expect("a list").iter();
    names.map(|o| o["name"].as_str().expect("a name").to_owned()).collect()
}

/// One user's connection.
struct Essai {
    user: String,
    connection: Connection,
    reussis: BTreeSet<Acte>,
    tentes: BTreeSet<Acte>,
}

impl Essai {
    async fn ouvrir(cellule: &Cellule, serveurs: &Serveurs, user: &str) -> Self {
        let url = cellule.url(&serveurs.amqp, user);
        let connection = Connection::connect(&url, ConnectionProperties::default());
        let (reussis, tentes) = (BTreeSet::new(), BTreeSet::new());
        let connection = connection.await.expect("a connection");
        Self { user: user.to_owned(), connection, reussis, tentes }
    }

    /// Each attempt has a channel of its own: the broker closes it with its refusal.
    async fn tenter<T>(
        &mut self,
        quoi: &'static str,
        sur: &str,
        acte: impl AsyncFnOnce(Channel) -> lapin::Result<T>,
    ) {
        let channel = self.connection.create_channel().await.expect("a channel");
        let nom = (self.user.clone(), quoi, sur.to_owned());
        self.tentes.insert(nom.clone());
        match acte(channel.clone()).await {
            Ok(_) => {
                channel.close(200, "OK".into()).await.expect("closed");
                self.reussis.insert(nom);
            }
            Err(error) => {
                let lapin::ErrorKind::ProtocolError(refus) = error.kind() else {
                    panic!("{nom:?}: {error}");
                };
                assert_eq!(refus.get_id(), REFUSE, "{nom:?}: {error}");
            }
        }
    }

    async fn file(&mut self, name: &str) {
        let queue = || name.into();
        self.tenter("lire", name, async |c: Channel| {
            let options = BasicConsumeOptions::default();
            c.basic_consume(queue(), "".into(), options, FieldTable::default()).await.map(drop)
        })
        .await;
        self.tenter("prendre", name, async |c: Channel| {
            c.basic_get(queue(), BasicGetOptions::default()).await
        })
        .await;
        self.tenter("purger", name, async |c: Channel| {
            c.queue_purge(queue(), QueuePurgeOptions::default()).await
        })
        .await;
        self.tenter("supprimer-file", name, async |c: Channel| {
            c.queue_delete(queue(), QueueDeleteOptions::default()).await
        })
        .await;
        self.tenter("lier", name, async |c: Channel| {
            let options = QueueBindOptions::default();
            let (exchange, key) = ("relais.reponses".into(), "#".into());
            c.queue_bind(queue(), exchange, key, options, FieldTable::default()).await
        })
        .await;
    }

    async fn echange(&mut self, name: &str, cles: &[String]) {
        if !name.is_empty() {
            self.tenter("supprimer-echange", name, async |c: Channel| {
                c.exchange_delete(name.into(), ExchangeDeleteOptions::default()).await
            })
            .await;
        }
        for key in cles {
            self.tenter("publier", &format!("{name} {key}"), async |c: Channel| {
                c.confirm_select(ConfirmSelectOptions::default()).await?;
                let (options, none) = (BasicPublishOptions::default(), BasicProperties::default());
                let key = key.as_str().into();
                c.basic_publish(name.into(), key, options, b"{}", none).await?.await
            })
            .await;
        }
    }

    async fn creations(&mut self) {
        self.tenter("creer-file", "nouvelle", async |c: Channel| {
            let options = QueueDeclareOptions::default();
            c.queue_declare("nouvelle".into(), options, FieldTable::default()).await
        })
        .await;
        self.tenter("creer-echange", "nouvel", async |c: Channel| {
            let options = ExchangeDeclareOptions::default();
            let table = FieldTable::default();
            c.exchange_declare("nouvel".into(), ExchangeKind::Topic, options, table).await
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_user_is_in_a_cell_of_its_own() {
    let Some(serveurs) = Serveurs::trouver() else { return };
    let Some(cellule) = Cellule::ouvrir().await else { return };
    let (code, text) = cellule.topology("apply", &[]);
    assert_eq!(code, Some(0), "{text}");
    let (files, echanges, cles) =
        (noms(&cellule, "queues").await, noms(&cellule, "exchanges").await, cles());
    assert!(files.len() >= 18 && echanges.len() >= 8, "{files:?} {echanges:?}");
    let agences = AGENCES.map(|a| agence(a).user());
    let users: Vec<String> = agences
        .into_iter()
        .chain(SERVICES.map(str::to_owned))
        .chain(["relais-supervision".to_owned()])
        .collect();
    let essais = futures_util::stream::iter(&users).map(async |user| {
        let mut essai = Essai::ouvrir(&cellule, &serveurs, user).await;
        for name in &files {
            essai.file(name).await;
        }
        for name in &echanges {
            essai.echange(name, &cles).await;
        }
        essai.creations().await;
        // Its refused channels may still be closing: whatever comes of it, the connection goes.
        let _ = essai.connection.close(200, "OK".into()).await;
        (essai.tentes, essai.reussis)
    });
    let resultats: Vec<_> = essais.buffer_unordered(4).collect().await;
    let (mut tentes, mut reussis) = (BTreeSet::new(), BTreeSet::new());
    for (a, b) in resultats {
        tentes.extend(a);
        reussis.extend(b);
    }
    let attendus: BTreeSet<_> = tentes.iter().filter(|acte| permis(acte)).cloned().collect();
    let de_trop: Vec<_> = reussis.difference(&attendus).collect();
    let manquants: Vec<_> = attendus.difference(&reussis).collect();
    assert!(de_trop.is_empty(), "allowed, and must not be: {de_trop:#?}");
    assert!(manquants.is_empty(), "refused, and must not be: {manquants:#?}");
    // The matrix is not empty by mistake.
    let n = users.len();
    assert_eq!(
        tentes.len(),
        n * (5 * files.len() + echanges.len() * cles.len() + echanges.len() + 1)
    );
    assert!(reussis.contains(&("cpam-981".into(), "lire", "agence.cpam.981".into())));
    let own = "relais.reponses cpam.981.numero-am-cree.v1".to_owned();
    assert!(reussis.contains(&("cpam-981".into(), "publier", own)));
    eprintln!("{} attempts, {} allowed", tentes.len(), reussis.len());
    cellule.fermer().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_supervision_sees_and_touches_nothing() {
    let Some(cellule) = Cellule::ouvrir().await else { return };
    let (code, text) = cellule.topology("apply", &[]);
    assert_eq!(code, Some(0), "{text}");
    let seen = cellule.gerer_comme("relais-supervision", Method::GET, &["overview"], None).await;
    assert_eq!(seen.0, 200);
    let policies = ["policies", cellule.nom.as_str()];
    let seen = cellule.gerer_comme("relais-supervision", Method::GET, &policies, None).await;
    assert_eq!(seen.0, 200);
    let policy = ["policies", cellule.nom.as_str(), "relais-cpam-cps"];
    let users: &[&str] = &["users"];
    let purge = ["queues", cellule.nom.as_str(), "cpam-cps", "contents"];
    for (method, path) in
        [(Method::DELETE, &policy[..]), (Method::GET, users), (Method::DELETE, &purge[..])]
    {
        let refused = cellule.gerer_comme("relais-supervision", method, path, None).await;
        assert!((400..500).contains(&refused.0), "{path:?}: {refused:?}");
    }
    // An agency sees nothing of the management API.
    let refused = cellule.gerer_comme("cpam-981", Method::GET, &["overview"], None).await;
    assert_eq!(refused.0, 401, "{}", refused.1);
    cellule.fermer().await;
}
