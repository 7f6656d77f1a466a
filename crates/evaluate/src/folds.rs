//! Cross-validation: folds, and mean and spread over them.

use std::collections::BTreeMap;

use intendant_numeric::random::Random;

/// A fold for each example; every label is spread evenly over `folds`, in seeded order.
pub fn stratified(labels: &[&str], folds: usize, seed: u64) -> Vec<usize> {
    let mut members: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (example, label) in labels.iter().enumerate() {
        members.entry(label).or_default().push(example);
    }
    let mut random = Random::new(seed);
    let mut of_example = vec![0; labels.len()];
    let mut next = 0;
    for examples in members.values_mut() {
        random.shuffle(examples);
        for example in examples {
            of_example[*example] = next % folds.max(1);
            next += 1;
        }
    }
    of_example
}

/// Mean and standard deviation over folds.
pub fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    (mean, variance.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_spread_evenly() {
        let labels = ["a", "a", "a", "a", "b", "b", "a", "b", "a", "b"];
        let folds = stratified(&labels, 2, 1);
        for fold in 0..2 {
            let of = |label: &str| (0..10).filter(|at| folds[*at] == fold && labels[*at] == label).count();
            assert_eq!((of("a"), of("b")), (3, 2));
        }
        assert_eq!(stratified(&labels, 2, 1), folds);
        assert_eq!(stratified(&[], 0, 1), Vec::<usize>::new());
        let (mean, deviation) = mean_and_deviation(&[1.0, 3.0]);
        assert!((mean - 2.0).abs() < 1e-9 && (deviation - 1.0).abs() < 1e-9);
    }
}
