use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::wire::{Entete, Extrait, Lecture};

fn texte(plan: &DeuxJours, jour: Jour) -> String {
    let mut texte = Vec::new();
    let mut octets = 0;
    plan.ecrire(jour, &mut texte, |n| octets += n).expect("written");
    let texte = String::from_utf8(texte).expect("UTF-8");
    assert_eq!(texte.find('\n').expect("a header") as u64 + 1 + octets, texte.len() as u64);
    texte
}

#[test]
fn the_files_are_those_of_the_seed_shuffled_and_of_the_right_form() {
    let plan = DeuxJours::new(1_030, 100, 7).expect("a plan");
    let (veille, lendemain) = (texte(&plan, Jour::Veille), texte(&plan, Jour::Lendemain));
    assert_eq!(veille, texte(&plan, Jour::Veille));
    assert_ne!(veille, texte(&DeuxJours::new(1_030, 100, 8).expect("a plan"), Jour::Veille));
    for (text, jour) in [(&veille, Jour::Veille), (&lendemain, Jour::Lendemain)] {
        assert_eq!(text.lines().count() as u64, plan.lignes(jour) + 1);
        let mut lines = text.lines();
        let header = Entete::lire(Extrait::Activites, lines.next().expect("a header"));
        let header = header.expect("a known header");
        assert!(lines.all(|line| matches!(header.ligne(line), Lecture::Ligne(_))));
    }
    // Few rows stand where they stood.
    let same = veille.lines().zip(lendemain.lines()).skip(1).filter(|(a, b)| a == b).count();
    assert!(same < 20, "{same}");
    let distinct: BTreeSet<_> = veille.lines().collect();
    assert!(distinct.len() < 1_031, "some lines are twice in the file");
}

#[test]
fn as_many_lines_differ_as_announced() {
    let plan = DeuxJours::new(5_000, 300, 1).expect("a plan");
    let [ajouts, retraits, modifications] = plan.changements();
    assert_eq!([ajouts, retraits, modifications], [90, 90, 120]);
    let mut lines = BTreeMap::<String, i64>::new();
    for line in texte(&plan, Jour::Veille).lines() {
        *lines.entry(line.to_owned()).or_default() -= 1;
    }
    for line in texte(&plan, Jour::Lendemain).lines() {
        *lines.entry(line.to_owned()).or_default() += 1;
    }
    let more: i64 = lines.values().filter(|n| **n > 0).sum();
    let less: i64 = lines.values().filter(|n| **n < 0).sum();
    assert_eq!([more, -less], [210, 210]);
}

#[test]
fn more_changes_than_rows_that_may_change_is_refused() {
    assert!(DeuxJours::new(1_000, 571, 1).is_some());
    assert!(DeuxJours::new(1_000, 580, 1).is_none());
    assert!(DeuxJours::new(99, 1, 1).is_none());
    assert!(DeuxJours::new(0, 0, 1).is_some());
}
