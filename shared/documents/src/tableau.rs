//! Tables: widths of the columns, rows that go over pages, headers repeated on each.

use krilla::tagging::{TableHeaderScope, Tag, TagKind};

use crate::{
    Alignement, Error, Tableau,
    mise_en_page::{CORPS_DE_PAGE, Composition, JUSTIFICATION, MARGE, Marque, Noeud, Trace},
    police::Style,
    texte::{Ligne, couper, largeurs},
};

const CELLULE: Style = Style { corps: 8.5, gras: false, gris: 0 };
const ENTETE: Style = Style { corps: 8.5, gras: true, gris: 0 };
/// Between a cell's text and its edges, in points.
const MARGE_X: f32 = 4.0;
const MARGE_Y: f32 = 2.5;

/// A column.
struct Colonne {
    x: f32,
    largeur: f32,
    alignement: Alignement,
}

/// The cells of a row, cut into lines.
struct Rangee {
    cellules: Vec<Vec<Ligne>>,
    style: Style,
}

/// How a row is drawn and read.
enum Nature {
    Entete,
    EnteteRepete,
    Corps,
    Total,
}

/// Draws a table and adds it to the structure.
pub(crate) fn composer(page: &mut Composition, tableau: &Tableau) -> Result<(), Error> {
    let colonnes = tableau.entetes.len();
    if colonnes == 0 {
        return Err(Error::SansColonne);
    }
    for ligne in tableau.lignes.iter().chain(&tableau.totaux) {
        if ligne.len() != colonnes {
            return Err(Error::LigneInegale { cellules: ligne.len(), colonnes });
        }
    }
    let colonnes = placer(tableau);
    let entete = rangee(&tableau.entetes, ENTETE, &colonnes);
    let first = tableau.lignes.first().map(|ligne| rangee(ligne, CELLULE, &colonnes).hauteur());
    page.reserver((entete.hauteur() + first.unwrap_or(0.0)).min(CORPS_DE_PAGE));

    let head = derouler(page, &entete, None, &colonnes, &Nature::Entete);
    // A header that leaves no room for rows would be all that each page shows.
    let repete = Some(&entete).filter(|header| header.hauteur() * 2.0 < CORPS_DE_PAGE);
    let rows = |page: &mut Composition, rows: &[Vec<String>], nature: &Nature| {
        let style = if matches!(nature, Nature::Total) { ENTETE } else { CELLULE };
        let rows = rows.iter().map(|row| {
            let row = rangee(row, style, &colonnes);
            derouler(page, &row, repete, &colonnes, nature)
        });
        rows.collect::<Vec<_>>()
    };
    let body = rows(page, &tableau.lignes, &Nature::Corps);
    let foot = rows(page, &tableau.totaux, &Nature::Total);
    page.descendre(CELLULE.corps);

    let parts =
        [(Tag::THead.into(), vec![head]), (Tag::TBody.into(), body), (Tag::TFoot.into(), foot)];
    let parts = parts.into_iter().filter(|(_, rows)| !rows.is_empty());
    let parts = parts.map(|(tag, rows): (TagKind, _)| Noeud::Groupe(tag, rows)).collect();
    let resume = Some(tableau.resume.clone()).filter(|text| !text.is_empty());
    let tag = Tag::Table.with_summary(resume);
    page.structure.push(Noeud::Groupe(tag.into(), parts));
    Ok(())
}

/// The columns share the width: each takes what its longest word needs, then what its longest line
/// would like.
fn placer(tableau: &Tableau) -> Vec<Colonne> {
    let wish = |at: usize| {
        let header = tableau.entetes.get(at).map(|text| largeurs(text, ENTETE));
        let cells = tableau.lignes.iter().filter_map(|row| row.get(at));
        let cells = cells.map(|text| largeurs(text, CELLULE));
        let totals = tableau.totaux.iter().filter_map(|row| row.get(at));
        let totals = totals.map(|text| largeurs(text, ENTETE));
        let all = header.into_iter().chain(cells).chain(totals);
        let (word, line) = all.fold((0.0, 0.0), |a, b| (f32::max(a.0, b.0), f32::max(a.1, b.1)));
        let padding = 2.0 * MARGE_X + 0.5;
        (word + padding, line.min(JUSTIFICATION) + padding)
    };
    let alignement = |at: usize| tableau.alignements.get(at).copied().unwrap_or_default();
    let wishes: Vec<(f32, f32)> = (0..tableau.entetes.len()).map(wish).collect();
    let least: f32 = wishes.iter().map(|w| w.0).sum();
    let most: f32 = wishes.iter().map(|w| w.1).sum();
    let grows = |at: usize| alignement(at) == Alignement::Gauche;
    let growing: f32 =
        wishes.iter().enumerate().filter(|(at, _)| grows(*at)).map(|(_, w)| w.1).sum();
    let width = |(at, (word, line)): (usize, &(f32, f32))| {
        if most <= JUSTIFICATION {
            let extra = JUSTIFICATION - most;
            match growing > 0.0 {
                true if grows(at) => line + extra * line / growing,
                true => *line,
                false => line + extra * line / most,
            }
        } else if least < JUSTIFICATION {
            word + (JUSTIFICATION - least) * (line - word) / (most - least)
        } else {
            JUSTIFICATION * word / least
        }
    };
    let mut x = MARGE;
    let columns = wishes.iter().enumerate().map(width).enumerate().map(|(at, largeur)| {
        let colonne = Colonne { x, largeur, alignement: alignement(at) };
        x += largeur;
        colonne
    });
    columns.collect()
}

