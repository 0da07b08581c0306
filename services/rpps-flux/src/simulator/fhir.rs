//! The API of the Annuaire Santé, simulated from the documentation of the ANS (2026-06-30): search
//! by identifier, `_lastUpdated`, `_include`, opaque pages, tombstones. It shows what is true now.

use std::collections::BTreeMap;

use agency::faults::FaultKind;
use axum::{
    Router,
    body::Body,
    extract::{Path, Query, State as Shared},
    http::{HeaderMap, Response, header},
    routing::get,
};
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};

use super::{
    RppsSimule, Structure, lock,
    monde::{Activite, Personne},
    service::{coupe, refus},
};

/// The key that the simulated gateway accepts.
pub const CLE: &str = "cle-fictive";

const NOS: &str = "https://mos.esante.gouv.fr/NOS";
const GUIDE: &str = "https://interop.esante.gouv.fr/ig/fhir/annuaire/StructureDefinition";
const TYPES: &str = "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203";

/// Page size of the API when none is asked for.
const PAGE: usize = 50;

type Params = BTreeMap<String, String>;

pub(super) fn routes() -> Router<RppsSimule> {
    Router::new().route("/fhir/v2/{ressource}", get(chercher))
}

impl RppsSimule {
    /// Base URL of the API.
    pub fn url_fhir(&self) -> String {
        format!("{}/fhir/v2", self.url())
    }
}

async fn chercher(
    Shared(simule): Shared<RppsSimule>,
    Path(ressource): Path<String>,
    Query(params): Query<Params>,
    headers: HeaderMap,
) -> Response<Body> {
    let fault = simule.faults.next(&format!("fhir {ressource}"));
    if headers.get("ESANTE-API-KEY").is_none_or(|key| key != CLE) {
        return refus(401, None);
    }
    match fault {
        Some(FaultKind::Status(status)) => return refus(status, None),
        Some(FaultKind::TooMany(seconds)) => return refus(429, Some(seconds)),
        Some(FaultKind::Down) => return Response::new(coupe(b"{\"resourceType\"")),
        Some(FaultKind::Slow(delay)) => tokio::time::sleep(delay).await,
        Some(FaultKind::Wrong) => return Response::new(Body::from("<html>maintenance</html>")),
        None => {}
    }
    // A page is the search it comes from and a rank, which a client cannot read.
    let (ressource, params, debut) = match params.get("id").and_then(|id| hex::decode(id).ok()) {
        Some(id) if ressource == "_page" => match serde_json::from_slice(&id) {
            Ok(page) => page,
            Err(_) => return refus(404, None),
        },
        Some(_) | None => (ressource, params, 0_usize),
    };
    let matches = match ressource.as_str() {
        "Practitioner" => simule.praticiens(&params),
        "PractitionerRole" => simule.situations(&params),
        _ => return refus(404, None),
    };
    let count = params.get("_count").and_then(|c| c.parse().ok()).unwrap_or(PAGE);
    let total = matches.len();
    let entries: Vec<Value> = matches
        .into_iter()
        .skip(debut)
        .take(count)
        .flatten()
        .map(|resource| json!({ "resource": resource }))
        .collect();
    let mut links = vec![json!({ "relation": "self", "url": simule.url_fhir() })];
    if debut + count < total {
        let page = json!([ressource, params, debut + count]).to_string();
        let url = format!("{}/_page?id={}", simule.url_fhir(), hex::encode(page));
        links.push(json!({ "relation": "next", "url": url }));
    }
    let bundle = json!({
        "resourceType": "Bundle", "type": "searchset", "total": total,
        "link": links, "entry": entries,
    });
    Response::builder()
        .header(header::CONTENT_TYPE, "application/fhir+json")
        .body(Body::from(bundle.to_string()))
        .unwrap_or_default()
}

impl RppsSimule {
    fn aujourd_hui(&self) -> NaiveDate {
        kernel::paris_date(self.inner.clock.now())
    }

    fn praticiens(&self, params: &Params) -> Vec<Vec<Value>> {
        let jour = self.aujourd_hui();
        let monde = lock(&self.inner.monde);
        let wanted = |p: &&Personne| {
            params.get("identifier").is_none_or(|n| n == p.fiche.rpps.as_str())
                && change_depuis(p, params, jour)
        };
        monde.personnes.values().filter(wanted).map(|p| vec![praticien(p, jour)]).collect()
    }

    fn situations(&self, params: &Params) -> Vec<Vec<Value>> {
        let jour = self.aujourd_hui();
        let monde = lock(&self.inner.monde);
        let include = params.get("_include").map(String::as_str).unwrap_or_default();
        let mut matches = Vec::new();
        for p in monde.personnes.values() {
            let id = format!("003-{}", p.fiche.rpps);
            let wanted =
                params.get("practitioner").is_none_or(|ids| ids.split(',').any(|i| i == id));
            if !wanted || !change_depuis(p, params, jour) {
                continue;
            }
            for (rang, activite) in p.activites.iter().enumerate() {
                if activite.periode.debut > jour {
                    continue;
                }
                let mut resources = vec![situation(p, rang, activite, jour)];
                match include {
                    "PractitionerRole:organization" => resources.push(organisation(activite)),
                    "PractitionerRole:practitioner" => resources.push(praticien(p, jour)),
                    _ => {}
                }
                matches.push(resources);
            }
        }
        matches
    }
}

