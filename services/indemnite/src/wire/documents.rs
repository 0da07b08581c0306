//! The documents of a statement: for the CPAM, and a form for each doctor. They only say what was
//! sent, so that a month of any year gives the same bytes again. No official form was found in
//! public sources: these are ours, and say so.

use std::collections::BTreeMap;

use ::documents::{Alignement, Bloc, Document, Tableau, typo};
use contracts::{
    Centimes, DemiJournee, LieuId, Rpps,
    messages::{EtatMensuel, LigneEtat},
};
use uuid::Uuid;

use super::{csv, sha256_hex};
use crate::state::Releve;

const AUTEUR: &str = "Relais";
const NON_OFFICIEL: &str = "Document établi par Relais. Aucun formulaire officiel n'a été trouvé dans \
     les sources publiques : celui-ci n'en est pas un, et ne remplace pas celui que la CPAM \
     demanderait. Relais n'ordonne aucun paiement et ne connaît aucune coordonnée bancaire.";

impl Releve {
    /// « 631-2026-03-1 »: CPAM, month, rank.
    pub fn numero(&self) -> String {
        format!("{}-{}-{}", self.cpam, self.etat.mois, self.etat.rang)
    }

    /// The statement as a CSV file.
    pub fn csv(&self) -> String {
        csv(&self.etat, &self.cpam)
    }

    /// Whether the lines, their sum and their digest still are those that were sent.
    pub fn est_intact(&self) -> bool {
        let total: Centimes = self.etat.lignes.iter().map(|l| l.centimes).sum();
        total == self.etat.total_centimes && sha256_hex(&self.csv()) == self.etat.sha256
    }

    /// The statement as a document for the CPAM; `avis` is small print at its end.
    pub fn document(&self, avis: Option<&str>) -> Document {
        let mois = typo::mois(self.etat.mois);
        let mut blocs = vec![
            Bloc::Champs(self.references()),
            Bloc::Titre("Récapitulatif par médecin".to_owned()),
            Bloc::Tableau(recapitulatif(&self.etat)),
            Bloc::Titre("Lignes".to_owned()),
            Bloc::Tableau(self.lignes()),
            Bloc::Mention(
                "La référence d'une ligne est le début de son identifiant dans le fichier CSV, que \
                 reprennent les réponses (payée, rejetée). Une ligne qui en corrige une autre la \
                 nomme : les lignes déjà énoncées ne changent jamais."
                    .to_owned(),
            ),
            Bloc::Mention(NON_OFFICIEL.to_owned()),
        ];
        blocs.extend(avis.map(|avis| Bloc::Mention(avis.to_owned())));
        Document {
            title: format!("État mensuel n° {} – {mois}", self.numero()),
            subject: format!("Indemnités de solidarité territoriale dues par la {}", self.caisse()),
            author: AUTEUR.to_owned(),
            date: self.emis_le,
            blocs,
        }
    }

    /// A form for each doctor of the statement, by RPPS number.
    pub fn formulaires(&self, avis: Option<&str>) -> BTreeMap<Rpps, Document> {
        let mut by_doctor: BTreeMap<&Rpps, Vec<&LigneEtat>> = BTreeMap::new();
        for ligne in &self.etat.lignes {
            by_doctor.entry(&ligne.rpps).or_default().push(ligne);
        }
        let forms = by_doctor.into_iter().filter_map(|(rpps, lignes)| {
            let first = *lignes.first()?;
            Some((rpps.clone(), self.formulaire(first, &lignes, avis)))
        });
        forms.collect()
    }

    fn caisse(&self) -> String {
        match self.cpam_nom.as_str() {
            "" => format!("CPAM {}", self.cpam),
            nom => format!("{nom} ({})", self.cpam),
        }
    }

    fn lieu<'a>(&'a self, id: &'a LieuId) -> &'a str {
        self.lieux.get(id).map_or(id.as_str(), String::as_str)
    }

