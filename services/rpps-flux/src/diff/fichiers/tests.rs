use std::{
    collections::{BTreeMap, BTreeSet},
    fs::OpenOptions,
};

use proptest::prelude::*;

use super::*;
use crate::{
    exemples::{VARIANTES, Variante, entete, fichier, ligne},
    extraction::Refus,
};

/// A row: its identity, its content, and two ways of being somebody else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rangee {
    rpps: u8,
    mode: u8,
    fonction: u8,
    nom: u8,
    telephone: u8,
}

impl Rangee {
    fn identite(&self) -> (u8, u8, u8) {
        (self.rpps, self.mode, self.fonction)
    }

    fn texte(&self, entete: &str) -> String {
        let (rpps, fonction) = (format!("9979000{:04}", self.rpps), format!("F{}", self.fonction));
        let ancienne = entete.contains("Code rôle");
        ligne(
            entete,
            &[
                ("Type d'identifiant PP", "8"),
                ("Identifiant PP", &rpps),
                ("Nom d'exercice", &format!("LEFÈVRE{}", self.nom)),
                ("Code profession", "10"),
                ("Code mode exercice", ["L", "S", "B"][usize::from(self.mode) % 3]),
                (if ancienne { "Code rôle" } else { "Code fonction" }, &fonction),
                ("Téléphone (coord. structure)", &self.telephone.to_string()),
            ],
        )
    }
}

fn rangees() -> impl Strategy<Value = Vec<Rangee>> {
    let rangee = (0..4_u8, 0..2_u8, 0..2_u8, 0..3_u8, 0..2_u8).prop_map(
        |(rpps, mode, fonction, nom, telephone)| Rangee { rpps, mode, fonction, nom, telephone },
    );
    prop::collection::vec(rangee, 1..40)
}

/// A pair of days: the second one shuffled, with rows dropped, edited, repeated and added.
fn deux_jours() -> impl Strategy<Value = (Vec<Rangee>, Vec<Rangee>)> {
    (rangees(), rangees(), prop::collection::vec(0..6_u8, 40)).prop_flat_map(
        |(avant, ajouts, gestes)| {
            let mut apres = Vec::new();
            for (rangee, geste) in avant.iter().zip(&gestes) {
                match geste {
                    0 => {}
                    1 => apres.extend([rangee.clone(), rangee.clone()]),
                    2 => apres.push(Rangee { nom: rangee.nom + 1, ..rangee.clone() }),
                    3..=u8::MAX => apres.push(rangee.clone()),
                }
            }
            apres.extend(ajouts.into_iter().take(usize::from(gestes[0])));
            apres.extend(apres.is_empty().then(|| avant[0].clone()));
            (Just(avant), Just(apres).prop_shuffle())
        },
    )
}

/// The same, written as obviously as can be: rows are crossed out one by one.
fn naif(avant: &[Rangee], apres: &[Rangee]) -> Ecarts {
    let mut restent = avant.to_vec();
    let mut viennent = Vec::new();
    for rangee in apres {
        match restent.iter().position(|ancienne| ancienne == rangee) {
            Some(at) => {
                restent.remove(at);
            }
            None => viennent.push(rangee.clone()),
        }
    }
    let mut ecarts = Ecarts::default();
    let identites: BTreeSet<_> = restent.iter().chain(&viennent).map(Rangee::identite).collect();
    for identite in identites {
        let nombre = |rangees: &[Rangee]| {
            rangees.iter().filter(|rangee| rangee.identite() == identite).count() as u64
        };
        let (avant, apres) = (nombre(&restent), nombre(&viennent));
        ecarts.modifications += avant.min(apres);
        ecarts.retraits += avant - avant.min(apres);
        ecarts.ajouts += apres - avant.min(apres);
    }
    ecarts
}

fn texte(variante: Variante, rangees: &[Rangee]) -> String {
    let header = entete(variante);
    fichier(&header, &rangees.iter().map(|rangee| rangee.texte(&header)).collect::<Vec<_>>())
}

fn latin_1(texte: &str) -> Vec<u8> {
    texte.chars().map(|c| u8::try_from(u32::from(c)).expect("Latin-1")).collect()
}

