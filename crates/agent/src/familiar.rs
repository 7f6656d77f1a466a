//! How much of a message is known from phrases: a classifier answers whatever it is asked, so somebody
//! has to say when it was asked for something it has never seen.

use std::collections::HashSet;

use intendant_numeric::random::hash_bytes;

use crate::concepts;
use crate::words::Words;

/// Characters of the runs into which words are cut.
const RUN: usize = 4;
/// What a word counts of which all runs are known, but not the word.
const RUNS_SHARE: f64 = 0.8;

/// Words, runs of their characters and groups of common sayings that phrases have, hashed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Familiar {
    known: HashSet<u64>,
}

impl Familiar {
    /// Notes what a phrase has.
    pub(crate) fn learn(&mut self, phrase: &Words<'_>) {
        for word in &phrase.words {
            self.known.insert(hash_bytes(1, word.norm.as_bytes()));
            self.known.extend(runs(&word.norm));
        }
        self.known.extend(concepts::of(phrase).into_iter().map(group));
    }

    /// How much of a text is known, from 0 to 1; `is_known` says of a word that it is known otherwise.
    pub(crate) fn share(&self, text: &Words<'_>, is_known: impl Fn(usize) -> bool) -> f64 {
        if concepts::of(text).into_iter().any(|name| self.known.contains(&group(name))) {
            return 1.0;
        }
        let of_word = |(at, word): (usize, &crate::words::Word)| {
            if is_known(at) || self.known.contains(&hash_bytes(1, word.norm.as_bytes())) {
                return 1.0;
            }
            let runs = runs(&word.norm);
            let known = runs.iter().filter(|run| self.known.contains(run)).count();
            RUNS_SHARE * known as f64 / runs.len().max(1) as f64
        };
        let sum: f64 = text.words.iter().enumerate().map(of_word).sum();
        sum / text.len().max(1) as f64
    }
}

fn group(name: &str) -> u64 {
    hash_bytes(3, name.as_bytes())
}

/// Hashes of the runs of a word's characters, its edges among them.
fn runs(word: &str) -> Vec<u64> {
    let padded: Vec<char> = std::iter::once(' ').chain(word.chars()).chain([' ']).collect();
    let hash = |run: &[char]| hash_bytes(2, run.iter().collect::<String>().as_bytes());
    padded.windows(RUN.min(padded.len())).map(hash).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_phrases_have_is_familiar() {
        let mut familiar = Familiar::default();
        familiar.learn(&Words::of("opening hours"));
        familiar.learn(&Words::of("hello"));
        let check = |text: &str, least: f64, most: f64| {
            let share = familiar.share(&Words::of(text), |_| false);
            assert!((least..=most).contains(&share), "{text}: {share}");
        };
        check("Opening HOURS?", 1.0, 1.0);
        check("openings", 0.5, 0.8);
        check("howdy", 1.0, 1.0);
        check("xqzv wkrpl", 0.0, 0.0);
        check("", 0.0, 0.0);
        assert_eq!(familiar.share(&Words::of("xqzv hours"), |at| at == 0), 1.0);
    }
}
