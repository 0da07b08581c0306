//! Where everything goes: pages of things to draw, and the structure that reads them aloud. A4,
//! measured in points from the top left.

use std::num::NonZeroU16;

use krilla::tagging::{ListNumbering, Tag, TagKind};

use crate::{
    Bloc, Document, Error,
    police::Style,
    tableau,
    texte::{Ligne, couper, largeurs, propre},
    typo,
};

/// Width of the page.
pub(crate) const LARGEUR: f32 = 595.28;
/// Height of the page.
pub(crate) const HAUTEUR: f32 = 841.89;
/// Margin, 2 cm.
pub(crate) const MARGE: f32 = 56.7;
/// Width of the text.
pub(crate) const JUSTIFICATION: f32 = LARGEUR - 2.0 * MARGE;
/// Where the text of a page ends; the foot is below.
const BAS: f32 = HAUTEUR - MARGE - 18.0;
/// Most points that a page holds.
pub(crate) const CORPS_DE_PAGE: f32 = BAS - MARGE;
const POINTS_PAR_MM: f32 = 72.0 / 25.4;

const TEXTE: Style = Style { corps: 10.0, gras: false, gris: 0 };
const FORT: Style = Style { corps: 10.0, gras: true, gris: 0 };
const LIBELLE: Style = Style { corps: 10.0, gras: false, gris: 80 };
const TITRE_1: Style = Style { corps: 17.0, gras: true, gris: 0 };
const TITRE_2: Style = Style { corps: 12.0, gras: true, gris: 0 };
const PETIT: Style = Style { corps: 8.5, gras: false, gris: 80 };

/// What a drawn text is for a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marque {
    /// A leaf of the structure, by number.
    Feuille(usize),
    /// Repeated from page to page: not read.
    Repetition,
}

/// Something to draw. What is not a text is decoration: not read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Trace {
    /// A line of text, from the left of its baseline.
    Texte { x: f32, y: f32, style: Style, texte: String, marque: Marque },
    /// A horizontal line.
    Filet { x: f32, y: f32, largeur: f32, epaisseur: f32, gris: u8 },
    /// A filled rectangle.
    Fond { x: f32, y: f32, largeur: f32, hauteur: f32, gris: u8 },
    /// The outline of a rectangle.
    Cadre { x: f32, y: f32, largeur: f32, hauteur: f32 },
}

/// A node of the structure.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Noeud {
    /// A tag and what it holds.
    Groupe(TagKind, Vec<Noeud>),
    /// Drawn text.
    Feuille(usize),
}

/// A heading, for the outline.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Repere {
    pub(crate) titre: String,
    pub(crate) page: usize,
    pub(crate) y: f32,
}

/// A document laid out.
#[derive(Debug)]
pub(crate) struct Composition {
    /// What each page shows, at least one page.
    pub(crate) pages: Vec<Vec<Trace>>,
    /// The structure, in reading order.
    pub(crate) structure: Vec<Noeud>,
    /// The headings; the first is the title.
    pub(crate) reperes: Vec<Repere>,
    /// How many leaves were given out.
    pub(crate) feuilles: usize,
    /// The height reached on the last page.
    y: f32,
}

/// Lays a document out.
pub(crate) fn composer(document: &Document) -> Result<Composition, Error> {
    if propre(&document.title, TITRE_1).trim().is_empty() {
        return Err(Error::SansTitre);
    }
    let mut composition = Composition {
        pages: vec![Vec::new()],
        structure: Vec::new(),
        reperes: Vec::new(),
        feuilles: 0,
        y: MARGE,
    };
    composition.titre(&document.title, TITRE_1, 1);
    for bloc in &document.blocs {
        composition.bloc(bloc)?;
    }
    composition.pieds(document);
    Ok(composition)
}

impl Composition {
    fn bloc(&mut self, bloc: &Bloc) -> Result<(), Error> {
        match bloc {
            Bloc::Titre(texte) => self.titre(texte, TITRE_2, 2),
            Bloc::Paragraphe(texte) => self.paragraphe(texte, TEXTE),
            Bloc::Mention(texte) => self.paragraphe(texte, PETIT),
            Bloc::Champs(champs) => self.champs(champs),
            Bloc::Liste(elements) => self.liste(elements),
            Bloc::Tableau(tableau) => tableau::composer(self, tableau)?,
            Bloc::Cadres { libelles, hauteur_mm } => self.cadres(libelles, *hauteur_mm),
        }
        Ok(())
    }

