//! Very many texts in little memory: one after the other, so that they are stored and loaded as they stand.

use intendant_numeric::random::hash_bytes;

/// Texts one after the other.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Texts {
    all: String,
    ends: Vec<usize>,
}

impl Texts {
    /// Appends a text.
    pub(crate) fn push(&mut self, text: &str) {
        self.all.push_str(text);
        self.ends.push(self.all.len());
    }

    /// The text at a place, which must be one of them.
    pub(crate) fn get(&self, at: usize) -> &str {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.all[start..self.ends[at]]
    }

    /// Number of texts.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The texts in order.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.len()).map(|at| self.get(at))
    }

    /// Their bytes, and the length of each.
    pub(crate) fn parts(&self) -> (&str, Vec<u32>) {
        (&self.all, self.iter().map(|text| text.len() as u32).collect())
    }

    /// What [`Texts::parts`] gave, if it fits.
    pub(crate) fn from_parts(bytes: Vec<u8>, lengths: &[u32]) -> Option<Self> {
        let all = String::from_utf8(bytes).ok()?;
        let mut ends = Vec::with_capacity(lengths.len());
        let mut end = 0;
        for length in lengths {
            end += *length as usize;
            if !all.is_char_boundary(end) {
                return None;
            }
            ends.push(end);
        }
        (end == all.len()).then_some(Self { all, ends })
    }
}

impl<'a> FromIterator<&'a str> for Texts {
    fn from_iter<I: IntoIterator<Item = &'a str>>(texts: I) -> Self {
        let mut all = Self::default();
        texts.into_iter().for_each(|text| all.push(text));
        all
    }
}

const EMPTY: u32 = u32::MAX;

/// Ids and their numbers, in order of first appearance.
#[derive(Clone, Debug, Default)]
pub struct Ids {
    names: Texts,
    /// Numbers by the hash of their name; a power of two of them, at most half of them taken.
    slots: Vec<u32>,
}

impl Ids {
    /// The number of an id.
    pub fn get(&self, name: &str) -> Option<u32> {
        match self.slots.is_empty() {
            true => None,
            false => Some(self.slots[self.slot(name)]).filter(|number| *number != EMPTY),
        }
    }

    /// The number of an id, a new one if it has none yet.
    pub fn insert(&mut self, name: &str) -> u32 {
        if (self.len() + 1) * 2 > self.slots.len() {
            self.grow_to((self.len() + 1) * 4);
        }
        let slot = self.slot(name);
        if self.slots[slot] == EMPTY {
            self.slots[slot] = self.len() as u32;
            self.names.push(name);
        }
        self.slots[slot]
    }

    /// The id with a number, which must be one that was given.
    pub fn name(&self, number: u32) -> &str {
        self.names.get(number as usize)
    }

    /// The ids by number.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.names.iter()
    }

    /// Number of ids.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The ids as texts.
    pub(crate) fn texts(&self) -> &Texts {
        &self.names
    }

    /// Ids by number; `None` when one is there twice.
    pub(crate) fn of(names: Texts) -> Option<Self> {
        let mut ids = Self { names, slots: Vec::new() };
        ids.grow_to(ids.len() * 2);
        (0..ids.len() as u32).all(|number| ids.get(ids.name(number)) == Some(number)).then_some(ids)
    }

    /// Where an id is, or where it would be.
    fn slot(&self, name: &str) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = hash_bytes(0, name.as_bytes()) as usize & mask;
        while self.slots[slot] != EMPTY && self.name(self.slots[slot]) != name {
            slot = (slot + 1) & mask;
        }
        slot
    }

    fn grow_to(&mut self, slots: usize) {
        self.slots = vec![EMPTY; slots.next_power_of_two().max(16)];
        for number in 0..self.len() as u32 {
            let slot = self.slot(self.names.get(number as usize));
            self.slots[slot] = number;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_numbered_found_and_stored() {
        let mut ids = Ids::default();
        assert_eq!((ids.get("i7"), ids.len()), (None, 0));
        for at in 0..1000u32 {
            assert_eq!((ids.insert(&format!("i{at}")), ids.insert("é")), (at + u32::from(at > 0), 1));
        }
        let (all, lengths) = ids.texts().parts();
        let texts = Texts::from_parts(all.as_bytes().to_vec(), &lengths).unwrap();
        let loaded = Ids::of(texts).unwrap();
        assert_eq!((loaded.get("i7"), loaded.get("é"), loaded.get("i1000")), (Some(8), Some(1), None));
        assert!(loaded.names().eq(ids.names()));
        assert!(Ids::of(["a", "b", "a"].into_iter().collect()).is_none());
        assert!(Texts::from_parts("é".into(), &[1, 1]).is_none());
        assert!(Texts::from_parts("abc".into(), &[1, 1]).is_none());
        assert!(Texts::from_parts("abc".into(), &[u32::MAX, 4]).is_none());
    }
}