/// What a comparison found, and the rows it wrote.
fn comparer_textes(avant: &[u8], apres: &[u8], bloc: usize) -> (Bilan, String) {
    let mut sortie = Vec::new();
    let options = Options { bloc, fils: 2, sortie: Some(&mut sortie), ..Options::default() };
    let bilan = comparer(&Reference::Extrait(avant), apres, options).expect("accepted");
    (bilan, String::from_utf8(sortie).expect("UTF-8"))
}

fn refus(avant: &[u8], apres: &[u8]) -> (Cote, Refus) {
    match comparer(&Reference::Extrait(avant), apres, Options::default()) {
        Err(DiffError::Lecture(cote, LectureError::Refus(refus))) => (cote, refus),
        other => panic!("{other:?}"),
    }
}

fn nouveau() -> File {
    tempfile::tempfile().expect("a file")
}

fn condense(texte: &[u8]) -> Condense {
    let fichier = nouveau();
    let copie = fichier.try_clone().expect("a handle");
    condenser(texte, &Options::default(), fichier).expect("accepted");
    Condense::ouvrir(copie).expect("a digest")
}

/// Rows of an output, by nature.
fn natures(sortie: &str) -> BTreeMap<&str, u64> {
    let mut natures = BTreeMap::new();
    for ligne in sortie.lines().skip(1) {
        *natures.entry(ligne.split('|').next().expect("a nature")).or_default() += 1;
    }
    natures
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn equals_the_naive_comparison((avant, apres) in deux_jours(), bloc in 1_usize..3_000) {
        let expected = naif(&avant, &apres);
        let (old, new) = (texte(Variante::Actuelle, &avant), texte(Variante::Actuelle, &apres));
        let (bilan, sortie) = comparer_textes(old.as_bytes(), new.as_bytes(), bloc);
        prop_assert_eq!(bilan.ecarts, expected);
        prop_assert_eq!(bilan.avant.lignes, avant.len() as u64);
        prop_assert_eq!(bilan.apres.lignes, apres.len() as u64);
        let natures = natures(&sortie);
        let of = |nature| natures.get(nature).copied().unwrap_or_default();
        prop_assert_eq!(of("ajout"), expected.ajouts);
        prop_assert_eq!(of("retrait"), expected.retraits);
        prop_assert_eq!(of("avant"), expected.modifications);
        prop_assert_eq!(of("apres"), expected.modifications);
        // What is written turns the first file into the second one.
        let mut lignes: Vec<&str> = old.lines().skip(1).collect();
        for ligne in sortie.lines().skip(1) {
            match ligne.split_once('|').expect("a nature") {
                ("avant" | "retrait", row) => {
                    let at = lignes.iter().position(|other| *other == row);
                    lignes.remove(at.expect("a row of the first file"));
                }
                (_, row) => lignes.push(row),
            }
        }
        lignes.sort_unstable();
        let mut attendues: Vec<&str> = new.lines().skip(1).collect();
        attendues.sort_unstable();
        prop_assert_eq!(lignes, attendues);
    }

    #[test]
    fn a_digest_finds_the_same_and_gives_the_next_one((avant, apres) in deux_jours()) {
        let (old, new) = (texte(Variante::Actuelle, &avant), texte(Variante::Actuelle, &apres));
        let veille = condense(old.as_bytes());
        let suivant = nouveau();
        let copie = suivant.try_clone().expect("a handle");
        let options = Options { condense: Some(suivant), ..Options::default() };
        let bilan = comparer(&Reference::Condense(&veille), new.as_bytes(), options);
        prop_assert_eq!(bilan.expect("accepted").ecarts, naif(&avant, &apres));
        let suivant = Condense::ouvrir(copie).expect("a digest");
        prop_assert_eq!(&suivant.octets(), &condense(new.as_bytes()).octets());
        let retour = comparer(
            &Reference::Condense(&suivant), old.as_bytes(), Options::default(),
        );
        prop_assert_eq!(retour.expect("accepted").ecarts, naif(&apres, &avant));
    }

    #[test]
    fn the_form_of_a_file_does_not_count((avant, apres) in deux_jours(), crlf: bool, bom: bool,
        latin: bool, bare: bool, variante in prop::sample::select(VARIANTES.to_vec()))
    {
        let old = texte(Variante::Actuelle, &avant);
        let mut new = texte(variante, &apres);
        if bare {
            new = new.replace("|\n", "\n");
        }
        if crlf {
            new = new.replace('\n', "\r\n");
        }
        let mut new = if latin { latin_1(&new) } else { new.into_bytes() };
        if bom && !latin {
            new.splice(0..0, *b"\xef\xbb\xbf");
        }
        let (bilan, _) = comparer_textes(old.as_bytes(), &new, 777);
        prop_assert_eq!(bilan.ecarts, naif(&avant, &apres));
        prop_assert_eq!(bilan.apres.windows_1252, latin);
        prop_assert_eq!(bilan.apres.illisibles, 0);
        let ecartees: usize = match variante {
            Variante::Actuelle => 0,
            Variante::Ancienne | Variante::SansSavoirFaire => 4,
        };
        prop_assert_eq!(bilan.colonnes_ecartees.len(), ecartees);
    }
}

