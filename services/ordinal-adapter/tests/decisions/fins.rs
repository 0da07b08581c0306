//! Stories: the CDOM of registration ends a mission.

use contracts::messages::{ActiviteAutorisee, ActiviteTerminee, CauseFin, FinPrononcee};
use ordinal_adapter::OrdinalAdapter;

use crate::{
    banc::Banc,
    histoires::{autorisee, autre_dossier, demandee, jour, suite},
    monde::{banc, cdom, rpps},
};

fn fin(lieu: Option<&str>, day: &str, cause: CauseFin) -> FinPrononcee {
    let lieu = lieu.map(|id| id.parse().expect("a site"));
    FinPrononcee { rpps: rpps(), lieu, a_compter_du: jour(day), cause }
}

fn terminees(banc: &Banc<OrdinalAdapter>) -> Vec<(String, String, String)> {
    let one = |m: ActiviteTerminee| {
        let (lieu, date) = (m.0.lieu.id.to_string(), m.0.a_compter_du.to_string());
        (lieu, date, m.0.cause.unwrap_or_default())
    };
    let mut all: Vec<_> = banc.corps().into_iter().map(one).collect();
    all.sort();
    all
}

#[test]
fn one_site_or_every_one_ends_from_its_date_with_its_cause() {
    let mut one = autorisee(&["ambert", "lapalisse"]);
    one.reponse(&cdom("63"), &fin(Some("ambert"), "2026-03-20", CauseFin::Retrait));
    let ended = ("ambert".to_owned(), "2026-03-20".to_owned(), "retrait".to_owned());
    assert_eq!(terminees(&one), [ended]);
    let mut all = autorisee(&["ambert", "lapalisse"]);
    all.reponse(&cdom("63"), &fin(None, "2026-02-25", CauseFin::Radiation));
    let ended = terminees(&all);
    assert_eq!(ended.len(), 2);
    assert!(ended.iter().all(|(_, day, cause)| day == "2026-02-25" && cause == "radiation"));
    assert!(all.pannes().is_empty());
}

#[test]
fn another_cdom_an_unknown_doctor_and_a_site_never_authorised_are_failures() {
    let mut unknown = banc();
    unknown.reponse(&cdom("63"), &fin(None, "2026-03-20", CauseFin::Radiation));
    assert_eq!(unknown.pannes(), ["medecin-inconnu"]);
    let mut waiting = demandee("63", &["ambert"]);
    waiting.reponse(&cdom("63"), &fin(None, "2026-03-20", CauseFin::Retrait));
    assert_eq!(waiting.pannes(), ["engagement-inconnu"], "not authorised yet");
    let mut other = autorisee(&["ambert"]);
    other.reponse(&cdom("03"), &fin(None, "2026-03-20", CauseFin::Retrait));
    other.reponse(&cdom("63"), &fin(Some("lapalisse"), "2026-03-20", CauseFin::Retrait));
    assert_eq!(other.pannes(), ["mauvaise-agence", "engagement-inconnu"]);
    assert_eq!(suite(&other), ["autorisee 2026-03-02"], "nothing else is disturbed");
}

#[test]
fn an_end_said_again_does_not_end_what_was_opened_since() {
    let mut banc = autorisee(&["ambert"]);
    let message = fin(Some("ambert"), "2026-03-20", CauseFin::Retrait);
    banc.reponse(&cdom("63"), &message);
    banc.avancer(30);
    autre_dossier(&mut banc, 2000, &["ambert"]);
    assert_eq!(banc.corps::<ActiviteAutorisee>().len(), 2, "{:?}", suite(&banc));
    banc.reponse(&cdom("63"), &message);
    assert_eq!(banc.compte("activite.terminee.v1"), 1);
    // A later one is another one.
    banc.reponse(&cdom("63"), &fin(Some("ambert"), "2026-05-04", CauseFin::Retrait));
    assert_eq!(banc.compte("activite.terminee.v1"), 2);
    assert!(banc.pannes().is_empty());
}
