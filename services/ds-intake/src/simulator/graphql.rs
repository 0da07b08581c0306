//! The endpoint: token, operation, variables, answer; as DS answers, errors included.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Interne, decrit,
    formes::{alias, curseur, dossier, id, ligne, ligne_disparue, lire_curseur},
    monde::{Disparu, Etat, Monde},
};

/// A request as DS reads it; what an operation does not know of its variables is ignored.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Requete {
    query: String,
    operation_name: String,
    #[serde(default)]
    variables: Variables,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(clippy::struct_excessive_bools, reason = "the variables of a document, one by one")]
struct Variables {
    demarche: u64,
    depuis: Option<chrono::DateTime<chrono::Utc>>,
    apres: Option<String>,
    taille: Option<usize>,
    avec_dossiers: bool,
    avec_noeuds: bool,
    disparus_depuis: Option<chrono::DateTime<chrono::Utc>>,
    avec_attente: bool,
    apres_attente: Option<String>,
    avec_definitif: bool,
    apres_definitif: Option<String>,
    numero: u64,
    input: Option<Entree>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entree {
    dossier_id: String,
    instructeur_id: String,
    motivation: Option<String>,
    body: Option<String>,
    correction: Option<String>,
    #[serde(default)]
    disable_notification: bool,
    #[serde(default)]
    annotations: Vec<EntreeAnnotation>,
}

#[derive(Deserialize)]
struct EntreeAnnotation {
    id: String,
    value: EntreeValeur,
}

#[derive(Deserialize)]
struct EntreeValeur {
    text: Option<String>,
}

/// An error of the controller: `data` is null.
pub(super) fn erreur(status: u16, code: &str, message: &str) -> Response {
    let body = json!({
        "errors": [{ "message": message, "extensions": { "code": code } }],
        "data": null,
    });
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, axum::Json(body)).into_response()
}

/// Looks at the token; the status of the refusal otherwise. A wrong one is answered as an absent
/// one.
pub(super) fn jeton_valable(interne: &Interne, headers: &HeaderMap) -> Result<(), u16> {
    let header = headers.get("authorization").and_then(|v| v.to_str().ok()).unwrap_or_default();
    let given = header.strip_prefix("Bearer token=").unwrap_or_default();
    let limites = interne.limites();
    match limites.refuses.get(given) {
        Some(status) => Err(*status),
        None if given == interne.jeton || limites.autres_jetons.contains(given) => Ok(()),
        None => Err(403),
    }
}

impl Requete {
    /// A stable name for the plan of faults: what is called, about which dossier.
    pub(super) fn appel(&self) -> String {
        let v = &self.variables;
        match (self.racine(), &v.input) {
            ("formulaire", _) => format!("getDemarcheDescriptor {}", v.demarche),
            ("demarche", _) => format!("getDemarche {}", v.demarche),
            ("dossier", _) => format!("getDossier {}", v.numero),
            (mutation, Some(input)) => {
                format!("{mutation} {}", numero_de(&input.dossier_id).unwrap_or_default())
            }
            (other, None) => other.to_owned(),
        }
    }

