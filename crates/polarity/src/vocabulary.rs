//! Which features a classifier knows, numbered by the order of their buckets.

use intendant_numeric::parallel;
use intendant_numeric::sparse::Rows;

use crate::features::{BUCKET_BITS, Features, VIEW_WEIGHTS, VIEWS};

/// Texts that a thread takes at a time.
const BATCH: usize = 256;
const BUCKETS: usize = 1 << BUCKET_BITS;

/// Known features. Looking one up counts the bits before its own, so that neither hashes nor chains are stored.
#[derive(Clone, Debug)]
pub(crate) struct Vocabulary {
    /// A bit per bucket.
    known: Vec<u64>,
    /// Known buckets before each word of bits.
    before: Vec<u32>,
    /// Inverse document frequency of each feature.
    weights: Vec<f32>,
}

impl Vocabulary {
    /// The features that occur in at least `texts_min` of the texts, whose views are sorted.
    pub(crate) fn new(texts: &[Features], texts_min: u32) -> Self {
        let mut counts = vec![0u32; BUCKETS];
        for view in texts.iter().flat_map(|text| &text.views) {
            view.chunk_by(|a, b| a == b).for_each(|same| counts[same[0] as usize] += 1);
        }
        let kept = counts.iter().enumerate().filter(|(_, count)| **count >= texts_min.max(1));
        let (buckets, counts): (Vec<u32>, Vec<u32>) =
            kept.map(|(bucket, count)| (bucket as u32, *count)).unzip();
        let total = texts.len() as f32;
        let weights = counts.iter().map(|count| ((1.0 + total) / (1.0 + *count as f32)).ln() + 1.0).collect();
        Self::of(&buckets, weights)
    }

    /// A vocabulary of sorted buckets and their weights.
    fn of(buckets: &[u32], weights: Vec<f32>) -> Self {
        let mut known = vec![0u64; BUCKETS / 64];
        for bucket in buckets {
            known[*bucket as usize / 64] |= 1 << (bucket % 64);
        }
        let mut sum = 0;
        let before = known
            .iter()
            .map(|bits| {
                let before = sum;
                sum += bits.count_ones();
                before
            })
            .collect();
        Self { known, before, weights }
    }

    /// Puts stored parts together, if they fit.
    pub(crate) fn from_parts(buckets: &[u32], weights: Vec<f32>) -> Option<Self> {
        let is_sound = buckets.len() == weights.len()
            && buckets.is_sorted_by(|a, b| a < b)
            && buckets.last().is_none_or(|last| (*last as usize) < BUCKETS);
        is_sound.then(|| Self::of(buckets, weights))
    }

    /// The known buckets and their weights, as [`Vocabulary::from_parts`] takes them.
    pub(crate) fn parts(&self) -> (Vec<u32>, &[f32]) {
        let mut buckets = Vec::with_capacity(self.weights.len());
        for (at, bits) in self.known.iter().enumerate() {
            let mut bits = *bits;
            while bits != 0 {
                buckets.push(at as u32 * 64 + bits.trailing_zeros());
                bits &= bits - 1;
            }
        }
        (buckets, &self.weights)
    }

    /// Number of features.
    pub(crate) fn len(&self) -> usize {
        self.weights.len()
    }

    fn number(&self, bucket: u32) -> Option<u32> {
        let (word, bit) = (bucket as usize / 64, bucket % 64);
        let bits = self.known[word];
        (bits >> bit & 1 == 1).then(|| self.before[word] + (bits & ((1 << bit) - 1)).count_ones())
    }

    /// The weighted columns of a text whose views are sorted, one view after the other, each of the length that it
    /// counts.
    pub(crate) fn vector(&self, features: &Features, vector: &mut Vector) {
        vector.columns.clear();
        vector.values.clear();
        for (view, buckets) in features.views.iter().enumerate() {
            let start = vector.columns.len();
            let mut squares = 0.0f32;
            for run in buckets.chunk_by(|a, b| a == b) {
                if let Some(number) = self.number(run[0]) {
                    let value = (1.0 + (run.len() as f32).ln()) * self.weights[number as usize];
                    squares += value * value;
                    vector.columns.push(number);
                    vector.values.push(value);
                }
            }
            let length = squares.sqrt().max(1e-6) / VIEW_WEIGHTS[view];
            vector.values[start..].iter_mut().for_each(|value| *value /= length);
            vector.ends[view] = vector.columns.len();
        }
    }

    /// The vectors of many texts as rows, and the view of each column.
    pub(crate) fn rows(&self, texts: &[Features], threads: usize) -> (Rows, Vec<u8>) {
        let batches: Vec<&[Features]> = texts.chunks(BATCH).collect();
        let vectors = parallel::map(threads, batches.len(), |batch| {
            let mut vectors = Vec::with_capacity(batches[batch].len());
            for text in batches[batch] {
                let mut vector = Vector::default();
                self.vector(text, &mut vector);
                vectors.push(vector);
            }
            vectors
        });
        let (mut rows, mut views) = (Rows::default(), vec![0u8; self.len()]);
        for vector in vectors.into_iter().flatten() {
            let mut start = 0;
            for (view, end) in vector.ends.into_iter().enumerate() {
                vector.columns[start..end].iter().for_each(|column| views[*column as usize] = view as u8);
                start = end;
            }
            rows.push(vector.columns.into_iter().zip(vector.values));
        }
        (rows, views)
    }
}

/// The weighted columns of one text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Vector {
    pub(crate) columns: Vec<u32>,
    pub(crate) values: Vec<f32>,
    /// Where each view ends.
    pub(crate) ends: [usize; VIEWS],
}
