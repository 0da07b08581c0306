//! The catalogue itself: every message with its schema, for generated artefacts and their checks.

use std::collections::BTreeMap;

use schemars::{Schema, schema_for};
use serde_json::Value;

use super::{Famille, Flux, Message};
use crate::envelope::dataschema;

/// One message of the catalogue.
#[derive(Debug)]
pub struct Entry {
    /// CloudEvents `type`.
    pub message_type: &'static str,
    /// The exchange.
    pub flux: Flux,
    /// The family it goes to or comes from, for requests and answers.
    pub famille: Option<Famille>,
    /// Its JSON Schema (2020-12).
    pub schema: Schema,
    /// Decodes a body and encodes it again.
    pub round_trip: fn(&Value) -> Result<Value, serde_json::Error>,
    /// Decodes a body and says what it is about.
    pub subject: fn(&Value) -> Result<String, serde_json::Error>,
}

impl Entry {
    /// The schema as it is published: `$id` as in the envelope's `dataschema`, keys sorted whatever
    /// the features of the JSON library, two spaces, a final line end.
    pub fn schema_text(&self) -> String {
        let mut schema = self.schema.clone();
        schema.insert("$id".to_owned(), dataschema(self.message_type).into());
        format!("{:#}\n", sorted(schema.as_value()))
    }
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let ordered: BTreeMap<_, _> = map.iter().collect();
            Value::Object(ordered.into_iter().map(|(k, v)| (k.clone(), sorted(v))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn entry<M: Message>() -> Entry {
    Entry {
        message_type: M::TYPE,
        flux: M::FLUX,
        famille: M::FAMILLE,
        schema: schema_for!(M),
        round_trip: |body| serde_json::to_value(serde_json::from_value::<M>(body.clone())?),
        subject: |body| Ok(serde_json::from_value::<M>(body.clone())?.subject()),
    }
}

macro_rules! entries {
    ($($name:ident),* $(,)?) => { vec![$(entry::<super::$name>()),*] };
}

/// Every message of the catalogue, in the order of its README.
pub fn catalogue() -> Vec<Entry> {
    entries![
        CandidatureIncomplete,
        CandidatureDeposee,
        CandidatureModifiee,
        CandidatureRetiree,
        DossierDisparuDs,
        DecisionLueDs,
        ComplementDemande,
        CandidatureRefusee,
        ActiviteAutorisee,
        ActiviteModifiee,
        ActiviteSuspendue,
        ActiviteRetablie,
        ActiviteTerminee,
        MedecinIdentifie,
        MedecinRppsDivergent,
        ActiviteEnregistreeRpps,
        CarteCpsConstatee,
        RppsExtractionIntegree,
        RppsExtractionRefusee,
        FacturationOuverte,
        CpsEnRetard,
        AgendaOuvert,
        AgendaFerme,
        VacationPlanifiee,
        VacationAnnulee,
        VacationRealisee,
        PlanningPublie,
        IndemniteRetenue,
        IndemniteCorrigee,
        EtatMensuelEmis,
        IndemnitePayee,
        IndemniteRejetee,
        TacheOuverte,
        TacheFaite,
        PanneOuverte,
        PanneClose,
        RelanceEnvoyee,
        VerificationDemandee,
        ActiviteNotifiee,
        NumeroAmDemande,
        RibDemande,
        EtatMensuel,
        VerificationRendue,
        SuspensionPrononcee,
        SuspensionLevee,
        FinPrononcee,
        NumeroAmCree,
        NumeroAmRefuse,
        RibRecu,
        PaiementEffectue,
        PaiementRejete,
    ]
}
