use contracts::referentiel::FicheAgence;

use super::{
    diff::{Change, Found, changes},
    *,
};

fn register() -> Referentiel {
    let agency = |code: &str, canal: Canal| FicheAgence {
        code: code.to_owned(),
        nom: format!("Agence {code}"),
        canal,
        courriel: None,
        source: "fictif".to_owned(),
    };
    let cpam = [("631", Canal::File), ("751", Canal::Courriel)];
    let cdom = [("63", Canal::File), ("2A", Canal::Ds)];
    Referentiel::new(
        [],
        cpam.map(|(code, canal)| (code.parse().expect("a code"), agency(code, canal))),
        cdom.map(|(code, canal)| (code.parse().expect("a code"), agency(code, canal))),
    )
}

fn topology() -> Topology {
    let reads = |bindings: &[(Flux, &str)]| {
        bindings.iter().map(|(flux, pattern)| (*flux, (*pattern).to_owned())).collect::<Vec<_>>()
    };
    let services = [
        QueueSpec::service(
            "cpam-cps",
            reads(&[
                (Flux::Evenements, "activite.autorisee.v1"),
                (Flux::Reponses, "cpam.*.numero-am-cree.v1"),
            ]),
        ),
        QueueSpec::service("indemnite", reads(&[(Flux::Evenements, "activite.autorisee.v1")])),
    ];
    Topology::new(&services, &register())
}

/// A broker that is as it should be.
fn applied(topology: &Topology) -> Found {
    let answers = topology.users.iter().filter_map(|(name, user)| {
        let key = (name.clone(), "relais.reponses".to_owned());
        Some((key, (user.answers.clone()?, NOTHING.to_owned())))
    });
    let permission = |(name, user): (&String, &User)| (name.clone(), user.permission.clone());
    Found {
        exchanges: topology
            .exchanges
            .iter()
            .map(|name| (name.clone(), ("topic".to_owned(), true)))
            .collect(),
        queues: topology.queues.clone(),
        bindings: topology.bindings.iter().map(|b| (b.clone(), b.2.clone())).collect(),
        policies: topology.policies.clone(),
        users: topology.users.keys().map(|name| (name.clone(), String::new())).collect(),
        permissions: topology.users.iter().map(permission).collect(),
        topic_permissions: answers.collect(),
    }
}

#[test]
fn keys_reach_who_is_meant_and_nobody_else() {
    let topology = topology();
    let route = |flux, key| topology.route(flux, key).join(" ");
    assert_eq!(route(Flux::Evenements, "activite.autorisee.v1"), "audit cpam-cps indemnite");
    assert_eq!(route(Flux::Evenements, "autre.v1"), "audit");
    assert_eq!(route(Flux::Demandes, "cpam.631.numero-am-demande.v1"), "agence.cpam.631");
    // Reached by mail: no queue, so that a request by mistake comes back.
    assert_eq!(route(Flux::Demandes, "cpam.751.numero-am-demande.v1"), "");
    assert_eq!(route(Flux::Reponses, "cpam.631.numero-am-cree.v1"), "cpam-cps");
    assert_eq!(route(Flux::Reponses, "cpam.631.autre.v1"), "");
}

#[test]
fn an_agency_is_kept_to_its_own() {
    let topology = topology();
    let names: Vec<&str> = topology.users.keys().map(String::as_str).collect();
    assert_eq!(names, ["cdom-63", "cpam-631", "cpam-cps", "indemnite"]);
    let user = &topology.users["cpam-631"];
    assert_eq!(user.answers.as_deref(), Some(r"^cpam\.631\."));
    assert_eq!(user.permission.read, r"^agence\.cpam\.631$");
    assert_eq!(user.permission.configure, NOTHING);
    let owner = &topology.users["cpam-cps"].permission.read;
    assert_eq!(owner, r"^(cpam-cps|cpam-cps\.morts|agence\.cpam\.morts)$");
}

#[test]
fn nothing_catches_all_requests_or_answers() {
    let wide = topology().bindings.into_iter().filter(|(_, _, pattern)| pattern.starts_with('#'));
    let exchanges: Vec<String> = wide.map(|(exchange, _, _)| exchange).collect();
    assert_eq!(exchanges, ["relais.evenements"]);
}

#[test]
fn nothing_differs_once_applied() {
    let topology = topology();
    assert_eq!(changes(&topology, &applied(&topology), Some(&|_, _| true)), []);
    let first = changes(&topology, &Found::default(), Some(&|_, _| false));
    let position = |wanted: fn(&Change) -> bool| first.iter().position(wanted).expect("a change");
    let last_binding = first.iter().rposition(|c| matches!(c, Change::Bind(..)));
    assert!(last_binding < Some(position(|c| matches!(c, Change::User(_)))));
    let limit = position(|c| matches!(c, Change::Answers { .. }));
    assert!(limit < position(|c| matches!(c, Change::Permission(user, _) if user == "cdom-63")));
}

#[test]
fn drift_is_told() {
    let topology = topology();
    let told = |alter: fn(&mut Found)| {
        let mut found = applied(&topology);
        alter(&mut found);
        let list = changes(&topology, &found, Some(&|_, _| true));
        list.iter().map(Change::to_string).collect::<Vec<_>>().join("; ")
    };
    let lines = [
        told(|f| f.topic_permissions.clear()),
        told(|f| drop(f.queues.insert("indemnite".to_owned(), Table::new()))),
        told(|f| {
            let all = ("relais.reponses".to_owned(), "espion".to_owned(), "#".to_owned());
            f.bindings.insert(all, "%23".to_owned());
        }),
        told(|f| {
            let gone = f.permissions["cpam-631"].clone();
            f.permissions.insert("cpam-999".to_owned(), gone);
        }),
        // Facts are free to read.
        told(|f| {
            let reader = ("relais.evenements".to_owned(), "autre".to_owned(), "#".to_owned());
            f.bindings.insert(reader, "%23".to_owned());
        }),
    ];
    assert_eq!(
        lines,
        [
            "user cdom-63 may publish under the keys of others; \
             user cpam-631 may publish under the keys of others",
            "queue indemnite has other arguments: empty it, delete it, apply again",
            "binding relais.reponses → espion (#) must not exist",
            "cpam-999 is no agency of the register any more",
            "",
        ]
    );
}
