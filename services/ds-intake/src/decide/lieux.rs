//! Which site of the register a text of the form means.

use contracts::{LieuId, Referentiel};

use crate::config::Config;

/// By the label of the settings, by id, by name, or by a commune that has one site only.
pub(crate) fn reconnaitre(
    text: &str,
    config: &Config,
    referentiel: &Referentiel,
) -> Option<LieuId> {
    let wanted = plain(text);
    if let Some((_, id)) = config.lieux.iter().find(|(label, _)| plain(label) == wanted) {
        return referentiel.lieu(id).map(|l| l.id.clone());
    }
    if let Some(lieu) = text.parse().ok().and_then(|id| referentiel.lieu(&id)) {
        return Some(lieu.id.clone());
    }
    let only = |matches: &dyn Fn(&contracts::Lieu) -> bool| {
        let mut found = referentiel.lieux().map(|f| &f.lieu).filter(|l| matches(l));
        let first = found.next()?;
        found.next().is_none().then(|| first.id.clone())
    };
    only(&|l| plain(&l.nom) == wanted)
        .or_else(|| only(&|l| plain(&format!("{} ({})", l.nom, l.departement)) == wanted))
        .or_else(|| only(&|l| !l.commune.is_empty() && plain(&l.commune) == wanted))
}

/// Lower case, without accents or punctuation: what people mean, whatever the typography.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().flat_map(char::to_lowercase) {
        match c {
            'à' | 'â' | 'ä' => out.push('a'),
            'é' | 'è' | 'ê' | 'ë' => out.push('e'),
            'î' | 'ï' => out.push('i'),
            'ô' | 'ö' => out.push('o'),
            'ù' | 'û' | 'ü' => out.push('u'),
            'ç' => out.push('c'),
            'œ' => out.push_str("oe"),
            c if c.is_alphanumeric() => out.push(c),
            _ if out.ends_with(' ') || out.is_empty() => {}
            _ => out.push(' '),
        }
    }
    out.trim_end().to_owned()
}
