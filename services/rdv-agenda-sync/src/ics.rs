//! The planning of a site as a calendar: one event per slot, stable UIDs, no patient.
//!
//! RDV Service Public has no calendar per organisation, and its own entries always carry
//! SEQUENCE:0; here a calendar program follows changes and cancellations by UID and SEQUENCE.

use chrono::{NaiveTime, TimeDelta};
use contracts::{
    Lieu, Plage,
    messages::{PlanningPublie, VacationAuPlanning},
};
use icalendar::{Calendar, Component, Event, EventLike, EventStatus, Property};
use kernel::paris_at;

/// The calendar of a planning; the same planning always gives the same text.
pub fn ics(planning: &PlanningPublie, lieu: &Lieu) -> String {
    let mut calendar = Calendar::empty();
    for (key, value) in [
        ("VERSION", "2.0"),
        ("PRODID", "-//Relais//rdv-agenda-sync//FR"),
        ("CALSCALE", "GREGORIAN"),
        ("METHOD", "PUBLISH"),
    ] {
        calendar.append_property(Property::new(key, value));
    }
    calendar.name(&format!("Médecins à {}", lieu.nom));
    for vacation in &planning.vacations {
        let slots = vacation.creneaux.iter().map(|creneau| (creneau, vacation.annulee));
        let gone = vacation.retires.iter().map(|creneau| (creneau, true));
        for (rang, (creneau, annule)) in slots.chain(gone).enumerate() {
            calendar.push(evenement(planning, lieu, vacation, rang, (creneau, annule)));
        }
    }
    calendar.to_string()
}

/// One slot. Its UID is the vacation's and its rank in the day: a rank that was once sent is always
/// there, cancelled if it must be, so that no calendar keeps it.
fn evenement(
    planning: &PlanningPublie,
    lieu: &Lieu,
    vacation: &VacationAuPlanning,
    rang: usize,
    (creneau, annule): (&Plage, bool),
) -> Event {
    // DTSTAMP is required and should be when this version was made: the day of the planning.
    let fait_le = paris_at(planning.du, NaiveTime::MIN) + TimeDelta::hours(18);
    let statut = if annule { EventStatus::Cancelled } else { EventStatus::Confirmed };
    let place: Vec<_> = [&lieu.nom, &lieu.adresse, &lieu.commune]
        .into_iter()
        .filter(|part| !part.is_empty())
        .map(String::as_str)
        .collect();
    Event::new()
        .uid(&format!("{}-{rang}@relais", vacation.vacation))
        .timestamp(fait_le)
        .sequence(vacation.version)
        .starts(creneau.debut)
        .ends(creneau.fin)
        .summary(&format!("Consultations : {}", vacation.medecin))
        .location(&place.join(", "))
        .status(statut)
        .done()
}

#[cfg(test)]
mod tests {
    use icalendar::{CalendarComponent, CalendarDateTime, DatePerhapsTime};

    use super::*;

    fn lieu() -> Lieu {
        Lieu {
            id: "msp-demo".parse().expect("id"),
            nom: "Maison de santé ; Vallée, Nord".to_owned(),
            adresse: "12, rue de la République prolongée jusqu'à la place de l'Église".to_owned(),
            commune: "Ville-Fictive-sur-Rivière-aux-Longues-Berges".to_owned(),
            departement: "63".parse().expect("département"),
            finess: None,
            rpps_rang: None,
            cpam: None,
            cdom: None,
            contact_courriel: Some("accueil@msp-demo.example".to_owned()),
        }
    }

    fn vacation(date: &str, annulee: bool, version: u32) -> VacationAuPlanning {
        let date: chrono::NaiveDate = date.parse().expect("date");
        let at = |h| paris_at(date, NaiveTime::from_hms_opt(h, 0, 0).expect("time"));
        VacationAuPlanning {
            vacation: contracts::VacationId::new(&"abc123".parse().expect("id"), date),
            medecin: "Dr Émilie Médecin-Fictif".to_owned(),
            date,
            creneaux: vec![
                Plage { debut: at(8), fin: at(12) },
                Plage { debut: at(14), fin: at(18) },
            ],
            annulee,
            version,
            retires: vec![],
        }
    }

    fn planning() -> PlanningPublie {
        let day = |d: &str| d.parse().expect("date");
        PlanningPublie {
            lieu: "msp-demo".parse().expect("id"),
            du: day("2026-03-25"),
            au: day("2026-03-30"),
            vacations: vec![vacation("2026-03-26", true, 4), vacation("2026-03-30", false, 1)],
        }
    }

