//! The folder of a CPAM. Relais writes `demandes/`; the CPAM writes `reponses/`, under another name
//! first, then renamed to `….csv`. Relais takes such a file into `en-cours/`, gives each line back
//! with its fate in `rendus/`, and keeps what came in `traites/`. Every move is one rename.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read, Write},
    path::{Path, PathBuf},
};

use contracts::{NumeroAm, Rib};
use sha2::{Digest, Sha256};

use super::{Answer, Ask, FichierLu};
use crate::state::{IssueCaisse, LigneDemande, LigneLue, Releve, ReponseCaisse, Verdict};

/// Columns of a file of requests.
const COLONNES: [&str; 13] = [
    "demande",
    "rang",
    "nature",
    "engagement",
    "rpps",
    "nom",
    "prenom",
    "lieu",
    "lieu_nom",
    "adresse",
    "commune",
    "structure",
    "constat_rpps",
];

/// Columns that a file of answers must have.
const REPONSE: [&str; 2] = ["demande", "reponse"];

/// Largest file of answers, in bytes: some thousands of lines.
const TAILLE_MAX: u64 = 1024 * 1024;

/// Does what is asked, in the folder of one CPAM.
///
/// # Errors
/// When a file cannot be read, written or moved.
pub fn faire(dossier: &Path, ask: &Ask) -> io::Result<Answer> {
    match ask {
        Ask::Deposer { fichier, lignes, .. } => {
            ecrire(&dossier.join("demandes"), fichier, &demandes(lignes)?)?;
            Ok(Answer::Depose)
        }
        Ask::Relever { .. } => relever(dossier).map(Answer::Releve),
        Ask::Rendre { releve, .. } => rendre(dossier, releve).map(|()| Answer::Rendu),
        Ask::Courriel(_) | Ask::Papier { .. } => Err(ErrorKind::Unsupported.into()),
    }
}

/// Writes a whole file under its name, or nothing.
fn ecrire(dossier: &Path, nom: &str, octets: &[u8]) -> io::Result<()> {
    fs::create_dir_all(dossier)?;
    let provisoire = dossier.join(format!(".{nom}.part"));
    let mut fichier = File::create(&provisoire)?;
    fichier.write_all(octets)?;
    fichier.sync_all()?;
    fs::rename(provisoire, dossier.join(nom))
}

fn demandes(lignes: &[LigneDemande]) -> io::Result<Vec<u8>> {
    let mut csv = csv::WriterBuilder::new().delimiter(b';').from_writer(Vec::new());
    csv.write_record(COLONNES)?;
    for ligne in lignes {
        let fixes = [
            ligne.demande.to_string(),
            ligne.rang.to_string(),
            ligne.nature.as_str().to_owned(),
            ligne.engagement.to_string(),
        ];
        let champ = |nom: &&str| cellule(ligne.champs.get(*nom).map_or("", String::as_str));
        csv.write_record(fixes.into_iter().chain(COLONNES[4..].iter().map(champ)))?;
    }
    csv.into_inner().map_err(csv::IntoInnerError::into_error)
}

/// A text that a spreadsheet does not take for a formula (OWASP, « CSV injection »).
fn cellule(texte: &str) -> String {
    let texte: String = texte.chars().filter(|c| !c.is_control()).collect();
    if texte.starts_with(['=', '+', '-', '@']) { format!("'{texte}") } else { texte }
}

/// The file that was taken and not given back yet, or else the first one that waits.
fn relever(dossier: &Path) -> io::Result<Option<FichierLu>> {
    let (en_cours, reponses) = (dossier.join("en-cours"), dossier.join("reponses"));
    fs::create_dir_all(&en_cours)?;
    fs::create_dir_all(&reponses)?;
    let nom = if let Some(nom) = premier(&en_cours)? {
        nom
    } else {
        let Some(nom) = premier(&reponses)? else { return Ok(None) };
        fs::rename(reponses.join(&nom), en_cours.join(&nom))?;
        nom
    };
    let mut octets = Vec::new();
    File::open(en_cours.join(&nom))?.take(TAILLE_MAX + 1).read_to_end(&mut octets)?;
    Ok(Some(FichierLu { fichier: nom, lignes: lire(&octets) }))
}

fn premier(dossier: &Path) -> io::Result<Option<String>> {
    let mut noms = Vec::new();
    for entree in fs::read_dir(dossier)? {
        let entree = entree?;
        // A name that is no text cannot be said: it stays, and is seen.
        let Ok(nom) = entree.file_name().into_string() else { continue };
        let csv = Path::new(&nom).extension().is_some_and(|e| e.eq_ignore_ascii_case("csv"));
        if csv && !nom.starts_with('.') && entree.file_type()?.is_file() {
            noms.push(nom);
        }
    }
    Ok(noms.into_iter().min())
}

