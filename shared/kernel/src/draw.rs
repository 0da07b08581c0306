//! Draws that depend on what is drawn, never on when: each is a hash of (seed, parts). Used by
//! simulators, jitter and tests, so that results do not depend on scheduling.

use sha2::{Digest, Sha256};

/// One draw: 64 uniform bits, derived from a seed and a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw(u64);

impl Draw {
    /// Draws for (seed, parts): the same arguments always give the same draw.
    pub fn of(seed: u64, parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        hash.update(seed.to_be_bytes());
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let digest = hash.finalize();
        let mut bits = [0_u8; 8];
        bits.copy_from_slice(&digest[..8]);
        Self(u64::from_be_bytes(bits))
    }

    /// The raw bits.
    pub fn bits(self) -> u64 {
        self.0
    }

    /// True with a probability of `percent` / 100.
    pub fn percent(self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Uniform in `0..n`; 0 when `n` is 0.
    pub fn below(self, n: u64) -> u64 {
        let wide = u128::from(self.0) * u128::from(n);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// Uniform in `low..=high`.
    pub fn between(self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// One element of `items`.
    ///
    /// # Panics
    /// When `items` is empty.
    pub fn pick<T>(self, items: &[T]) -> &T {
        assert!(!items.is_empty(), "a draw needs at least one item");
        let index = usize::try_from(self.below(items.len() as u64)).unwrap_or(0);
        &items[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_path_gives_the_same_draw_and_bounds_hold() {
        assert_eq!(Draw::of(7, &["a", "b"]), Draw::of(7, &["a", "b"]));
        assert_ne!(Draw::of(7, &["a", "b"]), Draw::of(7, &["ab", ""]));
        for n in 0..200_u64 {
            let draw = Draw::of(n, &["x"]);
            assert!((3..=9).contains(&draw.between(3, 9)));
        }
        let hits = (0..1000).filter(|n| Draw::of(*n, &["p"]).percent(30)).count();
        assert!((230..370).contains(&hits), "{hits} of 1000 for 30 %");
    }
}
