//! Answers in the shapes of DS, transcribed from the facts of the API (sections 2 and 3): ids,
//! `__typename`s, dates with the offset of Paris and seconds only.

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD},
};
use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use chrono_tz::Europe::Paris;
use serde_json::{Value, json};

use super::{
    depot::Champs,
    monde::{AGENT, Disparu, DossierDs, MessageDs, ROBOT, Traitement},
};

pub(super) fn id(kind: &str, id: impl std::fmt::Display) -> String {
    BASE64_STANDARD.encode(format!("{kind}-{id}"))
}

/// ISO 8601 with the offset of Paris, truncated to the second.
pub(super) fn date(t: DateTime<Utc>) -> String {
    t.with_timezone(&Paris).to_rfc3339_opts(SecondsFormat::Secs, false)
}

fn date_ou_nul(t: Option<DateTime<Utc>>) -> Value {
    t.map_or(Value::Null, |t| date(t).into())
}

/// Keyset cursor: unpadded base 64 of `<updated_at with nanoseconds>;<id>`.
pub(super) fn curseur(t: DateTime<Utc>, numero: u64) -> String {
    let at = t.format("%Y-%m-%dT%H:%M:%S%.9fZ");
    BASE64_STANDARD_NO_PAD.encode(format!("{at};{numero}"))
}

pub(super) fn lire_curseur(text: &str) -> Option<(DateTime<Utc>, u64)> {
    let bytes = BASE64_STANDARD_NO_PAD.decode(text).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (at, numero) = text.split_once(';')?;
    Some((at.parse().ok()?, numero.parse().ok()?))
}

pub(super) fn ligne(numero: u64, d: &DossierDs) -> Value {
    json!({
        "__typename": "Dossier",
        "id": id("Dossier", numero),
        "number": numero,
        "state": d.etat.as_str(),
        "dateDerniereModification": date(d.modifie_le),
    })
}

pub(super) fn ligne_disparue(numero: u64, d: &Disparu) -> Value {
    json!({
        "id": id("DeletedDossier", numero),
        "number": numero,
        "dateSupression": date(d.le),
        "state": d.etat.as_str(),
        "reason": d.raison,
    })
}

pub(super) fn dossier(numero: u64, d: &DossierDs, query: &str, demarche: &Demarche<'_>) -> Value {
    let demandeur = json!({
        "__typename": "PersonnePhysique",
        "civilite": d.depot.civilite,
        "nom": d.depot.nom,
        "prenom": d.depot.prenom,
        "email": d.depot.courriel,
    });
    let traitement = |(event, at, agent): &Traitement| json!({ "event": event, "emailAgentTraitant": agent, "dateTraitement": date(*at) });
    json!({
        "__typename": "Dossier",
        "id": id("Dossier", numero),
        "number": numero,
        "archived": false,
        "state": d.etat.as_str(),
        "dateDepot": date(d.depose_le),
        "datePassageEnConstruction": date(d.construit_le),
        "datePassageEnInstruction": date_ou_nul(d.instruit_le),
        "dateTraitement": date_ou_nul(d.traite_le),
        "dateDerniereModification": date(d.modifie_le),
        "deposeParUnTiers": d.depot.par_un_tiers,
        "usager": { "email": d.depot.usager },
        "demandeur": demandeur,
        "demarche": { "revision": { "id": demarche.revision } },
        "groupeInstructeur": { "instructeurs": demarche.instructeurs() },
        "traitements": d.traitements.iter().map(traitement).collect::<Vec<_>>(),
        "messages": d.messages.iter().enumerate().map(message).collect::<Vec<_>>(),
        "champs": Formulaire { query, social: demarche.social }.champs(&d.depot.champs),
    })
}

fn message((rank, m): (usize, &MessageDs)) -> Value {
    let correction = m
        .correction
        .as_ref()
        .map(|reason| json!({ "reason": reason, "dateResolution": date_ou_nul(m.resolue_le) }));
    json!({
        "id": id("Message", rank + 1),
        "email": "contact@demarches.example",
        "body": m.corps,
        "createdAt": date(m.le),
        "discardedAt": null,
        "correction": correction,
    })
}

/// The name that the document gives to a field: its alias, or the field's own.
pub(super) fn alias<'q>(query: &'q str, field: &'q str) -> &'q str {
    let before = query.find(field).map_or("", |at| query[..at].trim_end());
    let Some(named) = before.strip_suffix(':') else { return field };
    named.rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or(field)
}

/// The form, as the document asks for it: typed fields only where it has a fragment on their type.
struct Formulaire<'q> {
    query: &'q str,
    social: bool,
}

/// What a dossier shows of its démarche.
pub(super) struct Demarche<'a> {
    pub(super) revision: String,
    pub(super) robot: &'a str,
    /// As the fork of the social ministries shows it.
    pub(super) social: bool,
}

impl Demarche<'_> {
    /// The robot, and somebody of the CDOM.
    pub(super) fn instructeurs(&self) -> Value {
        json!([
            { "id": self.robot, "email": ROBOT },
            { "id": id("Instructeur", 9001), "email": AGENT },
        ])
    }
}