    /// The height that is left on the page.
    pub(crate) fn reste(&self) -> f32 {
        BAS - self.y
    }

    pub(crate) fn y(&self) -> f32 {
        self.y
    }

    pub(crate) fn descendre(&mut self, height: f32) {
        self.y += height;
    }

    pub(crate) fn page_suivante(&mut self) {
        self.pages.push(Vec::new());
        self.y = MARGE;
    }

    /// Goes to the next page when less than this height is left, unless the page is empty.
    pub(crate) fn reserver(&mut self, height: f32) {
        if height > self.reste() && self.y > MARGE {
            self.page_suivante();
        }
    }

    pub(crate) fn tracer(&mut self, trace: Trace) {
        if let Some(page) = self.pages.last_mut() {
            page.push(trace);
        }
    }

    pub(crate) fn feuille(&mut self) -> usize {
        self.feuilles += 1;
        self.feuilles - 1
    }

    /// Lines of text that may go over several pages; the leaves that they make, one a page.
    fn lignes(&mut self, lignes: Vec<Ligne>, x: f32, style: Style) -> Vec<Noeud> {
        let mut leaves = Vec::new();
        let mut leaf = None;
        for ligne in lignes {
            let before = self.pages.len();
            self.reserver(style.interligne());
            if self.pages.len() != before {
                leaf = None;
            }
            let number = *leaf.get_or_insert_with(|| {
                leaves.push(Noeud::Feuille(self.feuilles));
                self.feuilles += 1;
                self.feuilles - 1
            });
            let y = self.y + style.montee();
            let marque = Marque::Feuille(number);
            self.tracer(Trace::Texte { x, y, style, texte: ligne.texte, marque });
            self.y += style.interligne();
        }
        leaves
    }

    fn titre(&mut self, texte: &str, style: Style, niveau: u16) {
        let lignes = couper(texte, style, JUSTIFICATION);
        // A heading without text announces nothing.
        if lignes.iter().all(|ligne| ligne.texte.is_empty()) {
            return;
        }
        let before = if self.y > MARGE { style.corps } else { 0.0 };
        // A heading stays with the first lines that it announces.
        let height = before + style.interligne() * line_count(&lignes) + 4.0 * TEXTE.interligne();
        self.reserver(height);
        if self.y > MARGE {
            self.y += before;
        }
        let (page, y) = (self.pages.len() - 1, self.y);
        let title: String = lignes.iter().map(|ligne| ligne.texte.as_str()).collect();
        let leaves = self.lignes(lignes, MARGE, style);
        let level = NonZeroU16::new(niveau).unwrap_or(NonZeroU16::MIN);
        let tag = Tag::Hn(level, Some(title.clone()));
        self.structure.push(Noeud::Groupe(tag.into(), leaves));
        self.reperes.push(Repere { titre: title, page, y });
        self.y += style.corps * 0.4;
    }

    fn paragraphe(&mut self, texte: &str, style: Style) {
        let leaves = self.lignes(couper(texte, style, JUSTIFICATION), MARGE, style);
        self.structure.push(Noeud::Groupe(Tag::P.into(), leaves));
        self.y += style.corps * 0.6;
    }

    fn champs(&mut self, champs: &[(String, String)]) {
        let widest = champs.iter().map(|(label, _)| largeurs(label, LIBELLE).1).fold(0.0, f32::max);
        let label_width = (widest + 18.0).min(JUSTIFICATION * 0.45);
        let value_width = JUSTIFICATION - label_width;
        let mut items = Vec::new();
        for (label, value) in champs {
            let label = couper(&format!("{label} :"), LIBELLE, label_width - 6.0);
            let value = couper(value, FORT, value_width);
            let height = TEXTE.interligne() * line_count(&label).max(line_count(&value));
            self.reserver(height.min(CORPS_DE_PAGE));
            let (page, top) = (self.pages.len(), self.y);
            let label = self.lignes(label, MARGE, LIBELLE);
            let after_label = self.y;
            // Side by side, unless the label alone went over the page.
            if self.pages.len() == page {
                self.y = top;
            }
            let value_page = self.pages.len();
            let value = self.lignes(value, MARGE + label_width, FORT);
            if self.pages.len() == value_page {
                self.y = self.y.max(after_label);
            }
            items.push(element(label, value));
        }
        self.list(ListNumbering::None, items);
    }

