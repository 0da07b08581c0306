//! A laid out document written with krilla.

use chrono::Datelike;
use krilla::{
    Document as Sortie, SerializeSettings,
    color::luma,
    configure::{Accessibility, ConfigurationBuilder},
    destination::XyzDestination,
    geom::{Path, PathBuilder, Point, Rect},
    metadata::{DateTime, Metadata},
    num::NormalizedF32,
    outline::{Outline, OutlineNode},
    page::PageSettings,
    paint::{Fill, FillRule, Stroke},
    surface::Surface,
    tagging::{Artifact, ArtifactType, ContentTag, Identifier, Node, TagGroup, TagTree},
};

use crate::{
    Document, Error,
    mise_en_page::{Composition, HAUTEUR, LARGEUR, MARGE, Marque, Noeud, Repere, Trace},
    police::Style,
};

const LANGUE: &str = "fr-FR";

pub(crate) fn ecrire(document: &Document, composition: &Composition) -> Result<Vec<u8>, Error> {
    let configuration =
        ConfigurationBuilder::new().with_accessibility_validator(Accessibility::UA1).finish();
    let configuration = configuration.expect("one validator agrees with itself");
    let settings =
        SerializeSettings { configuration, enable_tagging: true, ..SerializeSettings::default() };
    let mut sortie = Sortie::new_with(settings);
    let mut feuilles = vec![None; composition.feuilles];
    for traces in &composition.pages {
        let size = PageSettings::from_wh(LARGEUR, HAUTEUR).expect("A4 has a size");
        let mut page = sortie.start_page_with(size);
        let mut surface = page.surface();
        dessiner(&mut surface, traces, &mut feuilles);
        surface.finish();
        page.finish();
    }
    sortie.set_metadata(metadonnees(document));
    sortie.set_outline(plan(&composition.reperes));
    let nodes = composition.structure.iter().filter_map(|noeud| structure(noeud, &feuilles));
    let tree = TagTree::from(nodes.collect::<Vec<_>>());
    sortie.set_tag_tree(tree.with_lang(Some(LANGUE.to_owned())));
    sortie.finish().map_err(Error::Ecriture)
}

/// Draws a page. Consecutive texts of one leaf are one marked content.
fn dessiner(surface: &mut Surface<'_>, traces: &[Trace], feuilles: &mut [Option<Identifier>]) {
    let mut open = None;
    for trace in traces {
        let wanted = match trace {
            Trace::Texte { marque, .. } => Some(*marque),
            Trace::Filet { .. } | Trace::Fond { .. } | Trace::Cadre { .. } => None,
        };
        if open.is_some() && open != wanted {
            surface.end_tagged();
            open = None;
        }
        if let Some(marque) = wanted.filter(|_| open.is_none()) {
            commencer(surface, marque, feuilles);
            open = wanted;
        }
        match trace {
            Trace::Texte { x, y, style, texte, .. } => {
                ecrire_texte(surface, (*x, *y), *style, texte);
            }
            Trace::Filet { x, y, largeur, epaisseur, gris } => {
                let filled = rectangle(*x, *y, *largeur, *epaisseur);
                decorer(surface, filled, Some(fill(*gris)), None);
            }
            Trace::Fond { x, y, largeur, hauteur, gris } => {
                let filled = rectangle(*x, *y, *largeur, *hauteur);
                decorer(surface, filled, Some(fill(*gris)), None);
            }
            Trace::Cadre { x, y, largeur, hauteur } => {
                let paint = luma::Color::new(80).into();
                let stroke = Stroke { paint, width: 0.6, ..Stroke::default() };
                decorer(surface, rectangle(*x, *y, *largeur, *hauteur), None, Some(stroke));
            }
        }
    }
    if open.is_some() {
        surface.end_tagged();
    }
}

fn commencer(surface: &mut Surface<'_>, marque: Marque, feuilles: &mut [Option<Identifier>]) {
    match marque {
        Marque::Feuille(number) => {
            let id = surface.start_tagged(ContentTag::Other);
            if let Some(feuille) = feuilles.get_mut(number) {
                *feuille = Some(id);
            }
        }
        Marque::Repetition => {
            let artifact = Artifact::with_kind(ArtifactType::PaginationOther);
            surface.start_tagged(ContentTag::Artifact(artifact));
        }
    }
}

fn ecrire_texte(surface: &mut Surface<'_>, (x, y): (f32, f32), style: Style, texte: &str) {
    let police = style.police();
    surface.set_stroke(None);
    surface.set_fill(Some(fill(style.gris)));
    let (start, glyphs) = (Point::from_xy(x, y), police.glyphes(texte));
    surface.draw_glyphs(start, &glyphs, police.font.clone(), texte, style.corps, false);
}

fn decorer(
    surface: &mut Surface<'_>,
    path: Option<Path>,
    fill: Option<Fill>,
    stroke: Option<Stroke>,
) {
    let Some(path) = path else { return };
    let artifact = Artifact::with_kind(ArtifactType::Layout);
    surface.start_tagged(ContentTag::Artifact(artifact));
    surface.set_fill(fill);
    surface.set_stroke(stroke);
    surface.draw_path(&path);
    surface.end_tagged();
}

fn fill(gris: u8) -> Fill {
    let paint = luma::Color::new(gris).into();
    Fill { paint, opacity: NormalizedF32::ONE, rule: FillRule::NonZero }
}

fn rectangle(x: f32, y: f32, width: f32, height: f32) -> Option<Path> {
    let mut path = PathBuilder::new();
    path.push_rect(Rect::from_xywh(x, y, width, height)?);
    path.finish()
}

fn metadonnees(document: &Document) -> Metadata {
    let date = document.date;
    let part = |n: u32| u8::try_from(n).unwrap_or(1);
    let created = DateTime::new(u16::try_from(date.year()).unwrap_or(0))
        .month(part(date.month()))
        .day(part(date.day()));
    let metadata = Metadata::new()
        .title(document.title.clone())
        .language(LANGUE.to_owned())
        .creator("Relais".to_owned())
        .description(document.subject.clone())
        .creation_date(created);
    if document.author.is_empty() {
        metadata
    } else {
        metadata.authors(vec![document.author.clone()])
    }
}

/// The title, and under it the headings.
fn plan(reperes: &[Repere]) -> Outline {
    let node = |repere: &Repere| {
        let point = Point::from_xy(MARGE, repere.y);
        OutlineNode::new(repere.titre.clone(), XyzDestination::new(repere.page, point))
    };
    let mut outline = Outline::new();
    if let Some((titre, autres)) = reperes.split_first() {
        let mut root = node(titre);
        for autre in autres {
            root.push_child(node(autre));
        }
        outline.push_child(root);
    }
    outline
}

/// The structure with what krilla knows its leaves by; a leaf that was not drawn is left out.
fn structure(noeud: &Noeud, feuilles: &[Option<Identifier>]) -> Option<Node> {
    match noeud {
        Noeud::Feuille(number) => feuilles.get(*number).copied().flatten().map(Node::Leaf),
        Noeud::Groupe(tag, children) => {
            let children = children.iter().filter_map(|child| structure(child, feuilles));
            let group = TagGroup::with_children(tag.clone(), children.collect());
            Some(Node::Group(group))
        }
    }
}
