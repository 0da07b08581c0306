//! The text of the two extracts, header variant C (stamped 202609230000) and the cards' header.

use std::fmt::Write;

use chrono::NaiveDate;
use kernel::Draw;

use super::{
    Structure,
    monde::{Activite, Monde, Personne},
};

pub(super) const ENTETE_ACTIVITES: &str = "Type d'identifiant PP|Identifiant PP|Identification nationale PP|\
Code civilité d'exercice|Libellé civilité exercice|Code civilité|Libellé civilité|\
Nom d'exercice|Prénom d'exercice|Code profession|Libellé profession|\
Code catégorie professionnelle|Libellé catégorie professionnelle|Code type savoir-faire|\
Libellé type savoir-faire|Code savoir-faire|Libellé savoir-faire|Code mode exercice|\
Libellé mode exercice|Numéro SIRET site|Numéro SIREN site|Numéro FINESS site|\
Numéro FINESS établissement juridique|Identifiant technique de la structure|\
Raison sociale site|Enseigne commerciale site|Complément destinataire (coord. structure)|\
Complément point géographique (coord. structure)|Numéro Voie (coord. structure)|\
Indice répétition voie (coord. Structure)|Code type de voie (coord. structure)|\
Libellé type de voie (coord. structure)|Libellé Voie (coord. structure)|\
Mention distribution (coord. structure)|Bureau cedex (coord. structure)|\
Code postal (coord. structure)|Code commune (coord. structure)|\
Libellé commune (coord. structure)|Code pays (coord. structure)|\
Libellé pays (coord. structure)|Téléphone (coord. structure)|\
Téléphone 2 (coord. structure)|Télécopie (coord. structure)|\
Adresse e-mail (coord. structure)|Code département (coord. structure)|\
Libellé département (coord. structure)|Ancien identifiant de la structure|\
Autorité d'enregistrement|Code secteur d'activité|Libellé secteur d'activité|\
Code section tableau pharmaciens|Libellé section tableau pharmaciens|Code fonction|\
Libellé fonction|Code genre d'activité|Libellé genre d'activité|";

const ENTETE_CARTES: &str = "Type d'identifiant PP|Identifiant PP|Identification nationale PP|\
Code type de carte|Libellé type de carte|Numéro carte|Identifiant national contenu dans la carte|\
Date début validité|Date fin validité|Date opposition|Date de mise à jour|";

/// One row of activity: (column rank from 0, value); the other columns are empty.
fn ligne(valeurs: &[(usize, &str)]) -> String {
    let mut colonnes = [""; 56];
    for (rang, valeur) in valeurs {
        colonnes[*rang] = valeur;
    }
    format!("{}|\n", colonnes.join("|"))
}

fn ligne_de(personne: &Personne, activite: Option<&Activite>) -> String {
    let fiche = &personne.fiche;
    let rpps = fiche.rpps.as_str();
    let idnps = format!("8{rpps}");
    let mut valeurs = vec![(0, "8"), (1, rpps), (2, idnps.as_str()), (7, fiche.nom.as_str())];
    valeurs.extend([(8, fiche.prenom.as_str()), (11, "C"), (12, "Civil")]);
    if fiche.actif {
        valeurs.extend([(3, "DR"), (4, "Docteur"), (9, "10"), (10, "Médecin")]);
        valeurs.extend([(17, "L"), (47, "CNOM/CNOM/CNOM"), (54, "GENR01")]);
        if let Some(code) = &fiche.savoir_faire {
            valeurs.extend([(13, "S"), (14, "Spécialité ordinale"), (15, code.as_str())]);
        }
    } else {
        valeurs.extend([(9, "60"), (10, "Infirmier"), (17, "S")]);
    }
    let technique;
    if let Some(activite) = activite {
        valeurs.push((24, activite.lieu.as_str()));
        match &activite.structure {
            Structure::Finess(finess) => {
                technique = format!("F{finess}");
                valeurs.extend([(21, finess.as_str()), (23, technique.as_str()), (48, "SA52")]);
            }
            Structure::Rang(rang) => valeurs.extend([(23, rang.as_str()), (48, "SA08")]),
        }
    }
    ligne(&valeurs)
}

