//! The resources of the API of the Annuaire Santé that Relais reads, reduced to what it needs.
//!
//! Source: ANS, « API FHIR Annuaire Santé » and its implementation guide (2026-06-30). Identifiers
//! are recognised by the code of their type, not by their system: the systems differ between the
//! guide (`https://rpps.esante.gouv.fr`) and the samples (`http://rpps.fr`).

use std::collections::{BTreeMap, BTreeSet};

use contracts::Rpps;
use serde::Deserialize;
use serde_json::Value;

use super::{PROFESSION_MEDECIN, TYPE_CPS, jour, numero_rpps};
use crate::state::{Carte, Fiche};

/// The extension that carries a card (implementation guide, `as-ext-smartcard`).
const CARTE: &str = "as-ext-smartcard";

/// A page of results.
#[derive(Debug, Deserialize)]
pub struct Bundle {
    #[serde(rename = "resourceType")]
    nature: String,
    #[serde(default)]
    link: Vec<Link>,
    #[serde(default)]
    entry: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
struct Link {
    relation: String,
    url: String,
}

#[derive(Debug, Deserialize)]
struct Entry {
    #[serde(default)]
    resource: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Praticien {
    id: String,
    active: Option<bool>,
    identifier: Vec<Identifiant>,
    name: Vec<Nom>,
    qualification: Vec<Qualification>,
    extension: Vec<Extension>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Situation {
    active: Option<bool>,
    code: Vec<Concept>,
    organization: Option<Reference>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Organisation {
    id: String,
    identifier: Vec<Identifiant>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Identifiant {
    #[serde(rename = "type")]
    nature: Concept,
    value: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Nom {
    family: String,
    given: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Qualification {
    code: Concept,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Concept {
    coding: Vec<Coding>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Coding {
    system: String,
    code: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Reference {
    reference: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Extension {
    url: String,
    #[serde(rename = "extension")]
    parties: Vec<Extension>,
    value_string: Option<String>,
    value_codeable_concept: Option<Concept>,
    value_period: Option<Periode>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Periode {
    start: Option<String>,
    end: Option<String>,
}

impl Concept {
    /// The codes of a nomenclature, which its system names (`…/TRE_G15-ProfessionSante/…`).
    fn codes(&self, table: &'static str) -> impl Iterator<Item = &str> {
        let of = move |c: &&Coding| c.system.contains(table);
        self.coding.iter().filter(of).map(|c| c.code.as_str())
    }
}

impl Identifiant {
    fn est(&self, code: &str) -> bool {
        self.nature.coding.iter().any(|c| c.code == code)
    }
}

impl Praticien {
    /// The RPPS number, given as such or as the national identifier.
    fn rpps(&self) -> Option<Rpps> {
        let known = |i: &&Identifiant| i.est("RPPS") || i.est("IDNPS");
        let numero = |i: &Identifiant| numero_rpps(i.value.trim());
        let numeros = self.identifier.iter().filter(known).filter_map(numero);
        numeros.map(|n| format!("{n:011}")).find_map(|n| n.parse().ok())
    }

    fn ajouter_a(&self, fiche: &mut Fiche) {
        for nom in &self.name {
            fiche.noms.insert((nom.family.clone(), nom.given.join(" ")));
        }
        for qualification in &self.qualification {
            fiche.professions.extend(qualification.code.codes("TRE_G15").map(str::to_owned));
            fiche.savoir_faire.extend(qualification.code.codes("TRE_R38").map(str::to_owned));
        }
        fiche.cartes.extend(self.extension.iter().filter_map(carte));
    }
}

/// A CPS card; the others say nothing of how the doctor may bill.
fn carte(extension: &Extension) -> Option<Carte> {
    if !extension.url.ends_with(CARTE) {
        return None;
    }
    let part = |name: &str| extension.parties.iter().find(|e| e.url == name);
    let nature = part("type")?.value_codeable_concept.as_ref()?;
    if !nature.coding.iter().any(|c| c.code == TYPE_CPS) {
        return None;
    }
    let numero = part("number")?.value_string.as_deref()?;
    let last = numero.char_indices().rev().nth(3).map_or(0, |(i, _)| i);
    let periode = part("period")?.value_period.as_ref()?;
    Some(Carte {
        numero: numero[last..].to_owned(),
        debut: jour(periode.start.as_deref()?)?,
        fin: periode.end.as_deref().and_then(jour),
    })
}

impl Bundle {
    /// A page of results; `None` when the text is something else.
    pub fn lire(texte: &[u8]) -> Option<Self> {
        serde_json::from_slice(texte).ok().filter(|bundle: &Self| bundle.nature == "Bundle")
    }

    /// The address of the next page, to be followed as it is.
    pub fn suite(&self) -> Option<&str> {
        self.link.iter().find(|l| l.relation == "next").map(|l| l.url.as_str())
    }

    fn ressources<T: for<'d> Deserialize<'d>>(&self, nature: &str) -> Vec<T> {
        let of =
            |e: &&Entry| e.resource.get("resourceType").and_then(Value::as_str) == Some(nature);
        // A resource of another form says nothing, as one that is absent.
        self.entry.iter().filter(of).filter_map(|e| T::deserialize(&e.resource).ok()).collect()
    }

    /// The person with this number: the ids of the resources, and what they say; `None` when there
    /// is none, or only what is left of a deletion (`active: false`).
    pub fn praticien(&self, rpps: &Rpps) -> Option<(Vec<String>, Fiche)> {
        let mut fiche = Fiche::default();
        let mut ids = Vec::new();
        for praticien in self.ressources::<Praticien>("Practitioner") {
            if praticien.active != Some(false) && praticien.rpps().as_ref() == Some(rpps) {
                praticien.ajouter_a(&mut fiche);
                ids.push(praticien.id);
            }
        }
        fiche.cartes.sort_by_key(|c| (c.debut, c.numero.clone()));
        fiche.cartes.dedup();
        (!ids.is_empty()).then_some((ids, fiche))
    }

    /// The sites of the activities as a doctor, as the RPPS names them.
    pub fn structures(&self) -> BTreeSet<String> {
        let organisations: BTreeMap<String, Organisation> = self
            .ressources::<Organisation>("Organization")
            .into_iter()
            .map(|o| (o.id.clone(), o))
            .collect();
        let mut structures = BTreeSet::new();
        for situation in self.ressources::<Situation>("PractitionerRole") {
            let mut professions = situation.code.iter().flat_map(|c| c.codes("TRE_G15")).peekable();
            let autre =
                professions.peek().is_some() && !professions.any(|p| p == PROFESSION_MEDECIN);
            let Some(reference) = situation.organization else { continue };
            let id = reference.reference.rsplit('/').next().unwrap_or_default();
            if situation.active == Some(false) || autre {
                continue;
            }
            if let Some(organisation) = organisations.get(id) {
                structures.extend(organisation.identifier.iter().filter_map(structure));
            }
        }
        structures
    }

    /// The numbers of everybody on the page, tombstones included.
    pub fn numeros(&self) -> BTreeSet<Rpps> {
        let praticiens = self.ressources::<Praticien>("Practitioner");
        praticiens.iter().filter_map(Praticien::rpps).collect()
    }
}

/// FINESS (`FINEG`), RPPS-rang (`RPPSRG`), or the structure's national identifier (`IDNST`), which
/// is `1` before a FINESS.
fn structure(identifiant: &Identifiant) -> Option<String> {
    let value = identifiant.value.trim();
    if identifiant.est("FINEG") || identifiant.est("RPPSRG") {
        return (!value.is_empty()).then(|| value.to_owned());
    }
    let finess = value.strip_prefix('1').filter(|f| f.len() == 9)?;
    identifiant.est("IDNST").then(|| finess.to_owned())
}

#[cfg(test)]
mod tests;
