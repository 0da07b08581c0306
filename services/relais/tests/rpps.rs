//! `relais rpps` as a process: what it writes, how it refuses, and what an operator insists on.

mod commun;

use std::{
    fs,
    path::Path,
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

use commun::{Service, erreurs, texte};
use serde_json::Value;

const VEILLE: &str = "PS_LibreAcces_Personne_activite_202601050000.txt";
const LENDEMAIN: &str = "PS_LibreAcces_Personne_activite_202601060000.txt";

fn rpps(dossier: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_relais"));
    command.current_dir(dossier).arg("rpps").args(args).output().expect("it runs")
}

fn json(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{error}");
    assert_eq!(error, "", "no bar outside a terminal");
    serde_json::from_str(text.lines().last().expect("a line")).expect("JSON")
}

/// Exit code and the only line of the errors.
fn refus(output: &Output) -> (Option<i32>, String) {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(text.lines().count(), 1, "{text}");
    (output.status.code(), text)
}

fn memes(trouve: &Value, attendu: &Value) {
    for nom in ["ajouts", "retraits", "modifications", "lignes_avant", "lignes_apres"] {
        assert_eq!(trouve[nom], attendu[nom], "{nom}");
    }
    assert!(trouve["duree_s"].is_f64());
}

#[test]
fn the_differences_of_made_up_files_are_found_by_files_and_by_digests() {
    let dossier = tempfile::tempdir().expect("a folder");
    let dossier = dossier.path();
    let attendu = json(&rpps(
        dossier,
        &["generate", "--out", ".", "--lignes", "3000", "--changements", "200", "--json"],
    ));
    assert_eq!(
        [&attendu["avant"], &attendu["apres"]],
        [&format!("./{VEILLE}")[..], &format!("./{LENDEMAIN}")]
    );
    let found = json(&rpps(dossier, &["diff", VEILLE, LENDEMAIN, "--json", "--out", "ecarts"]));
    memes(&found, &attendu);
    let ecarts = fs::read_to_string(dossier.join("ecarts")).expect("written");
    // One line for an addition or a removal, two for a modification, and the header.
    assert_eq!(ecarts.lines().count(), 1 + 60 + 60 + 2 * 80);
    assert!(ecarts.starts_with("Nature|Type d'identifiant PP|Identifiant PP|"));
    let args = ["digest", VEILLE, "--out", "condense", "--json"];
    assert_eq!(json(&rpps(dossier, &args))["lignes"], 3_000);
    let args = ["diff", "condense", LENDEMAIN, "--json", "--digest", "suivant"];
    memes(&json(&rpps(dossier, &args)), &attendu);
    // Back from the digest that followed.
    let found = json(&rpps(dossier, &["diff", "suivant", VEILLE, "--json"]));
    assert_eq!([&found["ajouts"], &found["retraits"]], [&attendu["retraits"], &attendu["ajouts"]]);
    let left: Vec<_> = fs::read_dir(dossier)
        .expect("readable")
        .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
        .filter(|nom| nom.ends_with(".nouveau"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_wrong_file_is_one_clear_line_and_nothing_is_written() {
    let dossier = tempfile::tempdir().expect("a folder");
    let dossier = dossier.path();
    let args = ["generate", "--out", ".", "--lignes", "300", "--changements", "10"];
    assert!(rpps(dossier, &args).status.success());
    let good = fs::read_to_string(dossier.join(VEILLE)).expect("readable");
    let header = good.lines().next().expect("a header");
    for (wrong, code) in [
        (String::new(), "vide"),
        (format!("{header}\n"), "vide"),
        (good[..good.len() - 20].to_owned(), "tronquee"),
        (good.replace("Code fonction|", "Poste|"), "entete-inconnue"),
        (good.replace("|GENR01|", "|"), "lignes-illisibles"),
    ] {
        fs::write(dossier.join("faux.txt"), wrong).expect("written");
        for args in [["diff", VEILLE, "faux.txt"], ["diff", "faux.txt", VEILLE]] {
            let output =
                rpps(dossier, &[&args[..], &["--out", "ecarts", "--digest", "suivant"]].concat());
            let (status, text) = refus(&output);
            assert_eq!(status, Some(1), "{text}");
            let wanted = format!("erreur : faux.txt : extraction refusée ({code})");
            assert!(text.starts_with(&wanted), "{text}");
        }
        let (status, text) = refus(&rpps(dossier, &["digest", "faux.txt", "--out", "condense"]));
        assert_eq!(status, Some(1), "{text}");
        assert!(text.contains(code), "{text}");
    }
    for nom in ["ecarts", "suivant", "condense", "ecarts.nouveau", "suivant.nouveau"] {
        assert!(!dossier.join(nom).exists(), "{nom}");
    }
    let (status, text) = refus(&rpps(dossier, &["diff", "nulle-part.txt", VEILLE]));
    assert_eq!((status, text.contains("nulle-part.txt")), (Some(64), true), "{text}");
    let args = ["generate", "--lignes", "1000", "--changements", "900"];
    let (status, text) = refus(&rpps(dossier, &args));
    assert_eq!((status, text.contains("--changements")), (Some(64), true), "{text}");
}

#[test]
fn a_damaged_digest_is_refused() {
    let dossier = tempfile::tempdir().expect("a folder");
    let dossier = dossier.path();
    let args = ["generate", "--out", ".", "--lignes", "300", "--changements", "10"];
    assert!(rpps(dossier, &args).status.success());
    assert!(rpps(dossier, &["digest", VEILLE, "--out", "condense"]).status.success());
    let mut octets = fs::read(dossier.join("condense")).expect("readable");
    *octets.last_mut().expect("bytes") ^= 1;
    fs::write(dossier.join("condense"), &octets).expect("written");
    let (status, text) = refus(&rpps(dossier, &["diff", "condense", LENDEMAIN]));
    assert_eq!((status, text.contains("condensé abîmé")), (Some(1), true), "{text}");
    fs::write(dossier.join("condense"), &octets[..octets.len() / 2]).expect("written");
    let (status, text) = refus(&rpps(dossier, &["diff", "condense", LENDEMAIN]));
    assert_eq!((status, text.contains("condensé abîmé")), (Some(1), true), "{text}");
}

/// Waits until it is so.
fn attendre(what: &str, mut so: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_mins(1);
    while !so() {
        assert!(Instant::now() < limit, "never: {what}");
        thread::sleep(Duration::from_millis(100));
    }
}

/// Whether a small file of a folder says a word.
fn dit(folder: &Path, word: &str) -> bool {
    fs::read_dir(folder).expect("a folder").any(|entry| {
        let entry = entry.expect("an entry");
        match entry.metadata() {
            Ok(data) if data.is_dir() => dit(&entry.path(), word),
            Ok(data) if data.len() < 10_000 => {
                fs::read(entry.path()).is_ok_and(|b| String::from_utf8_lossy(&b).contains(word))
            }
            Ok(_) | Err(_) => false,
        }
    })
}

#[test]
fn an_operator_insists_on_a_file_that_differs_too_much() {
    let dossier = tempfile::tempdir().expect("a folder");
    let faits = dossier.path().join("faits");
    let made = ["generate", "--out", "faits", "--lignes", "3000", "--changements", "900", "--json"];
    json(&rpps(dossier.path(), &made));
    let (depot, data) = (dossier.path().join("depot"), dossier.path().join("donnees"));
    for folder in [&depot, &data] {
        fs::create_dir(folder).expect("a folder");
    }
    let deposer = |nom: &str| fs::rename(faits.join(nom), depot.join(nom)).expect("dropped");
    deposer(VEILLE);
    let tables = format!(
        "[rpps-flux]\nrepertoire = {depot:?}\nreessai_s = 1\n\
         cle_pseudonymes = \"cle-fictive-des-pseudonymes-des-essais\"\n"
    );
    let demarrer = || Service::demarrer("rpps-flux", &data, &tables);
    let insister = |service: &Service, options: &[&str]| {
        service.relais(&[&["rpps", "integrate", LENDEMAIN], options].concat())
    };
    let motif = ["--motif", "fermeture annoncée de cabinets"];
    let force = [&["--force"][..], &motif].concat();
    let service = demarrer();
    attendre("the first file is integrated", || dit(&data, VEILLE));
    let early = insister(&service, &force);
    assert_eq!(early.status.code(), Some(1));
    assert!(erreurs(&early).contains("n'est pas un fichier que rpps-flux a refusé"));
    for wrong in [&motif[..], &["--force"], &["--force", "--motif", " "]] {
        assert_eq!(insister(&service, wrong).status.code(), Some(64), "{wrong:?}");
    }
    drop(service);
    deposer(LENDEMAIN);
    // A start reads what was dropped.
    let service = demarrer();
    let mut done = None;
    attendre("the second file is refused, then integrated", || {
        done = Some(insister(&service, &force));
        done.as_ref().is_some_and(|output| output.status.success())
    });
    assert_eq!(texte(&done.expect("an output")), format!("{LENDEMAIN} est intégré\n"));
    let journal = service.json(&["failures", "journal"]);
    let lines = journal.as_array().expect("a list").iter();
    let acted: Vec<_> = lines.filter(|l| l["action"] == "accepter-extraction").collect();
    let [line] = acted.as_slice() else { panic!("{journal}") };
    assert_eq!((&line["par"], &line["motif"]), (&"a.martin".into(), &motif[1].into()));
    assert!(line["objet"].as_str().is_some_and(|o| o.contains(LENDEMAIN)), "{line}");
}
