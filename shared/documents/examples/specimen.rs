//! Writes a document that shows every block: `cargo run -p documents --example specimen -- <file>`.

use documents::{Alignement, Bloc, Document, Tableau, typo};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args().nth(1).unwrap_or_else(|| "specimen.pdf".to_owned());
    let amount = |cents: i64| typo::euros(contracts::Centimes(cents));
    let date = chrono::NaiveDate::from_ymd_opt(2026, 3, 1).ok_or("date")?;
    let row = |n: i64| {
        let name = format!("Œdipe Müller-Þórsdóttir-{n}");
        vec![n.to_string(), name, typo::date_courte(date), amount(n * 10_000)]
    };
    let document = Document {
        title: "Spécimen : tout ce qu'un document peut contenir".to_owned(),
        subject: "Chaque bloc, une fois".to_owned(),
        author: "Relais".to_owned(),
        date,
        blocs: vec![
            Bloc::Paragraphe("Un paragraphe assez long pour tenir sur plusieurs lignes, avec des « guillemets » ; des signes doubles ! une question ? 20 % de 1 200,00 €. Et un mot démesuré : ".to_owned() + &"anticonstitutionnellement".repeat(6)),
            Bloc::Titre("Des champs".to_owned()),
            Bloc::Champs(vec![
                ("Nom et prénom".to_owned(), "Élodie Nguyễn Łukasiewicz".to_owned()),
                ("Empreinte SHA-256 du contenu".to_owned(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".to_owned()),
                ("Caractères absents".to_owned(), "漢字 🙂".to_owned()),
            ]),
            Bloc::Titre("Une liste".to_owned()),
            Bloc::Liste(vec!["un".to_owned(), "deux, ".repeat(40), "trois".to_owned()]),
            Bloc::Titre("Un tableau".to_owned()),
            Bloc::Tableau(Tableau {
                resume: "Des lignes et leur montant".to_owned(),
                entetes: ["N°", "Médecin", "Date", "Montant"].map(str::to_owned).to_vec(),
                alignements: vec![Alignement::Droite, Alignement::Gauche, Alignement::Centre, Alignement::Droite],
                lignes: (1..=70).map(row).collect(),
                totaux: vec![vec!["Total".to_owned(), String::new(), String::new(), amount(24_850_000)]],
            }),
            Bloc::Cadres { libelles: vec!["Date et signature du médecin".to_owned(), "Cachet du lieu".to_owned()], hauteur_mm: 30 },
            Bloc::Mention("Ce spécimen est fictif.".to_owned()),
        ],
    };
    std::fs::write(file, documents::pdf(&document)?)?;
    Ok(())
}