    /// The root field of the document.
    fn racine(&self) -> &'static str {
        const ROOTS: [&str; 5] = [
            "dossierPasserEnInstruction(",
            "dossierAccepter(",
            "dossierRefuser(",
            "dossierEnvoyerMessage(",
            "dossierModifierAnnotations(",
        ];
        if let Some(root) = ROOTS.into_iter().find(|r| self.query.contains(r)) {
            root.trim_end_matches('(')
        } else if self.query.contains("champDescriptors") {
            "formulaire"
        } else if self.query.contains("demarche(number:") {
            "demarche"
        } else if self.query.contains("dossier(number:") {
            "dossier"
        } else {
            "inconnue"
        }
    }

    /// Runs it; the body of an answer with status 200.
    pub(super) fn executer(self, interne: &Interne) -> Value {
        if !self.query.contains(&format!(" {}(", self.operation_name)) {
            let message = format!("No operation named \"{}\"", self.operation_name);
            return json!({ "errors": [{ "message": message }] });
        }
        let now = interne.clock.now();
        match self.racine() {
            "formulaire" => self.formulaire(interne),
            "demarche" => self.demarche(interne),
            "dossier" => self.dossier(interne),
            "inconnue" => json!({ "errors": [{ "message": "Field doesn't exist on type 'Query'",
                "extensions": { "code": "undefinedField" } }] }),
            mutation => self.mutation(mutation, interne, now),
        }
    }

    fn formulaire(&self, interne: &Interne) -> Value {
        if self.variables.demarche != interne.demarche {
            return racine("not_found", "Demarche not found", &Value::Null);
        }
        let demarche = decrit::demarche(interne, &interne.montre());
        json!({ "data": { "demarche": demarche } })
    }

    fn demarche(&self, interne: &Interne) -> Value {
        let v = &self.variables;
        if v.demarche != interne.demarche {
            return racine("not_found", "Demarche not found", &Value::Null);
        }
        let mut monde = interne.monde();
        let mut demarche = json!({ "activeRevision": { "id": revision(monde.revision) } });
        if v.avec_dossiers {
            match self.page(&mut monde, interne) {
                Ok(page) => demarche["dossiers"] = page,
                Err((code, message, page)) => {
                    demarche["dossiers"] = page;
                    return racine(code, message, &json!({ "demarche": demarche }));
                }
            }
        }
        let since = v.disparus_depuis;
        let list = |definitif: bool, after: &Option<String>| {
            let kept = |d: &Disparu| d.definitif == definitif && since.is_none_or(|s| d.le >= s);
            let mut rows: Vec<_> = monde.disparus.iter().filter(|(_, d)| kept(d)).collect();
            rows.sort_by_key(|(numero, d)| (d.le, **numero));
            let after = after.as_deref().and_then(lire_curseur);
            let rest = rows.into_iter().filter(|(n, d)| after.is_none_or(|a| (d.le, **n) > a));
            let rest: Vec<_> = rest.collect();
            let page = &rest[..rest.len().min(100)];
            json!({
                "pageInfo": {
                    "hasNextPage": page.len() < rest.len(),
                    "endCursor": page.last().map(|(n, d)| curseur(d.le, **n)),
                },
                "nodes": page.iter().map(|(n, d)| ligne_disparue(**n, d)).collect::<Vec<_>>(),
            })
        };
        if v.avec_attente {
            demarche["pendingDeletedDossiers"] = list(false, &v.apres_attente);
        }
        if v.avec_definitif {
            demarche["deletedDossiers"] = list(true, &v.apres_definitif);
        }
        json!({ "data": { "demarche": demarche } })
    }

    /// One page by (updated_at, id); with a root error, its code, its text and the partial data.
    fn page(
        &self,
        monde: &mut Monde,
        interne: &Interne,
    ) -> Result<Value, (&'static str, &'static str, Value)> {
        let v = &self.variables;
        // Beyond 100 DS silently gives 100.
        let first = v.taille.unwrap_or(100).min(100);
        let since = v.depuis.map_or((chrono::DateTime::UNIX_EPOCH, 0), |d| (d, 0));
        let after = v.apres.as_deref().and_then(lire_curseur);
        let rows = monde
            .par_date
            .range(since..)
            .copied()
            .filter(|row| after.is_none_or(|a| *row > a))
            .take(first + 1);
        let rows: Vec<_> = rows.collect();
        let page = &rows[..rows.len().min(first)];
        let end = page.last().map(|(t, n)| curseur(*t, *n));
        let info = json!({ "hasNextPage": rows.len() > first, "hasPreviousPage": after.is_some(),
            "endCursor": end });
        let nodes = |rows: &[(chrono::DateTime<chrono::Utc>, u64)]| -> Vec<Value> {
            let known = rows.iter().filter_map(|(_, n)| Some((*n, monde.dossiers.get(n)?)));
            known.map(|(n, d)| ligne(n, d)).collect()
        };
        let limites = interne.limites();
        if v.avec_noeuds && limites.page_max.is_some_and(|max| first > max) {
            // Partial data, with the pageInfo of the whole page.
            let partial = json!({ "pageInfo": info, "nodes": nodes(&page[..page.len() / 2]) });
            return Err(("timeout", "Timeout on Demarche.dossiers", partial));
        }
        if v.avec_noeuds && page.iter().any(|(_, n)| limites.empoisonnes.contains(n)) {
            let message = "Cannot return null for non-nullable field Dossier.demandeur";
            return Err(("invalid_null", message, Value::Null));
        }
        if v.avec_noeuds {
            Ok(json!({ "pageInfo": info, "nodes": nodes(page) }))
        } else {
            Ok(json!({ "pageInfo": info }))
        }
    }

    fn dossier(&self, interne: &Interne) -> Value {
        let numero = self.variables.numero;
        if interne.limites().empoisonnes.contains(&numero) {
            let message = "Cannot return null for non-nullable field Dossier.demandeur";
            return racine("invalid_null", message, &Value::Null);
        }
        let demarche = interne.montre();
        let unknown = if demarche.social { "champDescriptorId" } else { "RppsanteChamp" };
        if self.query.contains(unknown) {
            return json!({ "errors": [{ "message": "Field doesn't exist on type 'Champ'",
                "extensions": { "code": "undefinedField" } }] });
        }
        match interne.monde().dossiers.get(&numero) {
            Some(d) => json!({ "data": { "dossier": dossier(numero, d, &self.query, &demarche) } }),
            None => racine("not_found", "Dossier not found", &Value::Null),
        }
    }

    fn mutation(
        self,
        mutation: &str,
        interne: &Interne,
        now: chrono::DateTime<chrono::Utc>,
    ) -> Value {
        let Some(input) = self.variables.input else {
            let message = "Variable $input was provided invalid value";
            return json!({ "errors": [{ "message": message }] });
        };
        let mut monde = interne.monde();
        let numero = numero_de(&input.dossier_id).filter(|n| monde.dossiers.contains_key(n));
        let (Some(numero), true) = (numero, input.instructeur_id == interne.instructeur_id) else {
            return racine("not_found", "Payload not found", &Value::Null);
        };
        let missing = |field: &str| {
            let message = format!("Variable $input was provided invalid value for {field}");
            json!({ "errors": [{ "message": message }] })
        };
        let one = |result: Result<(), String>| result.err().into_iter().collect::<Vec<_>>();
        let notifier = !input.disable_notification;
        let mut passer = |etat| one(monde.muter(numero, etat, now, notifier));
        let refus = match (mutation, input.body) {
            ("dossierPasserEnInstruction", _) => passer(Etat::EnInstruction),
            ("dossierAccepter", _) => passer(Etat::Accepte),
            ("dossierRefuser", _) if input.motivation.is_none() => return missing("motivation"),
            ("dossierRefuser", _) => passer(Etat::Refuse),
            ("dossierEnvoyerMessage", None) => return missing("body"),
            ("dossierEnvoyerMessage", Some(body)) => {
                one(monde.ecrire(numero, body, input.correction, now))
            }
            _ => {
                let values = input.annotations.into_iter().map(|a| (a.id, a.value.text));
                monde.annoter(numero, values.collect(), now)
            }
        };
        let errors: Vec<_> = refus.into_iter().map(|m| json!({ "message": m })).collect();
        let errors = if errors.is_empty() { Value::Null } else { errors.into() };
        json!({ "data": { alias(&self.query, mutation): { "errors": errors } } })
    }
}

