//! Items by what their catalogue says of them.

use intendant_numeric::index::Index;
use intendant_numeric::random::hash_bytes;
use intendant_numeric::sparse::Rows;
use intendant_text::normal::normal_form;

use crate::neighbours::keep_best;
use crate::ratings::Sums;

/// Terms of a profile that are looked up, at most.
const PROFILE_TERMS_MAX: usize = 200;

/// A term counts as common when more than one in so many items has it, and more than a least number.
const COMMON_SHARE: usize = 20;
const COMMON_MIN: usize = 500;

/// An item of a catalogue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Item {
    /// Its id, as ratings use it.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Who made it; several are told apart by `;` or `,`.
    pub author: String,
    /// Genre or category; several as for authors.
    pub genre: String,
    /// Publisher, brand or the like.
    pub publisher: String,
    /// What else is written about it.
    pub description: String,
    /// Further fields that requests may filter by, and their values.
    pub fields: Vec<(String, String)>,
}

/// What title, author, genre, publisher and description count in the content of an item.
const FIELD_WEIGHTS: [f32; FIELDS] = [1.0, 2.0, 1.0, 0.5, 1.0];
const FIELDS: usize = 5;

/// Items by terms, once for a catalogue.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) terms: Index,
    /// Inverse document frequency of each term.
    pub(crate) weights: Vec<f32>,
    /// `[items][terms]`, rows of length one.
    pub(crate) vectors: Rows,
    /// `[terms][items]`.
    pub(crate) postings: Rows,
}

impl Content {
    /// Indexes items in their order.
    pub(crate) fn new(items: &[Item]) -> Self {
        let mut terms = Index::default();
        let mut frequencies: Vec<u32> = Vec::new();
        let mut blocks: Vec<Vec<(u32, u32, f32)>> = Vec::with_capacity(items.len());
        for item in items {
            let mut block: Vec<(u32, u32)> = Vec::new();
            read(item, |field, hash| block.push((terms.insert(hash), field)));
            frequencies.resize(terms.len(), 0);
            block.sort_unstable();
            let block: Vec<(u32, u32, f32)> = block
                .chunk_by(|a, b| a == b)
                .map(|same| (same[0].0, same[0].1, 1.0 + (same.len() as f32).ln()))
                .collect();
            block.iter().for_each(|(term, ..)| frequencies[*term as usize] += 1);
            blocks.push(block);
        }
        let total = items.len() as f32;
        let weights: Vec<f32> =
            frequencies.iter().map(|count| ((1.0 + total) / (1.0 + *count as f32)).ln() + 1.0).collect();
        let mut vectors = Rows::default();
        for block in blocks {
            vectors.push(weigh(block, &weights));
        }
        Self::of(terms, weights, vectors)
    }

    /// Puts parts together.
    pub(crate) fn of(terms: Index, weights: Vec<f32>, vectors: Rows) -> Self {
        let postings = vectors.transposed(terms.len());
        Self { terms, weights, vectors, postings }
    }

    /// How alike two items are, from 0 to 1.
    pub(crate) fn alike(&self, a: u32, b: u32) -> f32 {
        if a.max(b) as usize >= self.vectors.len() {
            return 0.0;
        }
        let ((terms, values), (others, weights)) =
            (self.vectors.row(a as usize), self.vectors.row(b as usize));
        let shared =
            |(term, value): (&u32, &f32)| others.binary_search(term).map_or(0.0, |at| value * weights[at]);
        terms.iter().zip(values).map(shared).sum()
    }

    /// The words of a text that an item has too, those that tell most first.
    pub(crate) fn shared_words(&self, text: &str, item: u32, count: usize) -> Vec<String> {
        if item as usize >= self.vectors.len() {
            return Vec::new();
        }
        let (terms, _) = self.vectors.row(item as usize);
        let mut shared: Vec<(f32, String)> = Vec::new();
        words(text, |word| {
            let term = self.terms.get(hash_bytes(WORD, word.as_bytes()));
            if let Some(term) = term.filter(|term| terms.binary_search(term).is_ok())
                && !shared.iter().any(|(_, other)| other == word)
            {
                shared.push((self.weights[term as usize], word.to_owned()));
            }
        });
        shared.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        shared.truncate(count);
        shared.into_iter().map(|(_, word)| word).collect()
    }

