//! Makes the model that ranks readings, from texts whose value is known.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value as Json;

use crate::token::{Dimension, Payload};
use crate::{Locale, Options, chart, resolve, text, wire};

/// A text and the value (without `values`) that is right for all of it.
pub struct Case {
    /// The text.
    pub text: String,
    /// How it is read.
    pub options: Options,
    /// The right value as JSON.
    pub expected: Json,
}

#[derive(Default)]
struct Counts {
    good: f64,
    bad: f64,
    features: BTreeMap<u64, f64>,
}

/// Counts rules inside right and wrong readings; the result is the text of a model file.
///
/// A node is right when it stands inside a whole-text reading that has the expected value.
pub fn train(locale: Locale, cases: &[Case]) -> String {
    let grammar = locale.compile();
    let mut counts: BTreeMap<String, Counts> = BTreeMap::new();
    for case in cases {
        let folded = text::Text::new(&case.text);
        let enabled =
            [Dimension::Time, Dimension::Number, Dimension::Ordinal, Dimension::Duration, Dimension::Grain]
                .into_iter()
                .fold(0, |mask, dimension| mask | 1u32 << dimension as u32);
        let chart = chart::saturate(&grammar, &folded, enabled);
        let now = case.options.zone.wall_clock(case.options.reference_ms);
        crate::series::allow_evaluations(u64::MAX);
        let context = crate::context_of(&case.options, now, true);
        let is_right = |payload: &Payload| {
            let Some((value, _)) = resolve::resolve(payload, context, true, &case.options.zone) else {
                return false;
            };
            let mut json = wire::value_to_json(&value);
            json.as_object_mut().map(|object| object.shift_remove("values"));
            json == case.expected
        };
        let mut right: HashSet<u32> = HashSet::new();
        for (id, token) in chart.tokens.iter().enumerate() {
            let whole = token.start == 0 && token.end as usize == folded.chars.len();
            if whole && matches!(token.payload, Payload::Time(_)) && is_right(&token.payload) {
                collect(id as u32, &chart.tokens, &mut right);
            }
        }
        for (id, token) in chart.tokens.iter().enumerate() {
            if !matches!(token.payload, Payload::Time(_) | Payload::Duration(_) | Payload::Ordinal(_)) {
                continue;
            }
            let Some(rule) = grammar.rules.get(token.rule as usize) else { continue };
            let entry = counts.entry(rule.name.clone()).or_default();
            if right.contains(&(id as u32)) {
                entry.good += 1.0;
                for feature in grammar.model.features(token.children.as_slice(), &chart.tokens) {
                    *entry.features.entry(feature).or_default() += 1.0;
                }
            } else {
                entry.bad += 1.0;
            }
        }
    }
    write(&counts)
}

fn collect(id: u32, tokens: &[chart::Token], into: &mut HashSet<u32>) {
    if into.insert(id) {
        for &child in tokens[id as usize].children.as_slice() {
            collect(child, tokens, into);
        }
    }
}

fn write(counts: &BTreeMap<String, Counts>) -> String {
    let mut lines = String::new();
    for (name, counts) in counts {
        let prior = ((counts.good + 1.0) / (counts.good + counts.bad + 2.0)).ln();
        let total: f64 = counts.features.values().sum::<f64>() + counts.features.len() as f64;
        let unseen = (1.0 / (total + 1.0)).ln();
        lines.push_str(&format!("{name}\t{prior:.4}\t{unseen:.4}"));
        for (feature, count) in &counts.features {
            lines.push_str(&format!("\t{feature:x}={:.4}", ((count + 1.0) / total).ln()));
        }
        lines.push('\n');
    }
    lines
}
