//! The numbers that a CPAM creates: 2 digits of the département (numeric: Corsica is 20), the
//! category 1 (doctor), 5 digits, and a Luhn key (SNDS, « Numéro du professionnel de santé »).

use std::collections::{BTreeMap, BTreeSet};

use contracts::{EngagementId, NumeroAm};
use kernel::Draw;

/// Numbers of one CPAM: one per engagement, never the same twice.
#[derive(Clone, Debug)]
pub(super) struct Caisse {
    code: String,
    numeros: BTreeMap<EngagementId, NumeroAm>,
    given: BTreeSet<u64>,
}

/// How many numbers a CPAM can create: the first of the 5 digits is the caisse within its
/// département, so that two of them never create the same number.
const PLACES: u64 = 10_000;

impl Caisse {
    pub(super) fn new(code: &str) -> Self {
        Self { code: code.to_owned(), numeros: BTreeMap::new(), given: BTreeSet::new() }
    }

    pub(super) fn numeros(&self) -> &BTreeMap<EngagementId, NumeroAm> {
        &self.numeros
    }

    /// The number of an engagement: drawn from its id, so that the order of requests does not
    /// matter; the next free one when another engagement has it.
    pub(super) fn numero(&mut self, engagement: &EngagementId) -> NumeroAm {
        if let Some(known) = self.numeros.get(engagement) {
            return known.clone();
        }
        let first = Draw::of(0, &["numero-am", engagement.as_str()]).below(PLACES);
        let place = (0..PLACES)
            .map(|step| (first + step) % PLACES)
            .find(|place| !self.given.contains(place))
            .unwrap_or(first);
        self.given.insert(place);
        let (departement, caisse) = self.code.split_at(2);
        let numero = with_key(&format!("{departement}1{caisse}{place:04}"));
        self.numeros.insert(engagement.clone(), numero.clone());
        numero
    }
}

/// Appends the Luhn key.
fn with_key(digits: &str) -> NumeroAm {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(rank, byte)| {
            let digit = u32::from(byte - b'0');
            match (rank % 2, digit * 2) {
                (0, double) if double > 9 => double - 9,
                (0, double) => double,
                (_, _) => digit,
            }
        })
        .sum();
    let key = (10 - sum % 10) % 10;
    format!("{digits}{key}").parse().expect("nine digits, category 1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_published_fictive_numbers() {
        for numero in ["631990017", "631990025", "031990013", "021990015", "801990011"] {
            assert_eq!(with_key(&numero[..8]).as_str(), numero);
        }
    }

    #[test]
    fn numbers_are_one_per_engagement_and_never_shared() {
        let mut all = BTreeSet::new();
        for code in ["631", "771", "776", "971", "974", "201"] {
            let mut caisse = Caisse::new(code);
            for n in 0..500 {
                let engagement: EngagementId =
                    kernel::short_id(&[&n.to_string()]).parse().expect("id");
                let numero = caisse.numero(&engagement);
                assert_eq!(caisse.numero(&engagement), numero);
                assert!(numero.key_is_valid() && numero.as_str().starts_with(&code[..2]));
                assert!(all.insert(numero), "given twice");
            }
        }
    }
}
