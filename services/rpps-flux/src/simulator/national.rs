//! Two extracts of national size, of two days, whose differences are known: each row is a function
//! of its rank and of the seed, so that nothing is held in memory and anyone makes the same files.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use super::fichiers::ENTETE_ACTIVITES;

/// Rows of a block: the unit in which kinds of rows are dealt out.
const BLOC: u64 = 100;
/// In a block, the row that copies the one before it, byte for byte.
const COPIE: u64 = 50;
/// In a block, the row of the same identity as the one before it, with another savoir-faire.
const AUTRE_SAVOIR_FAIRE: u64 = 70;
/// In a block, the rows that may change: 40 with an identity of their own, and the copy.
const VARIABLES: u64 = 41;

/// Two days of the same extract.
#[derive(Clone, Copy, Debug)]
pub struct DeuxJours {
    lignes: u64,
    ajouts: u64,
    retraits: u64,
    modifications: u64,
    graine: u64,
}

/// The day of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jour {
    /// The first one.
    Veille,
    /// The next one.
    Lendemain,
}

impl DeuxJours {
    /// Plans `lignes` rows on the first day and so many changes on the next one: of ten, four rows
    /// are modified, three removed and three added. `None` when there are more than rows that may
    /// change: two fifths.
    pub fn new(lignes: u64, changements: u64, graine: u64) -> Option<Self> {
        let ajouts = changements * 3 / 10;
        let retraits = ajouts;
        let modifications = changements - ajouts - retraits;
        let possible = retraits + modifications <= lignes / BLOC * (VARIABLES - 1);
        possible.then_some(Self { lignes, ajouts, retraits, modifications, graine })
    }

    /// Rows of a day.
    pub fn lignes(&self, jour: Jour) -> u64 {
        match jour {
            Jour::Veille => self.lignes,
            Jour::Lendemain => self.lignes - self.retraits + self.ajouts,
        }
    }

    /// Rows added, removed and modified from the first day to the next.
    pub fn changements(&self) -> [u64; 3] {
        [self.ajouts, self.retraits, self.modifications]
    }

    /// Writes the extract of a day, its rows in an order of their own; `chaque` is told the bytes
    /// of each row.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn ecrire(
        &self,
        jour: Jour,
        mut sortie: impl Write,
        mut chaque: impl FnMut(u64),
    ) -> io::Result<()> {
        writeln!(sortie, "{ENTETE_ACTIVITES}")?;
        let (rangs, cle) = match jour {
            Jour::Veille => (self.lignes, 1),
            Jour::Lendemain => (self.lignes + self.ajouts, 2),
        };
        let ordre = Ordre::new(rangs, melange(self.graine ^ cle));
        let mut ligne = String::new();
        for n in 0..rangs {
            let rang = ordre.rang(n);
            let change = match jour {
                Jour::Veille => None,
                Jour::Lendemain => self.change(rang),
            };
            if change.is_some_and(|n| n < self.retraits) {
                continue;
            }
            ligne.clear();
            self.ligne(rang, change, &mut ligne);
            sortie.write_all(ligne.as_bytes())?;
            chaque(ligne.len() as u64);
        }
        sortie.flush()
    }

    /// The number of the change that a row of the first day goes through, removals first.
    fn change(&self, rang: u64) -> Option<u64> {
        let blocs = self.lignes / BLOC;
        let (bloc, place) = (rang / BLOC, rang % BLOC);
        if bloc >= blocs {
            return None;
        }
        let variable = match place {
            COPIE => 0,
            place if place < VARIABLES - 1 => place + 1,
            _ => return None,
        };
        // Turned from block to block, so that copies have their share.
        let tour = (variable + VARIABLES - bloc % VARIABLES) % VARIABLES;
        let numero = tour * blocs + bloc;
        (numero < self.retraits + self.modifications).then_some(numero)
    }

    /// One row, its end included.
    fn ligne(&self, rang: u64, change: Option<u64>, texte: &mut String) {
        let place = rang % BLOC;
        let base = if place == COPIE || place == AUTRE_SAVOIR_FAIRE { rang - 1 } else { rang };
        let tire = |quoi: u64| melange(self.graine ^ melange(base * 16 + quoi));
        let personne = base / 2;
        let qui = |quoi: u64| melange(self.graine ^ melange(!(personne * 16 + quoi)));
        // An eleventh digit that is never the key: nobody has this number.
        let serie = 1_000_000 + personne;
        let rpps = format!("997{serie:07}{}", (super::fichiers::cle(serie) + 1) % 10);
        let civilite = choix(&["M|Monsieur", "MME|Madame"], qui(0));
        let (nom, nom_2) = (choix(&NOMS, qui(1)), choix(&NOMS, qui(2)));
        let (prenom, profession) = (choix(&PRENOMS, qui(3)), choix(&PROFESSIONS, qui(4)));
        let medecin = profession.starts_with("10");
        let savoir_faire = match change {
            Some(n) if n % 3 == 0 => choix(&SAVOIR_FAIRE, qui(5) / 2 + 2),
            _ if place == AUTRE_SAVOIR_FAIRE => choix(&SAVOIR_FAIRE, qui(5) / 2 + 1),
            _ if medecin => choix(&SAVOIR_FAIRE, qui(5) / 2),
            _ => "|||",
        };
        let mode = choix(&["L|Libéral, indépendant, artisan, commerçant", "S|Salarié"], tire(6));
        let finess = 10_000_000 + tire(7) % 980_000_000;
        let (commune, voie) = (choix(&COMMUNES, tire(8)), choix(&VOIES, tire(9)));
        let numero = 1 + tire(10) % 180;
        let telephone = match change {
            Some(n) if n % 3 == 1 => "0999999999".to_owned(),
            Some(_) | None => format!("0{:09}", 100_000_000 + tire(11) % 500_000_000),
        };
        let enseigne = match change {
            Some(n) if n % 3 == 2 => "NOUVELLE ENSEIGNE",
            Some(_) | None => "",
        };
        let (postal, code_commune, nom_commune, departement) = commune;
        let raison = choix(&RAISONS, tire(12));
        let (secteur, genre) = (choix(&SECTEURS, tire(13)), choix(&GENRES, tire(14)));
        let fonction = choix(&["FON-01|Titulaire de cabinet", "|"], tire(15));
        let batiment = choix(&["BATIMENT B", ""], tire(6) / 2);
        let mail = match qui(6) % 3 {
            0 => format!("{nom}.{nom_2}{}@exemple.invalid", personne % 100_000),
            _ => String::new(),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            texte,
            "8|{rpps}|8{rpps}|DR|Docteur|{civilite}|{nom}-{nom_2}|{prenom}|{profession}|C|Civil|\
             {savoir_faire}|{mode}|||{finess:09}|{finess:09}|R101{base:011}|{raison} {nom_commune}|\
             {enseigne}||{batiment}|{numero}||{voie} {nom_2}||{postal} {nom_commune}|{postal}|\
             {code_commune}|{nom_commune}|99100|France|{telephone}|||\
             {mail}|{departement}||CNOM/CNOM/ARS|{secteur}|||{fonction}|{genre}|"
        );
    }
}