impl Formulaire<'_> {
    /// One champ: what every champ has, and what its type adds.
    fn champ(&self, stable_id: u64, kind: &str, label: &str, text: &str, typed: &Value) -> Value {
        let descriptor = id("Champ", stable_id);
        let typename = self.typename(kind);
        let mut value = json!({
            "id": descriptor,
            "__typename": typename,
            "label": label,
            "stringValue": text,
            "prefilled": false,
        });
        if !self.social {
            value["champDescriptorId"] = descriptor.into();
        }
        if let Some(fragment) = self.fragment(typename) {
            let selection = fragment.split(['{', '}']).nth(1).unwrap_or_default();
            for (name, field) in typed.as_object().into_iter().flatten() {
                if selection.split(|c: char| !c.is_alphanumeric()).any(|word| word == name) {
                    value[alias(selection, name)] = field.clone();
                }
            }
        }
        value
    }

    /// Some types are shown as another one unless the document has a fragment on them.
    fn typename<'t>(&self, kind: &'t str) -> &'t str {
        let opt_in = ["DropDownListChamp", "DepartementChamp", "HeaderSectionChamp"];
        match kind {
            "YesNoChamp" if self.fragment(kind).is_none() => "CheckboxChamp",
            kind if opt_in.contains(&kind) && self.fragment(kind).is_none() => "TextChamp",
            kind => kind,
        }
    }

    fn fragment(&self, kind: &str) -> Option<&str> {
        let at = self.query.find(&format!("on {kind} "))?;
        Some(&self.query[at..])
    }

    fn texte(&self, stable_id: u64, label: &str, text: &str) -> Value {
        self.champ(stable_id, "TextChamp", label, text, &json!({ "value": text }))
    }

    /// A text, or what the fork knows of a doctor.
    fn rpps(&self, text: &str) -> Value {
        let label = "Numéro RPPS (11 chiffres)";
        if !self.social {
            return self.texte(4_100_002, label, text);
        }
        let data = json!({ "data": { "identifiant_pp": text, "nom_d_exercice": "EXEMPLE" } });
        self.champ(4_100_002, "RppsanteChamp", label, "Dr EXEMPLE", &data)
    }

    fn champs(&self, c: &Champs) -> Vec<Value> {
        let departement = if c.departement.is_empty() {
            Value::Null
        } else {
            json!({ "name": "Département", "code": c.departement })
        };
        let remplacement = c.remplacement.map(|r| r.to_string()).unwrap_or_default();
        let mode = json!({ "value": c.mode_exercice });
        let none = Value::Null;
        vec![
            self.champ(4_100_001, "HeaderSectionChamp", "Votre identité", "", &none),
            self.rpps(&c.rpps),
            self.texte(4_100_003, "Téléphone", &c.telephone),
            self.texte(4_100_004, "Adresse électronique professionnelle", &c.courriel),
            self.champ(4_100_006, "DropDownListChamp", "Mode d’exercice", &c.mode_exercice, &mode),
            self.champ(
                4_100_007,
                "DepartementChamp",
                "Département d’exercice principal",
                &c.departement,
                &json!({ "departement": departement, "value": c.departement }),
            ),
            self.texte(4_100_008, "Conseil départemental d’inscription", &c.cdom),
            self.champ(
                4_100_010,
                "MultipleDropDownListChamp",
                "Lieux souhaités",
                &c.lieux.join(", "),
                &json!({ "values": c.lieux }),
            ),
            self.creneaux(c),
            self.champ(
                4_100_014,
                "YesNoChamp",
                "Souhaitez-vous être remplacé ?",
                &remplacement,
                &json!({ "value": c.remplacement }),
            ),
            self.champ(4_100_015, "PieceJustificativeChamp", "Attestation", "", &none),
        ]
    }

    fn creneaux(&self, c: &Champs) -> Value {
        let row = |(rank, (day, half)): (usize, &(NaiveDate, String))| {
            // Row ids are ULIDs; inside a row the champ's id names it too, its descriptor does not.
            let ulid = format!("01RELAIS{rank:018}");
            let inside = |stable_id: u64, mut value: Value| {
                value["id"] = BASE64_STANDARD.encode(format!("Champ-{stable_id}|{ulid}")).into();
                value
            };
            let shown = day.format("%d/%m/%Y").to_string();
            let date = json!({ "date": day.to_string() });
            let date = self.champ(4_100_012, "DateChamp", "Date", &shown, &date);
            let half = self.texte(4_100_013, "Demi-journée", half);
            let champs = [inside(4_100_012, date), inside(4_100_013, half)];
            json!({ "id": id("Row", &ulid), "champs": champs })
        };
        let rows: Vec<_> = c.creneaux.iter().enumerate().map(row).collect();
        let label = "Créneaux souhaités";
        self.champ(4_100_011, "RepetitionChamp", label, "", &json!({ "rows": rows }))
    }
}
