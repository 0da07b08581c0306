//! The embedded fonts: Noto Sans, regular and bold (SIL Open Font License, `polices/OFL.txt`). It
//! has every letter of the Latin, Greek and Cyrillic alphabets and the narrow no-break space, and
//! digits of one width.

use std::{collections::HashMap, sync::LazyLock};

use krilla::text::{Font, GlyphId, KrillaGlyph};
use skrifa::{FontRef, MetadataProvider, instance::LocationRef, instance::Size};

/// What stands for a character that the font does not have.
pub(crate) const ABSENT: char = '\u{fffd}';

/// A size and a weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Style {
    /// Size in points.
    pub(crate) corps: f32,
    /// Bold.
    pub(crate) gras: bool,
    /// Grey of the text: 0 is black, 255 is white.
    pub(crate) gris: u8,
}

/// One face.
pub(crate) struct Police {
    /// For krilla.
    pub(crate) font: Font,
    /// Glyph and width, in fractions of the size, of each character.
    glyphes: HashMap<char, (GlyphId, f32)>,
}

static REGULIER: LazyLock<Police> =
    LazyLock::new(|| Police::new(include_bytes!("../polices/NotoSans-Regular.ttf")));
static GRAS: LazyLock<Police> =
    LazyLock::new(|| Police::new(include_bytes!("../polices/NotoSans-Bold.ttf")));

impl Style {
    pub(crate) fn police(self) -> &'static Police {
        if self.gras { &GRAS } else { &REGULIER }
    }

    /// Distance between two lines, in points.
    pub(crate) fn interligne(self) -> f32 {
        self.corps * 1.4
    }

    /// From the top of a line to its baseline, in points.
    pub(crate) fn montee(self) -> f32 {
        self.corps * 1.08
    }

    /// Width of a text on one line, in points.
    pub(crate) fn largeur(self, text: &str) -> f32 {
        let police = self.police();
        text.chars().map(|c| police.glyphe(c).1).sum::<f32>() * self.corps
    }
}

impl Police {
    fn new(bytes: &'static [u8]) -> Self {
        let font = Font::new(bytes.into(), 0).expect("the embedded font is a font");
        let face = FontRef::new(bytes).expect("the embedded font is a font");
        let metrics = face.glyph_metrics(Size::unscaled(), LocationRef::default());
        let units = f32::from(face.metrics(Size::unscaled(), LocationRef::default()).units_per_em);
        let glyphes = face.charmap().mappings().filter_map(|(code, glyph)| {
            let width = metrics.advance_width(glyph)? / units;
            Some((char::from_u32(code)?, (GlyphId::new(glyph.to_u32()), width)))
        });
        Self { font, glyphes: glyphes.collect() }
    }

    pub(crate) fn a(&self, c: char) -> bool {
        self.glyphes.contains_key(&c)
    }

    fn glyphe(&self, c: char) -> (GlyphId, f32) {
        let found = self.glyphes.get(&c).or_else(|| self.glyphes.get(&ABSENT));
        found.copied().unwrap_or((GlyphId::new(0), 0.5))
    }

    /// A text as glyphs, one a character: the letters of Europe need no shaping.
    pub(crate) fn glyphes(&self, text: &str) -> Vec<KrillaGlyph> {
        let glyph = |(at, c): (usize, char)| {
            let (id, width) = self.glyphe(c);
            KrillaGlyph::new(id, width, 0.0, 0.0, 0.0, at..at + c.len_utf8(), None)
        };
        text.char_indices().map(glyph).collect()
    }
}
