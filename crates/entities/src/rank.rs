//! Which readings are kept: the longest, and of equally long ones the most plausible.
//!
//! Plausibility is the positive side of a naive Bayes model over rules: for each node its rule's
//! prior and the likelihood of two features, the rules of its parts and the grains of its parts.

use std::collections::HashMap;

use crate::chart::Token;
use crate::token::{Dimension, Payload};

/// Scores of trees, by rule.
#[derive(Default)]
pub struct Model {
    /// A stable hash of each rule's name, so that adding a rule does not change others' features.
    names: Vec<u64>,
    classifiers: Vec<Option<Classifier>>,
}

struct Classifier {
    prior: f64,
    unseen: f64,
    /// Weights by feature, sorted.
    features: Vec<(u64, f64)>,
}

impl Model {
    /// Reads a model file: a rule a line, tab separated: name, prior, unseen, then `feature=weight`.
    pub fn read<'a>(source: &str, names: impl Iterator<Item = &'a str>) -> Model {
        let lines: HashMap<&str, &str> = source.lines().filter_map(|line| line.split_once('\t')).collect();
        let names: Vec<&str> = names.collect();
        let classifiers = names
            .iter()
            .map(|name| {
                let mut fields = lines.get(*name)?.split('\t');
                let prior = fields.next()?.parse().ok()?;
                let unseen = fields.next()?.parse().ok()?;
                let mut features: Vec<(u64, f64)> = fields
                    .filter_map(|field| {
                        let (key, weight) = field.split_once('=')?;
                        Some((u64::from_str_radix(key, 16).ok()?, weight.parse().ok()?))
                    })
                    .collect();
                features.sort_unstable_by_key(|(key, _)| *key);
                Some(Classifier { prior, unseen, features })
            })
            .collect();
        let names = names
            .iter()
            .map(|name| {
                let mut hash = Hash::new(0);
                name.bytes().for_each(|byte| hash.add(u64::from(byte)));
                hash.0
            })
            .collect();
        Model { names, classifiers }
    }

    /// The score of a node: nothing without a classifier, else its own and its parts'.
    pub fn score(&self, rule: u16, children: &[u32], tokens: &[Token]) -> f64 {
        let Some(Some(classifier)) = self.classifiers.get(rule as usize) else { return 0.0 };
        let mut score = classifier.prior;
        for feature in self.features(children, tokens) {
            let known = classifier.features.binary_search_by_key(&feature, |(key, _)| *key);
            score += known.map_or(classifier.unseen, |at| classifier.features[at].1);
        }
        score + children.iter().map(|&child| tokens[child as usize].score).sum::<f64>()
    }

    /// The two features of a node, as hashes.
    pub fn features(&self, children: &[u32], tokens: &[Token]) -> [u64; 2] {
        let (mut rules, mut grains) = (Hash::new(1), Hash::new(2));
        for &child in children {
            let token = &tokens[child as usize];
            match &token.payload {
                Payload::Text(_) => continue,
                Payload::Time(time) => grains.add(time.grain as u64 + 1),
                Payload::Duration(duration) => grains.add(duration.grain as u64 + 101),
                Payload::Grain(grain) => grains.add(*grain as u64 + 201),
                _ => {}
            }
            rules.add(self.names.get(token.rule as usize).copied().unwrap_or(0));
        }
        [rules.0, grains.0]
    }
}

struct Hash(u64);

impl Hash {
    fn new(seed: u64) -> Hash {
        Hash(0xcbf2_9ce4_8422_2325 ^ seed)
    }

    fn add(&mut self, value: u64) {
        self.0 = (self.0 ^ value).wrapping_mul(0x0100_0000_01b3);
    }
}

// What decides between readings; small, because a text may have a hundred thousand of them.
#[derive(Clone, Copy)]
struct Candidate {
    id: usize,
    start: u32,
    end: u32,
    score: f64,
    dimension: Dimension,
}

/// The tokens to show, best first: of the wanted dimensions, resolvable, beaten by no other.
pub(crate) fn select<R>(
    tokens: &[Token],
    wanted: u32,
    mut resolve: impl FnMut(&Token) -> Option<R>,
) -> Vec<(usize, R)> {
    let mut candidates: Vec<Candidate> = tokens
        .iter()
        .enumerate()
        .filter_map(|(id, token)| {
            let dimension = token.payload.dimension()?;
            let shown = dimension != Dimension::Grain && wanted & (1 << dimension as u32) != 0;
            let Token { start, end, score, .. } = *token;
            shown.then_some(Candidate { id, start, end, score, dimension })
        })
        .collect();
    candidates.sort_by(|one, other| {
        (other.end - other.start)
            .cmp(&(one.end - one.start))
            .then(one.start.cmp(&other.start))
            .then(other.score.total_cmp(&one.score))
    });
    let mut kept: Vec<(usize, R)> = Vec::new();
    let places = tokens.iter().map(|token| token.end as usize).max().unwrap_or(0);
    // For each position, kept tokens that cover it.
    let mut covering: Vec<Vec<Candidate>> = vec![Vec::new(); places];
    for token in candidates {
        let beaten = covering[token.start as usize].iter().any(|other| {
            let contains = other.start <= token.start && token.end <= other.end;
            let same_range = other.start == token.start && other.end == token.end;
            let same_dimension = other.dimension == token.dimension;
            contains && (!same_range || same_dimension && other.score > token.score + 1e-9)
        });
        if beaten {
            continue;
        }
        if let Some(resolved) = resolve(&tokens[token.id]) {
            for place in token.start..token.end {
                covering[place as usize].push(token);
            }
            kept.push((token.id, resolved));
        }
    }
    kept
}
