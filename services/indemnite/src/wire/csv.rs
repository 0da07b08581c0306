//! The statement as a CSV file, and its digest.

use contracts::{CodeCpam, messages::EtatMensuel};
use sha2::{Digest, Sha256};

/// The columns of the statement, in order.
const COLONNES: [&str; 12] = [
    "cpam",
    "mois",
    "rang",
    "ligne",
    "rpps",
    "nom",
    "numero_am",
    "lieu",
    "date",
    "demi_journee",
    "centimes",
    "corrige",
];

/// The statement as a CSV file: UTF-8, `;` between columns, a header, one line per line, LF.
///
/// The same statement always gives the same bytes; their digest is in the messages.
///
/// # Panics
/// Never: writing into memory does not fail, and every cell is UTF-8.
pub fn csv(etat: &EtatMensuel, cpam: &CodeCpam) -> String {
    let mut writer = ::csv::WriterBuilder::new().delimiter(b';').from_writer(Vec::new());
    writer.write_record(COLONNES).expect("memory takes every record");
    for ligne in &etat.lignes {
        let cells = [
            cpam.to_string(),
            etat.mois.to_string(),
            etat.rang.to_string(),
            ligne.ligne.to_string(),
            ligne.rpps.to_string(),
            inert(&ligne.nom),
            ligne.numero_am.to_string(),
            ligne.lieu.to_string(),
            ligne.date.to_string(),
            ligne.demi_journee.as_str().to_owned(),
            ligne.centimes.0.to_string(),
            ligne.corrige.map(|id| id.to_string()).unwrap_or_default(),
        ];
        writer.write_record(cells).expect("memory takes every record");
    }
    let bytes = writer.into_inner().expect("memory is flushed");
    String::from_utf8(bytes).expect("every cell is UTF-8")
}

/// A name that a spreadsheet will not take for a formula: names come from a public form.
fn inert(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.trim_start().starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text }
}

/// The SHA-256 digest of a text, in lower-case hexadecimal.
pub fn sha256_hex(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use contracts::{Centimes, Demande, DemiJournee, messages::LigneEtat};
    use uuid::Uuid;

    use super::*;

    fn ligne(nom: &str, corrige: Option<Uuid>) -> LigneEtat {
        LigneEtat {
            ligne: Uuid::from_u128(1),
            rpps: "99790000014".parse().expect("rpps"),
            nom: nom.to_owned(),
            numero_am: "631990017".parse().expect("numéro AM"),
            lieu: "ambert".parse().expect("lieu"),
            date: "2026-02-28".parse().expect("date"),
            demi_journee: DemiJournee::ApresMidi,
            centimes: Centimes(-10_000),
            corrige,
        }
    }

    #[test]
    fn the_csv_is_stable_quoted_and_inert() {
        let lignes = vec![ligne("O'\"Hara; Zoé", None), ligne("=1+1", Some(Uuid::from_u128(2)))];
        let etat = EtatMensuel {
            demande: Demande { id: Uuid::from_u128(9), rang: 1 },
            mois: "2026-02".parse().expect("mois"),
            rang: 1,
            lignes,
            total_centimes: Centimes(-20_000),
            sha256: String::new(),
        };
        let text = csv(&etat, &"631".parse().expect("cpam"));
        let expected = "cpam;mois;rang;ligne;rpps;nom;numero_am;lieu;date;demi_journee;centimes;corrige\n\
            631;2026-02;1;00000000-0000-0000-0000-000000000001;99790000014;\"O'\"\"Hara; Zoé\";631990017;ambert;2026-02-28;apres_midi;-10000;\n\
            631;2026-02;1;00000000-0000-0000-0000-000000000001;99790000014;'=1+1;631990017;ambert;2026-02-28;apres_midi;-10000;00000000-0000-0000-0000-000000000002\n";
        assert_eq!(text, expected);
        assert_eq!(
            sha256_hex("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
