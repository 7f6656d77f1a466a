//! What to do about wrong labels: which labels are taken for each other and why, which annotations look wrong.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use intendant_text::normal::normal_form;

use crate::labels::LabelOutcome;

/// Confusions that are listed.
const CONFUSIONS_MAX: usize = 30;
/// Words that are named for a confusion.
const WORDS_MAX: usize = 4;
/// Messages that are shown for a confusion.
const MESSAGES_MAX: usize = 5;
/// Labels that are taken for each other by this share both ways are hard to tell apart at all.
const MERGE_SHARE: f64 = 0.25;
/// Fewer examples than these are few.
const EXAMPLES_FEW: usize = 20;
/// A mean confidence above which wrong predictions look like wrong annotations.
const SURE: f64 = 0.8;

/// What would help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// Both labels are taken for each other often.
    Merge,
    /// The model is sure: the messages may belong to the other label.
    Move,
    /// The label has few examples.
    AddExamples,
    /// There are examples enough, but they do not show the difference.
    TellApart,
}

/// Messages of one label that are taken for another.
#[derive(Clone, Debug, PartialEq)]
pub struct Confusion {
    /// The annotated label.
    pub target: String,
    /// What it is taken for.
    pub predicted: String,
    /// How often.
    pub count: usize,
    /// Of how many messages of the label.
    pub support: usize,
    /// How often the other is taken for this one.
    pub back: usize,
    /// Words of these messages that are usual for the other label, strongest first.
    pub words: Vec<String>,
    /// Some of the messages.
    pub messages: Vec<String>,
    /// What would help.
    pub advice: Advice,
}

impl Confusion {
    /// The confusion and the advice in words.
    pub fn text(&self) -> String {
        let Self { target, predicted, count, support, back, .. } = self;
        let pull = match self.words.as_slice() {
            [] => String::new(),
            words => {
                let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
                format!(", pulled by {}", quoted.join(", "))
            }
        };
        let like = if self.words.is_empty() { "like these" } else { "with these words" };
        let advice = match self.advice {
            Advice::Merge => {
                format!("{back} go the other way: merge the two, or draw the line between them anew")
            }
            Advice::Move => format!("the model is sure: see whether these messages belong to `{predicted}`"),
            Advice::AddExamples => format!("`{target}` has few examples: add some {like}"),
            Advice::TellApart => format!("add examples of `{target}` {like}, or move these to `{predicted}`"),
        };
        format!("{count} of {support} of `{target}` are read as `{predicted}`{pull}; {advice}")
    }
}

/// Confusions that happen more than once, the most frequent first.
pub fn confusions(outcomes: &[LabelOutcome]) -> Vec<Confusion> {
    let mut wrong: BTreeMap<(&str, &str), Vec<&LabelOutcome>> = BTreeMap::new();
    let mut support: HashMap<&str, usize> = HashMap::new();
    for outcome in outcomes {
        *support.entry(&outcome.target).or_default() += 1;
        if !outcome.is_right() && !outcome.predicted.is_empty() {
            wrong.entry((&outcome.target, &outcome.predicted)).or_default().push(outcome);
        }
    }
    let counts: BTreeMap<(&str, &str), usize> =
        wrong.iter().map(|(pair, messages)| (*pair, messages.len())).collect();
    let mut ordered: Vec<((&str, &str), Vec<&LabelOutcome>)> =
        wrong.into_iter().filter(|(_, messages)| messages.len() > 1).collect();
    ordered.sort_by(|left, right| right.1.len().cmp(&left.1.len()).then_with(|| left.0.cmp(&right.0)));
    ordered.truncate(CONFUSIONS_MAX);
    let vocabulary = Vocabulary::of(outcomes);
    let confusion = |((target, predicted), mut messages): ((&str, &str), Vec<&LabelOutcome>)| {
        messages.sort_by(|left, right| right.confidence.total_cmp(&left.confidence));
        let (own, other) = (support[target], support.get(predicted).copied().unwrap_or(0));
        let back = counts.get(&(predicted, target)).copied().unwrap_or(0);
        let sure = messages.iter().map(|message| message.confidence).sum::<f64>() / messages.len() as f64;
        let often = |count: usize, total: usize| count as f64 >= MERGE_SHARE * total.max(1) as f64;
        let advice = if often(messages.len(), own) && back > 1 && often(back, other) {
            Advice::Merge
        } else if sure >= SURE && !often(messages.len(), own) {
            Advice::Move
        } else if own < EXAMPLES_FEW {
            Advice::AddExamples
        } else {
            Advice::TellApart
        };
        Confusion {
            target: target.to_owned(),
            predicted: predicted.to_owned(),
            count: messages.len(),
            support: own,
            back,
            words: vocabulary.pulling(&messages, (target, predicted)),
            messages: messages.iter().take(MESSAGES_MAX).map(|message| message.text.clone()).collect(),
            advice,
        }
    };
    ordered.into_iter().map(confusion).collect()
}

/// In how many messages of each label a word stands.
struct Vocabulary {
    words: HashMap<String, HashMap<String, usize>>,
    messages: HashMap<String, usize>,
}

impl Vocabulary {
    fn of(outcomes: &[LabelOutcome]) -> Self {
        let mut vocabulary = Self { words: HashMap::new(), messages: HashMap::new() };
        for outcome in outcomes {
            *vocabulary.messages.entry(outcome.target.clone()).or_default() += 1;
            for word in words(&outcome.text) {
                *vocabulary.words.entry(word).or_default().entry(outcome.target.clone()).or_default() += 1;
            }
        }
        vocabulary
    }

