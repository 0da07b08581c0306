//! Texts made fit for the font, and cut into lines.

use unicode_normalization::UnicodeNormalization;

use crate::{
    police::{ABSENT, Style},
    typo,
};

/// A word longer than this, in characters, may be cut.
const MOT_LONG: usize = 24;

/// A line of a paragraph or of a cell.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ligne {
    /// Its text; ends with the space where the paragraph goes on.
    pub(crate) texte: String,
    /// Its width in points, without that space.
    pub(crate) largeur: f32,
}

/// A text as it is drawn: composed accents, French spaces, no control character but line breaks,
/// nothing that the font does not have.
pub(crate) fn propre(text: &str, style: Style) -> String {
    let police = style.police();
    let composed: String = text.nfc().collect();
    let known = |c: char| match c {
        '\n' => Some(c),
        _ if c.is_control() => Some(' '),
        // Marks of direction, of joining and of order have no width and no sound.
        '\u{ad}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}' => None,
        // A private character means nothing to a screen reader.
        '\u{e000}'..='\u{f8ff}' => Some(ABSENT),
        _ if police.a(c) => Some(c),
        _ => Some(ABSENT),
    };
    typo::espaces(&composed).chars().filter_map(known).collect()
}

/// Cuts a text at its spaces so that each line holds in a width in points; a word that does not
/// hold alone is cut after a sign, or anywhere. An empty text is one empty line.
pub(crate) fn couper(text: &str, style: Style, width: f32) -> Vec<Ligne> {
    propre(text, style).split('\n').flat_map(|line| couper_ligne(line, style, width)).collect()
}

fn couper_ligne(text: &str, style: Style, width: f32) -> Vec<Ligne> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let gap = if line.is_empty() { "" } else { " " };
        if style.largeur(&line) + style.largeur(gap) + style.largeur(word) <= width {
            line.push_str(gap);
            line.push_str(word);
            continue;
        }
        if !line.is_empty() {
            lines.push(ligne(std::mem::take(&mut line), style, true));
        }
        let mut parts = morceaux(word, style, width);
        line = parts.pop().unwrap_or_default();
        lines.extend(parts.into_iter().map(|part| ligne(part, style, false)));
    }
    lines.push(ligne(line, style, false));
    lines
}

fn ligne(mut texte: String, style: Style, goes_on: bool) -> Ligne {
    let largeur = style.largeur(&texte);
    if goes_on {
        texte.push(' ');
    }
    Ligne { texte, largeur }
}

/// A word in parts that hold in a width: as few as greedy cutting gives, at least one character
/// each.
fn morceaux(word: &str, style: Style, width: f32) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = word;
    while !rest.is_empty() && style.largeur(rest) > width {
        let end = coupure(rest, style, width);
        let (part, after) = rest.split_at(end);
        parts.push(part.to_owned());
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(rest.to_owned());
    }
    parts
}

/// Where the first part of a word that is too wide ends, in bytes.
fn coupure(word: &str, style: Style, width: f32) -> usize {
    let mut used = 0.0;
    let (mut any, mut after_sign) = (0, 0);
    for (at, c) in word.char_indices() {
        used += style.largeur(c.encode_utf8(&mut [0; 4]));
        if used > width && at > 0 {
            break;
        }
        any = at + c.len_utf8();
        if "-/@._".contains(c) {
            after_sign = any;
        }
    }
    // A sign near the start would leave a line almost empty.
    if after_sign * 2 > any && after_sign < word.len() { after_sign } else { any }
}

/// The widths, in points, that a cell asks for: so that no word is cut, and on one line.
pub(crate) fn largeurs(text: &str, style: Style) -> (f32, f32) {
    let text = propre(text, style);
    let words = text.split([' ', '\n']).map(|word| {
        let short: String = word.chars().take(MOT_LONG).collect();
        style.largeur(&short)
    });
    let lines = text.split('\n').map(|line| style.largeur(line));
    (words.fold(0.0, f32::max), lines.fold(0.0, f32::max))
}