fn trois() -> Vec<Rangee> {
    let rangee = |rpps| Rangee { rpps, mode: 0, fonction: 0, nom: 0, telephone: 0 };
    (0..3).map(rangee).collect()
}

#[test]
fn both_files_are_refused_for_the_same_reasons_and_said_apart() {
    let good = texte(Variante::Actuelle, &trois());
    let header = entete(Variante::Actuelle);
    let short = "8|99790000022|trop court|\n";
    for (wrong, expected) in [
        (String::new(), Refus::Vide),
        (format!("{header}\n"), Refus::Vide),
        (format!("{header}\n\n\r\n"), Refus::Vide),
        (header.clone(), Refus::Tronquee),
        (good[..good.len() - 1].to_owned(), Refus::Tronquee),
        (format!("{good}{}\n", "x".repeat(70_000)), Refus::Tronquee),
        ("<html>\nmaintenance\n</html>\n".to_owned(), Refus::EnteteInconnue),
        (good.replace("Code fonction|", "Rôle|"), Refus::EnteteInconnue),
        (good.replace("Code mode exercice|", ""), Refus::EnteteInconnue),
        (good.replace("Code genre d'activité|", "Code fonction|"), Refus::EnteteInconnue),
        (format!("{good}{short}"), Refus::LignesIllisibles),
    ] {
        assert_eq!(
            refus(good.as_bytes(), wrong.as_bytes()),
            (Cote::Apres, expected),
            "{wrong:.80}"
        );
        assert_eq!(
            refus(wrong.as_bytes(), good.as_bytes()),
            (Cote::Avant, expected),
            "{wrong:.80}"
        );
    }
}

#[test]
fn a_few_unreadable_rows_are_rows_that_differ() {
    let many = vec![trois()[0].clone(); 2_000];
    let good = texte(Variante::Actuelle, &many);
    let wrong = format!("{good}8|99790000022|trop court|\n");
    let (bilan, sortie) = comparer_textes(good.as_bytes(), wrong.as_bytes(), BLOC);
    assert_eq!(bilan.ecarts, Ecarts { ajouts: 1, ..Ecarts::default() });
    assert_eq!((bilan.avant.illisibles, bilan.apres.illisibles), (0, 1));
    assert!(sortie.ends_with("ajout|8|99790000022|trop court|\n"), "{sortie}");
    let (bilan, _) = comparer_textes(wrong.as_bytes(), wrong.as_bytes(), BLOC);
    assert_eq!(bilan.ecarts, Ecarts::default());
}

#[test]
fn a_line_in_another_encoding_is_the_same_line() {
    let good = texte(Variante::Actuelle, &trois());
    let (header, rows) = good.split_once('\n').expect("a header");
    let mixed = [header.as_bytes(), b"\n", &latin_1(rows)].concat();
    let (bilan, _) = comparer_textes(good.as_bytes(), &mixed, BLOC);
    assert_eq!(bilan.ecarts, Ecarts::default());
    assert!(bilan.apres.windows_1252);
    let bilan =
        comparer(&Reference::Condense(&condense(good.as_bytes())), &mixed[..], Options::default());
    assert_eq!(bilan.expect("accepted").ecarts, Ecarts::default());
}