/// Says whether something of a person changed on a day that `_lastUpdated` asks for.
fn change_depuis(p: &Personne, params: &Params, jour: NaiveDate) -> bool {
    let Some(since) = params.get("_lastUpdated").and_then(|v| v.strip_prefix("ge")) else {
        return true;
    };
    let Ok(since) = since.parse::<DateTime<Utc>>() else { return false };
    let since = kernel::paris_date(since);
    let periods = p.activites.iter().map(|a| a.periode).chain([p.periode]);
    let days = periods.flat_map(|p| [p.debut, p.fin]).chain(p.cartes.iter().map(|c| c.visible));
    days.into_iter().any(|day| since <= day && day <= jour)
}

fn concept(system: &str, code: &str) -> Value {
    json!({ "coding": [{ "system": system, "code": code }] })
}

fn identifiant(nature: &str, system: &str, value: &str) -> Value {
    json!({ "type": concept(TYPES, nature), "system": system, "value": value })
}

/// Somebody; once gone, only the id and the identifiers are left, with `active: false`.
fn praticien(p: &Personne, jour: NaiveDate) -> Value {
    let rpps = p.fiche.rpps.as_str();
    let identifiers = json!([
        identifiant("IDNPS", "urn:oid:1.2.250.1.71.4.2.1", &format!("8{rpps}")),
        identifiant("RPPS", "https://rpps.esante.gouv.fr", rpps),
    ]);
    let active = p.periode.montre(jour);
    let id = format!("003-{rpps}");
    let mut resource = json!({
        "resourceType": "Practitioner", "id": id, "identifier": identifiers, "active": active,
    });
    if !active {
        return resource;
    }
    let profession = if p.fiche.actif { "10" } else { "60" };
    let g15 = format!("{NOS}/TRE_G15-ProfessionSante/FHIR/TRE-G15-ProfessionSante");
    let r38 = format!("{NOS}/TRE_R38-SpecialiteOrdinale/FHIR/TRE-R38-SpecialiteOrdinale");
    let mut qualifications = vec![json!({ "code": concept(&g15, profession) })];
    if let Some(code) = p.fiche.savoir_faire.as_ref().filter(|_| p.fiche.actif) {
        qualifications.push(json!({ "code": concept(&r38, code) }));
    }
    let visible = p.cartes.iter().filter(|c| c.visible <= jour);
    let last = visible.clone().map(|c| c.debut).max();
    let cards: Vec<Value> = visible
        .filter(|c| Some(c.debut) == last)
        .map(|c| {
            let r87 = format!("{NOS}/TRE_R87-TypeCarte/FHIR/TRE-R87-TypeCarte");
            json!({ "url": format!("{GUIDE}/as-ext-smartcard"), "extension": [
                { "url": "type", "valueCodeableConcept": concept(&r87, "CPS") },
                { "url": "number", "valueString": c.numero },
                { "url": "period", "valuePeriod": { "start": c.debut, "end": c.fin } },
            ] })
        })
        .collect();
    resource["name"] = json!([{ "family": p.fiche.nom, "given": [p.fiche.prenom] }]);
    resource["qualification"] = json!(qualifications);
    resource["extension"] = json!(cards);
    resource
}

fn situation(p: &Personne, rang: usize, activite: &Activite, jour: NaiveDate) -> Value {
    let id = format!("005-{}-{rang}", p.fiche.rpps);
    if !activite.periode.montre(jour) || !p.periode.montre(jour) {
        return json!({ "resourceType": "PractitionerRole", "id": id, "active": false });
    }
    let r22 = format!("{NOS}/TRE_R22-GenreActivite/FHIR/TRE-R22-GenreActivite");
    json!({
        "resourceType": "PractitionerRole", "id": id, "active": true,
        "code": [concept(&r22, "GENR01")],
        "practitioner": { "reference": format!("Practitioner/003-{}", p.fiche.rpps) },
        "organization": { "reference": format!("Organization/{}", numero(&activite.structure)) },
    })
}

fn numero(structure: &Structure) -> String {
    match structure {
        Structure::Finess(finess) => format!("001-01-{finess}"),
        Structure::Rang(rang) => format!("001-02-{rang}"),
    }
}

fn organisation(activite: &Activite) -> Value {
    let identifiers = match &activite.structure {
        Structure::Finess(finess) => json!([
            identifiant("IDNST", "urn:oid:1.2.250.1.71.4.2.2", &format!("1{finess}")),
            identifiant("FINEG", "https://finess.esante.gouv.fr", finess.as_str()),
        ]),
        Structure::Rang(rang) => {
            json!([identifiant("RPPSRG", "https://rppsrang.esante.gouv.fr", rang.as_str())])
        }
    };
    json!({
        "resourceType": "Organization", "id": numero(&activite.structure),
        "identifier": identifiers, "active": true, "name": activite.lieu,
    })
}
