//! A CPAM that exchanges files: the folder is a real one.

use std::{fs, path::Path};

use contracts::messages::{FacturationOuverte, RelanceEnvoyee, TacheOuverte};
use cpam_cps::{
    Answer, Ask, Config, CpamCps, State,
    agency::{FichierLu, depot},
    state::{Depot, Verdict},
};
use service::Input;
use tempfile::TempDir;
use uuid::Uuid;

use crate::{
    banc::Banc,
    monde::{ORDRE, RPPS, autorisee, banc, constat, depart, engagement, referentiel, rpps},
};

const DEPOT: &str = "depot/021";

/// A bench whose CPAM 021 has a folder on disk; asks about it are done for real.
struct Dossier {
    racine: TempDir,
    banc: Banc<CpamCps>,
    faits: usize,
}

impl Dossier {
    fn new() -> Self {
        let racine = tempfile::tempdir().expect("folder");
        let config =
            Config { repertoire_echanges: Some(racine.path().to_owned()), ..Config::default() };
        Self { racine, banc: Banc::new(config, referentiel(), depart()), faits: 0 }
    }

    fn chemin(&self, sous: &str) -> std::path::PathBuf {
        self.racine.path().join("021").join(sous)
    }

    /// Half an hour later, everything that was asked of the folder is done.
    fn tourner(&mut self) {
        self.banc.avancer(1);
        self.faire();
    }

    fn faire(&mut self) {
        while self.faits < self.banc.courriels.len() {
            let (cle, ask) = self.banc.courriels[self.faits].clone();
            self.faits += 1;
            if cle == DEPOT {
                let answer = depot::faire(&self.chemin(""), &ask).expect("done");
                // Done again, as after a crash: the same files, the same answer.
                if matches!(ask, Ask::Deposer { .. } | Ask::Relever { .. }) {
                    assert_eq!(depot::faire(&self.chemin(""), &ask).expect("done"), answer);
                }
                self.banc.donner(cle, Input::Answer { ask, answer, id: Uuid::nil() });
            }
        }
    }

    fn activite(&mut self, n: u32) {
        let mut fact = autorisee("montbard");
        fact.0.engagement = engagement(&format!("{n:010}"));
        let mut seen = constat();
        seen.engagement = fact.0.engagement.clone();
        self.banc.fait(ORDRE, 1, &fact);
        self.banc.fait(RPPS, 1, &seen);
    }

    fn deposer(&self, nom: &str, texte: &str) {
        fs::create_dir_all(self.chemin("reponses")).expect("writable");
        let provisoire = self.chemin("reponses").join(format!("{nom}.tmp"));
        fs::write(&provisoire, texte).expect("writable");
        fs::rename(provisoire, self.chemin("reponses").join(nom)).expect("renamed");
    }

    fn depot(&self) -> &Depot {
        match self.banc.etat(DEPOT) {
            Some(State::Depot(depot)) => depot,
            other => panic!("{other:?}"),
        }
    }
}

fn lire(dossier: &Path) -> Vec<(String, String)> {
    let mut files: Vec<_> = fs::read_dir(dossier)
        .map(|entries| {
            let file = |e: std::io::Result<fs::DirEntry>| {
                let path = e.expect("entry").path();
                let name = path.file_name().expect("named").to_string_lossy().into_owned();
                (name, fs::read_to_string(path).expect("readable"))
            };
            entries.map(file).collect()
        })
        .unwrap_or_default();
    files.sort();
    files
}

fn demande_de(n: u32) -> Uuid {
    kernel::derive_id(&["cpam-cps", "numero", &format!("engagement/{n:010}"), "1"])
}

