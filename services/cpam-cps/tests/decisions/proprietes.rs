//! Properties: whatever comes, in whatever order.

use std::collections::BTreeMap;

use chrono::Days;
use contracts::{
    Demande, Rib,
    messages::{
        ActiviteAutorisee, FacturationOuverte, NumeroAmCree, NumeroAmDemande, NumeroAmRefuse,
        RibDemande, RibRecu, Situation,
    },
};
use cpam_cps::{
    CpamCps, Event, State,
    state::{Engagement, Etape},
};
use proptest::{prelude::*, sample::Index};

use crate::{
    banc::Banc,
    monde::{
        CLE, E, NUMERO, ORDRE, RPPS, activite, autorisee, banc, carte, constat, cpam, cree,
        engagement, jour, rib_recu,
    },
};

const ENGAGEMENTS: [&str; 2] = [E, "0000000002"];
const NUMEROS: [&str; 3] = [NUMERO, "631990025", "631990018"];

/// Anything that may happen to two engagements of a doctor.
#[derive(Clone, Debug)]
enum Coup {
    Activite { e: usize, situation: Situation },
    Constat(usize),
    Carte(u32),
    Creer { which: Index, numero: usize, rib: Rib, cpam: &'static str },
    Refuser(Index),
    Rib(Index),
    Redemander(usize),
    Attendre(i64),
}

fn coup() -> impl Strategy<Value = Coup> {
    let situation =
        prop::sample::select(vec![Situation::Ouverte, Situation::Suspendue, Situation::Terminee]);
    let rib = prop::sample::select(vec![Rib::Inconnu, Rib::Manquant, Rib::Present]);
    let cpam = prop::sample::select(vec!["631", "631", "631", "031"]);
    prop_oneof![
        3 => (0..2_usize, situation).prop_map(|(e, situation)| Coup::Activite { e, situation }),
        2 => (0..2_usize).prop_map(Coup::Constat),
        1 => (1..28_u32).prop_map(Coup::Carte),
        4 => (any::<Index>(), 0..3_usize, rib, cpam)
            .prop_map(|(which, numero, rib, cpam)| Coup::Creer { which, numero, rib, cpam }),
        1 => any::<Index>().prop_map(Coup::Refuser),
        2 => any::<Index>().prop_map(Coup::Rib),
        1 => (0..2_usize).prop_map(Coup::Redemander),
        4 => (1..20_i64).prop_map(Coup::Attendre),
    ]
}

fn jouer(banc: &mut Banc<CpamCps>, sequence: u64, coup: &Coup) {
    let asked = banc.corps::<NumeroAmDemande>();
    match coup {
        Coup::Activite { e, situation } => {
            let snapshot = ActiviteAutorisee(activite(ENGAGEMENTS[*e], "ambert", *situation));
            banc.fait(ORDRE, sequence, &snapshot);
        }
        Coup::Constat(e) => {
            let mut seen = constat();
            seen.engagement = engagement(ENGAGEMENTS[*e]);
            banc.fait(RPPS, sequence, &seen);
        }
        Coup::Carte(day) => banc.fait(RPPS, sequence, &carte(&format!("2026-04-{day:02}"))),
        Coup::Creer { which, numero, rib, cpam: code } if !asked.is_empty() => {
            let asked = &asked[which.index(asked.len())];
            let answer = NumeroAmCree {
                demande: asked.demande,
                engagement: asked.engagement.clone(),
                numero_am: NUMEROS[*numero].parse().expect("number"),
                rib: *rib,
            };
            banc.reponse(&cpam(code), &answer);
        }
        Coup::Refuser(which) if !asked.is_empty() => {
            let asked = &asked[which.index(asked.len())];
            let (demande, engagement) = (asked.demande, asked.engagement.clone());
            let answer = NumeroAmRefuse { demande, engagement, code: "non".to_owned() };
            banc.reponse(&cpam("631"), &answer);
        }
        Coup::Rib(which) => {
            let asked = banc.corps::<RibDemande>();
            if !asked.is_empty() {
                let RibDemande { demande, engagement } = asked[which.index(asked.len())].clone();
                let demande = Demande { rang: 1, ..demande };
                banc.reponse(&cpam("631"), &RibRecu { demande, engagement });
            }
        }
        Coup::Redemander(e) => {
            banc.evenement(&format!("engagement/{}", ENGAGEMENTS[*e]), Event::Redemander);
        }
        Coup::Attendre(days) => banc.avancer(*days),
        Coup::Creer { .. } | Coup::Refuser(_) => {}
    }
}

fn sollicitations(banc: &Banc<CpamCps>) -> usize {
    ["relance.envoyee.v1", "cps.en-retard.v1"].iter().map(|t| banc.compte(t)).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn numbers_are_never_shared_and_snapshots_never_step_back(
        coups in prop::collection::vec(coup(), 1..40)
    ) {
        let mut banc = banc();
        for (rank, coup) in coups.iter().enumerate() {
            jouer(&mut banc, rank as u64 + 1, coup);
        }
        let mut owners = BTreeMap::new();
        let mut last = BTreeMap::<_, FacturationOuverte>::new();
        for f in banc.corps::<FacturationOuverte>() {
            let owner = owners.entry(f.numero_am.clone()).or_insert_with(|| f.engagement.clone());
            prop_assert_eq!(&*owner, &f.engagement, "a number of two engagements");
            if let Some(before) = last.get(&f.engagement) {
                prop_assert_eq!(&before.numero_am, &f.numero_am, "another number");
                prop_assert!(before.mode <= f.mode, "back to paper");
                prop_assert!(before.rib != Rib::Present || f.rib == Rib::Present, "RIB lost");
                prop_assert_ne!(before, &f, "published twice the same");
            }
            last.insert(f.engagement.clone(), f);
        }
    }

    #[test]
    fn an_end_that_leaves_no_day_stops_every_reminder(coups in prop::collection::vec(coup(), 1..30)) {
        let mut banc = banc();
        for (rank, coup) in coups.iter().enumerate() {
            jouer(&mut banc, rank as u64 + 1, coup);
        }
        for id in ENGAGEMENTS {
            let snapshot = |situation| ActiviteAutorisee(activite(id, "ambert", situation));
            banc.fait(ORDRE, 999, &snapshot(Situation::Ouverte));
            banc.fait(ORDRE, 1000, &snapshot(Situation::Terminee));
        }
        let before = sollicitations(&banc);
        banc.avancer(200);
        prop_assert_eq!(sollicitations(&banc), before);
    }

    /// What half-days held before still need is known, or somebody has a task.
    #[test]
    fn an_end_after_some_days_leaves_nothing_unfollowed(
        coups in prop::collection::vec(coup(), 1..30),
        situation in prop::sample::select(vec![Situation::Suspendue, Situation::Terminee]),
    ) {
        let mut banc = banc();
        for (rank, coup) in coups.iter().enumerate() {
            jouer(&mut banc, rank as u64 + 1, coup);
        }
        for id in ENGAGEMENTS {
            let mut stopped = activite(id, "ambert", situation);
            stopped.a_compter_du = banc.now.date_naive() + Days::new(1);
            banc.fait(ORDRE, 1000, &ActiviteAutorisee(stopped));
        }
        banc.avancer(200);
        for id in ENGAGEMENTS {
            let state = banc.etat(&format!("engagement/{id}"));
            let Some(State::Engagement(engagement)) = state else { panic!("no engagement") };
            let Engagement::Connu(suivi) = &**engagement else { panic!("no activity") };
            let complete = match &suivi.etape {
                Etape::Ouverte(facturation) => facturation.rib == Rib::Present,
                Etape::Constat | Etape::CpamManquante | Etape::Demandee { .. } => false,
            };
            prop_assert!(complete || !suivi.taches.0.is_empty(), "{:?}", suivi);
        }
    }

    #[test]
    fn disorder_and_duplicates_end_the_same(
        order in Just((0..6_usize).collect::<Vec<_>>()).prop_shuffle(),
        doubles in prop::collection::vec(any::<Index>(), 0..6),
    ) {
        let mut shuffled = order.clone();
        for (rank, double) in doubles.iter().enumerate() {
            shuffled.insert((rank * 2).min(shuffled.len()), order[double.index(order.len())]);
        }
        prop_assert_eq!(final_of(&shuffled), final_of(&[0, 1, 2, 3, 4, 5]));
    }
}

/// Delivers six messages of one engagement in an order, replays what was refused, and gives what
/// was last published of its billing.
fn final_of(order: &[usize]) -> BTreeMap<String, String> {
    let mut banc = banc();
    for message in order {
        match message {
            0 => banc.fait(ORDRE, 1, &autorisee("ambert")),
            1 => banc.fait(RPPS, 1, &constat()),
            2 => banc.reponse(&cpam("631"), &cree(1, NUMERO, Rib::Manquant)),
            3 => banc.reponse(&cpam("631"), &cree(1, NUMERO, Rib::Inconnu)),
            4 => banc.reponse(&cpam("631"), &rib_recu()),
            _ => banc.fait(RPPS, 1, &carte("2026-03-20")),
        }
    }
    banc.rejouer();
    assert!(banc.pannes().is_empty(), "{:?}", banc.pannes());
    banc.avancer(60);
    assert!(banc.etat(CLE).is_some());
    let last: Vec<FacturationOuverte> = banc.corps();
    assert!(last.iter().all(|f| f.numero_cree_le == jour("2026-03-02")));
    banc.derniers(&["facturation.ouverte.v1"])
}