    /// Words of `messages` that are more usual for `predicted` than for `target`: by log odds, summed over messages.
    fn pulling(&self, messages: &[&LabelOutcome], (target, predicted): (&str, &str)) -> Vec<String> {
        let mut occurrences: BTreeMap<String, usize> = BTreeMap::new();
        for message in messages {
            for word in words(&message.text) {
                *occurrences.entry(word).or_default() += 1;
            }
        }
        let share = |word: &str, label: &str| {
            let count = self.words.get(word).and_then(|labels| labels.get(label)).copied().unwrap_or(0);
            (count as f64 + 0.5) / (self.messages.get(label).copied().unwrap_or(0) as f64 + 1.0)
        };
        let mut scored: Vec<(f64, String)> = occurrences
            .into_iter()
            .map(|(word, count)| (count as f64 * (share(&word, predicted) / share(&word, target)).ln(), word))
            .filter(|(score, _)| *score > 0.5)
            .collect();
        scored.sort_by(|left, right| right.0.total_cmp(&left.0).then_with(|| left.1.cmp(&right.1)));
        scored.truncate(WORDS_MAX);
        scored.into_iter().map(|(_, word)| word).collect()
    }
}

/// The different words of a text, in normal form.
fn words(text: &str) -> BTreeSet<String> {
    normal_form(text).split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// A message whose annotation looks wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Suspect {
    /// The message.
    pub text: String,
    /// What it is annotated with.
    pub label: String,
    /// What a model that has not seen it says.
    pub suggested: String,
    /// How sure that model is.
    pub confidence: f64,
}

/// Messages that a model, which must not have been trained on them, takes for another label and is at least as sure of
/// it as it usually is when it is right about that label. Surest first.
/// Source: Northcutt, Jiang, Chuang, "Confident Learning", 2021, the thresholds of section 3.1.
pub fn suspects(outcomes: &[LabelOutcome]) -> Vec<Suspect> {
    let mut sums: HashMap<&str, (f64, usize)> = HashMap::new();
    for outcome in outcomes.iter().filter(|outcome| outcome.is_right()) {
        let sum = sums.entry(&outcome.predicted).or_default();
        sum.0 += outcome.confidence;
        sum.1 += 1;
    }
    let usual = |label: &str| sums.get(label).map(|(sum, count)| sum / *count as f64);
    let is_suspect = |outcome: &&LabelOutcome| {
        !outcome.is_right()
            && usual(&outcome.predicted).is_some_and(|usual| outcome.confidence >= usual.max(0.5))
    };
    let mut suspects: Vec<Suspect> = outcomes
        .iter()
        .filter(is_suspect)
        .map(|outcome| Suspect {
            text: outcome.text.clone(),
            label: outcome.target.clone(),
            suggested: outcome.predicted.clone(),
            confidence: outcome.confidence,
        })
        .collect();
    suspects.sort_by(|left, right| {
        right.confidence.total_cmp(&left.confidence).then_with(|| left.text.cmp(&right.text))
    });
    suspects
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(rows: &[(&str, &str, &str, f64, usize)]) -> Vec<LabelOutcome> {
        let row = |(text, target, predicted, confidence, count): &(&str, &str, &str, f64, usize)| {
            let outcome = LabelOutcome {
                text: (*text).to_owned(),
                target: (*target).to_owned(),
                predicted: (*predicted).to_owned(),
                confidence: *confidence,
            };
            vec![outcome; *count]
        };
        rows.iter().flat_map(row).collect()
    }

    #[test]
    fn confusions_name_words_and_what_helps() {
        let cases = [
            (
                vec![
                    ("pay now", "pay", "buy", 0.5, 5),
                    ("pay it", "pay", "pay", 0.9, 5),
                    ("buy now", "buy", "buy", 0.9, 9),
                    ("buy", "buy", "pay", 0.6, 4),
                ],
                Advice::Merge,
            ),
            (
                vec![
                    ("now", "pay", "buy", 0.9, 3),
                    ("pay it", "pay", "pay", 0.9, 40),
                    ("buy now", "buy", "buy", 0.9, 9),
                ],
                Advice::Move,
            ),
            (
                vec![
                    ("pay now", "pay", "buy", 0.5, 3),
                    ("pay it", "pay", "pay", 0.9, 5),
                    ("buy now", "buy", "buy", 0.9, 9),
                ],
                Advice::AddExamples,
            ),
            (
                vec![
                    ("pay now", "pay", "buy", 0.5, 9),
                    ("pay it", "pay", "pay", 0.9, 50),
                    ("buy now", "buy", "buy", 0.9, 9),
                ],
                Advice::TellApart,
            ),
        ];
        for (rows, advice) in cases {
            let found = confusions(&outcomes(&rows));
            assert_eq!((found[0].advice, found[0].words[0].as_str()), (advice, "now"), "{rows:?}");
        }
        let found = confusions(&outcomes(&[
            ("a b", "x", "y", 0.5, 2),
            ("a", "x", "x", 0.5, 6),
            ("b", "y", "y", 0.5, 3),
            ("once", "y", "x", 0.5, 1),
        ]));
        assert_eq!(found.len(), 1);
        assert_eq!(
            found[0].text(),
            "2 of 8 of `x` are read as `y`, pulled by `b`; `x` has few examples: add some with these words"
        );
    }

    #[test]
    fn suspects_are_surer_than_usual() {
        let found = suspects(&outcomes(&[
            ("right", "a", "a", 0.8, 3),
            ("wrong label", "b", "a", 0.9, 1),
            ("hard", "b", "a", 0.7, 1),
            ("never right", "b", "c", 0.9, 1),
        ]));
        assert_eq!(found.iter().map(|one| one.text.as_str()).collect::<Vec<_>>(), ["wrong label"]);
    }
}