#[test]
fn requests_leave_together_in_a_file_and_reminders_in_the_next_ones() {
    let mut d = Dossier::new();
    (1..=3).for_each(|n| d.activite(n));
    d.tourner();
    let [(name, text)] = lire(&d.chemin("demandes")).try_into().expect("one file");
    assert_eq!(name, "relais-021-000001.csv");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4);
    assert!(lines[0].starts_with("demande;rang;nature;engagement;rpps;nom;prenom;lieu"));
    assert!(lines[1].contains(&demande_de(1).to_string()));
    assert!(lines[1].contains(";1;numero-am;0000000001;99790000014;Fictif;Paul;montbard;"));
    assert!(d.depot().en_ecriture.is_empty());
    d.banc.avancer(7);
    d.tourner();
    let files = lire(&d.chemin("demandes"));
    assert_eq!(files.len(), 2);
    assert!(files[1].1.lines().skip(1).all(|l| l.contains(";2;numero-am;")), "{files:?}");
    assert_eq!(d.banc.corps::<RelanceEnvoyee>()[0].canal, "fichier");
}

#[test]
fn every_line_of_an_answer_is_taken_or_given_back_with_its_reason() {
    let mut d = Dossier::new();
    (1..=4).for_each(|n| d.activite(n));
    d.tourner();
    let [one, two, three, four] = [1, 2, 3, 4].map(demande_de);
    let lines = [
        format!("{one};cree;02 199 0015 ;present;"),
        format!("{two};refuse;;;medecin-inconnu"),
        // Another number for the first one; the number of the first one for the third one.
        format!("{one};cree;021990023;present;"),
        format!("{three};cree;021990015;present;"),
        format!("{four};cree;021990023;;"),
        format!("{four};cree;021990023;;"),
        format!("{};cree;021990031;;", Uuid::nil()),
        "pas un identifiant;cree;021990031;;".to_owned(),
        format!("{four};peut-être;;;"),
        format!("{four};cree;021990023"),
        format!("{four};cree;12;;"),
        format!("{four};refuse;;;=HYPERLINK()"),
        format!("{four};rib-recu;;;"),
    ];
    d.deposer(
        "janvier.csv",
        &format!("demande;reponse;numero_am;rib;motif\r\n\r\n{}\n", lines.join("\r\n")),
    );
    d.tourner();
    let [(name, text)] = lire(&d.chemin("rendus")).try_into().expect("one file");
    assert!(name.starts_with("janvier-") && name.ends_with(".resultat.csv"), "{name}");
    let fates: Vec<String> = text
        .lines()
        .skip(1)
        .map(|l| l.split(';').skip(1).take(2).collect::<Vec<_>>().join(" ").trim().to_owned())
        .collect();
    assert_eq!(
        fates,
        [
            "prise",
            "prise",
            "rejetee numero-am-contradictoire",
            "prise",
            "prise",
            "prise",
            "rejetee demande-inconnue",
            "rejetee demande-illisible",
            "rejetee reponse-inconnue",
            "rejetee ligne-illisible",
            "rejetee numero-am-invalide",
            "rejetee motif-illisible",
            "rejetee demande-inconnue",
        ]
    );
    assert!(lire(&d.chemin("en-cours")).is_empty() && lire(&d.chemin("reponses")).is_empty());
    let kept = lire(&d.chemin("traites"));
    assert!(kept[0].1.contains("peut-être"), "what came is kept as it was");
    let numbers: Vec<_> = d.banc.corps::<FacturationOuverte>();
    let numbers: Vec<_> = numbers.iter().map(|f| f.numero_am.as_str()).collect();
    assert_eq!(numbers, ["021990015", "021990023"]);
    let tasks = d.banc.corps::<TacheOuverte>();
    let rejected = tasks.iter().find(|t| t.gabarit == "depot-lignes-rejetees").expect("a task");
    assert_eq!((rejected.champs["rejetees"].as_str(), rejected.cle.as_str()), ("8", DEPOT));
    assert!(tasks.iter().any(|t| t.gabarit == "numero-am-en-double"), "two never share one");
    let id = rejected.tache.to_string();
    d.banc.operateur("fermer-tache", DEPOT, &[("tache", &id)]);
    assert!(d.depot().taches.0.is_empty());
}

