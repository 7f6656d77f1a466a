//! Pairs of texts that say almost the same.
//!
//! Texts are compared by their sets of three neighbouring letters, by the share that both have of all that either has
//! (Jaccard). All pairs above a threshold are found, none is missed: two sets that are alike share one of their rarest
//! members, so only texts that do are compared. Source: Bayardo, Ma, Srikant, "Scaling Up All Pairs Similarity Search",
//! 2007; Xiao et al., "Efficient Similarity Joins for Near Duplicate Detection", 2008.

use std::collections::HashMap;

use intendant_text::normal::normal_form;

/// Texts at least this alike are near duplicates.
pub const ALIKE: f64 = 0.8;
/// More pairs than these are not listed.
const PAIRS_MAX: usize = 20_000;

/// Two texts by position, the first one before the second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// Position of one.
    pub first: usize,
    /// Position of the other.
    pub second: usize,
    /// 1 when only case and punctuation differ.
    pub similarity: f64,
}

/// Pairs of `texts` that are alike and that `counts` takes, the most alike first. Of the texts with the same words one
/// pair for each later one.
pub fn alike(texts: &[&str], counts: impl Fn(usize, usize) -> bool) -> Vec<Pair> {
    let mut forms: Vec<(String, Vec<usize>)> = Vec::new();
    let mut positions: HashMap<String, usize> = HashMap::new();
    for (idx, text) in texts.iter().enumerate() {
        let form = normal_form(text);
        if form.is_empty() {
            continue;
        }
        let position = *positions.entry(form.clone()).or_insert_with(|| {
            forms.push((form, Vec::new()));
            forms.len() - 1
        });
        forms[position].1.push(idx);
    }
    let mut found = Vec::new();
    for (_, members) in &forms {
        for (place, second) in members.iter().enumerate() {
            if let Some(first) = members[..place].iter().find(|first| counts(**first, *second)) {
                found.push(Pair { first: *first, second: *second, similarity: 1.0 });
            }
        }
    }
    let sets = shingle_sets(forms.iter().map(|(form, _)| form.as_str()));
    join(&sets, &mut |left, right, similarity| {
        for second in &forms[right].1 {
            if let Some(first) = forms[left].1.iter().find(|first| counts(**first, *second)) {
                let (first, second) = (*first.min(second), *first.max(second));
                found.push(Pair { first, second, similarity });
            }
        }
        found.len() < PAIRS_MAX
    });
    found.sort_by(|left, right| {
        let order = right.similarity.total_cmp(&left.similarity);
        order.then_with(|| (left.first, left.second).cmp(&(right.first, right.second)))
    });
    found
}

/// Each text's three-letter pieces as numbers, rare ones first.
fn shingle_sets<'a>(forms: impl Iterator<Item = &'a str>) -> Vec<Vec<u32>> {
    let mut codes: HashMap<[char; 3], u32> = HashMap::new();
    let mut frequencies: Vec<usize> = Vec::new();
    let mut sets: Vec<Vec<u32>> = Vec::new();
    for form in forms {
        let padded: Vec<char> = std::iter::once(' ').chain(form.chars()).chain([' ']).collect();
        let mut set: Vec<u32> = padded
            .windows(3)
            .map(|piece| {
                let next = codes.len() as u32;
                *codes.entry([piece[0], piece[1], piece[2]]).or_insert(next)
            })
            .collect();
        set.sort_unstable();
        set.dedup();
        frequencies.resize(codes.len(), 0);
        for code in &set {
            frequencies[*code as usize] += 1;
        }
        sets.push(set);
    }
    let mut order: Vec<u32> = (0..frequencies.len() as u32).collect();
    order.sort_unstable_by_key(|code| (frequencies[*code as usize], *code));
    let mut ranks = vec![0; order.len()];
    for (rank, code) in order.iter().enumerate() {
        ranks[*code as usize] = rank as u32;
    }
    for set in &mut sets {
        set.iter_mut().for_each(|code| *code = ranks[*code as usize]);
        set.sort_unstable();
    }
    sets
}

/// Calls `take` with every pair of sets that are alike, until it says no.
fn join(sets: &[Vec<u32>], take: &mut dyn FnMut(usize, usize, f64) -> bool) {
    let mut order: Vec<usize> = (0..sets.len()).collect();
    order.sort_by_key(|idx| sets[*idx].len());
    let mut index: HashMap<u32, Vec<usize>> = HashMap::new();
    let mut last_seen = vec![usize::MAX; sets.len()];
    for current in order {
        let set = &sets[current];
        let length = set.len();
        let least = (ALIKE * length as f64 - 1e-9).ceil() as usize;
        let prefix = length + 1 - least.max(1).min(length);
        for code in &set[..prefix.min(length)] {
            let bucket = index.entry(*code).or_default();
            for other in bucket.iter() {
                if last_seen[*other] == current || sets[*other].len() < least {
                    continue;
                }
                last_seen[*other] = current;
                let similarity = jaccard(set, &sets[*other]);
                if similarity >= ALIKE && !take(current, *other, similarity) {
                    return;
                }
            }
            bucket.push(current);
        }
    }
}

/// The share of members that both have; 0 as soon as it cannot reach [`ALIKE`] any more.
fn jaccard(left: &[u32], right: &[u32]) -> f64 {
    let total = left.len() + right.len();
    // Rounding must not lose a pair that is just alike enough.
    let needed = (ALIKE / (1.0 + ALIKE) * total as f64 - 1e-9).ceil() as usize;
    let (mut i, mut j, mut shared) = (0, 0, 0usize);
    while i < left.len() && j < right.len() {
        if shared + (left.len() - i).min(right.len() - j) < needed {
            return 0.0;
        }
        match left[i].cmp(&right[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                shared += 1;
                i += 1;
                j += 1;
            }
        }
    }
    shared as f64 / (total - shared).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use intendant_numeric::random::Random;

    #[test]
    fn texts_that_say_the_same_are_found() {
        let texts =
            ["Hi there!", "hi there", "how do I reset my password", "how do i reset my passwords", "…", ""];
        let pairs = alike(&texts, |_, _| true);
        let places: Vec<(usize, usize)> = pairs.iter().map(|pair| (pair.first, pair.second)).collect();
        assert_eq!(places, [(0, 1), (2, 3)]);
        assert_eq!(pairs[0].similarity, 1.0);
        assert_eq!(alike(&texts, |first, _| first != 0).len(), 1);
    }

    /// Against comparing every text with every other.
    #[test]
    fn no_pair_is_missed() {
        let words = ["book", "a", "flight", "hotel", "to", "Rome", "Oslo", "please", "now", "cheap"];
        let mut random = Random::new(5);
        let texts: Vec<String> = (0..400)
            .map(|_| {
                let count = 1 + random.below(6);
                (0..count).map(|_| words[random.below(words.len())]).collect::<Vec<_>>().join(" ")
            })
            .collect();
        let mut distinct: Vec<&str> = texts.iter().map(String::as_str).collect();
        distinct.sort_unstable();
        distinct.dedup();
        let forms: Vec<String> = distinct.iter().map(|text| normal_form(text)).collect();
        let sets = shingle_sets(forms.iter().map(String::as_str));
        let mut expected = 0;
        for second in 0..distinct.len() {
            let share = |first: usize| {
                let shared = sets[first].iter().filter(|piece| sets[second].contains(piece)).count();
                shared as f64 / (sets[first].len() + sets[second].len() - shared) as f64
            };
            expected += (0..second).filter(|first| share(*first) >= ALIKE).count();
        }
        assert!(expected > 20);
        assert_eq!(alike(&distinct, |_, _| true).len(), expected);
    }
}
