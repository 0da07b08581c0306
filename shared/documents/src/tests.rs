//! The layout, read back as what is drawn.

use proptest::prelude::*;

use crate::{
    Bloc, Document, Error, Tableau,
    mise_en_page::{Composition, HAUTEUR, JUSTIFICATION, MARGE, Marque, Noeud, Trace, composer},
    pdf,
};

fn document(blocs: Vec<Bloc>) -> Document {
    Document {
        title: "État mensuel".to_owned(),
        subject: String::new(),
        author: "Relais".to_owned(),
        date: "2026-04-05".parse().expect("date"),
        blocs,
    }
}

fn composed(blocs: Vec<Bloc>) -> Composition {
    composer(&document(blocs)).expect("composed")
}

fn owned<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

/// What a page shows and a reader hears, line by line.
fn read(page: &[Trace]) -> Vec<&str> {
    let heard = page.iter().filter_map(|trace| match trace {
        Trace::Texte { texte, marque: Marque::Feuille(_), .. } => Some(texte.trim_end()),
        Trace::Texte { .. } | Trace::Filet { .. } | Trace::Fond { .. } | Trace::Cadre { .. } => {
            None
        }
    });
    heard.collect()
}

/// What a page repeats.
fn repeated(page: &[Trace]) -> Vec<&str> {
    let texts = page.iter().filter_map(|trace| match trace {
        Trace::Texte { texte, marque: Marque::Repetition, .. } => Some(texte.as_str()),
        Trace::Texte { .. } | Trace::Filet { .. } | Trace::Fond { .. } | Trace::Cadre { .. } => {
            None
        }
    });
    texts.collect()
}

fn leaves(nodes: &[Noeud], found: &mut Vec<usize>) {
    for node in nodes {
        match node {
            Noeud::Feuille(leaf) => found.push(*leaf),
            Noeud::Groupe(_, children) => leaves(children, found),
        }
    }
}

/// Nothing outside the margins, and every leaf in the structure once, drawn on one page.
fn check(composition: &Composition) {
    let mut inside = Vec::new();
    leaves(&composition.structure, &mut inside);
    inside.sort_unstable();
    assert_eq!(inside, (0..composition.feuilles).collect::<Vec<_>>(), "each leaf has one place");
    let mut page_of = vec![None; composition.feuilles];
    for (at, page) in composition.pages.iter().enumerate() {
        for trace in page {
            let (x, y, width) = match trace {
                Trace::Texte { x, y, style, texte, marque } => {
                    if let Marque::Feuille(leaf) = marque {
                        assert!(page_of[*leaf].is_none_or(|other| other == at), "leaf {leaf}");
                        page_of[*leaf] = Some(at);
                    }
                    (*x, *y, style.largeur(texte.trim_end_matches(' ')))
                }
                Trace::Filet { x, y, largeur, .. }
                | Trace::Fond { x, y, largeur, .. }
                | Trace::Cadre { x, y, largeur, .. } => (*x, *y, *largeur),
            };
            assert!(
                x >= MARGE - 0.01 && (MARGE - 0.01..=HAUTEUR - MARGE + 0.01).contains(&y),
                "{trace:?}"
            );
            assert!(x + width <= MARGE + JUSTIFICATION + 0.6, "{trace:?}");
        }
    }
    assert!(page_of.iter().all(Option::is_some), "each leaf is drawn");
}

#[test]
fn a_long_table_repeats_its_header_and_pages_are_numbered() {
    let rows = (1..=120).map(|n| vec![n.to_string(), format!("ligne {n}")]);
    let table = Tableau {
        entetes: owned(["N°", "Texte"]),
        lignes: rows.collect(),
        totaux: vec![owned(["Total", "120"])],
        ..Tableau::default()
    };
    let composition = composed(vec![Bloc::Tableau(table)]);
    check(&composition);
    let pages = &composition.pages;
    assert_eq!(pages.len(), 3);
    let headers = pages.iter().map(|page| repeated(page).contains(&"Texte"));
    assert_eq!(headers.collect::<Vec<_>>(), [false, true, true], "the first is read, not repeated");
    for (at, page) in pages.iter().enumerate() {
        assert!(repeated(page).contains(&format!("{}/3", at + 1).as_str()));
        assert!(repeated(page).iter().any(|text| text.contains("5\u{a0}avril\u{a0}2026")));
    }
    let heard: Vec<&str> = pages.iter().flat_map(|page| read(page)).collect();
    let numbers: Vec<usize> = heard.iter().filter_map(|text| text.parse().ok()).collect();
    assert_eq!(numbers, (1..=120).chain([120]).collect::<Vec<_>>(), "every row, once, in order");
}