/// Every line that is not empty, with what it says.
pub fn lire(octets: &[u8]) -> Vec<LigneLue> {
    let seul = |code: &str| vec![LigneLue { texte: String::new(), lue: Err(code.to_owned()) }];
    if octets.len() as u64 > TAILLE_MAX {
        return seul("fichier-trop-grand");
    }
    let texte = String::from_utf8_lossy(octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets));
    let mut lignes = texte.lines().filter(|ligne| !ligne.trim().is_empty());
    let colonnes: Vec<String> = lignes
        .next()
        .and_then(cellules)
        .unwrap_or_default()
        .iter()
        .map(|nom| nom.trim().to_ascii_lowercase())
        .collect();
    let unique = |nom: &&str| colonnes.iter().filter(|c| c == nom).count() == 1;
    if !REPONSE.iter().all(unique) {
        return seul("entete-inconnue");
    }
    let read = |ligne: &str| {
        let lue = cellules(ligne)
            .filter(|valeurs| valeurs.len() == colonnes.len())
            .ok_or_else(|| "ligne-illisible".to_owned())
            .and_then(|valeurs| reponse(&colonnes, &valeurs).map_err(str::to_owned));
        LigneLue { texte: ligne.to_owned(), lue }
    };
    let lues: Vec<LigneLue> = lignes.map(read).collect();
    if lues.is_empty() { seul("fichier-vide") } else { lues }
}

fn cellules(ligne: &str) -> Option<Vec<String>> {
    let mut csv =
        csv::ReaderBuilder::new().delimiter(b';').has_headers(false).from_reader(ligne.as_bytes());
    let mut records = csv.records();
    let record = records.next()?.ok()?;
    records.next().is_none().then(|| record.iter().map(str::to_owned).collect())
}

fn reponse(colonnes: &[String], valeurs: &[String]) -> Result<ReponseCaisse, &'static str> {
    let champ = |nom: &str| {
        let rang = colonnes.iter().position(|c| c == nom);
        rang.and_then(|r| valeurs.get(r)).map_or("", |v| v.trim())
    };
    let demande = champ("demande").parse().map_err(|_| "demande-illisible")?;
    let issue = match champ("reponse") {
        "cree" => {
            let numero: String =
                champ("numero_am").chars().filter(|c| !c.is_whitespace()).collect();
            let numero_am: NumeroAm = numero.parse().map_err(|_| "numero-am-invalide")?;
            let rib = match champ("rib") {
                "present" => Rib::Present,
                "manquant" => Rib::Manquant,
                "inconnu" | "" => Rib::Inconnu,
                _ => return Err("rib-illisible"),
            };
            IssueCaisse::Cree { numero_am, rib }
        }
        "refuse" => {
            let code = champ("motif");
            let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if code.is_empty() || code.len() > 40 || !code.chars().all(known) {
                return Err("motif-illisible");
            }
            IssueCaisse::Refuse { code: code.to_owned() }
        }
        "rib-recu" => IssueCaisse::RibRecu,
        _ => return Err("reponse-inconnue"),
    };
    Ok(ReponseCaisse { demande, issue })
}

/// Writes what became of each line, then puts the file away under a name that no other has.
fn rendre(dossier: &Path, releve: &Releve) -> io::Result<()> {
    let taken = dossier.join("en-cours").join(&releve.fichier);
    let octets = match fs::read(&taken) {
        Ok(octets) => octets,
        // Given back already, by a try whose answer was lost.
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    let stem = Path::new(&releve.fichier).file_stem().unwrap_or_default().to_string_lossy();
    let empreinte = hex::encode(&Sha256::digest(&octets)[..4]);
    ecrire(
        &dossier.join("rendus"),
        &format!("{stem}-{empreinte}.resultat.csv"),
        &resultat(releve)?,
    )?;
    let away = dossier.join("traites");
    fs::create_dir_all(&away)?;
    fs::rename(taken, libre(&away, &format!("{stem}-{empreinte}")))
}

/// A name in a folder that no file has: the same file may come twice.
fn libre(dossier: &Path, stem: &str) -> PathBuf {
    let name = |n: u32| match n {
        1 => dossier.join(format!("{stem}.csv")),
        n => dossier.join(format!("{stem}.{n}.csv")),
    };
    let mut n = 1;
    while name(n).exists() {
        n += 1;
    }
    name(n)
}

fn resultat(releve: &Releve) -> io::Result<Vec<u8>> {
    let mut csv = csv::WriterBuilder::new().delimiter(b';').from_writer(Vec::new());
    csv.write_record(["ligne", "resultat", "motif", "texte"])?;
    for (rang, ligne) in releve.lignes.iter().enumerate() {
        let (resultat, motif) = match &ligne.verdict {
            Verdict::Prise => ("prise", ""),
            Verdict::Refusee { motif } => ("rejetee", motif.as_str()),
            Verdict::Attendu => ("en-attente", ""),
        };
        csv.write_record([&(rang + 1).to_string(), resultat, motif, &cellule(&ligne.texte)])?;
    }
    csv.into_inner().map_err(csv::IntoInnerError::into_error)
}
