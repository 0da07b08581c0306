//! Properties: whatever comes, in whatever order.

use std::collections::BTreeMap;

use contracts::messages::{
    ActiviteAutorisee, CandidatureDeposee, CandidatureModifiee, CandidatureRetiree, Issue,
    SuspensionPrononcee, VerificationDemandee,
};
use ordinal_adapter::{Event, OrdinalAdapter, State, state::Dossier};
use proptest::{prelude::*, sample::Index};
use uuid::Uuid;

use crate::{
    banc::Banc,
    monde::{
        CLE, DS, N, RPPS, autre_rpps, banc, candidature, cdom, cle_engagement, decision_ds,
        demande, engagement, identite, rendue, rpps,
    },
    table::nom,
};

/// Anything that may happen to one application.
#[derive(Clone, Debug)]
enum Coup {
    Deposer { cdom: &'static str, telephone: u8 },
    Corriger,
    Retirer,
    Identifier { autre: bool, trouve: bool },
    Ds(Issue),
    Rendre { cdom: &'static str, rank: u32, issue: Issue },
    Lien { rank: u32, issue: Issue },
    Suspendre(u64),
    RetirerEngagement,
    FermerTache { which: Index, issue: Option<Issue> },
    Attendre(i64),
}

fn issue() -> impl Strategy<Value = Issue> {
    prop::sample::select(vec![Issue::Favorable, Issue::Defavorable, Issue::Complement])
}

fn coup() -> impl Strategy<Value = Coup> {
    let cdom = || prop::sample::select(vec!["63", "03", "43"]);
    prop_oneof![
        3 => (cdom(), 0..3_u8).prop_map(|(cdom, telephone)| Coup::Deposer { cdom, telephone }),
        1 => Just(Coup::Corriger),
        1 => Just(Coup::Retirer),
        3 => any::<(bool, bool)>().prop_map(|(autre, trouve)| Coup::Identifier { autre, trouve }),
        1 => issue().prop_map(Coup::Ds),
        3 => (cdom(), 1..4_u32, issue())
            .prop_map(|(cdom, rank, issue)| Coup::Rendre { cdom, rank, issue }),
        2 => (1..4_u32, issue()).prop_map(|(rank, issue)| Coup::Lien { rank, issue }),
        1 => (0..40_u64).prop_map(Coup::Suspendre),
        1 => Just(Coup::RetirerEngagement),
        1 => (any::<Index>(), prop::option::of(issue()))
            .prop_map(|(which, issue)| Coup::FermerTache { which, issue }),
        4 => (1..20_i64).prop_map(Coup::Attendre),
    ]
}

fn jouer(banc: &mut Banc<OrdinalAdapter>, sequence: u64, coup: &Coup) {
    match coup {
        Coup::Deposer { cdom, telephone } => {
            let mut version = candidature(cdom, &["ambert", "lapalisse"]);
            version.medecin.telephone = format!("060000000{telephone}");
            banc.fait(DS, sequence, &CandidatureModifiee(version));
        }
        Coup::Corriger => {
            let mut version = candidature("63", &["ambert"]);
            version.medecin.rpps = autre_rpps();
            banc.fait(DS, sequence, &CandidatureModifiee(version));
        }
        Coup::Retirer => {
            let cause = "expire".to_owned();
            banc.fait(DS, sequence, &CandidatureRetiree { dossier: N, rpps: None, cause });
        }
        Coup::Identifier { autre, trouve } => {
            let number = if *autre { autre_rpps() } else { rpps() };
            banc.fait(RPPS, sequence, &identite(number, *trouve));
        }
        Coup::Ds(issue) => banc.fait(DS, sequence, &decision_ds(*issue)),
        Coup::Rendre { cdom: code, rank, issue } => {
            banc.reponse(&cdom(code), &rendue(*rank, *issue));
        }
        Coup::Lien { rank, issue } => {
            let event = Event::ReponseLien { demande: demande(*rank), issue: *issue };
            banc.evenement(CLE, event);
        }
        Coup::Suspendre(days) => {
            let a_compter_du = banc_day(banc, *days);
            banc.reponse(&cdom("63"), &SuspensionPrononcee { rpps: rpps(), a_compter_du });
        }
        Coup::RetirerEngagement => banc.operateur("retirer", &cle_engagement("ambert"), &[]),
        Coup::FermerTache { which, issue } => {
            let open = ouvertes(banc);
            if !open.is_empty() {
                let (tache, cle) = open[which.index(open.len())].clone();
                let par = "operateur".to_owned();
                banc.evenement(&cle, Event::FermerTache { tache, par, issue: *issue });
            }
        }
        Coup::Attendre(days) => banc.avancer(*days),
    }
}

fn banc_day(banc: &Banc<OrdinalAdapter>, days: u64) -> chrono::NaiveDate {
    kernel::paris_date(banc.now) + chrono::Days::new(days)
}

/// Tasks that are open, with the state that waits for them.
fn ouvertes(banc: &Banc<OrdinalAdapter>) -> Vec<(Uuid, String)> {
    let mut open = BTreeMap::new();
    for p in &banc.publies {
        let subject = p.sortie.subject.strip_prefix("tache/").and_then(|id| id.parse().ok());
        let Some(id) = subject else { continue };
        if p.sortie.message_type == "tache.ouverte.v1" {
            assert!(open.insert(id, p.cle.clone()).is_none(), "opened twice");
        } else {
            assert!(open.remove(&id).is_some(), "closed while not open");
        }
    }
    open.into_iter().collect()
}

fn terminal(banc: &Banc<OrdinalAdapter>) -> Option<String> {
    match banc.etat(CLE) {
        Some(State::Dossier(dossier)) => match &**dossier {
            Dossier::Autorise { .. } | Dossier::Refuse { .. } | Dossier::Retire { .. } => {
                banc.etat(CLE).map(nom)
            }
            Dossier::Attendu { .. }
            | Dossier::Identification { .. }
            | Dossier::Verification { .. }
            | Dossier::Complement { .. } => None,
        },
        Some(State::Engagement(_) | State::Medecin(_)) | None => None,
    }
}

/// Requests, reminders and mails of the dossier itself.
fn sollicitations(banc: &Banc<OrdinalAdapter>) -> usize {
    let asked = banc.compte("verification-demandee.v1") + banc.compte("relance.envoyee.v1");
    asked + banc.courriels.iter().filter(|(cle, _)| cle == CLE).count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_settled_stays_settled_and_nobody_is_asked_any_more(
        coups in prop::collection::vec(coup(), 1..40)
    ) {
        let mut banc = banc();
        let mut settled: Option<(String, usize)> = None;
        for (rank, coup) in coups.iter().enumerate() {
            jouer(&mut banc, rank as u64 + 1, coup);
            if let Some((name, asked)) = &settled {
                prop_assert_eq!(terminal(&banc), Some(name.clone()), "after {:?}", coup);
                prop_assert_eq!(sollicitations(&banc), *asked, "after {:?}", coup);
            } else {
                settled = terminal(&banc).map(|name| (name, sollicitations(&banc)));
            }
        }
        let _ = ouvertes(&banc);
        banc.avancer(400);
        let still = sollicitations(&banc);
        banc.avancer(400);
        prop_assert_eq!(sollicitations(&banc), still, "reminders stop by themselves");
        for asked in banc.corps::<VerificationDemandee>() {
            prop_assert!(asked.demande.rang <= 3);
        }
    }

    #[test]
    fn disorder_and_duplicates_end_the_same(
        order in Just((0..7_usize).collect::<Vec<_>>()).prop_shuffle(),
        doubles in prop::collection::vec(any::<Index>(), 0..6),
    ) {
        let reference = final_of(&(0..7).collect::<Vec<_>>());
        let mut shuffled = order.clone();
        for (rank, double) in doubles.iter().enumerate() {
            shuffled.insert((rank * 2).min(shuffled.len()), order[double.index(order.len())]);
        }
        prop_assert_eq!(final_of(&shuffled), reference);
    }
}

/// Delivers seven messages of one application in an order, replays what was refused, and gives
/// what every subject was last published as.
fn final_of(order: &[usize]) -> BTreeMap<String, String> {
    let mut banc = banc();
    let a_compter_du = banc_day(&banc, 8);
    for message in order {
        match message {
            0 => banc.fait(DS, 1, &CandidatureDeposee(candidature("63", &["ambert", "lapalisse"]))),
            1 => banc.fait(RPPS, 1, &identite(rpps(), false)),
            2 => banc.fait(RPPS, 2, &identite(rpps(), true)),
            3 => {
                let mut version = candidature("63", &["ambert", "lapalisse"]);
                version.medecin.telephone = String::from("0622222222");
                banc.fait(DS, 2, &CandidatureModifiee(version));
            }
            4 => banc.fait(DS, 3, &decision_ds(Issue::Favorable)),
            5 => banc.reponse(&cdom("63"), &SuspensionPrononcee { rpps: rpps(), a_compter_du }),
            _ => banc.reponse(
                &cdom("63"),
                &contracts::messages::SuspensionLevee {
                    rpps: rpps(),
                    a_compter_du: banc_day(&banc, 30),
                },
            ),
        }
    }
    banc.rejouer();
    assert!(banc.pannes().is_empty(), "{:?}", banc.pannes());
    banc.avancer(60);
    let opened = banc.corps::<ActiviteAutorisee>();
    assert!(opened.iter().any(|a| a.0.engagement == engagement("ambert")));
    let types = [
        "activite.autorisee.v1",
        "activite.modifiee.v1",
        "activite.suspendue.v1",
        "activite.retablie.v1",
        "activite.terminee.v1",
    ];
    banc.derniers(&types)
        .into_iter()
        .map(|(subject, text)| {
            // The type of the last message may differ; what it says may not.
            (subject, text.split_once(' ').map(|(_, body)| body.to_owned()).unwrap_or_default())
        })
        .collect()
}