    fn references(&self) -> Vec<(String, String)> {
        let etat = &self.etat;
        let corrections = etat.lignes.iter().filter(|l| l.corrige.is_some()).count();
        let mut lignes = typo::compte(etat.lignes.len(), "ligne", "lignes");
        if corrections > 0 {
            let of = typo::compte(corrections, "correction", "corrections");
            lignes = format!("{lignes}, dont {of}");
        }
        champs([
            ("Destinataire", self.caisse()),
            ("Mois", typo::mois(etat.mois)),
            ("Émis le", typo::date(self.emis_le)),
            ("Contenu", lignes),
            ("Total", typo::euros(etat.total_centimes)),
            ("Fichier CSV, empreinte SHA-256", etat.sha256.clone()),
        ])
    }

    fn lignes(&self) -> Tableau {
        let row = |(n, ligne): (usize, &LigneEtat)| {
            vec![
                (n + 1).to_string(),
                reference(ligne.ligne),
                typo::date_courte(ligne.date),
                demi_journee(ligne),
                format!("{}\n{}", ligne.nom, ligne.rpps),
                ligne.numero_am.to_string(),
                self.lieu(&ligne.lieu).to_owned(),
                typo::euros(ligne.centimes),
            ]
        };
        let headers =
            ["N°", "Réf.", "Date", "Demi-journée", "Médecin, RPPS", "N° AM", "Lieu", "Montant"];
        let mut total = vec![String::new(); headers.len()];
        "Total".clone_into(&mut total[0]);
        total[headers.len() - 1] = typo::euros(self.etat.total_centimes);
        Tableau {
            resume: "Lignes de l'état, par date, médecin et demi-journée".to_owned(),
            entetes: headers.map(str::to_owned).to_vec(),
            alignements: droites(&[0, 7], headers.len()),
            lignes: self.etat.lignes.iter().enumerate().map(row).collect(),
            totaux: vec![total],
        }
    }

