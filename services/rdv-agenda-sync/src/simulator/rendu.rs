//! How records are rendered (`app/blueprints/*.rb`), patients included: fictive ones, whose marker
//! must never be found in what Relais stores.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{livraison::Genre, monde::Monde};

/// What every fictive patient's data contains.
pub const MARQUEUR: &str = "PATIENT-MARQUEUR";

/// `2024-10-03 12:44:33 +0200`.
pub(super) fn instant(t: DateTime<Utc>) -> String {
    let offset = kernel::paris_time(t) - t.naive_utc();
    let offset = chrono::FixedOffset::east_opt(i32::try_from(offset.num_seconds()).unwrap_or(0));
    let offset = offset.unwrap_or(chrono::FixedOffset::east_opt(0).expect("zero is an offset"));
    t.with_timezone(&offset).format("%Y-%m-%d %H:%M:%S %z").to_string()
}

pub(super) fn agent(monde: &Monde, id: i64) -> Value {
    let courriel = monde.agents.get(&id).map(|a| a.courriel.clone());
    json!({ "id": id, "email": courriel, "first_name": "Prénom", "last_name": "Fictif" })
}

pub(super) fn organisation(monde: &Monde, id: i64) -> Value {
    let nom = monde.organisations.get(&id);
    json!({ "id": id, "email": null, "name": nom, "phone_number": null, "verticale": "rdv_mairie" })
}

pub(super) fn lieu(monde: &Monde, id: i64) -> Value {
    monde.lieux.get(&id).map_or(Value::Null, |lieu| {
        json!({
            "id": id, "address": lieu.adresse, "name": lieu.nom,
            "organisation_id": lieu.organisation, "phone_number": null, "single_use": false,
        })
    })
}

pub(super) fn motif(monde: &Monde, id: i64) -> Value {
    monde.motifs.get(&id).map_or(Value::Null, |motif| {
        json!({
            "id": id, "bookable_by": "everyone", "bookable_publicly": true, "collectif": false,
            "deleted_at": null, "follow_up": false, "instruction_for_rdv": null,
            "location_type": "public_office", "motif_category": null, "name": motif.nom,
            "organisation_id": motif.organisation, "service_id": null,
        })
    })
}

pub(super) fn absence(monde: &Monde, id: i64) -> Option<Value> {
    let absence = monde.absences.get(&id)?;
    let first = monde.organisations_de(absence.agent).first().copied();
    Some(json!({
        "id": id, "agent": agent(monde, absence.agent),
        "title": format!("Remplace chez {MARQUEUR}"),
        "first_day": absence.du.0, "start_time": absence.du.1.format("%H:%M:%S").to_string(),
        "end_day": absence.au.0, "end_time": absence.au.1.format("%H:%M:%S").to_string(),
        "organisation": first.map(|o| organisation(monde, o)), "rrule": null,
        "ical_uid": format!("absence_{id}@RDV Solidarités"), "ical": "BEGIN:VCALENDAR\r\n",
    }))
}

fn plage(monde: &Monde, id: i64) -> Option<Value> {
    let ouverte = monde.plages.get(&id)?;
    let plage = &ouverte.plage;
    let place = monde.lieux.iter().find(|(_, l)| l.organisation == ouverte.organisation);
    Some(json!({
        "id": id, "agent": agent(monde, ouverte.agent), "title": "Consultations",
        "first_day": plage.premier_jour,
        "start_time": plage.debut.format("%H:%M:%S").to_string(),
        "end_time": plage.fin.format("%H:%M:%S").to_string(),
        "organisation": organisation(monde, ouverte.organisation),
        "lieu": place.map(|(id, _)| lieu(monde, *id)), "motifs": [], "rrule": plage.rrule,
        "ical_uid": format!("plage_ouverture_{id}@RDV Solidarités"), "ical": "BEGIN:VCALENDAR\r\n",
    }))
}

fn patient(rdv: i64) -> Value {
    json!({
        "id": rdv + 1, "first_name": MARQUEUR, "last_name": MARQUEUR, "birth_date": "1950-01-01",
        "email": format!("{MARQUEUR}@patient.example"), "phone_number": MARQUEUR,
        "address": MARQUEUR, "affiliation_number": MARQUEUR, "notes": MARQUEUR,
        "responsible": null, "user_profiles": null,
    })
}

fn rdv(monde: &Monde, id: i64) -> Option<Value> {
    let rdv = monde.rdvs.get(&id)?;
    let place = monde.lieux.iter().find(|(_, l)| l.organisation == rdv.organisation);
    let reason = monde.motifs.iter().find(|(_, m)| m.organisation == rdv.organisation);
    Some(json!({
        "id": id, "uuid": kernel::derive_id(&["rdv", &id.to_string()]), "status": rdv.statut,
        "starts_at": instant(rdv.debut), "ends_at": instant(rdv.fin),
        "duration_in_min": (rdv.fin - rdv.debut).num_minutes(),
        "address": "", "context": format!("motif de {MARQUEUR}"), "collectif": false,
        "name": null, "max_participants_count": null, "users_count": 1,
        "cancelled_at": rdv.annule_le.map(instant), "created_by": "user",
        "agents": [agent(monde, rdv.agent)],
        "organisation": organisation(monde, rdv.organisation),
        "lieu": place.map(|(id, _)| lieu(monde, *id)),
        "motif": reason.map(|(id, _)| motif(monde, *id)),
        "users": [patient(id)],
        "participations": [{ "id": id + 2, "status": rdv.statut, "user": patient(id) }],
    }))
}

fn role(monde: &Monde, id: i64) -> Option<Value> {
    let role = monde.roles.get(&id)?;
    Some(json!({
        "id": id, "access_level": role.niveau, "agent": agent(monde, role.agent),
        "organisation": organisation(monde, role.organisation),
    }))
}

/// A record as webhooks carry it; `None` when it does not exist.
pub(super) fn enregistrement(monde: &Monde, genre: Genre, id: i64) -> Option<Value> {
    match genre {
        Genre::Rdv => rdv(monde, id),
        Genre::Plage => plage(monde, id),
        Genre::Absence => absence(monde, id),
        Genre::Role => role(monde, id),
    }
}
