//! Who rated what.

use intendant_numeric::sparse::Rows;

use crate::texts::Ids;

/// Ratings of items by users.
#[derive(Clone, Debug, Default)]
pub struct Ratings {
    pub(crate) users: Ids,
    pub(crate) items: Ids,
    entries: Vec<(u32, u32, f32)>,
}

impl Ratings {
    /// Adds a rating; of several for one pair the last counts. Purchases and clicks are ratings of 1.
    ///
    /// A rating that is no number counts as 0.
    pub fn push(&mut self, user: &str, item: &str, rating: f32) {
        let rating = if rating.is_finite() { rating } else { 0.0 };
        self.entries.push((self.users.insert(user), self.items.insert(item), rating));
    }

    /// Number of ratings pushed.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no ratings.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Lowest and highest rating.
    pub(crate) fn range(&self) -> (f32, f32) {
        let values = || self.entries.iter().map(|(.., rating)| *rating);
        (values().fold(f32::INFINITY, f32::min), values().fold(f32::NEG_INFINITY, f32::max))
    }

    /// `[users][items]`, items numbered as in `items` and in order.
    pub(crate) fn by_user(&self, items: &Ids) -> Rows {
        let number: Vec<u32> = self.items.names().filter_map(|name| items.get(name)).collect();
        assert_eq!(number.len(), self.items.len(), "every rated item has a number");
        let numbered = |(at, (user, item, _)): (usize, &(u32, u32, f32))| (*user, number[*item as usize], at);
        let mut entries: Vec<(u32, u32, usize)> = self.entries.iter().enumerate().map(numbered).collect();
        entries.sort_unstable();
        let mut rows = Rows::default();
        let mut rest = &entries[..];
        for user in 0..self.users.len() as u32 {
            let (own, others) = rest.split_at(rest.partition_point(|(of, ..)| *of == user));
            rest = others;
            let last = own.chunk_by(|a, b| a.1 == b.1).filter_map(|same| same.last());
            rows.push(last.map(|(_, item, at)| (*item, self.entries[*at].2)));
        }
        rows
    }
}

/// Sums by item, with the items that have one.
pub(crate) struct Sums {
    values: Vec<f32>,
    has: Vec<bool>,
    touched: Vec<u32>,
}

impl Sums {
    /// No sums yet.
    pub(crate) fn new(items: usize) -> Self {
        Self { values: vec![0.0; items], has: vec![false; items], touched: Vec::new() }
    }

    /// Adds to the sum of an item.
    pub(crate) fn add(&mut self, item: u32, value: f32) {
        if !std::mem::replace(&mut self.has[item as usize], true) {
            self.touched.push(item);
        }
        self.values[item as usize] += value;
    }

    /// The sum of an item, 0 without.
    pub(crate) fn get(&self, item: u32) -> f32 {
        self.values[item as usize]
    }

    /// Whether an item has a sum.
    pub(crate) fn has(&self, item: u32) -> bool {
        self.has[item as usize]
    }

    /// Items that have a sum, in order of their first.
    pub(crate) fn touched(&self) -> &[u32] {
        &self.touched
    }

    /// Forgets all sums.
    pub(crate) fn clear(&mut self) {
        for item in self.touched.drain(..) {
            self.values[item as usize] = 0.0;
            self.has[item as usize] = false;
        }
    }
}
