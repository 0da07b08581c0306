//! The planning of a site to be read or printed, for those who have only an e-mail address: an
//! accessible PDF beside the calendar. Never a patient.

use chrono::{DateTime, Utc};
use contact::{Fichier, Modele};
use contracts::{Lieu, Plage, messages::PlanningPublie};
use documents::{Alignement, Bloc, Document, Tableau, typo};
use kernel::{Fault, paris_time};

use crate::ics::ics;

/// Slots of a day: « de 8 h à 12 h, de 14 h à 17 h 30 ».
pub(crate) fn horaires(creneaux: &[Plage]) -> String {
    let heure = |t: DateTime<Utc>| {
        paris_time(t).format("%-H\u{a0}h\u{a0}%M").to_string().replace("\u{a0}00", "")
    };
    let slot = |p: &Plage| format!("de {} à {}", heure(p.debut), heure(p.fin));
    creneaux.iter().map(slot).collect::<Vec<_>>().join(", ")
}

/// What goes with the mail: the planning to be printed, where the mail says so, and the calendar.
///
/// # Errors
/// `planning-impossible` when the PDF cannot be made.
pub(crate) fn fichiers(
    modele: &Modele,
    planning: &PlanningPublie,
    lieu: &Lieu,
) -> Result<Vec<Fichier>, Fault> {
    let fichier = |suffixe: &str, type_mime: &str, octets| Fichier {
        nom: format!("planning-{}.{suffixe}", lieu.id),
        type_mime: type_mime.to_owned(),
        octets,
    };
    let mut fichiers = Vec::new();
    if matches!(modele, Modele::PlanningPublie { imprime: true, .. }) {
        let octets = pdf(planning, lieu, None);
        let octets = octets.map_err(|e| Fault::permanent("planning-impossible", e))?;
        fichiers.push(fichier("pdf", "application/pdf", octets));
    }
    let agenda = ics(planning, lieu).into_bytes();
    fichiers.push(fichier("ics", "text/calendar; charset=utf-8; method=PUBLISH", agenda));
    Ok(fichiers)
}

/// The planning as a PDF, with `avis` in small print at its end; the same planning always gives the
/// same bytes.
///
/// # Errors
/// [`documents::Error`].
pub fn pdf(
    planning: &PlanningPublie,
    lieu: &Lieu,
    avis: Option<&str>,
) -> Result<Vec<u8>, documents::Error> {
    let mut document = document(planning, lieu);
    document.blocs.extend(avis.map(|avis| Bloc::Mention(avis.to_owned())));
    documents::pdf(&document)
}

fn document(planning: &PlanningPublie, lieu: &Lieu) -> Document {
    let adresse = [lieu.adresse.as_str(), lieu.commune.as_str()];
    let adresse = adresse.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
    let periode = format!("du {} au {}", typo::date(planning.du), typo::date(planning.au));
    let lignes = planning.vacations.iter().map(|v| {
        let etat = if v.annulee { "Annulée" } else { "Prévue" };
        let (jour, heures) = (typo::date_courte(v.date), horaires(&v.creneaux));
        vec![jour, heures, v.medecin.clone(), etat.to_owned()]
    });
    let tableau = Tableau {
        resume: format!("Les consultations {periode}, une ligne par médecin et par jour."),
        entetes: ["Jour", "Horaires", "Médecin", "Consultation"].map(str::to_owned).to_vec(),
        alignements: vec![Alignement::Gauche; 4],
        lignes: lignes.collect(),
        totaux: vec![],
    };
    let champ = |libelle: &str, valeur: String| (libelle.to_owned(), valeur);
    Document {
        title: format!("Planning des consultations – {}", lieu.nom),
        subject: format!("Médecins attendus {periode}"),
        author: "Relais".to_owned(),
        date: planning.du,
        blocs: vec![
            Bloc::Champs(vec![
                champ("Lieu", lieu.nom.clone()),
                champ("Adresse", adresse.join(", ")),
                champ("Période", periode),
            ]),
            Bloc::Tableau(tableau),
            Bloc::Mention(
                "Heures de Paris. Ce planning remplace le précédent ; il ne dit rien des patients, \
                 dont les rendez-vous se lisent sur RDV Service Public."
                    .to_owned(),
            ),
        ],
    }
}

#[cfg(test)]
mod tests {
    use contracts::messages::VacationAuPlanning;

    use super::*;

    fn lieu() -> Lieu {
        let known = contracts::Referentiel::demo();
        let fiche = known.lieux().next().expect("the demo has sites");
        fiche.lieu.clone()
    }

    fn planning(jours: u32) -> PlanningPublie {
        let du: chrono::NaiveDate = "2026-03-27".parse().expect("date");
        let vacation = |n: u32| {
            let date = du + chrono::TimeDelta::days(n.into());
            let at = |h, m| {
                kernel::paris_at(date, chrono::NaiveTime::from_hms_opt(h, m, 0).expect("time"))
            };
            let matin = Plage { debut: at(8, 0), fin: at(12, 0) };
            VacationAuPlanning {
                vacation: contracts::VacationId::new(&"abc123".parse().expect("id"), date),
                medecin: "Dr Émilie Médecin-Fictif".to_owned(),
                date,
                creneaux: vec![matin, Plage { debut: at(14, 0), fin: at(17, 30) }],
                annulee: n == 1,
                version: 1,
                retires: vec![],
            }
        };
        let vacations: Vec<_> = (0..jours).map(vacation).collect();
        let au = vacations.last().map_or(du, |v| v.date);
        PlanningPublie { lieu: lieu().id, du, au, vacations }
    }

    /// The clocks change on the 29th of March: hours stay those of Paris.
    #[test]
    fn each_day_has_its_line_its_hours_in_paris_and_says_when_it_is_cancelled() {
        let document = document(&planning(4), &lieu());
        let [_, Bloc::Tableau(table), _] = &document.blocs[..] else { panic!("{document:?}") };
        let lines = &table.lignes;
        let hours = "de 8\u{a0}h à 12\u{a0}h, de 14\u{a0}h à 17\u{a0}h\u{a0}30";
        assert!(lines.iter().all(|l| l[1] == hours), "{lines:?}");
        let states: Vec<_> = lines.iter().map(|l| l[3].as_str()).collect();
        assert_eq!(states, ["Prévue", "Annulée", "Prévue", "Prévue"]);
        assert_eq!(lines[2][0], "dim.\u{a0}29/03/2026");
    }

    #[test]
    fn the_same_planning_gives_the_same_bytes_whatever_its_length() {
        for jours in [0, 1, 120] {
            let (planning, lieu) = (planning(jours), lieu());
            let bytes = pdf(&planning, &lieu, None).expect("a PDF");
            assert!(bytes.starts_with(b"%PDF-"));
            assert_eq!(bytes, pdf(&planning, &lieu, None).expect("a PDF"));
        }
    }
}
