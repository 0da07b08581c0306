//! A batch is decided step by step: its inputs, then what they told other states of the service, in
//! the same transaction, in the order in which the store would have given it.

use std::collections::{BTreeSet, HashSet, VecDeque};

use store::{Found, Step};

use super::{
    fold::{Folder, Outcome, Shared, Told},
    item::{Bad, Item},
    keys_of,
};
use crate::api::Service;

/// Told inputs decided in one transaction; what more there are wait in the store.
const FOLLOWERS: usize = 256;
/// Times that a transaction reads on.
const READS: usize = 8;

/// A batch that is being decided.
pub(crate) struct Batch<'a, S: Service> {
    items: &'a [Item<S>],
    shared: &'a Shared<'a, S>,
    follow: bool,
    refused: Option<Bad>,
    folder: Folder<'a, S>,
    /// The keys whose states it was given, where they exist.
    read: HashSet<String>,
    reads: usize,
    outcomes: Vec<Outcome>,
    followers: Vec<Outcome>,
}

impl<'a, S: Service> Batch<'a, S> {
    /// With `follow`, what is told is decided too. With `refused`, the reason of the database, every
    /// input is kept as a failure instead of decided.
    pub(crate) fn new(
        items: &'a [Item<S>],
        shared: &'a Shared<'a, S>,
        follow: bool,
        refused: Option<&str>,
    ) -> Self {
        let bad =
            |reason: &str| Bad { code: "valeur-refusee".to_owned(), reason: reason.to_owned() };
        Self {
            items,
            shared,
            follow,
            refused: refused.map(bad),
            folder: Folder::new(shared),
            read: HashSet::new(),
            reads: 0,
            outcomes: Vec::new(),
            followers: Vec::new(),
        }
    }

    /// Decides on what was found, as far as it goes.
    pub(crate) fn step(&mut self, found: Found) -> Step {
        match found {
            Found::Begun(loaded) => {
                self.folder = Folder::new(self.shared);
                (self.reads, self.followers) = (0, Vec::new());
                self.outcomes = self.folder.items(self.items, loaded, self.refused.as_ref());
                self.read = HashSet::new();
                if self.follow && !self.folder.told.is_empty() {
                    self.read.extend(keys_of(self.items));
                }
            }
            Found::More(states) => self.folder.load(states),
        }
        if let Some(keys) = self.follow() {
            return Step::Read(keys);
        }
        let folder = std::mem::replace(&mut self.folder, Folder::new(self.shared));
        Step::Write(Box::new(folder.finish()))
    }

    /// Decides what is told to states that were read; the keys of those to read before it goes on.
    fn follow(&mut self) -> Option<Vec<String>> {
        if !self.follow {
            return None;
        }
        let mut waiting: VecDeque<Told<S>> = VecDeque::new();
        while self.followers.len() < FOLLOWERS
            && let Some(told) = self.folder.told.pop_front()
        {
            if self.read.contains(&told.row.key) {
                let outcome = self.folder.item(&Item::told(told));
                self.followers.push(outcome);
            } else {
                waiting.push_back(told);
            }
        }
        let keys: BTreeSet<_> = waiting.iter().map(|told| told.row.key.clone()).collect();
        waiting.append(&mut self.folder.told);
        self.folder.told = waiting;
        if keys.is_empty() || self.reads == READS || self.followers.len() == FOLLOWERS {
            return None;
        }
        self.reads += 1;
        self.read.extend(keys.iter().cloned());
        Some(keys.into_iter().collect())
    }

    /// What became of each input; of what was told, without one.
    pub(crate) fn ended(&self) -> impl Iterator<Item = (Option<&'a Item<S>>, Outcome)> {
        let items = self.items.iter().map(Some).zip(self.outcomes.iter().copied());
        items.chain(self.followers.iter().map(|outcome| (None, *outcome)))
    }
}
