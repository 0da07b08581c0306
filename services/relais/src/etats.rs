//! The statements that the service `indemnite` keeps, found by their numbers, and their documents.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    thread,
};

use contracts::{CodeCpam, Mois};
use documents::Document;
use indemnite::{
    State,
    state::{EtatEmis, Releve, cle_etat, cle_etat_emis, demande_de_l_etat},
};

/// Every statement of some CPAMs, or those of a month, by CPAM, month and rank. `lire` gives the
/// state of a key.
pub(crate) async fn trouver<E>(
    cpams: &[CodeCpam],
    mois: Option<Mois>,
    lire: impl AsyncFn(String) -> Result<Option<State>, E>,
) -> Result<Vec<EtatEmis>, E> {
    let mut found = Vec::new();
    for cpam in cpams {
        let Some(State::Etat(etat)) = lire(cle_etat(cpam)).await? else { continue };
        for (of, last) in etat.rangs {
            if mois.is_some_and(|mois| mois != of) {
                continue;
            }
            for rang in 1..=last {
                let demande = demande_de_l_etat(cpam, of, rang);
                if let Some(State::EtatEmis(emis)) = lire(cle_etat_emis(demande)).await? {
                    found.push(emis);
                }
            }
        }
    }
    Ok(found)
}

/// The forms of some statements and the statements themselves, as PDF files by their paths under a
/// folder.
pub(crate) fn documents(releves: &[Releve], avis: Option<&str>) -> BTreeMap<PathBuf, Document> {
    let mut files = BTreeMap::new();
    for releve in releves {
        let numero = releve.numero();
        files.insert(Path::new("etats").join(format!("{numero}.pdf")), releve.document(avis));
        for (rpps, form) in releve.formulaires(avis) {
            files.insert(Path::new("formulaires").join(format!("{numero}-{rpps}.pdf")), form);
        }
    }
    files
}

/// Writes documents as PDF under a folder, on every core.
pub(crate) fn ecrire(out: &Path, documents: &BTreeMap<PathBuf, Document>) -> io::Result<()> {
    for folder in ["etats", "formulaires"] {
        fs::create_dir_all(out.join(folder))?;
    }
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let all: Vec<_> = documents.iter().collect();
    let one = |(path, document): &(&PathBuf, &Document)| {
        let bytes = documents::pdf(document).map_err(io::Error::other)?;
        fs::write(out.join(path), bytes)
    };
    thread::scope(|scope| {
        let parts = all.chunks(all.len().div_ceil(threads).max(1));
        let running: Vec<_> =
            parts.map(|part| scope.spawn(move || part.iter().try_for_each(one))).collect();
        // A thread that panics says so by itself.
        let mut ended = running.into_iter().map(thread::ScopedJoinHandle::join);
        ended.try_for_each(|end| end.unwrap_or_else(|_| Err(io::Error::other("PDF"))))
    })
}

#[cfg(test)]
mod tests {
    use contracts::{
        Centimes, Demande, DemiJournee,
        messages::{EtatMensuel, LigneEtat},
    };
    use documents::typo;
    use uuid::Uuid;

    use super::*;

    const RPPS: &str = "99790000014";

    /// A statement: its lines by number, day and cents.
    fn releve(cpam: &str, rang: u32, lignes: &[(u128, &str, i64)]) -> Releve {
        let ligne = |&(n, date, centimes): &(u128, &str, i64)| LigneEtat {
            ligne: Uuid::from_u128(n << 96),
            rpps: RPPS.parse().expect("rpps"),
            nom: "ESSAI Zoé".to_owned(),
            numero_am: format!("{cpam}990017").parse().expect("numéro AM"),
            lieu: "ambert".parse().expect("lieu"),
            date: date.parse().expect("date"),
            demi_journee: DemiJournee::Matin,
            centimes: Centimes(centimes),
            corrige: (centimes < 0).then(|| Uuid::from_u128(1 << 96)),
        };
        let lignes: Vec<_> = lignes.iter().map(ligne).collect();
        Releve {
            cpam: cpam.parse().expect("cpam"),
            cpam_nom: format!("CPAM {cpam}"),
            emis_le: "2026-04-05".parse().expect("date"),
            lieux: BTreeMap::new(),
            etat: EtatMensuel {
                demande: Demande { id: Uuid::from_u128(9), rang: 1 },
                mois: "2026-03".parse().expect("mois"),
                rang,
                total_centimes: lignes.iter().map(|l| l.centimes).sum(),
                lignes,
                sha256: String::new(),
            },
        }
    }

    /// The cells of the table of a form, and its total.
    fn table(form: &Document) -> (Vec<Vec<String>>, String) {
        let table = form.tableaux().next_back().expect("a table");
        (table.lignes.clone(), table.totaux[0].last().expect("a total").clone())
    }

    /// Two CPAM, then a late day and a correction of the first: three forms, each with its own
    /// lines, CPAM, number and total.
    #[test]
    fn a_doctor_with_several_statements_of_a_month_has_a_form_for_each() {
        let all = [
            releve("631", 1, &[(1, "2026-03-03", 10_000), (2, "2026-03-10", 10_000)]),
            releve("031", 1, &[(3, "2026-03-04", 10_000)]),
            releve("631", 2, &[(4, "2026-02-26", 10_000), (5, "2026-03-03", -2_500)]),
        ];
        let files = documents(&all, None);
        assert_eq!(files.len(), 6, "a statement and a form each: {:?}", files.keys());
        let mut stated = Vec::new();
        for (releve, total) in all.iter().zip([20_000, 10_000, 7_500]) {
            let name = format!("formulaires/{}-{RPPS}.pdf", releve.numero());
            let form = &files[Path::new(&name)];
            let text = format!("{form:?}");
            for wanted in
                [&releve.numero(), &releve.cpam_nom, releve.etat.lignes[0].numero_am.as_str()]
            {
                assert!(text.contains(wanted), "{wanted} in {name}");
            }
            let (rows, sum) = table(form);
            assert_eq!(sum, typo::euros(Centimes(total)), "{name}");
            assert_eq!(rows.len(), releve.etat.lignes.len(), "{name}");
            stated.extend(rows.into_iter().map(|row| row[3].clone()));
        }
        let expected: Vec<_> = (1..=5).map(|n| format!("{n:08x}")).collect();
        stated.sort();
        assert_eq!(stated, expected, "every line is on one form");
    }
}