    #[test]
    fn a_calendar_program_reads_it_back() {
        let text = ics(&planning(), &lieu());
        assert_eq!(text, ics(&planning(), &lieu()), "deterministic");
        let calendar: Calendar = text.parse().expect("a calendar");
        let events: Vec<_> = calendar
            .components
            .iter()
            .map(|c| {
                let CalendarComponent::Event(event) = c else { panic!("unexpected {c:?}") };
                event
            })
            .collect();
        assert_eq!(events.len(), 4);
        assert_eq!(events[0].get_uid(), Some("abc123-2026-03-26-0@relais"));
        assert_eq!(events[1].get_uid(), Some("abc123-2026-03-26-1@relais"));
        assert_eq!(events[0].get_status(), Some(EventStatus::Cancelled));
        assert_eq!(events[0].get_sequence(), Some(4));
        assert_eq!(events[2].get_status(), Some(EventStatus::Confirmed));
        // The first two are in winter time, the last two in summer time.
        let starts = |e: &Event| {
            let start = e.get_start();
            let Some(DatePerhapsTime::DateTime(CalendarDateTime::Utc(t))) = start else {
                panic!("unexpected {start:?}")
            };
            t
        };
        assert_eq!(starts(events[0]).to_rfc3339(), "2026-03-26T07:00:00+00:00");
        assert_eq!(starts(events[2]).to_rfc3339(), "2026-03-30T06:00:00+00:00");
        let location = events[0].get_location().expect("a place");
        assert_eq!(
            location,
            "Maison de santé ; Vallée, Nord, 12, rue de la République prolongée jusqu'à la place \
             de l'Église, Ville-Fictive-sur-Rivière-aux-Longues-Berges"
        );
    }

    /// What another library than the one that writes reads: UID, SEQUENCE, status, start, place.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the reader's types, shown as they are")]
    fn relire(text: &str) -> Vec<[String; 5]> {
        use calcard::icalendar::{ICalendar, ICalendarComponentType, ICalendarProperty};
        let calendar = ICalendar::parse(text).expect("a calendar");
        let events = calendar.components.iter();
        let events = events.filter(|c| c.component_type == ICalendarComponentType::VEvent);
        let of = |c: &calcard::icalendar::ICalendarComponent, name: ICalendarProperty| {
            let entry = c.property(&name).unwrap_or_else(|| panic!("{name:?} is missing"));
            let text = entry.values.iter().map(|v| match v {
                calcard::icalendar::ICalendarValue::Text(text) => text.clone(),
                calcard::icalendar::ICalendarValue::Integer(n) => n.to_string(),
                calcard::icalendar::ICalendarValue::PartialDateTime(t) => {
                    t.to_rfc3339().expect("an instant")
                }
                other => format!("{other:?}"),
            });
            text.collect::<String>()
        };
        events
            .map(|c| {
                [
                    of(c, ICalendarProperty::Uid),
                    of(c, ICalendarProperty::Sequence),
                    of(c, ICalendarProperty::Status),
                    of(c, ICalendarProperty::Dtstart),
                    of(c, ICalendarProperty::Location),
                ]
            })
            .collect()
    }

    #[test]
    fn an_independent_reader_follows_changes_and_cancellations() {
        let mut planning = planning();
        let first = relire(&ics(&planning, &lieu()));
        assert_eq!(first.len(), 4);
        assert_eq!(first[0][0], "abc123-2026-03-26-0@relais");
        assert!(first[0][2].contains("Cancelled") && first[2][2].contains("Confirmed"));
        // Winter time, then summer time.
        assert_eq!(first[0][3], "2026-03-26T07:00:00Z");
        assert_eq!(first[2][3], "2026-03-30T06:00:00Z");
        assert!(first[0][4].starts_with("Maison de santé ; Vallée, Nord, 12, rue"), "{first:?}");
        // The afternoon of the 30th goes away: its event is cancelled under the same UID.
        let day = &mut planning.vacations[1];
        let gone = day.creneaux.pop().expect("an afternoon");
        (day.retires, day.version) = (vec![gone], 2);
        let second = relire(&ics(&planning, &lieu()));
        let uids = |all: &[[String; 5]]| all.iter().map(|e| e[0].clone()).collect::<Vec<_>>();
        assert_eq!(uids(&second), uids(&first), "no UID disappears");
        assert!(second[3][2].contains("Cancelled"), "{second:?}");
        assert_eq!((first[3][1].as_str(), second[3][1].as_str()), ("1", "2"));
        assert_eq!(second[3][3], first[3][3]);
    }

    #[test]
    fn lines_are_folded_escaped_and_end_with_crlf() {
        let text = ics(&planning(), &lieu());
        assert!(text.ends_with("END:VCALENDAR\r\n"));
        for line in text.split("\r\n") {
            assert!(line.len() <= 75, "{} octets : {line}", line.len());
            assert!(!line.contains('\n'));
        }
        assert!(text.contains("\\, "), "commas are escaped");
        assert!(text.contains("santé \\;"), "semicolons are escaped");
    }
}
