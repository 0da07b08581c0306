//! What was said twice.

use std::collections::{BTreeMap, BTreeSet};

use contracts::{
    Envelope, Message,
    messages::{
        ActiviteAutorisee, ActiviteEnregistreeRpps, CandidatureDeposee, CandidatureRefusee,
        CandidatureRetiree, EtatMensuelEmis, IndemnitePayee, IndemniteRetenue,
    },
};
use simulators::registre::Registre;

/// Facts that are said once about their subject; others are new versions of a snapshot.
const UNE_FOIS: [&str; 8] = [
    ActiviteAutorisee::TYPE,
    ActiviteEnregistreeRpps::TYPE,
    CandidatureDeposee::TYPE,
    CandidatureRefusee::TYPE,
    CandidatureRetiree::TYPE,
    EtatMensuelEmis::TYPE,
    IndemnitePayee::TYPE,
    IndemniteRetenue::TYPE,
];

/// How many messages of each type were published: what a run can be told by.
pub fn par_type(messages: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for envelope in messages.lines().filter_map(|l| Envelope::from_structured(l.as_bytes()).ok()) {
        *counts.entry(envelope.message_type).or_default() += 1;
    }
    counts
}

/// Facts said twice under different ids, and lines stated twice; `messages` is what was published,
/// one CloudEvent a line.
pub fn doubles(messages: &str, registre: &Registre) -> Vec<String> {
    let mut said: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for envelope in messages.lines().filter_map(|l| Envelope::from_structured(l.as_bytes()).ok()) {
        if UNE_FOIS.contains(&envelope.message_type.as_str()) {
            let subject = envelope.subject.unwrap_or_default();
            said.entry((envelope.message_type, subject)).or_default().insert(envelope.id);
        }
    }
    let mut found: Vec<_> = said
        .into_iter()
        .filter(|(_, ids)| ids.len() > 1)
        .map(|((kind, subject), ids)| format!("{kind} said {} times about {subject}", ids.len()))
        .collect();
    let mut stated = BTreeSet::new();
    let lines = registre.enonces().flat_map(|(_, etat)| &etat.lignes);
    for ligne in lines.filter(|l| !stated.insert(l.ligne)) {
        found.push(format!("line {} stated twice", ligne.ligne));
    }
    found
}
