use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::vue::{Comptes, Entree, empreinte};

/// Person, text, whether its change is told.
type Row = (u64, String, bool);

fn index(rows: &[Row]) -> Vec<Entree> {
    let entry = |(i, (rpps, texte, utile)): (usize, &Row)| {
        Entree::new(*rpps, empreinte(texte.as_bytes()), i as u64, *utile)
    };
    let mut entries: Vec<_> = rows.iter().enumerate().map(entry).collect();
    entries.sort_unstable();
    entries
}

/// The same comparison, written without any index: rows are crossed out one by one.
fn naive(avant: &[Row], apres: &[Row]) -> Comptes {
    let mut comptes = Comptes { lignes: apres.len() as u64, ..Comptes::default() };
    let people: BTreeSet<u64> = avant.iter().chain(apres).map(|r| r.0).collect();
    for rpps in people {
        let mut gone: Vec<_> = avant.iter().filter(|r| r.0 == rpps).map(|r| &r.1).collect();
        let mut came = Vec::new();
        for row in apres.iter().filter(|r| r.0 == rpps) {
            match gone.iter().position(|text| **text == row.1) {
                Some(at) => {
                    gone.remove(at);
                }
                None => came.push(&row.1),
            }
        }
        let changed = gone.len().min(came.len()) as u64;
        comptes.modifications += changed;
        comptes.retraits += gone.len() as u64 - changed;
        comptes.ajouts += came.len() as u64 - changed;
        let told = avant.iter().chain(apres).any(|r| r.0 == rpps && r.2);
        if told && !(gone.is_empty() && came.is_empty()) {
            comptes.changes.push(rpps);
        }
    }
    comptes
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    prop::collection::vec((0_u64..6, "[ab]{0,2}", any::<bool>()), 0..24)
}

proptest! {
    #[test]
    fn equals_the_naive_comparison(avant in rows(), apres in rows()) {
        let found = Comptes::comparer(index(&avant).into_iter().map(Ok), &index(&apres)).expect("no I/O");
        prop_assert_eq!(found, naive(&avant, &apres));
    }

    #[test]
    fn the_order_of_rows_does_not_count(avant in rows()) {
        let mut apres = avant.clone();
        apres.reverse();
        let found = Comptes::comparer(index(&avant).into_iter().map(Ok), &index(&apres)).expect("no I/O");
        prop_assert_eq!(found, Comptes { lignes: avant.len() as u64, ..Comptes::default() });
    }
}

#[test]
fn an_index_that_cannot_be_read_is_an_error() {
    let broken = || Err(io::Error::from(io::ErrorKind::UnexpectedEof));
    let avant = [Ok(Entree::new(1, 1, 0, true)), broken()];
    assert!(Comptes::comparer(avant.into_iter(), &[]).is_err());
    assert!(Comptes::comparer([broken()].into_iter(), &[Entree::new(1, 1, 0, true)]).is_err());
}