#[test]
fn files_are_taken_one_after_the_other_and_one_that_is_none_is_given_back_whole() {
    let mut d = Dossier::new();
    d.activite(1);
    d.tourner();
    let one = demande_de(1);
    d.deposer("a.csv", "n'importe;quoi\n1;2\n");
    d.deposer("b.csv", "demande;reponse;numero_am;rib\n");
    d.deposer("c.csv", &"x".repeat(1_100_000));
    d.deposer(
        "d.csv",
        &format!("\u{feff}DEMANDE;Reponse;numero_am;rib\n{one};cree;021990015;present"),
    );
    d.deposer("e.csv.tmp", "demande;reponse\n");
    d.tourner();
    let fates: Vec<String> = lire(&d.chemin("rendus"))
        .iter()
        .map(|(_, text)| text.lines().nth(1).expect("a line").to_owned())
        .collect();
    assert_eq!(fates.len(), 4, "{fates:?}");
    assert!(fates[0].contains("rejetee;entete-inconnue"), "{fates:?}");
    assert!(fates[1].contains("rejetee;fichier-vide"), "{fates:?}");
    assert!(fates[2].contains("rejetee;fichier-trop-grand"), "{fates:?}");
    assert!(fates[3].contains("prise"), "{fates:?}");
    assert_eq!(lire(&d.chemin("reponses")).len(), 1, "a file that is being written is left alone");
    // The same file again: nothing new, nothing lost, nothing written over.
    d.deposer(
        "d.csv",
        &format!("\u{feff}DEMANDE;Reponse;numero_am;rib\n{one};cree;021990015;present"),
    );
    d.tourner();
    assert_eq!(lire(&d.chemin("traites")).len(), 5);
    assert_eq!(d.banc.compte("facturation.ouverte.v1"), 1);
}

#[test]
fn a_crash_between_two_steps_loses_nothing() {
    let mut d = Dossier::new();
    d.activite(1);
    d.tourner();
    let one = demande_de(1);
    d.deposer("a.csv", &format!("demande;reponse;numero_am\n{one};cree;021990015\n"));
    // Taken, and the answer lost; then given back, and the answer lost.
    let cpam = || "021".parse().expect("CPAM");
    let take = Ask::Relever { cpam: cpam() };
    let taken = depot::faire(&d.chemin(""), &take).expect("done");
    assert!(
        matches!(&taken, Answer::Releve(Some(FichierLu { fichier, .. })) if fichier == "a.csv")
    );
    assert_eq!(depot::faire(&d.chemin(""), &take).expect("done"), taken);
    d.banc.donner(DEPOT.to_owned(), Input::Answer { ask: take, answer: taken, id: Uuid::nil() });
    let releve = d.depot().releve.clone().expect("judged");
    assert!(releve.lignes.iter().all(|l| l.verdict == Verdict::Prise));
    let give = Ask::Rendre { cpam: cpam(), releve };
    assert_eq!(depot::faire(&d.chemin(""), &give).expect("done"), Answer::Rendu);
    assert_eq!(depot::faire(&d.chemin(""), &give).expect("done"), Answer::Rendu);
    assert_eq!(lire(&d.chemin("traites")).len(), 1);
    assert_eq!(lire(&d.chemin("rendus")).len(), 1);
    d.faire();
    assert!(d.depot().releve.is_none());
}

#[test]
fn without_a_folder_a_person_asks_the_cpam() {
    let mut banc = banc();
    banc.fait(ORDRE, 1, &autorisee("montbard"));
    banc.fait(RPPS, 1, &constat());
    assert_eq!(banc.corps::<TacheOuverte>()[0].gabarit, "numero-am-a-demander");
    assert_eq!(banc.corps::<TacheOuverte>()[0].champs["rpps"], rpps().to_string());
}
