//! Stories: what the Order decides on a doctor, in any order.

use contracts::messages::{
    ActiviteModifiee, ActiviteRetablie, ActiviteSuspendue, ActiviteTerminee, CauseFin,
    FinPrononcee, Interruption, Issue, Situation, SuspensionLevee, SuspensionPrononcee,
};
use ordinal_adapter::OrdinalAdapter;

use crate::{
    banc::Banc,
    histoires::{autorisee, autre_dossier, demandee, derniere, jour, liens, repondre, suite},
    monde::{banc, cdom, cle_engagement, rendue, rpps},
};

fn suspendre(banc: &mut Banc<OrdinalAdapter>, code: &str, day: &str) {
    banc.reponse(&cdom(code), &SuspensionPrononcee { rpps: rpps(), a_compter_du: jour(day) });
}

fn lever(banc: &mut Banc<OrdinalAdapter>, day: &str) {
    banc.reponse(&cdom("63"), &SuspensionLevee { rpps: rpps(), a_compter_du: jour(day) });
}

#[test]
fn only_the_cdom_of_registration_suspends_a_known_doctor() {
    let mut banc = banc();
    suspendre(&mut banc, "63", "2026-03-10");
    assert_eq!(banc.pannes(), ["medecin-inconnu"]);
    let mut banc = autorisee(&["ambert", "lapalisse"]);
    suspendre(&mut banc, "03", "2026-03-10");
    assert_eq!(banc.pannes(), ["mauvaise-agence"]);
    suspendre(&mut banc, "63", "2026-03-10");
    suspendre(&mut banc, "63", "2026-03-10");
    let suspended = banc.corps::<ActiviteSuspendue>();
    assert_eq!(suspended.len(), 2, "every engagement, once");
    assert!(suspended.iter().all(|a| a.0.a_compter_du == jour("2026-03-10")));
    lever(&mut banc, "2026-05-01");
    assert_eq!(banc.compte("activite.retablie.v1"), 2);
}

#[test]
fn measures_of_the_order_end_the_same_in_any_order() {
    let mut banc = autorisee(&["ambert"]);
    lever(&mut banc, "2026-05-01");
    assert_eq!(suite(&banc), ["autorisee 2026-03-02"]);
    suspendre(&mut banc, "63", "2026-03-10");
    assert_eq!(
        suite(&banc),
        ["autorisee 2026-03-02", "suspendue 2026-03-10", "retablie 2026-05-01"]
    );
    assert_eq!(banc.corps::<ActiviteRetablie>()[0].0.situation, Situation::Ouverte);
}

#[test]
fn a_suspension_known_before_the_authorisation_follows_it() {
    let mut banc = demandee("63", &["ambert"]);
    suspendre(&mut banc, "63", "2026-03-10");
    banc.reponse(&cdom("63"), &rendue(1, Issue::Favorable));
    assert_eq!(suite(&banc), ["autorisee 2026-03-02", "suspendue 2026-03-10"]);
}

#[test]
fn days_of_a_suspension_are_not_worked_whatever_ends_the_engagement() {
    let mut banc = autorisee(&["ambert"]);
    suspendre(&mut banc, "63", "2026-02-20");
    let lien = liens(&banc).remove(0);
    repondre(&mut banc, &lien, "retirer");
    assert_eq!(banc.corps::<ActiviteTerminee>()[0].0.a_compter_du, jour("2026-02-20"));

    let mut late = autorisee(&["ambert"]);
    late.operateur("retirer", &cle_engagement("ambert"), &[("cause", "radiation")]);
    assert_eq!(late.corps::<ActiviteTerminee>()[0].0.cause.as_deref(), Some("radiation"));
    suspendre(&mut late, "63", "2026-02-20");
    let told = late.corps::<ActiviteModifiee>().remove(0).0;
    assert_eq!((told.situation, told.a_compter_du), (Situation::Terminee, jour("2026-02-20")));
}

#[test]
fn days_between_a_lift_and_the_end_are_worked_in_whatever_order_they_are_told() {
    let fin = FinPrononcee {
        rpps: rpps(),
        lieu: None,
        a_compter_du: jour("2026-04-07"),
        cause: CauseFin::Retrait,
    };
    let tell: [fn(&mut Banc<OrdinalAdapter>, &FinPrononcee); 3] = [
        |banc, _| suspendre(banc, "63", "2026-03-25"),
        |banc, _| lever(banc, "2026-04-05"),
        |banc, fin| banc.reponse(&cdom("63"), fin),
    ];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut banc = autorisee(&["ambert"]);
        for n in order {
            tell[n](&mut banc, &fin);
        }
        let last = derniere(&banc);
        assert_eq!((last.situation, last.a_compter_du), (Situation::Terminee, fin.a_compter_du));
        let suspended = Interruption { du: jour("2026-03-25"), au: Some(jour("2026-04-05")) };
        assert_eq!(last.interruptions, [suspended], "{order:?}");
        // A suspension after the end changes nothing.
        suspendre(&mut banc, "63", "2026-05-01");
        assert_eq!(derniere(&banc), last);
    }
}

#[test]
fn a_second_opening_says_what_lay_between() {
    let mut banc = autorisee(&["ambert"]);
    banc.operateur("retirer", &cle_engagement("ambert"), &[]);
    let end = derniere(&banc).a_compter_du;
    banc.avancer(10);
    autre_dossier(&mut banc, 1043, &["ambert"]);
    let last = derniere(&banc);
    assert_eq!(last.situation, Situation::Ouverte);
    let between = Interruption { du: end, au: Some(last.a_compter_du) };
    assert_eq!(last.interruptions, [between]);
}
