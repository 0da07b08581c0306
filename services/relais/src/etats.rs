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
