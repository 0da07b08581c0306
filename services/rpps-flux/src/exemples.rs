//! Fictive extracts for the tests, in the header variants that were read in public data: 52 columns
//! (« Code rôle »), 56 columns (« Code fonction »), and one without the columns of savoir-faire.

/// The header variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variante {
    /// 52 columns, older names.
    Ancienne,
    /// 56 columns, the names of 2026.
    Actuelle,
    /// The names of 2026 without those of savoir-faire.
    SansSavoirFaire,
}

pub(crate) const VARIANTES: [Variante; 3] =
    [Variante::Ancienne, Variante::Actuelle, Variante::SansSavoirFaire];

const IDENTITE: &str = "Type d'identifiant PP|Identifiant PP|Identification nationale PP|\
Code civilité d'exercice|Libellé civilité exercice|Code civilité|Libellé civilité|\
Nom d'exercice|Prénom d'exercice|Code profession|Libellé profession|\
Code catégorie professionnelle|Libellé catégorie professionnelle|";
const SAVOIR_FAIRE: &str =
    "Code type savoir-faire|Libellé type savoir-faire|Code savoir-faire|Libellé savoir-faire|";
const SITE: &str = "Code mode exercice|Libellé mode exercice|Numéro SIRET site|\
Numéro SIREN site|Numéro FINESS site|Numéro FINESS établissement juridique|\
Identifiant technique de la structure|Raison sociale site|Enseigne commerciale site|\
Complément destinataire (coord. structure)|Complément point géographique (coord. structure)|\
Numéro Voie (coord. structure)|Indice répétition voie (coord. structure)|\
Code type de voie (coord. structure)|Libellé type de voie (coord. structure)|\
Libellé Voie (coord. structure)|Mention distribution (coord. structure)|\
Bureau cedex (coord. structure)|Code postal (coord. structure)|\
Code commune (coord. structure)|Libellé commune (coord. structure)|\
Code pays (coord. structure)|Libellé pays (coord. structure)|Téléphone (coord. structure)|\
Téléphone 2 (coord. structure)|Télécopie (coord. structure)|\
Adresse e-mail (coord. structure)|";
const FIN_ANCIENNE: &str = "Code Département (structure)|Libellé Département (structure)|\
Ancien identifiant de la structure|Autorité d'enregistrement|Code secteur d'activité|\
Libellé secteur d'activité|Code rôle|Code genre activité|";
const FIN_ACTUELLE: &str = "Code département (coord. structure)|\
Libellé département (coord. structure)|Ancien identifiant de la structure|\
Autorité d'enregistrement|Code secteur d'activité|Libellé secteur d'activité|\
Code section tableau pharmaciens|Libellé section tableau pharmaciens|Code fonction|\
Libellé fonction|Code genre d'activité|Libellé genre d'activité|";

/// The header of the activities, with its trailing separator.
pub(crate) fn entete(variante: Variante) -> String {
    match variante {
        Variante::Ancienne => format!("{IDENTITE}{SAVOIR_FAIRE}{SITE}{FIN_ANCIENNE}"),
        Variante::Actuelle => format!("{IDENTITE}{SAVOIR_FAIRE}{SITE}{FIN_ACTUELLE}"),
        Variante::SansSavoirFaire => format!("{IDENTITE}{SITE}{FIN_ACTUELLE}"),
    }
}

/// The header of the cards.
pub(crate) const ENTETE_CARTES: &str = "Type d'identifiant PP|Identifiant PP|\
Identification nationale PP|Code type de carte|Libellé type de carte|Numéro carte|\
Identifiant national contenu dans la carte|Date début validité|Date fin validité|\
Date opposition|Date de mise à jour|";

/// A row under a header, from (column name, value); columns that the header lacks are left out.
pub(crate) fn ligne(entete: &str, valeurs: &[(&str, &str)]) -> String {
    let column = |nom: &str| valeurs.iter().find(|(n, _)| *n == nom).map_or("", |(_, v)| v);
    let noms = entete.strip_suffix('|').unwrap_or(entete).split('|');
    noms.flat_map(|nom| [column(nom), "|"]).collect()
}

/// A row of activity of a fictive doctor.
pub(crate) fn activite(entete: &str, rpps: &str, nom: &str, finess: &str, rang: &str) -> String {
    let technique = if rang.is_empty() { format!("F{finess}") } else { rang.to_owned() };
    ligne(
        entete,
        &[
            ("Type d'identifiant PP", "8"),
            ("Identifiant PP", rpps),
            ("Nom d'exercice", nom),
            ("Prénom d'exercice", "ANNE-MARIE"),
            ("Code profession", "10"),
            ("Code savoir-faire", "SM54"),
            ("Numéro FINESS site", finess),
            ("Identifiant technique de la structure", &technique),
            ("Libellé commune (coord. structure)", "Saint-Éloy"),
        ],
    )
}

/// A row of a fictive card.
pub(crate) fn carte(rpps: &str, numero: &str, debut: &str, opposition: &str) -> String {
    ligne(
        ENTETE_CARTES,
        &[
            ("Type d'identifiant PP", "8"),
            ("Identifiant PP", rpps),
            ("Code type de carte", "CPS"),
            ("Numéro carte", numero),
            ("Date début validité", debut),
            ("Date fin validité", "2028-11-20"),
            ("Date opposition", opposition),
        ],
    )
}

/// A whole file.
pub(crate) fn fichier(entete: &str, lignes: &[String]) -> String {
    let mut texte = format!("{entete}\n");
    for ligne in lignes {
        texte.push_str(ligne);
        texte.push('\n');
    }
    texte
}