    fn formulaire(&self, of: &LigneEtat, lignes: &[&LigneEtat], avis: Option<&str>) -> Document {
        let mois = typo::mois(self.etat.mois);
        let total: Centimes = lignes.iter().map(|l| l.centimes).sum();
        let mut numbers: Vec<String> = lignes.iter().map(|l| l.numero_am.to_string()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let mut lieux: Vec<&str> = lignes.iter().map(|l| self.lieu(&l.lieu)).collect();
        lieux.sort_unstable();
        lieux.dedup();
        let mut cadres = vec!["Date et signature du médecin".to_owned()];
        cadres.extend(lieux.iter().map(|lieu| format!("Cachet et signature – {lieu}")));
        let mut blocs = vec![
            Bloc::Mention(NON_OFFICIEL.to_owned()),
            Bloc::Champs(champs([
                ("Médecin", of.nom.clone()),
                ("Numéro RPPS", of.rpps.to_string()),
                ("Numéro AM de la mission", numbers.join(", ")),
                ("Caisse du lieu", self.caisse()),
                ("Mois", mois.clone()),
                ("Repris dans", format!("l'état n° {} du {}", self.numero(), typo::date(self.emis_le))),
            ])),
            Bloc::Titre("Présences et montants".to_owned()),
            Bloc::Tableau(self.presences(lignes, total)),
            Bloc::Titre("Attestation".to_owned()),
            Bloc::Paragraphe(
                "Le médecin certifie avoir assuré les consultations ci-dessus ; le lieu atteste sa \
                 présence."
                    .to_owned(),
            ),
        ];
        // A box narrower than a third of the page holds no stamp.
        let boxes = cadres
            .chunks(3)
            .map(|labels| Bloc::Cadres { libelles: labels.to_vec(), hauteur_mm: 32 });
        blocs.extend(boxes);
        blocs.extend(avis.map(|avis| Bloc::Mention(avis.to_owned())));
        Document {
            title: format!("Indemnité de solidarité territoriale – {mois}"),
            subject: format!("Formulaire prérempli, état n° {}", self.numero()),
            author: AUTEUR.to_owned(),
            date: self.emis_le,
            blocs,
        }
    }

    /// The lines of a doctor, the two halves of a day at a site as one.
    fn presences(&self, lignes: &[&LigneEtat], total: Centimes) -> Tableau {
        let mut rows: Vec<(&LigneEtat, String, Centimes, Vec<String>)> = Vec::new();
        for ligne in lignes {
            let halves = rows.last_mut().filter(|(before, ..)| {
                before.date == ligne.date
                    && before.lieu == ligne.lieu
                    && before.demi_journee != ligne.demi_journee
                    && before.corrige.is_none()
                    && ligne.corrige.is_none()
            });
            if let Some((_, text, centimes, refs)) = halves {
                "Journée".clone_into(text);
                *centimes = *centimes + ligne.centimes;
                refs.push(reference(ligne.ligne));
            } else {
                let (text, refs) = (demi_journee(ligne), vec![reference(ligne.ligne)]);
                rows.push((ligne, text, ligne.centimes, refs));
            }
        }
        let row = |(ligne, text, centimes, refs): (&LigneEtat, String, Centimes, Vec<String>)| {
            vec![
                typo::date_courte(ligne.date),
                self.lieu(&ligne.lieu).to_owned(),
                text,
                refs.join(", "),
                typo::euros(centimes),
            ]
        };
        let headers = ["Date", "Lieu", "Présence", "Lignes de l'état", "Montant"];
        let empty = String::new;
        Tableau {
            resume: "Présences du médecin et montants dus".to_owned(),
            entetes: headers.map(str::to_owned).to_vec(),
            alignements: droites(&[4], headers.len()),
            lignes: rows.into_iter().map(row).collect(),
            totaux: vec![vec!["Total".to_owned(), empty(), empty(), empty(), typo::euros(total)]],
        }
    }
}

/// What each doctor of a statement is owed, by name.
fn recapitulatif(etat: &EtatMensuel) -> Tableau {
    let mut sums: BTreeMap<(&str, &Rpps), (usize, Centimes)> = BTreeMap::new();
    for ligne in &etat.lignes {
        let (count, sum) = sums.entry((&ligne.nom, &ligne.rpps)).or_default();
        *count += 1;
        *sum = *sum + ligne.centimes;
    }
    let rows = sums.into_iter().map(|((nom, rpps), (count, sum))| {
        vec![nom.to_owned(), rpps.to_string(), count.to_string(), typo::euros(sum)]
    });
    let headers = ["Médecin", "Numéro RPPS", "Lignes", "Montant"];
    let total = typo::euros(etat.total_centimes);
    Tableau {
        resume: "Montant par médecin".to_owned(),
        entetes: headers.map(str::to_owned).to_vec(),
        alignements: droites(&[2, 3], headers.len()),
        lignes: rows.collect(),
        totaux: vec![vec!["Total".to_owned(), String::new(), etat.lignes.len().to_string(), total]],
    }
}

fn champs<const N: usize>(champs: [(&str, String); N]) -> Vec<(String, String)> {
    champs.map(|(label, value)| (label.to_owned(), value)).to_vec()
}

fn droites(columns: &[usize], count: usize) -> Vec<Alignement> {
    let of =
        |at: usize| if columns.contains(&at) { Alignement::Droite } else { Alignement::Gauche };
    (0..count).map(of).collect()
}

/// Enough of a line's id to find it in the CSV file.
fn reference(ligne: Uuid) -> String {
    ligne.to_string().chars().take(8).collect()
}

fn demi_journee(ligne: &LigneEtat) -> String {
    let half = match ligne.demi_journee {
        DemiJournee::Matin => "Matin",
        DemiJournee::ApresMidi => "Après-midi",
    };
    match ligne.corrige {
        None => half.to_owned(),
        Some(corrigee) => format!("{half}\ncorrige {}", reference(corrigee)),
    }
}

#[cfg(test)]
mod tests {
    use contracts::{Demande, Mois};

    use super::*;

    fn ligne(n: u128, date: &str, half: DemiJournee, lieu: &str, centimes: i64) -> LigneEtat {
        LigneEtat {
            ligne: Uuid::from_u128(n << 96),
            rpps: "99790000014".parse().expect("rpps"),
            nom: "ESSAI Zoé".to_owned(),
            numero_am: "631990017".parse().expect("numéro AM"),
            lieu: lieu.parse().expect("lieu"),
            date: date.parse().expect("date"),
            demi_journee: half,
            centimes: Centimes(centimes),
            corrige: None,
        }
    }

