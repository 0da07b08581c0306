//! Which acknowledgements to send.

use std::collections::BTreeSet;

/// Acknowledges in as few frames as possible: one « multiple » up to the last tag below which
/// nothing else is unsettled, then one by one.
pub(super) fn plan(unsettled: &BTreeSet<u64>, acked: &BTreeSet<u64>) -> Vec<(u64, bool)> {
    let oldest_kept = unsettled.first().copied().unwrap_or(u64::MAX);
    let together = acked.range(..oldest_kept).next_back().copied();
    let alone = acked.range(oldest_kept..).map(|tag| (*tag, false));
    together.map(|tag| (tag, true)).into_iter().chain(alone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledges_together_what_it_can() {
        let set = |tags: &[u64]| tags.iter().copied().collect::<BTreeSet<u64>>();
        assert_eq!(plan(&set(&[]), &set(&[1, 2, 3])), vec![(3, true)]);
        assert_eq!(plan(&set(&[2]), &set(&[1, 3, 4])), vec![(1, true), (3, false), (4, false)]);
        assert_eq!(plan(&set(&[1]), &set(&[2])), vec![(2, false)]);
        assert_eq!(plan(&set(&[5]), &set(&[])), vec![]);
    }
}
