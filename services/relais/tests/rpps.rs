//! `relais rpps` as a process: what it writes, and how it refuses.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

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