    fn releve() -> Releve {
        use DemiJournee::{ApresMidi, Matin};
        let mut correction = ligne(4, "2028-02-29", Matin, "ambert", -2_500);
        correction.corrige = Some(Uuid::from_u128(3 << 96));
        let mut other = ligne(5, "2028-02-29", Matin, "thiers", 10_000);
        (other.rpps, other.nom) = ("99790000022".parse().expect("rpps"), "AUTRE Ana".to_owned());
        let lignes = vec![
            ligne(1, "2028-02-03", Matin, "ambert", 10_000),
            ligne(2, "2028-02-03", ApresMidi, "ambert", 10_000),
            ligne(3, "2028-02-29", Matin, "ambert", 10_000),
            correction,
            other,
        ];
        let cpam = "631".parse().expect("cpam");
        let mut etat = EtatMensuel {
            demande: Demande { id: Uuid::from_u128(9), rang: 1 },
            mois: "2028-02".parse::<Mois>().expect("mois"),
            rang: 2,
            total_centimes: lignes.iter().map(|l| l.centimes).sum(),
            lignes,
            sha256: String::new(),
        };
        etat.sha256 = sha256_hex(&csv(&etat, &cpam));
        let lieux = [("ambert".parse().expect("lieu"), "MSP d'Ambert, Ambert".to_owned())];
        let emis_le = "2028-03-05".parse().expect("date");
        Releve { cpam, cpam_nom: "CPAM du Puy".to_owned(), emis_le, lieux: lieux.into(), etat }
    }

    fn texts(document: &Document) -> String {
        format!("{:?}", document.blocs)
    }

    fn table(document: &Document) -> &Tableau {
        document.tableaux().next_back().expect("a table")
    }

    #[test]
    fn a_statement_is_numbered_summed_and_bears_its_digest() {
        let releve = releve();
        let document = releve.document(Some("Fictif."));
        assert_eq!(document.title, "État mensuel n° 631-2028-02-2 – février\u{a0}2028");
        let text = texts(&document);
        for wanted in
            ["375,00\\u{202f}€", &releve.etat.sha256, "dont 1\\u{a0}correction", "Fictif."]
        {
            assert!(text.contains(wanted), "{wanted} in {text}");
        }
        let lines = table(&document);
        assert_eq!(lines.lignes.len(), 5);
        assert_eq!(lines.lignes[3][3], "Matin\ncorrige 00000003");
        assert_eq!(lines.lignes[4][6], "thiers", "a site that the register did not know");
        assert_eq!(lines.totaux[0][7], "375,00\u{202f}€");
    }

    #[test]
    fn a_form_says_that_it_is_not_official_and_adds_up() {
        let releve = releve();
        let forms = releve.formulaires(None);
        assert_eq!(forms.len(), 2);
        let total: i64 = releve.etat.lignes.iter().map(|l| l.centimes.0).sum();
        assert_eq!(total, 37_500);
        let (_, form) = forms.first_key_value().expect("a form");
        assert!(texts(form).contains("Aucun formulaire officiel n'a été trouvé"));
        let rows: Vec<_> = table(form).lignes.iter().map(|row| (&*row[2], &*row[4])).collect();
        let euros = |cents| typo::euros(Centimes(cents));
        let expected = [
            ("Journée", euros(20_000)),
            ("Matin", euros(10_000)),
            ("Matin\ncorrige 00000003", euros(-2_500)),
        ];
        assert_eq!(rows, expected.each_ref().map(|(text, sum)| (*text, sum.as_str())));
        assert_eq!(table(form).totaux[0][4], euros(27_500));
    }

    #[test]
    fn documents_are_made_again_from_what_was_stored_to_the_byte() {
        let releve = releve();
        let stored = serde_json::to_string(&releve).expect("encodes");
        let read: Releve = serde_json::from_str(&stored).expect("decodes");
        let bytes = |releve: &Releve| {
            let forms = releve.formulaires(None);
            let all = forms.values().cloned().chain([releve.document(None)]);
            all.map(|document| ::documents::pdf(&document).expect("written")).collect::<Vec<_>>()
        };
        assert_eq!(bytes(&read), bytes(&releve));
        assert!(read.est_intact());
        for spoil in [
            |etat: &mut EtatMensuel| etat.lignes[0].centimes = Centimes(10_001),
            |etat: &mut EtatMensuel| etat.total_centimes = Centimes(1),
            |etat: &mut EtatMensuel| etat.sha256 = String::new(),
        ] {
            let mut spoilt = read.clone();
            spoil(&mut spoilt.etat);
            assert!(!spoilt.est_intact());
        }
    }
}