#[test]
fn what_is_too_wide_or_too_high_is_cut_not_lost() {
    let digest = "0123456789abcdef".repeat(8);
    let table = Tableau {
        entetes: owned(["Empreinte", "Texte", "Vide"]),
        lignes: vec![vec![digest.clone(), "mot ".repeat(6_000), String::new()]],
        ..Tableau::default()
    };
    let composition = composed(vec![Bloc::Tableau(table), Bloc::Paragraphe("x".repeat(9_000))]);
    check(&composition);
    assert!(composition.pages.len() > 5);
    let heard: Vec<&str> = composition.pages.iter().flat_map(|page| read(page)).collect();
    let together = heard.concat();
    assert!(together.contains(&digest[..20]), "{together:.200}");
    assert_eq!(together.matches("mot").count(), 6_000);
    assert_eq!(together.matches('x').count(), 9_000 + heard[2].matches('x').count());
}

#[test]
fn unknown_characters_are_seen_and_others_are_composed() {
    let composition = composed(vec![Bloc::Paragraphe("e\u{301} 漢 \u{200f}\u{0}fin !".to_owned())]);
    assert_eq!(read(&composition.pages[0])[1], "é \u{fffd} fin\u{202f}!");
}

#[test]
fn mistakes_of_a_caller_are_errors() {
    let mut untitled = document(Vec::new());
    untitled.title = " ".to_owned();
    assert!(matches!(pdf(&untitled), Err(Error::SansTitre)));
    let table = |entetes: Vec<String>| {
        let lignes = vec![owned(["1", "2"])];
        pdf(&document(vec![Bloc::Tableau(Tableau { entetes, lignes, ..Tableau::default() })]))
    };
    assert!(matches!(table(Vec::new()), Err(Error::SansColonne)));
    let unequal = table(owned(["a", "b", "c"]));
    assert!(matches!(unequal, Err(Error::LigneInegale { cellules: 2, colonnes: 3 })));
    table(owned(["a", "b"])).expect("as many cells as columns");
}

fn any_bloc() -> impl Strategy<Value = Bloc> {
    let text = || prop_oneof!["\\PC{0,40}", any::<String>(), "[a-z]{0,400}", "[a-zé :!\n]{0,900}"];
    let columns = (1..9_usize, 0..40_usize).prop_flat_map(move |(columns, rows)| {
        let row = move || prop::collection::vec(text(), columns);
        (row(), prop::collection::vec(row(), rows), prop::collection::vec(row(), 0..2))
    });
    prop_oneof![
        text().prop_map(Bloc::Titre),
        text().prop_map(Bloc::Paragraphe),
        text().prop_map(Bloc::Mention),
        prop::collection::vec((text(), text()), 0..5).prop_map(Bloc::Champs),
        prop::collection::vec(text(), 0..5).prop_map(Bloc::Liste),
        (prop::collection::vec(text(), 0..4), 0..300_u16)
            .prop_map(|(libelles, hauteur_mm)| Bloc::Cadres { libelles, hauteur_mm }),
        columns.prop_map(|(entetes, lignes, totaux)| {
            Bloc::Tableau(Tableau { entetes, lignes, totaux, ..Tableau::default() })
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_text_stays_inside_and_is_read_once(blocs in prop::collection::vec(any_bloc(), 0..6)) {
        check(&composed(blocs));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    #[test]
    fn any_text_makes_an_accessible_file(blocs in prop::collection::vec(any_bloc(), 0..4)) {
        pdf(&document(blocs)).expect("krilla finds it accessible");
    }
}

#[test]
fn a_heading_without_text_is_left_out_and_a_title_without_text_refused() {
    for empty in ["", " \n", "\u{200b}"] {
        let blocs = vec![Bloc::Titre(empty.to_owned()), Bloc::Paragraphe("Texte".to_owned())];
        assert!(pdf(&document(blocs)).is_ok());
        let title = empty.to_owned();
        let untitled = Document { title, ..document(Vec::new()) };
        assert!(matches!(pdf(&untitled), Err(Error::SansTitre)));
    }
}

#[test]
fn the_same_document_gives_the_same_bytes_whatever_the_thread() {
    let document = document(vec![Bloc::Champs(vec![("Nom".to_owned(), "Łukasiewicz".to_owned())])]);
    let here = pdf(&document).expect("written");
    let there = std::thread::scope(|scope| scope.spawn(|| pdf(&document)).join());
    assert_eq!(there.expect("ends").expect("written"), here);
    let contains = |text: &str| here.windows(text.len()).any(|part| part == text.as_bytes());
    for mark in [
        "%PDF-1.7",
        "/StructTreeRoot",
        "/Lang(fr-FR)",
        "/DisplayDocTitle true",
        "pdfuaid:part",
        "/FontFile2",
    ] {
        assert!(contains(mark), "{mark}");
    }
    assert!(!contains("/Type /ObjStm") && here.len() < 60_000, "{} bytes", here.len());
}
