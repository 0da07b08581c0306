//! The diff of two national extracts, beside what only counts their lines, and beside DuckDB when
//! it is installed: `relais rpps diff` as a process of its own, on files that `relais rpps generate`
//! makes, its answer checked each time.

use std::{
    fs::{self, File},
    process::{Command, Stdio},
    time::Instant,
};

use serde_json::Value;

use crate::{
    Erreur,
    chiffres::{Resultat, decimal, mediane, rapport},
    cli::Cli,
    duckdb::{self, Duckdb},
    empreinte,
};

/// What must be found.
const COMPTES: [&str; 5] = ["ajouts", "retraits", "modifications", "lignes_avant", "lignes_apres"];

/// Rows that differ.
const CHANGEMENTS: &str = "5000";

/// One command, again and again: wall times in seconds, and the largest memory in MB.
#[derive(Default)]
struct Serie {
    durees: Vec<f64>,
    memoire: f64,
}

impl Serie {
    /// Runs a command to its end; returns its last line.
    fn courir(&mut self, command: &mut Command) -> Result<String, Erreur> {
        let sortie = tempfile::NamedTempFile::new()?;
        let started = Instant::now();
        let mut child =
            command.stdin(Stdio::null()).stdout(File::create(sortie.path())?).spawn()?;
        let ended = child.wait()?;
        self.durees.push(started.elapsed().as_secs_f64());
        if !ended.success() {
            return Err(format!("{}: {ended}", command.get_program().display()).into());
        }
        let text = fs::read_to_string(sortie.path())?;
        let last = text.lines().last().unwrap_or_default().to_owned();
        // Relais says it; what it is compared with does not.
        let said = serde_json::from_str(&last).ok();
        let said = said.and_then(|last: Value| last["memoire_mo"].as_f64());
        self.memoire = self.memoire.max(said.unwrap_or_default());
        Ok(last)
    }

    /// What the command says that it took, instead of what its process did.
    fn selon(&mut self, last: &str) {
        let said = serde_json::from_str(last).ok().and_then(|last: Value| last["duree_s"].as_f64());
        if let (Some(duree), Some(said)) = (self.durees.last_mut(), said) {
            *duree = said;
        }
    }

    fn mediane(&self) -> f64 {
        mediane(&self.durees)
    }
}

/// Measures the diff.
pub(crate) fn mesurer(cli: &Cli) -> Result<Resultat, Erreur> {
    let binary = empreinte::binaire("relais")?;
    let dossier = tempfile::tempdir()?;
    let relais = |args: &[&str]| {
        let mut command = Command::new(&binary);
        command.current_dir(dossier.path()).arg("rpps").args(args);
        command
    };
    let mut other = Serie::default();
    let lignes = cli.lignes.to_string();
    let made = ["generate", "--out", ".", "--lignes", &lignes, "--changements", CHANGEMENTS];
    let made = other.courir(relais(&made).arg("--json"))?;
    let attendu: Value = serde_json::from_str(&made)?;
    let chemin = |nom: &str| attendu[nom].as_str().map(str::to_owned).ok_or("no file was made");
    let (avant, apres) = (chemin("avant")?, chemin("apres")?);
    other.courir(relais(&["digest", &avant, "--out", "condense"]).arg("--json"))?;
    let verifier = |answer: &str| -> Result<(), Erreur> {
        let found: Value = serde_json::from_str(answer)?;
        match COMPTES.iter().find(|nom| found[**nom] != attendu[**nom]) {
            Some(nom) => {
                Err(format!("{nom}: {} found, {} made", found[*nom], attendu[*nom]).into())
            }
            None => Ok(()),
        }
    };
    let wc = |files: &[&str]| {
        let mut command = Command::new("wc");
        command.current_dir(dossier.path()).arg("-l").args(files);
        command
    };
    let [mut wc_deux, mut diff, mut ecrit, mut wc_un, mut condense, mut duck] =
        <[Serie; 6]>::default();
    let installe = Duckdb::chercher();
    for _ in 0..cli.tours {
        wc_deux.courir(&mut wc(&[&avant, &apres]))?;
        verifier(&diff.courir(&mut relais(&["diff", &avant, &apres, "--json"]))?)?;
        wc_un.courir(&mut wc(&[&apres]))?;
        verifier(&condense.courir(&mut relais(&["diff", "condense", &apres, "--json"]))?)?;
        let out = ["diff", &avant, &apres, "--json", "--out", "differences"];
        verifier(&ecrit.courir(&mut relais(&out))?)?;
        if let Some(installe) = installe {
            let said = duck.courir(&mut installe.comparer(dossier.path(), &avant, &apres))?;
            duck.selon(&said);
            duckdb::verifier(dossier.path(), &attendu)?;
        }
    }
    let mut resultat = Resultat::new("diff : deux extractions nationales du RPPS, mélangées");
    let ligne = |nom: &str, serie: &Serie, quoi: &str, ratio: f64, wished: &str| {
        format!(
            "{nom} : {} s, {} Mo ; {} fois {quoi} (visé : au plus {wished})",
            decimal(serie.mediane(), 2),
            decimal(serie.memoire, 0),
            decimal(ratio, 2),
        )
    };
    let ratio = rapport(&diff.durees, &wc_deux.durees);
    let digest_ratio = rapport(&condense.durees, &wc_un.durees);
    resultat
        .ligne(format!(
            "wc -l : {} s sur les deux, {} s sur un",
            decimal(wc_deux.mediane(), 2),
            decimal(wc_un.mediane(), 2)
        ))
        .ligne(ligne("deux fichiers", &diff, "wc -l", ratio, "3"))
        .ligne(ligne("condensé et fichier", &condense, "wc -l", digest_ratio, "3"))
        .valeur("ratio", ratio)
        .valeur("digest_ratio", digest_ratio)
        .valeur("diff_s", diff.mediane())
        .valeur("memory_mb", diff.memoire)
        .valeur("digest_s", condense.mediane())
        .valeur("digest_memory_mb", condense.memoire)
        .valeur("written_s", ecrit.mediane());
    if installe.is_some() {
        let ratio = rapport(&ecrit.durees, &duck.durees);
        resultat
            .ligne(ligne("différences écrites", &ecrit, "DuckDB", ratio, "0,33"))
            .ligne(format!(
                "DuckDB, mêmes différences : {} s, {} Mo",
                decimal(duck.mediane(), 2),
                decimal(duck.memoire, 0)
            ))
            .valeur("duckdb_s", duck.mediane())
            .valeur("duckdb_mb", duck.memoire)
            .valeur("duckdb_ratio", ratio);
    } else {
        resultat.ligne(format!(
            "différences écrites : {} s ; ni duckdb ni le module duckdb de python3 n'est installé",
            decimal(ecrit.mediane(), 2)
        ));
    }
    Ok(resultat)
}
