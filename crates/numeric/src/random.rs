//! Seeded pseudo-random numbers: the same seed gives the same sequence on every machine.

/// A small, fast generator (splitmix64). Not for secrets.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// A generator that starts from `seed`.
    pub fn new(seed: u64) -> Self {
        Self { state: seed ^ 0x9E37_79B9_7F4A_7C15 }
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.state)
    }

    /// A number in `0..bound`; 0 when `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next_u64()) * bound as u128) >> 64) as usize
    }

    /// A number in `0.0..1.0`.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Puts the items into a random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// 64 bits, each set with a probability of `share` of 256, `1..=256`.
    pub fn mask(&mut self, share: u32) -> u64 {
        if share >= 256 {
            return u64::MAX;
        }
        // One more bit of the share, from the lowest to the highest: `or` with a fair bit makes (1 + p) / 2
        // of a probability p, `and` makes p / 2.
        let mut mask = 0;
        for bit in share.trailing_zeros()..8 {
            let fair = self.next_u64();
            mask = if share >> bit & 1 == 1 { mask | fair } else { mask & fair };
        }
        mask
    }
}

/// Scrambles the bits of a number, so that similar inputs give unrelated outputs.
pub fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

/// A hash of bytes, stable across versions and machines; it names features in stored models.
pub fn hash_bytes(seed: u64, bytes: &[u8]) -> u64 {
    let mut state = seed ^ 0x51_7C_C1_B7_27_22_0A_95;
    for chunk in bytes.chunks(8) {
        let mut word = [0u8; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        state = (state.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
    mix(state ^ bytes.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_repeat_and_cover() {
        let mut random = Random::new(7);
        let first: Vec<usize> = (0..5).map(|_| random.below(10)).collect();
        let mut again = Random::new(7);
        assert_eq!(first, (0..5).map(|_| again.below(10)).collect::<Vec<_>>());
        let mut items: Vec<usize> = (0..100).collect();
        random.shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
        assert_eq!(random.below(0), 0);
    }

    #[test]
    fn hashes_tell_lengths_and_seeds_apart() {
        assert_ne!(hash_bytes(0, b"a"), hash_bytes(0, b"a\0"));
        assert_ne!(hash_bytes(0, b"a"), hash_bytes(1, b"a"));
        assert_ne!(hash_bytes(0, b"abcdefgh"), hash_bytes(0, b"abcdefghi"));
    }

    #[test]
    fn masks_are_as_asked() {
        let mut random = Random::new(5);
        for share in [1, 77, 128, 180, 255, 256] {
            let set: u32 = (0..2000).map(|_| random.mask(share).count_ones()).sum();
            let wanted = f64::from(share) / 256.0;
            assert!((f64::from(set) / 128_000.0 - wanted).abs() < 0.01, "{share}: {set}");
        }
    }
}
