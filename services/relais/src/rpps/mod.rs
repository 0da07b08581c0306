//! `relais rpps`: daily extracts compared, condensed, made up, or integrated all the same.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, BufWriter, IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::Instant,
};

use indicatif::{ProgressBar, ProgressStyle};
use rpps_flux::{
    diff::{
        condense::{Condense, CondenseError},
        fichiers::{self, Bilan, Cote, DiffError, Options, Reference},
    },
    extraction::{LectureError, Octets, Refus},
    simulator::{DeuxJours, Jour},
};
use serde_json::json;

pub(crate) mod cli;

use crate::operations::{self, OperationError};
use cli::{DiffArgs, DigestArgs, GenerateArgs, RppsCommande};

/// Why nothing was compared or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RppsError {
    /// A file or an option is wrong.
    #[error("{0}")]
    Usage(String),
    /// A file is refused, or cannot be written.
    #[error("{0}")]
    Refus(String),
}

impl From<OperationError> for RppsError {
    fn from(error: OperationError) -> Self {
        match error {
            OperationError::Usage(text) => Self::Usage(text),
            OperationError::Refus(text) => Self::Refus(text),
        }
    }
}

/// Runs one command; its result is the exit code.
pub(crate) async fn rpps(commande: RppsCommande) -> Result<ExitCode, RppsError> {
    match commande {
        RppsCommande::Diff(args) => comparer(&args)?,
        RppsCommande::Digest(args) => condenser(&args)?,
        RppsCommande::Generate(args) => generer(&args)?,
        RppsCommande::Integrate(args) => return Ok(operations::rpps::integrer(args).await?),
    }
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::print_stdout, reason = "the result of the command")]
fn comparer(args: &DiffArgs) -> Result<(), RppsError> {
    let debut = Instant::now();
    let (avant, apres) = (ouvrir(&args.avant)?, ouvrir(&args.apres)?);
    let condense = match Condense::reconnait(&avant) {
        Ok(true) => {
            let copie = avant.try_clone().map_err(|e| refus(&args.avant, &e))?;
            Some(Condense::ouvrir(copie).map_err(|e| condense_refuse(&args.avant, &e))?)
        }
        Ok(false) => None,
        Err(e) => return Err(refus(&args.avant, &e)),
    };
    let (reference, mut octets) = match &condense {
        Some(condense) => (Reference::Condense(condense), 0),
        None => (Reference::Extrait(&avant), taille(&avant)),
    };
    octets += taille(&apres);
    let mut sortie = args.out.as_deref().map(Provisoire::new).transpose()?;
    let suivant = args.digest.as_deref().map(Provisoire::new).transpose()?;
    let barre = barre(octets);
    let progres = |lus| barre.inc(lus);
    let options = Options {
        progres: &progres,
        sortie: sortie.as_mut().map(|sortie| &mut sortie.fichier as &mut dyn Write),
        condense: suivant.as_ref().map(Provisoire::poignee).transpose()?,
        ..Options::default()
    };
    let bilan = fichiers::comparer(&reference, &apres, options);
    barre.finish_and_clear();
    let bilan = bilan.map_err(|e| expliquer(args, &e))?;
    for provisoire in [sortie, suivant].into_iter().flatten() {
        provisoire.installer()?;
    }
    let duree_s = secondes(debut);
    raconter(&bilan, duree_s);
    if args.json {
        let Bilan { ecarts, avant, apres, colonnes_ecartees } = bilan;
        let ligne = json!({
            "ajouts": ecarts.ajouts,
            "retraits": ecarts.retraits,
            "modifications": ecarts.modifications,
            "lignes_avant": avant.lignes,
            "lignes_apres": apres.lignes,
            "illisibles_avant": avant.illisibles,
            "illisibles_apres": apres.illisibles,
            "windows_1252": avant.windows_1252 || apres.windows_1252,
            "colonnes_ecartees": colonnes_ecartees,
            "memoire_mo": memoire_mo(),
            "duree_s": duree_s,
        });
        println!("{ligne}");
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the result of the command")]
fn raconter(bilan: &Bilan, duree_s: f64) {
    let ecarts = bilan.ecarts;
    println!("{:>10} lignes avant", bilan.avant.lignes);
    println!("{:>10} lignes après", bilan.apres.lignes);
    println!("{:>10} ajouts", ecarts.ajouts);
    println!("{:>10} retraits", ecarts.retraits);
    println!("{:>10} modifications", ecarts.modifications);
    println!("comparées en {} s", format!("{duree_s:.2}").replace('.', ","));
    let illisibles = bilan.avant.illisibles + bilan.apres.illisibles;
    if illisibles > 0 {
        println!("attention : {illisibles} lignes n'ont pas le nombre de colonnes annoncé");
    }
    if bilan.avant.windows_1252 || bilan.apres.windows_1252 {
        println!("attention : des lignes ne sont pas en UTF-8 et ont été lues en Windows-1252");
    }
    if !bilan.colonnes_ecartees.is_empty() {
        let noms = bilan.colonnes_ecartees.join(", ");
        println!("attention : colonnes d'un seul des deux fichiers, non comparées : {noms}");
    }
}

#[expect(clippy::print_stdout, reason = "the result of the command")]
fn condenser(args: &DigestArgs) -> Result<(), RppsError> {
    let debut = Instant::now();
    let extraction = ouvrir(&args.extraction)?;
    let sortie = Provisoire::new(&args.out)?;
    let barre = barre(taille(&extraction));
    let progres = |lus| barre.inc(lus);
    let options = Options { progres: &progres, ..Options::default() };
    let releve = fichiers::condenser(&extraction, &options, sortie.poignee()?);
    barre.finish_and_clear();
    let releve = releve.map_err(|e| match e {
        DiffError::Lecture(_, e) => lecture_refusee(&args.extraction, &e),
        DiffError::Condense(e) => condense_refuse(&args.out, &e),
        DiffError::Colonnes(_) | DiffError::Collision | DiffError::Sortie(_) => {
            RppsError::Refus(e.to_string())
        }
    })?;
    sortie.installer()?;
    println!("{} lignes condensées dans {}", releve.lignes, args.out.display());
    if args.json {
        println!("{}", json!({ "lignes": releve.lignes, "duree_s": secondes(debut) }));
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the result of the command")]
fn generer(args: &GenerateArgs) -> Result<(), RppsError> {
    let debut = Instant::now();
    let plan = DeuxJours::new(args.lignes, args.changements, args.seed).ok_or_else(|| {
        RppsError::Usage(format!(
            "--changements : {} lignes ne peuvent pas changer sur {} (deux cinquièmes au plus)",
            args.changements, args.lignes
        ))
    })?;
    fs::create_dir_all(&args.out).map_err(|e| RppsError::Usage(local(&args.out, &e)))?;
    let jours = [(Jour::Veille, "202601050000"), (Jour::Lendemain, "202601060000")];
    let chemins = jours.map(|(jour, horodatage)| {
        (jour, args.out.join(format!("PS_LibreAcces_Personne_activite_{horodatage}.txt")))
    });
    let barre = ProgressBar::new(jours.iter().map(|(jour, _)| plan.lignes(*jour)).sum());
    habiller(&barre, "{bar:30.cyan/blue} {human_pos}/{human_len} lignes");
    thread::scope(|scope| {
        let ecrire = |(jour, chemin): &(Jour, PathBuf)| {
            let mut provisoire = Provisoire::new(chemin)?;
            let ecrit = plan.ecrire(*jour, &mut provisoire.fichier, |_| barre.inc(1));
            ecrit.map_err(|e| refus(chemin, &e))?;
            provisoire.installer()
        };
        let fils = chemins.each_ref().map(|jour| scope.spawn(move || ecrire(jour)));
        let [veille, lendemain] =
            fils.map(|fil| fil.join().unwrap_or_else(|e| std::panic::resume_unwind(e)));
        veille.and(lendemain)
    })?;
    barre.finish_and_clear();
    for (jour, chemin) in &chemins {
        println!("{:>10} lignes dans {}", plan.lignes(*jour), chemin.display());
    }
    let [ajouts, retraits, modifications] = plan.changements();
    println!("{ajouts} ajouts, {retraits} retraits, {modifications} modifications");
    if args.json {
        let ligne = json!({
            "avant": chemins[0].1,
            "apres": chemins[1].1,
            "ajouts": ajouts,
            "retraits": retraits,
            "modifications": modifications,
            "lignes_avant": plan.lignes(Jour::Veille),
            "lignes_apres": plan.lignes(Jour::Lendemain),
            "duree_s": secondes(debut),
        });
        println!("{ligne}");
    }
    Ok(())
}

/// A file written beside the one whose place it takes.
struct Provisoire {
    fichier: BufWriter<File>,
    nouveau: PathBuf,
    definitif: PathBuf,
}

impl Provisoire {
    fn new(definitif: &Path) -> Result<Self, RppsError> {
        let mut nom = definitif.file_name().map(OsString::from).unwrap_or_default();
        nom.push(".nouveau");
        let nouveau = definitif.with_file_name(nom);
        let ouvert =
            File::options().read(true).write(true).create(true).truncate(true).open(&nouveau);
        let fichier = ouvert.map_err(|e| RppsError::Usage(local(&nouveau, &e)))?;
        let fichier = BufWriter::with_capacity(256 * 1024, fichier);
        Ok(Self { fichier, nouveau, definitif: definitif.to_owned() })
    }

    fn poignee(&self) -> Result<File, RppsError> {
        self.fichier.get_ref().try_clone().map_err(|e| refus(&self.nouveau, &e))
    }

    fn installer(mut self) -> Result<(), RppsError> {
        self.fichier.flush().map_err(|e| refus(&self.nouveau, &e))?;
        fs::rename(&self.nouveau, &self.definitif).map_err(|e| refus(&self.definitif, &e))
    }
}

impl Drop for Provisoire {
    fn drop(&mut self) {
        // Renamed already, or of no use.
        let _ = fs::remove_file(&self.nouveau);
    }
}

fn ouvrir(chemin: &Path) -> Result<File, RppsError> {
    let usage = |e| RppsError::Usage(local(chemin, &e));
    let fichier = File::open(chemin).map_err(usage)?;
    if fichier.metadata().map_err(usage)?.is_dir() {
        return Err(RppsError::Usage(format!("{} : est un dossier", chemin.display())));
    }
    Ok(fichier)
}

fn taille(fichier: &File) -> u64 {
    fichier.taille().unwrap_or_default()
}

/// Bytes read, in a terminal.
fn barre(octets: u64) -> ProgressBar {
    let barre = ProgressBar::new(octets);
    habiller(&barre, "{bar:30.cyan/blue} {bytes}/{total_bytes}");
    barre
}

fn habiller(barre: &ProgressBar, modele: &str) {
    if !io::stderr().is_terminal() {
        barre.set_draw_target(indicatif::ProgressDrawTarget::hidden());
    }
    let style = ProgressStyle::with_template(modele);
    barre.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
}

/// The largest resident memory of this process so far, in MB; unknown but on Linux.
fn memoire_mo() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = peak.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some((kib * 1.024).round() / 1e3)
}

/// Since then, to the millisecond.
fn secondes(debut: Instant) -> f64 {
    (debut.elapsed().as_secs_f64() * 1e3).round() / 1e3
}

fn local(chemin: &Path, error: &io::Error) -> String {
    format!("{} : {error}", chemin.display())
}

fn refus(chemin: &Path, error: &io::Error) -> RppsError {
    RppsError::Refus(local(chemin, error))
}

fn expliquer(args: &DiffArgs, error: &DiffError) -> RppsError {
    match error {
        DiffError::Lecture(Cote::Avant, e) => lecture_refusee(&args.avant, e),
        DiffError::Lecture(Cote::Apres, e) => lecture_refusee(&args.apres, e),
        DiffError::Condense(e) => condense_refuse(&args.avant, e),
        DiffError::Colonnes(noms) => RppsError::Refus(format!(
            "{} : le condensé a des colonnes que l'extraction n'a pas ({}) ; comparez avec \
             l'extraction elle-même",
            args.avant.display(),
            noms.join(", ")
        )),
        DiffError::Collision => RppsError::Refus(
            "deux lignes différentes ont presque la même empreinte : comparaison abandonnée"
                .to_owned(),
        ),
        DiffError::Sortie(e) => {
            RppsError::Refus(format!("les différences n'ont pas pu être écrites : {e}"))
        }
    }
}

fn lecture_refusee(chemin: &Path, error: &LectureError) -> RppsError {
    match error {
        LectureError::Local(e) => refus(chemin, e),
        LectureError::Refus(refus) => RppsError::Refus(format!(
            "{} : extraction refusée ({}) : {}",
            chemin.display(),
            refus.code(),
            raison(*refus)
        )),
    }
}

fn raison(refus: Refus) -> &'static str {
    match refus {
        Refus::EnteteInconnue => "une colonne requise manque ou figure deux fois dans l'en-tête",
        Refus::Tronquee => "une ligne ne se termine pas",
        Refus::Vide => "aucune ligne",
        Refus::ArchiveIllisible => "l'archive ne se lit pas",
        Refus::LignesIllisibles => "trop de lignes n'ont pas le nombre de colonnes annoncé",
        Refus::EcartExcessif => "trop de lignes diffèrent",
        Refus::TropGrande => "fichier trop grand",
        Refus::SansHorodatage => "jour inconnu",
    }
}

fn condense_refuse(chemin: &Path, error: &CondenseError) -> RppsError {
    match error {
        CondenseError::Inconnu => {
            RppsError::Refus(format!("{} : condensé d'une autre version", chemin.display()))
        }
        CondenseError::Abime => RppsError::Refus(format!("{} : condensé abîmé", chemin.display())),
        CondenseError::Local(e) if e.kind() == io::ErrorKind::InvalidData => {
            RppsError::Refus(format!("{} : condensé abîmé", chemin.display()))
        }
        CondenseError::Local(e) => refus(chemin, e),
    }
}