/// The GraphQL id of a revision of the form.
pub(super) fn revision(n: u32) -> String {
    id("ProcedureRevision", n)
}

/// A root error, with whatever data comes with it.
fn racine(code: &str, message: &str, data: &Value) -> Value {
    json!({ "errors": [{ "message": message, "extensions": { "code": code } }], "data": data })
}

fn numero_de(dossier_id: &str) -> Option<u64> {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let bytes = BASE64_STANDARD.decode(dossier_id).ok()?;
    String::from_utf8(bytes).ok()?.strip_prefix("Dossier-")?.parse().ok()
}

/// DS's own clock on every answer.
pub(super) fn dater(interne: &Interne, mut response: Response) -> Response {
    let now = interne.clock.now().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    if let Ok(value) = HeaderValue::from_str(&now) {
        response.headers_mut().insert("date", value);
    }
    response
}

/// The 429 of DS: no `Retry-After`, a Unix time in `RateLimit-Reset`, a text for a body.
pub(super) fn trop(interne: &Interne, seconds: u32) -> Response {
    let reset = interne.clock.now().timestamp() + i64::from(seconds);
    let headers = [("RateLimit-Remaining", "0".to_owned()), ("RateLimit-Reset", reset.to_string())];
    (StatusCode::TOO_MANY_REQUESTS, headers, "Trop de requêtes.\n").into_response()
}