    /// The vector of a text: its words, and the authors, genres and publishers that it names.
    pub(crate) fn of_text(&self, text: &str) -> Vec<(u32, f32)> {
        let mut found: Vec<u32> = Vec::new();
        words(text, |word| found.extend(self.terms.get(hash_bytes(WORD, word.as_bytes()))));
        let normal = normal_form(text);
        let ends: Vec<usize> = normal.match_indices(' ').map(|(at, _)| at).chain([normal.len()]).collect();
        for first in 0..ends.len() {
            let start = if first == 0 { 0 } else { ends[first - 1] + 1 };
            for end in ends[first..].iter().take(NAME_WORDS_MAX) {
                let name = |field| self.terms.get(name_hash(field, &normal[start..*end]));
                found.extend(NAME_FIELDS.into_iter().filter_map(name));
            }
        }
        found.sort_unstable();
        let mut vector: Vec<(u32, f32)> = found
            .chunk_by(|a, b| a == b)
            .map(|same| (same[0], (1.0 + (same.len() as f32).ln()) * self.weights[same[0] as usize]))
            .collect();
        normalise(&mut vector);
        vector
    }

    /// The sum of the vectors of items, its strongest terms.
    pub(crate) fn profile(&self, history: &[(u32, f32)]) -> Vec<(u32, f32)> {
        let mut terms: Vec<(u32, f32)> = Vec::new();
        for (item, weight) in history {
            if (*item as usize) < self.vectors.len() {
                let (columns, values) = self.vectors.row(*item as usize);
                terms.extend(columns.iter().zip(values).map(|(term, value)| (*term, value * weight)));
            }
        }
        terms.sort_by_key(|(term, _)| *term);
        let sum = |same: &[(u32, f32)]| (same[0].0, same.iter().map(|(_, value)| value).sum::<f32>());
        let mut profile: Vec<(u32, f32)> = terms.chunk_by(|a, b| a.0 == b.0).map(sum).collect();
        keep_best(&mut profile, PROFILE_TERMS_MAX);
        normalise(&mut profile);
        profile
    }

    /// Adds how much every item has in common with a vector; terms of very many items do not count.
    pub(crate) fn score(&self, vector: &[(u32, f32)], sums: &mut Sums) {
        let common = (self.vectors.len() / COMMON_SHARE).max(COMMON_MIN);
        for (term, weight) in vector {
            let (items, values) = self.postings.row(*term as usize);
            if items.len() > common {
                continue;
            }
            items.iter().zip(values).for_each(|(item, value)| sums.add(*item, value * weight));
        }
    }
}

/// Words of a name that is looked for in texts, at most.
const NAME_WORDS_MAX: usize = 4;
/// Fields that hold names: author, genre and publisher.
const NAME_FIELDS: [u32; 3] = [1, 2, 3];
const WORD: u64 = 1;
const NAME: u64 = 2;

fn name_hash(field: u32, name: &str) -> u64 {
    hash_bytes(NAME ^ (u64::from(field) << 8), name.as_bytes())
}

/// Calls `emit` with the field and the hash of every term of an item.
fn read(item: &Item, mut emit: impl FnMut(u32, u64)) {
    words(&item.title, |word| emit(0, hash_bytes(WORD, word.as_bytes())));
    for (field, names) in NAME_FIELDS.into_iter().zip([&item.author, &item.genre, &item.publisher]) {
        for name in names.split([';', ',']) {
            let name = normal_form(name);
            if !name.is_empty() {
                emit(field, name_hash(field, &name));
            }
        }
    }
    words(&item.description, |word| emit(4, hash_bytes(WORD, word.as_bytes())));
}

fn words(text: &str, mut emit: impl FnMut(&str)) {
    normal_form(text).split(' ').filter(|word| !word.is_empty()).for_each(&mut emit);
}

/// Weighs the terms of an item: every field to the length of its weight, the whole to length one.
fn weigh(block: Vec<(u32, u32, f32)>, weights: &[f32]) -> Vec<(u32, f32)> {
    let value = |(term, _, count): &(u32, u32, f32)| count * weights[*term as usize];
    let mut squares = [0.0f32; FIELDS];
    block.iter().for_each(|entry| squares[entry.1 as usize] += value(entry) * value(entry));
    let mut vector: Vec<(u32, f32)> = block
        .iter()
        .map(|entry| {
            let field = entry.1 as usize;
            (entry.0, value(entry) * FIELD_WEIGHTS[field] / squares[field].sqrt().max(1e-6))
        })
        .filter(|(_, value)| *value > 0.0)
        .collect();
    vector.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 += next.1;
        }
        same
    });
    normalise(&mut vector);
    vector
}

fn normalise(vector: &mut [(u32, f32)]) {
    let length = vector.iter().map(|(_, value)| value * value).sum::<f32>().sqrt().max(1e-6);
    vector.iter_mut().for_each(|(_, value)| *value /= length);
}