#[test]
fn of_a_digest_only_the_number_of_a_removed_row_is_known() {
    let rangees = trois();
    let veille = condense(texte(Variante::Actuelle, &rangees).as_bytes());
    let new = texte(Variante::Actuelle, &rangees[1..]);
    let mut sortie = Vec::new();
    let options = Options { sortie: Some(&mut sortie), ..Options::default() };
    let bilan = comparer(&Reference::Condense(&veille), new.as_bytes(), options);
    assert_eq!(bilan.expect("accepted").ecarts.retraits, 1);
    let sortie = String::from_utf8(sortie).expect("UTF-8");
    let ligne = sortie.lines().nth(1).expect("a row");
    assert!(ligne.starts_with("retrait||99790000000|||"), "{ligne}");
}

#[test]
fn a_digest_of_other_columns_or_damaged_is_refused() {
    let (actuelle, sans) =
        (texte(Variante::Actuelle, &trois()), texte(Variante::SansSavoirFaire, &trois()));
    let whole = condense(actuelle.as_bytes());
    let result = comparer(&Reference::Condense(&whole), sans.as_bytes(), Options::default());
    assert!(matches!(result, Err(DiffError::Colonnes(noms)) if noms.len() == 4));
    let less = condense(sans.as_bytes());
    let bilan = comparer(&Reference::Condense(&less), actuelle.as_bytes(), Options::default());
    assert_eq!(bilan.expect("accepted").colonnes_ecartees.len(), 4);
    let octets = whole.octets();
    let ouvrir = |octets: &[u8]| {
        let dossier = tempfile::tempdir().expect("a folder");
        let path = dossier.path().join("condense");
        std::fs::write(&path, octets).expect("written");
        Condense::ouvrir(OpenOptions::new().read(true).open(&path).expect("opened"))
    };
    assert!(matches!(ouvrir(b""), Err(CondenseError::Inconnu)));
    assert!(matches!(ouvrir(actuelle.as_bytes()), Err(CondenseError::Inconnu)));
    assert!(matches!(ouvrir(&octets[..octets.len() - 1]), Err(CondenseError::Abime)));
    assert!(matches!(ouvrir(&octets[..100]), Err(CondenseError::Abime)));
    let mut changed = octets.clone();
    *changed.last_mut().expect("an entry") ^= 1;
    let changed = ouvrir(&changed).expect("of the right size");
    let result = comparer(&Reference::Condense(&changed), actuelle.as_bytes(), Options::default());
    assert!(matches!(result, Err(DiffError::Condense(CondenseError::Local(_)))));
}

#[test]
fn two_rows_that_only_differ_in_the_last_bits_of_their_fingerprints_are_noticed() {
    let new = texte(Variante::Actuelle, &trois()[..1]);
    let vrai = condense(new.as_bytes());
    let faux = nouveau();
    let copie = faux.try_clone().expect("a handle");
    let mut ecriture = Ecriture::new(faux, &vrai.manifeste).expect("written");
    for seau in 0..SEAUX {
        let mut entrees = vrai.seau(seau).expect("readable");
        for lue in &mut entrees {
            lue.empreinte ^= 1;
        }
        ecriture.seau(&mut entrees).expect("written");
    }
    ecriture.finir().expect("written");
    let faux = Condense::ouvrir(copie).expect("a digest");
    let result = comparer(&Reference::Condense(&faux), new.as_bytes(), Options::default());
    assert!(matches!(result, Err(DiffError::Collision)));
}

#[test]
fn the_differences_of_generated_files_are_those_announced() {
    use crate::simulator::{DeuxJours, Jour};
    let plan = DeuxJours::new(20_000, 1_500, 3).expect("a plan");
    let mut jours = [Vec::new(), Vec::new()];
    for (jour, texte) in [Jour::Veille, Jour::Lendemain].into_iter().zip(&mut jours) {
        plan.ecrire(jour, texte, |_| {}).expect("written");
    }
    let (bilan, _) = comparer_textes(&jours[0], &jours[1], BLOC);
    let Ecarts { ajouts, retraits, modifications } = bilan.ecarts;
    assert_eq!([ajouts, retraits, modifications], plan.changements());
    assert_eq!(bilan.avant.lignes, plan.lignes(Jour::Veille));
    assert_eq!(bilan.apres.lignes, plan.lignes(Jour::Lendemain));
}
