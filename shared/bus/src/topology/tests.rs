use contracts::referentiel::FicheAgence;

use super::{
    change::Change,
    diff::{Found, changes, size, unknown},
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
        users: topology
            .users
            .iter()
            .map(|(name, user)| (name.clone(), (String::new(), user.tags.clone())))
            .collect(),
        permissions: topology.users.iter().map(permission).collect(),
        topic_permissions: answers.collect(),
        ..Found::default()
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
    assert_eq!(names, ["cdom-63", "cpam-631", "cpam-cps", "indemnite", SUPERVISION]);
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
    assert!(last_binding < Some(position(|c| matches!(c, Change::User { .. }))));
    let limit = position(|c| matches!(c, Change::Answers { .. }));
    assert!(
        limit < position(|c| matches!(c, Change::Permission { user, .. } if user == "cdom-63"))
    );
}

fn drift(alter: fn(&mut Found)) -> String {
    let topology = topology();
    let mut found = applied(&topology);
    alter(&mut found);
    let list = changes(&topology, &found, Some(&|_, _| true));
    list.iter().map(|change| change.step().to_string()).collect::<Vec<_>>().join("; ")
}

#[test]
fn drift_is_told() {
    let binding = |exchange: &str, destination: &str| {
        (exchange.to_owned(), destination.to_owned(), "#".to_owned())
    };
    let lines = [
        drift(|f| f.topic_permissions.clear()),
        drift(|f| drop(f.queues.insert("indemnite".to_owned(), Table::new()))),
        drift(|f| {
            let limits = &mut f.policies.get_mut("relais-indemnite").expect("a policy").definition;
            limits.insert("delivery-limit".to_owned(), json!(-1));
        }),
        drift(|f| {
            let gone = f.permissions["cpam-631"].clone();
            f.permissions.insert("cpam-999".to_owned(), gone);
        }),
        drift(|f| drop(f.users.insert("cpam-631".into(), (String::new(), "management".into())))),
    ];
    assert_eq!(
        lines,
        [
            "création : clés de réponse de cdom-63 : ^cdom\\.63\\. ; il les a toutes; \
             création : clés de réponse de cpam-631 : ^cpam\\.631\\. ; il les a toutes",
            "conflit : file indemnite : ses arguments sont aucun, attendu x-queue-type = \
             \"quorum\" ; videz-la, supprimez-la, puis recommencez",
            "modification : politique relais-indemnite : delivery-limit vaut -1, attendu 50",
            "retrait : droits de cpam-999, qui n'est plus une agence à file du référentiel",
            "modification : utilisateur cpam-631 : étiquettes « management », attendu «  »",
        ]
    );
    let spied = drift(|f| {
        let spy = ("relais.reponses".to_owned(), "espion".to_owned(), "#".to_owned());
        f.bindings.insert(spy.clone(), "%23".to_owned());
        f.relays.insert(spy, "%23".to_owned());
    });
    assert_eq!(
        spied,
        "retrait : liaison relais.reponses → espion (#); \
         retrait : liaison relais.reponses → échange espion (#)"
    );
    // Facts are free to read.
    let mut found = applied(&topology());
    found.bindings.insert(binding("relais.evenements", "autre"), "%23".to_owned());
    found.relays.insert(binding("relais.evenements", "autre"), "%23".to_owned());
    assert_eq!(changes(&topology(), &found, Some(&|_, _| true)), []);
}

#[test]
fn what_takes_our_limits_away_is_a_conflict() {
    let overridden = drift(|f| {
        let stronger = Policy::of_queues("^cpam".to_owned(), 5, Table::new());
        f.policies.insert("autre".to_owned(), stronger);
    });
    assert_eq!(
        overridden,
        "conflit : file cpam-cps : la politique autre (priorité 5) l'emporte ; retirez-la, ou \
         abaissez sa priorité sous 0"
    );
    let imposed = drift(|f| {
        let none = table(&[("delivery-limit", json!(0))]);
        let imposed = Policy::of_queues("^indemnite$".to_owned(), 0, none);
        f.operator_policies.insert("op".to_owned(), imposed);
    });
    assert!(imposed.contains("limite de livraisons 0"), "{imposed}");
    assert!(imposed.contains("politique d'opérateur op"), "{imposed}");
    let tighter = drift(|f| {
        let fewer = table(&[("max-length-bytes", json!(1_000_000))]);
        let imposed = Policy::of_queues(".*".to_owned(), 0, fewer);
        f.operator_policies.insert("op".to_owned(), imposed);
    });
    assert_eq!(tighter, "");
    let alternate = drift(|f| {
        let mut policy = Policy::of_queues(r"^relais\.".to_owned(), 0, Table::new());
        policy.apply_to = "exchanges".to_owned();
        policy.definition.insert("alternate-exchange".to_owned(), json!("autre"));
        f.policies.insert("secours".to_owned(), policy);
    });
    assert_eq!(alternate.matches("échange de secours").count(), 3, "{alternate}");
}

#[test]
fn a_plan_counts_what_is_right_and_names_what_is_unknown() {
    let topology = topology();
    let first = changes(&topology, &Found::default(), Some(&|_, _| false));
    assert_eq!(first.len(), size(&topology, true));
    let mut found = applied(&topology);
    found.queues.insert("ancienne".to_owned(), Table::new());
    found.exchanges.insert("amq.topic".to_owned(), ("topic".to_owned(), true));
    for user in ["guest", "voisin", "cpam-999"] {
        let permission = found.permissions["cpam-cps"].clone();
        found.permissions.insert(user.to_owned(), permission);
    }
    let lines = unknown(&topology, &found, "guest");
    assert_eq!(lines, ["file ancienne", "droits de l'utilisateur voisin"]);
}

#[test]
fn definitions_hold_no_password_in_clear() {
    let topology = topology();
    let passwords: BTreeMap<String, kernel::Secret> = topology
        .users
        .keys()
        .map(|name| (name.clone(), kernel::Secret::new(format!("mdp-{name}"))))
        .collect();
    let first = definitions(&topology, "relais", &passwords, None).expect("definitions");
    assert!(!first.to_string().contains("mdp-"));
    let again = definitions(&topology, "relais", &passwords, Some(&first)).expect("definitions");
    assert_eq!(first, again);
    assert_eq!(first["bindings"].as_array().map(Vec::len), Some(topology.bindings.len()));
    let refused = definitions(&topology, "relais", &BTreeMap::new(), None).expect_err("refused");
    assert!(refused.to_string().contains("cpam-631"), "{refused}");
}
