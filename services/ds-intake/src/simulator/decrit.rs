//! The form as DS describes it (facts of the API, section 3): descriptors of fields and of private
//! annotations, and the groups of instructeurs.

use serde_json::{Value, json};

use super::{
    Interne,
    formes::{Demarche, id},
};

/// What a test changes of the form: stable id of a field, and its type, or nothing to take it away.
pub(super) type Retouches = std::collections::BTreeMap<u64, Option<String>>;

pub(super) fn demarche(interne: &Interne, demarche: &Demarche<'_>) -> Value {
    let retouches = interne.limites().retouches;
    let annotations: Vec<_> = interne.monde().annotations.iter().cloned().collect();
    let annotation = |(rank, id): (usize, &String)| {
        let label = format!("Annotation {}", rank + 1);
        json!({ "__typename": "TextChampDescriptor", "id": id, "label": label, "required": false })
    };
    json!({
        "title": "Un médecin près de chez vous (fictif)",
        "state": "publiee",
        "activeRevision": {
            "id": demarche.revision,
            "champDescriptors": champs(&retouches, demarche.social),
            "annotationDescriptors": annotations.iter().enumerate().map(annotation).collect::<Vec<_>>(),
        },
        "groupeInstructeurs": [{
            "label": "CDOM 63 - Puy-de-Dôme",
            "closed": false,
            "instructeurs": demarche.instructeurs(),
        }],
    })
}

fn champs(retouches: &Retouches, social: bool) -> Vec<Value> {
    let champ = |stable_id: u64, kind: &str, label: &str, options: &[&str]| -> Option<Value> {
        let kind = match retouches.get(&stable_id) {
            None => kind,
            Some(None) => return None,
            Some(Some(other)) => other,
        };
        let mut value = json!({
            "__typename": format!("{kind}ChampDescriptor"),
            "id": id("Champ", stable_id),
            "label": label,
            "required": true,
        });
        if !options.is_empty() {
            value["options"] = json!(options);
        }
        Some(value)
    };
    let rpps = if social { "Rppsante" } else { "Text" };
    let modes = ["Libéral installé", "Remplaçant", "Salarié", "Hospitalier", "Retraité"];
    let mut creneaux = champ(4_100_011, "Repetition", "Créneaux souhaités", &[]);
    if let Some(repetition) = &mut creneaux {
        let inside =
            [champ(4_100_012, "Date", "Date", &[]), champ(4_100_013, "Text", "Demi-journée", &[])];
        repetition["contenu"] = inside.into_iter().flatten().collect();
    }
    let all = [
        champ(4_100_001, "HeaderSection", "Votre identité", &[]),
        champ(4_100_002, rpps, "Numéro RPPS (11 chiffres)", &[]),
        champ(4_100_003, "Phone", "Téléphone", &[]),
        champ(4_100_004, "Email", "Adresse électronique professionnelle", &[]),
        champ(4_100_006, "DropDownList", "Mode d’exercice", &modes),
        champ(4_100_007, "Departement", "Département d’exercice principal", &[]),
        champ(4_100_008, "Text", "Conseil départemental d’inscription", &[]),
        champ(4_100_010, "MultipleDropDownList", "Lieux souhaités", &[]),
        creneaux,
        champ(4_100_014, "YesNo", "Souhaitez-vous être remplacé ?", &[]),
        champ(4_100_015, "PieceJustificative", "Attestation", &[]),
    ];
    all.into_iter().flatten().collect()
}
