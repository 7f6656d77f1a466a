//! Numbers for hashed features.

const EMPTY: u32 = u32::MAX;

/// Maps 64-bit feature hashes to consecutive numbers in order of first insertion.
///
/// Two features whose hashes are equal are one feature; at a million features that happens
/// with a probability below 1e-7.
#[derive(Clone, Debug, Default)]
pub struct Index {
    /// `(upper half of the hash, number)`; a power of two of them.
    slots: Vec<(u32, u32)>,
    keys: Vec<u64>,
}

impl Index {
    /// An index of the given hashes, numbered as listed; repeated hashes keep their first number.
    pub fn from_keys(keys: &[u64]) -> Self {
        let mut index = Self::with_capacity(keys.len());
        for key in keys {
            index.insert(*key);
        }
        index
    }

    /// An empty index with room for `capacity` features.
    pub fn with_capacity(capacity: usize) -> Self {
        let slots = (capacity * 2).next_power_of_two().max(16);
        Self { slots: vec![(0, EMPTY); slots], keys: Vec::with_capacity(capacity) }
    }

    /// The number of a feature.
    pub fn get(&self, key: u64) -> Option<u32> {
        if self.slots.is_empty() {
            return None;
        }
        let mask = self.slots.len() - 1;
        let fingerprint = (key >> 32) as u32;
        let mut slot = key as usize & mask;
        loop {
            let (found, number) = self.slots[slot];
            if number == EMPTY {
                return None;
            }
            if found == fingerprint && self.keys[number as usize] == key {
                return Some(number);
            }
            slot = (slot + 1) & mask;
        }
    }

    /// The number of a feature, a new one if it has none yet.
    pub fn insert(&mut self, key: u64) -> u32 {
        if let Some(number) = self.get(key) {
            return number;
        }
        if (self.keys.len() + 1) * 2 > self.slots.len() {
            self.grow();
        }
        let number = self.keys.len() as u32;
        self.keys.push(key);
        self.place(key, number);
        number
    }

    fn place(&mut self, key: u64, number: u32) {
        let mask = self.slots.len() - 1;
        let mut slot = key as usize & mask;
        while self.slots[slot].1 != EMPTY {
            slot = (slot + 1) & mask;
        }
        self.slots[slot] = ((key >> 32) as u32, number);
    }

    fn grow(&mut self) {
        self.slots = vec![(0, EMPTY); (self.slots.len() * 2).max(16)];
        for number in 0..self.keys.len() {
            self.place(self.keys[number], number as u32);
        }
    }

    /// All hashes by number.
    pub fn keys(&self) -> &[u64] {
        &self.keys
    }

    /// Number of features.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are no features.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::mix;

    #[test]
    fn numbers_are_given_in_order_and_found_again() {
        let mut index = Index::default();
        let keys: Vec<u64> = (0..1000).map(mix).collect();
        for (number, key) in keys.iter().enumerate() {
            assert_eq!(index.insert(*key), number as u32);
            assert_eq!(index.insert(*key), number as u32);
        }
        let copy = Index::from_keys(index.keys());
        for (number, key) in keys.iter().enumerate() {
            assert_eq!(copy.get(*key), Some(number as u32));
        }
        assert_eq!(copy.get(mix(5000)), None);
        assert_eq!(Index::default().get(1), None);
    }
}
