//! What a member that lies says instead of what it should: bytes that are not quite a message, or a
//! message that somebody has said at another time.
//!
//! Only bytes; who lies, when, and what is expected then is others' business. Used by `world`.

use crate::random::Random;

/// Something else than these bytes.
pub fn instead(bytes: &[u8], past: &[Vec<u8>], chance: &mut Random) -> Vec<u8> {
    let mut said = bytes.to_vec();
    match chance.below(10) {
        0..5 if !past.is_empty() => said = chance.pick(past),
        5 => said.truncate(chance.below(bytes.len() + 1)),
        6 => said.extend_from_slice(bytes),
        _ => {
            for _ in 0..1 + chance.below(4) {
                if !said.is_empty() {
                    let at = chance.below(said.len());
                    said[at] ^= 1 << chance.below(8);
                }
            }
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::instead;
    use crate::random::Random;
    use std::collections::BTreeSet;

    #[test]
    fn a_lie_is_old_or_broken() {
        let mut chance = Random::new(1, 1);
        let past = vec![vec![1, 2, 3], vec![4]];
        let said: BTreeSet<_> = (0..200).map(|_| instead(&[9, 9], &past, &mut chance)).collect();
        assert!(past.iter().all(|old| said.contains(old)), "nothing is said again");
        assert!(said.contains(&vec![9]) && said.len() > 10, "{said:?}");
        assert!(!instead(&[], &[], &mut chance).is_empty() || said.contains(&vec![]));
    }
}