/// An order of `0..n` that is drawn: a Feistel network over the next power of four, walked until
/// it falls in the range.
struct Ordre {
    n: u64,
    demi: u32,
    cle: u64,
}

impl Ordre {
    fn new(n: u64, cle: u64) -> Self {
        let bits = u64::BITS - n.max(2).leading_zeros();
        Self { n, demi: bits.div_ceil(2), cle }
    }

    fn rang(&self, mut valeur: u64) -> u64 {
        let masque = (1 << self.demi) - 1;
        loop {
            let (mut gauche, mut droite) = (valeur >> self.demi, valeur & masque);
            for tour in 0..4 {
                let brouille = melange(self.cle ^ (tour << 56) ^ droite) & masque;
                (gauche, droite) = (droite, gauche ^ brouille);
            }
            valeur = (gauche << self.demi) | droite;
            if valeur < self.n {
                return valeur;
            }
        }
    }
}

/// SplitMix64's finaliser.
fn melange(graine: u64) -> u64 {
    let z = graine.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn choix<T: Copy, const N: usize>(liste: &[T; N], tirage: u64) -> T {
    liste[usize::try_from(tirage % N as u64).unwrap_or_default()]
}

const NOMS: [&str; 10] = [
    "EXEMPLE", "FICTIF", "MODELE", "SPECIMEN", "IMAGINE", "ESSAI", "PATRON", "EBAUCHE", "MAQUETTE",
    "GABARIT",
];
const PRENOMS: [&str; 8] =
    ["ANNE", "BENOÎT", "CÉLINE", "DANIEL", "ÉLODIE", "FRANÇOIS", "GAËLLE", "HÉLÈNE"];
const PROFESSIONS: [&str; 4] =
    ["10|Médecin", "60|Infirmier", "21|Pharmacien", "70|Masseur-Kinésithérapeute"];
const SAVOIR_FAIRE: [&str; 4] = [
    "S|Spécialité ordinale|SM54|Médecine générale",
    "S|Spécialité ordinale|SM26|Qualifié en Médecine Générale",
    "S|Spécialité ordinale|SM04|Cardiologie et maladies vasculaires",
    "S|Spécialité ordinale|SM53|Spécialiste en Médecine générale",
];
const RAISONS: [&str; 4] = [
    "CABINET DU DOCTEUR",
    "MAISON DE SANTE PLURIPROFESSIONNELLE DE",
    "CENTRE HOSPITALIER INTERCOMMUNAL DE",
    "CENTRE DE SANTE FICTIF DE",
];
const VOIES: [&str; 4] = ["R|Rue|DU", "AV|Avenue|DE LA", "PL|Place|DE L'", "CHE|Chemin|DES"];
const COMMUNES: [(&str, &str, &str, &str); 5] = [
    ("63600", "63003", "Ambert", "63|Puy-de-Dôme"),
    ("03100", "03185", "Montluçon", "03|Allier"),
    ("02140", "02789", "Vervins", "02|Aisne"),
    ("39200", "39478", "Saint-Claude", "39|Jura"),
    ("56110", "56066", "Gourin", "56|Morbihan"),
];
const SECTEURS: [&str; 4] = [
    "SA07|Cabinet individuel",
    "SA08|Cabinet de groupe",
    "SA52|Maison de santé ou Pôle de santé",
    "SA01|Etablissement Public de santé",
];
const GENRES: [&str; 2] =
    ["GENR01|Activité de soin et de pharmacie", "GENR02|Activité de remplacement"];

#[cfg(test)]
mod tests;