    fn liste(&mut self, elements: &[String]) {
        const RETRAIT: f32 = 12.0;
        let mut items = Vec::new();
        for element_text in elements {
            self.reserver(TEXTE.interligne());
            let top = self.y;
            let bullet = couper("•", TEXTE, RETRAIT);
            let bullet = self.lignes(bullet, MARGE, TEXTE);
            self.y = top;
            let text = couper(element_text, TEXTE, JUSTIFICATION - RETRAIT);
            let text = self.lignes(text, MARGE + RETRAIT, TEXTE);
            items.push(element(bullet, text));
        }
        self.list(ListNumbering::Disc, items);
    }

    fn list(&mut self, numbering: ListNumbering, items: Vec<Noeud>) {
        if !items.is_empty() {
            self.structure.push(Noeud::Groupe(Tag::L(numbering).into(), items));
            self.y += TEXTE.corps * 0.6;
        }
    }

    fn cadres(&mut self, libelles: &[String], hauteur_mm: u16) {
        const GOUTTIERE: f32 = 12.0;
        if libelles.is_empty() {
            return;
        }
        let count = line_count(libelles);
        let width = (JUSTIFICATION - GOUTTIERE * (count - 1.0)) / count;
        let labels = libelles.iter().map(|label| couper(label, LIBELLE, width));
        let labels: Vec<Vec<Ligne>> = labels.collect();
        let lines = labels.iter().map(|lines| line_count(lines)).fold(0.0, f32::max);
        let text = lines * LIBELLE.interligne();
        let height = f32::from(hauteur_mm.min(200)) * POINTS_PAR_MM;
        if text + height > CORPS_DE_PAGE {
            // Labels that are texts of their own stand before their boxes.
            for label in libelles {
                self.paragraphe(label, LIBELLE);
            }
            return self.cadres(&vec![String::new(); libelles.len()], hauteur_mm);
        }
        self.reserver(text + height);
        let top = self.y;
        let mut x = MARGE;
        for label in labels {
            self.y = top;
            if label.iter().any(|line| !line.texte.is_empty()) {
                let leaves = self.lignes(label, x, LIBELLE);
                self.structure.push(Noeud::Groupe(Tag::P.into(), leaves));
            }
            self.tracer(Trace::Cadre { x, y: top + text, largeur: width, hauteur: height });
            x += width + GOUTTIERE;
        }
        self.y = top + text + height + TEXTE.corps;
    }

    /// The foot of each page, once their number is known.
    fn pieds(&mut self, document: &Document) {
        let count = self.pages.len();
        let y = HAUTEUR - MARGE;
        for (at, page) in self.pages.iter_mut().enumerate() {
            let gauche = format!("{} – {}", document.title, typo::date(document.date));
            let numero = format!("{}/{count}", at + 1);
            let width = JUSTIFICATION - PETIT.largeur(&numero) - 12.0;
            let gauche = couper(&gauche, PETIT, width).swap_remove(0).texte;
            let x = MARGE + JUSTIFICATION - PETIT.largeur(&numero);
            let marque = Marque::Repetition;
            page.push(Trace::Texte { x: MARGE, y, style: PETIT, texte: gauche, marque });
            page.push(Trace::Texte { x, y, style: PETIT, texte: numero, marque });
        }
    }
}

fn element(label: Vec<Noeud>, body: Vec<Noeud>) -> Noeud {
    let label = Noeud::Groupe(Tag::Lbl.into(), label);
    let body = Noeud::Groupe(Tag::LBody.into(), body);
    Noeud::Groupe(Tag::LI.into(), vec![label, body])
}

/// A count as a measure.
pub(crate) fn line_count<T>(of: &[T]) -> f32 {
    f32::from(u16::try_from(of.len()).unwrap_or(u16::MAX))
}
