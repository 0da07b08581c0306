//! Chance that depends on what is drawn and on how often that was drawn before, never on what
//! happens elsewhere: when somebody or something is taken out of a history, the rest of it stays
//! as it was. That is what makes shrinking work.

use std::{
    collections::{BTreeSet, HashMap},
    hash::{Hash, Hasher},
};

/// FNV-1a: the same on every machine and for ever, so that a seed stays the same history.
struct Fnv(u64);

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// The finaliser of splitmix64.
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Something that went wrong in a history, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Coup {
    /// What it is.
    pub genre: &'static str,
    /// Its number: the same in every history in which the same thing goes wrong.
    pub numero: u64,
}

/// What chance may do.
#[derive(Clone, Debug, Default)]
pub struct Permis(Option<BTreeSet<u64>>);

impl Permis {
    /// Nothing but these.
    pub fn seuls<'a>(coups: impl IntoIterator<Item = &'a Coup>) -> Self {
        Self(Some(coups.into_iter().map(|c| c.numero).collect()))
    }
}

/// The generator of one history.
pub(crate) struct Hasard {
    seed: u64,
    tirages: HashMap<u64, u64>,
    permis: Permis,
    coups: Vec<Coup>,
}

impl Hasard {
    pub(crate) fn new(seed: u64, permis: Permis) -> Self {
        Self { seed: mix(seed ^ 0x5eed), tirages: HashMap::new(), permis, coups: Vec::new() }
    }

    /// Bits for the next draw of this name.
    fn bits(&mut self, quoi: &'static str, nom: &impl Hash) -> u64 {
        let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
        quoi.hash(&mut hasher);
        nom.hash(&mut hasher);
        let name = hasher.finish();
        let rank = self.tirages.entry(name).or_default();
        *rank += 1;
        mix(self.seed ^ mix(name) ^ rank.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub(crate) fn below(&mut self, quoi: &'static str, nom: &impl Hash, n: u64) -> u64 {
        let wide = u128::from(self.bits(quoi, nom)) * u128::from(n.max(1));
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// Something goes wrong, `mille` times in a thousand, where it is allowed to.
    pub(crate) fn coup(&mut self, mille: u64, genre: &'static str, nom: &impl Hash) -> bool {
        let bits = self.bits(genre, nom);
        if (u128::from(bits) * 1000) >> 64 >= u128::from(mille) {
            return false;
        }
        let numero = mix(bits);
        if self.permis.0.as_ref().is_some_and(|allowed| !allowed.contains(&numero)) {
            return false;
        }
        self.coups.push(Coup { genre, numero });
        true
    }

    /// What went wrong, in order.
    pub(crate) fn coups(&self) -> &[Coup] {
        &self.coups
    }
}