/// The activities of a day: a row per activity, one without a site for who has none.
pub(super) fn activites(monde: &Monde, jour: NaiveDate) -> String {
    let mut texte = format!("{ENTETE_ACTIVITES}\n");
    for personne in monde.personnes.values().filter(|p| p.periode.montre(jour)) {
        let montrees = || personne.activites.iter().filter(|a| a.periode.montre(jour));
        if montrees().next().is_none() {
            texte.push_str(&ligne_de(personne, None));
        }
        montrees().for_each(|activite| texte.push_str(&ligne_de(personne, Some(activite))));
    }
    let jour = jour.to_string();
    for (rang, [entiere, changee]) in monde.fond.iter().enumerate() {
        let draw = Draw::of(monde.graine, &["rpps", "jour", &rang.to_string(), &jour]);
        texte.push_str(if draw.percent(1) { changee } else { entiere });
    }
    texte
}

const ENTETE_SAVOIR_FAIRE: &str = "Type d'identifiant PP|Identifiant PP|\
Identification nationale PP|Nom d'exercice|Prénom d'exercice|Code profession|Libellé profession|\
Code catégorie professionnelle|Libellé catégorie professionnelle|Code type savoir-faire|\
Libellé type savoir-faire|Code savoir-faire|Libellé savoir-faire|";

/// The specialities of a day.
pub(super) fn savoir_faire(monde: &Monde, jour: NaiveDate) -> String {
    let mut texte = format!("{ENTETE_SAVOIR_FAIRE}\n");
    for personne in monde.personnes.values().filter(|p| p.periode.montre(jour)) {
        let fiche = &personne.fiche;
        if let Some(code) = fiche.savoir_faire.as_ref().filter(|_| fiche.actif) {
            let (rpps, nom, prenom) = (&fiche.rpps, &fiche.nom, &fiche.prenom);
            // Writing to a String cannot fail.
            let _ = writeln!(
                texte,
                "8|{rpps}|8{rpps}|{nom}|{prenom}|10|Médecin|C|Civil|S|Spécialité ordinale|{code}||"
            );
        }
    }
    texte
}

/// Somebody else, as most days show them and as about one day in a hundred does: pharmacists and
/// nurses, under numbers whose key is wrong on purpose.
pub(super) fn ligne_de_fond(graine: u64, rang: u32) -> [String; 2] {
    let nom = rang.to_string();
    let draw = |quoi: &str| Draw::of(graine, &["rpps", quoi, &nom]);
    let serie = 1_000_000 + u64::from(rang);
    let rpps = format!("997{serie:07}{}", (cle(serie) + 1) % 10);
    let (profession, libelle) =
        *draw("profession").pick(&[("21", "Pharmacien"), ("60", "Infirmier")]);
    let site = format!("MAISON DE SANTE {}", draw("site").below(500));
    let finess = format!("{:09}", 900_000_000 + draw("finess").below(99_999));
    let famille = format!("FOND{rang:06}");
    [finess.as_str(), ""].map(|finess| {
        ligne(&[
            (0, "8"),
            (1, &rpps),
            (7, &famille),
            (8, "CAMILLE"),
            (9, profession),
            (10, libelle),
            (11, "C"),
            (21, finess),
            (24, &site),
        ])
    })
}

/// Luhn's key of the fictive number with these seven digits.
pub(super) fn cle(serie: u64) -> u32 {
    let digits = format!("997{serie:07}");
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(i, byte)| match (u32::from(byte - b'0'), i % 2) {
            (digit, 0) if digit > 4 => digit * 2 - 9,
            (digit, 0) => digit * 2,
            (digit, _) => digit,
        })
        .sum();
    (10 - sum % 10) % 10
}

/// The cards of a day.
pub(super) fn cartes(monde: &Monde, jour: NaiveDate) -> String {
    let mut texte = format!("{ENTETE_CARTES}\n");
    for personne in monde.personnes.values().filter(|p| p.periode.montre(jour)) {
        let rpps = &personne.fiche.rpps;
        let visibles = || personne.cartes.iter().filter(|c| c.visible <= jour);
        for carte in visibles() {
            let suivante = visibles().filter(|c| c.debut > carte.debut).map(|c| c.debut).min();
            let opposition = suivante.map(|d| d.to_string()).unwrap_or_default();
            let mise_a_jour = suivante.unwrap_or(carte.debut);
            let (numero, debut, fin) = (&carte.numero, carte.debut, carte.fin);
            // Writing to a String cannot fail.
            let _ = writeln!(
                texte,
                "8|{rpps}|8{rpps}|CPS|Carte de Professionnel de Santé (CPS)|{numero}|8{rpps}|\
                 {debut}|{fin}|{opposition}|{mise_a_jour}|"
            );
        }
    }
    texte
}
