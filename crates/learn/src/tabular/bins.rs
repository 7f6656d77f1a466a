//! Inputs cut into few bins, so that trees and curves are grown on counts instead of values.

/// One input in bins.
#[derive(Clone, Debug)]
pub(super) struct Binned {
    /// The bin of each row.
    pub bins: Vec<u8>,
    /// Bins of known values; missing values have the one after.
    pub count: usize,
    pub is_code: bool,
    pub has_missing: bool,
    /// Between two neighbouring bins: a value up to and including the cut belongs to the lower one.
    pub cuts: Vec<f64>,
}

/// Bins of known values at most: a byte holds the one of missing values too.
pub(super) const BINS_MAX: usize = 254;

/// Rows looked at to place cuts.
const SAMPLE_ROWS: usize = 200_000;

impl Binned {
    /// Cuts numbers so that bins have about the same number of rows, never between equal values.
    pub fn numbers(values: &[f64], bins: usize) -> Self {
        let cuts = cuts(values, bins.clamp(2, BINS_MAX));
        let count = cuts.len() + 1;
        let mut binned =
            Self { bins: Vec::with_capacity(values.len()), count, is_code: false, has_missing: false, cuts };
        for value in values {
            let bin = bin_of(&binned.cuts, *value);
            binned.has_missing |= bin == count;
            binned.bins.push(bin as u8);
        }
        binned
    }

    /// Codes are bins.
    pub fn codes(values: &[f64], codes: usize) -> Self {
        let count = codes.clamp(1, BINS_MAX);
        let bin = |value: &f64| if value.is_nan() { count } else { (*value as usize).min(count - 1) };
        let bins: Vec<u8> = values.iter().map(|value| bin(value) as u8).collect();
        let has_missing = bins.iter().any(|bin| usize::from(*bin) == count);
        Self { bins, count, is_code: true, has_missing, cuts: Vec::new() }
    }
}

/// The bin of a value among these cuts; that of missing values is the one after the last.
pub(super) fn bin_of(cuts: &[f64], value: f64) -> usize {
    if value.is_nan() { cuts.len() + 1 } else { cuts.partition_point(|cut| *cut < value) }
}

fn cuts(values: &[f64], bins: usize) -> Vec<f64> {
    let step = values.len().div_ceil(SAMPLE_ROWS).max(1);
    let mut sorted: Vec<f64> = values.iter().step_by(step).copied().filter(|value| !value.is_nan()).collect();
    sorted.sort_by(f64::total_cmp);
    let mut distinct: Vec<(f64, usize)> = Vec::new();
    for value in sorted.iter().copied() {
        match distinct.last_mut() {
            Some((last, count)) if *last == value => *count += 1,
            _ => distinct.push((value, 1)),
        }
    }
    let between = |left: f64, right: f64| {
        let middle = left + (right - left) / 2.0;
        if middle < right { middle } else { left }
    };
    if distinct.len() <= bins {
        return distinct.windows(2).map(|pair| between(pair[0].0, pair[1].0)).collect();
    }
    // Values that alone fill a bin get one; the rest share what is left evenly.
    let mut cuts = Vec::with_capacity(bins);
    let (mut left_rows, mut left_bins, mut filled) = (sorted.len(), bins, 0);
    for pair in distinct.windows(2) {
        filled += pair[0].1;
        let wanted = left_rows as f64 / left_bins as f64;
        if left_bins > 1 && (filled as f64 >= wanted || pair[1].1 as f64 >= wanted) {
            cuts.push(between(pair[0].0, pair[1].0));
            left_rows -= filled;
            left_bins -= 1;
            filled = 0;
        }
    }
    cuts
}