fn rangee(cells: &[String], style: Style, colonnes: &[Colonne]) -> Rangee {
    let cells = cells.iter().zip(colonnes);
    let cells = cells.map(|(text, c)| couper(text, style, c.largeur - 2.0 * MARGE_X));
    Rangee { cellules: cells.collect(), style }
}

impl Rangee {
    fn hauteur(&self) -> f32 {
        self.haute_de(self.lignes().max(1))
    }

    /// The height of so many lines.
    fn haute_de(&self, lines: usize) -> f32 {
        let lines = f32::from(u16::try_from(lines).unwrap_or(u16::MAX));
        lines * self.style.interligne() + 2.0 * MARGE_Y
    }

    /// The lines of each cell from one line on, at most so many.
    fn part(&self, from: usize, count: usize) -> Self {
        let cell = |cell: &Vec<Ligne>| cell.iter().skip(from).take(count).cloned().collect();
        Self { cellules: self.cellules.iter().map(cell).collect(), style: self.style }
    }

    fn lignes(&self) -> usize {
        self.cellules.iter().map(Vec::len).max().unwrap_or(0)
    }
}

/// Draws a row, on the next page under the repeated header when it does not fit; a row that is
/// higher than a page is cut between its lines.
fn derouler(
    page: &mut Composition,
    row: &Rangee,
    repete: Option<&Rangee>,
    colonnes: &[Colonne],
    nature: &Nature,
) -> Noeud {
    let mut cells = cellules(colonnes.len());
    let top = MARGE + repete.map_or(0.0, Rangee::hauteur);
    let mut from = 0;
    loop {
        let rest = row.part(from, usize::MAX);
        if rest.hauteur() > page.reste() && page.y() > top + 0.1 {
            page.page_suivante();
            if let Some(header) = repete {
                let unread = &mut cellules(colonnes.len());
                poser(page, header, colonnes, &Nature::EnteteRepete, unread);
            }
        }
        let mut count = 1;
        while count < rest.lignes() && rest.haute_de(count + 1) <= page.reste() {
            count += 1;
        }
        poser(page, &rest.part(0, count), colonnes, nature, &mut cells);
        from += count;
        if from >= row.lignes() {
            return ligne_de_structure(cells, nature);
        }
    }
}

fn cellules(count: usize) -> Vec<Vec<Noeud>> {
    vec![Vec::new(); count]
}

/// Draws a row where the page is, and adds to each cell the leaf of what it shows.
fn poser(
    page: &mut Composition,
    row: &Rangee,
    colonnes: &[Colonne],
    nature: &Nature,
    cells: &mut [Vec<Noeud>],
) {
    let (top, height) = (page.y(), row.hauteur());
    if matches!(nature, Nature::Entete | Nature::EnteteRepete) {
        let (x, largeur) = (MARGE, JUSTIFICATION);
        page.tracer(Trace::Fond { x, y: top, largeur, hauteur: height, gris: 232 });
    }
    for ((lines, colonne), cell) in row.cellules.iter().zip(colonnes).zip(cells) {
        if lines.iter().all(|ligne| ligne.texte.is_empty()) {
            continue;
        }
        let marque = if matches!(nature, Nature::EnteteRepete) {
            Marque::Repetition
        } else {
            let leaf = page.feuille();
            cell.push(Noeud::Feuille(leaf));
            Marque::Feuille(leaf)
        };
        let mut y = top + MARGE_Y + row.style.montee();
        for ligne in lines {
            let (x, texte) = (colonne.depart(ligne.largeur), ligne.texte.clone());
            page.tracer(Trace::Texte { x, y, style: row.style, texte, marque });
            y += row.style.interligne();
        }
    }
    let total = matches!(nature, Nature::Total);
    let (y, epaisseur) = if total { (top, 0.8) } else { (top + height, 0.4) };
    let gris = if total { 60 } else { 170 };
    page.tracer(Trace::Filet { x: MARGE, y, largeur: JUSTIFICATION, epaisseur, gris });
    page.descendre(height);
}

impl Colonne {
    /// Where a line of this width starts.
    fn depart(&self, width: f32) -> f32 {
        let free = (self.largeur - 2.0 * MARGE_X - width).max(0.0);
        let shift = match self.alignement {
            Alignement::Gauche => 0.0,
            Alignement::Droite => free,
            Alignement::Centre => free / 2.0,
        };
        self.x + MARGE_X + shift
    }
}

fn ligne_de_structure(cells: Vec<Vec<Noeud>>, nature: &Nature) -> Noeud {
    let cell = |(at, leaves): (usize, Vec<Noeud>)| {
        let tag: TagKind = match nature {
            Nature::Entete | Nature::EnteteRepete => Tag::TH(TableHeaderScope::Column).into(),
            Nature::Total if at == 0 => Tag::TH(TableHeaderScope::Row).into(),
            Nature::Total | Nature::Corps => Tag::TD.into(),
        };
        Noeud::Groupe(tag, leaves)
    };
    Noeud::Groupe(Tag::TR.into(), cells.into_iter().enumerate().map(cell).collect())
}
