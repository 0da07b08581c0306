//! The form as DS describes it: fields, annotations, and the groups that work on it.

use serde::Deserialize;

use super::reponses::Identifie;

/// Data of a description.
#[derive(Debug, Deserialize)]
pub struct ResultatFormulaire {
    /// The démarche.
    pub demarche: DemarcheDecrite,
}

/// A démarche, described.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DemarcheDecrite {
    title: String,
    state: String,
    active_revision: Revision,
    #[serde(default)]
    groupe_instructeurs: Vec<GroupeLu>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Revision {
    id: String,
    champ_descriptors: Vec<Descripteur>,
    #[serde(default)]
    annotation_descriptors: Vec<Descripteur>,
}

#[derive(Debug, Deserialize)]
struct Descripteur {
    #[serde(rename = "__typename")]
    typename: String,
    id: String,
    label: String,
    #[serde(default)]
    required: bool,
    options: Option<Vec<String>>,
    contenu: Option<Vec<Descripteur>>,
}

#[derive(Debug, Deserialize)]
struct GroupeLu {
    label: String,
    #[serde(default)]
    closed: bool,
    #[serde(default)]
    instructeurs: Vec<Identifie>,
}

/// The form of the active revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormulaireDs {
    /// Title of the démarche.
    pub titre: String,
    /// `publiee`, `brouillon`, `close`, `depubliee`.
    pub etat: String,
    /// GraphQL id of the revision.
    pub revision: String,
    /// Fields, those of a repetition after it.
    pub champs: Vec<ChampDecrit>,
    /// Private annotations.
    pub annotations: Vec<ChampDecrit>,
    /// Groups of instructeurs that are open.
    pub groupes: Vec<Groupe>,
}

/// A field of the form, or an annotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChampDecrit {
    /// Its `champDescriptorId`.
    pub id: String,
    /// Its type, e.g. `Text`: the name of DS without `ChampDescriptor`.
    pub genre: String,
    /// What the doctor reads.
    pub libelle: String,
    /// DS asks for a value.
    pub obligatoire: bool,
    /// The choices of a list.
    pub options: Vec<String>,
    /// The repetition that it is in.
    pub dans: Option<String>,
}

/// A group of instructeurs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groupe {
    /// Its label.
    pub libelle: String,
    /// GraphQL ids of its instructeurs.
    pub instructeurs: Vec<String>,
}

impl From<DemarcheDecrite> for FormulaireDs {
    fn from(d: DemarcheDecrite) -> Self {
        let open = d.groupe_instructeurs.into_iter().filter(|g| !g.closed);
        let groupe = |g: GroupeLu| Groupe {
            libelle: g.label,
            instructeurs: g.instructeurs.into_iter().map(|i| i.id).collect(),
        };
        Self {
            titre: d.title,
            etat: d.state,
            revision: d.active_revision.id,
            champs: a_plat(d.active_revision.champ_descriptors),
            annotations: a_plat(d.active_revision.annotation_descriptors),
            groupes: open.map(groupe).collect(),
        }
    }
}

fn a_plat(descripteurs: Vec<Descripteur>) -> Vec<ChampDecrit> {
    let mut champs = Vec::new();
    for mut d in descripteurs {
        let contenu = d.contenu.take().unwrap_or_default();
        let repetition = d.id.clone();
        champs.push(decrit(d, None));
        champs.extend(contenu.into_iter().map(|d| decrit(d, Some(repetition.clone()))));
    }
    champs
}

fn decrit(d: Descripteur, dans: Option<String>) -> ChampDecrit {
    ChampDecrit {
        genre: d.typename.trim_end_matches("ChampDescriptor").to_owned(),
        id: d.id,
        libelle: d.label,
        obligatoire: d.required,
        options: d.options.unwrap_or_default(),
        dans,
    }
}
