//! `data split`: language data and stories into a part to train and a part to test with
//! (`spec: training-data.md §9`).
//!
//! Chance is seeded by the caller: the same seed and data give the same parts. Differs from Rasa:
//! another generator, so the same seed picks other examples.

use std::collections::{BTreeMap, HashMap, HashSet};

use intendant_component::diagnostic::Diagnostic;
use intendant_numeric::random::Random;
use intendant_talk::data::{Example, NluData, Source};
use intendant_talk::message::Object;
use intendant_text::normal::template;
use serde_json::Value;

use crate::nlu::LanguageData;
use crate::write::object_yaml;
use crate::yaml::{self, Environment, Kind, SourceFile};

/// Two parts of a whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parts<T> {
    /// To train with.
    pub train: T,
    /// To test with.
    pub test: T,
}

/// Language data, or a part of it, with the responses it needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LanguagePart {
    /// Examples of the part; synonyms, patterns and lookup tables of the whole.
    pub data: NluData,
    /// Responses of the part's retrieval examples.
    pub responses: Object,
}

impl From<LanguageData> for LanguagePart {
    fn from(language: LanguageData) -> Self {
        let mut dict = language.responses.dict;
        let responses = match dict.shift_remove("responses") {
            Some(Value::Object(responses)) => responses,
            _ => Object::new(),
        };
        Self { data: language.data, responses }
    }
}

/// What stays on one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// Every example goes its own way, as in Rasa.
    None,
    /// Examples of one template: they differ in entities, numbers, case and punctuation only. A model would
    /// otherwise be tested on what it has all but seen.
    Templates,
}

/// Splits language data so that every class (response key or intent) keeps its share, with at
/// least one example on each side where it has two. Examples without intent go to training.
/// `fraction` and `seed` say how much is trained with and which part it is.
pub fn split_language(
    language: &LanguagePart,
    grouping: Grouping,
    (fraction, seed): (f64, u64),
    findings: &mut Vec<Diagnostic>,
) -> Parts<LanguagePart> {
    let examples = &language.data.examples;
    let classes = classes(examples);
    let n_examples = examples.iter().filter(|example| example.intent.is_some()).count();
    let smaller = fraction.min(1.0 - fraction);
    if ((smaller * n_examples as f64) as usize) + 1 < classes.len() {
        let message = format!(
            "{n_examples} examples are too few to split {} classes at {fraction}; the parts will have another share",
            classes.len()
        );
        findings.push(Diagnostic::warning(Source::default(), message));
    }
    let mut random = Random::new(seed);
    let mut sides = Sides { is_trained: vec![false; examples.len()], of_template: HashMap::new() };
    let (mut n_seen, mut n_train) = (0, 0);
    for mut class in classes {
        random.shuffle(&mut class);
        n_seen += class.len();
        let exact = ((n_seen as f64) * fraction) as usize;
        let n_class = exact.saturating_sub(n_train).max(1).min(class.len() - 1);
        n_train += match grouping {
            Grouping::None => sides.assign(&class, n_class),
            Grouping::Templates => sides.assign_templates(examples, &class, n_class),
        };
    }
    for (idx, example) in examples.iter().enumerate() {
        sides.is_trained[idx] |= example.intent.is_none();
    }
    let part = |wanted: bool| {
        let picked = examples.iter().zip(&sides.is_trained).filter(|(_, trained)| **trained == wanted);
        let examples: Vec<Example> = picked.map(|(example, _)| example.clone()).collect();
        let responses = needed_responses(&language.responses, &examples);
        let data = NluData { examples, ..without_examples(&language.data) };
        LanguagePart { data, responses }
    };
    Parts { train: part(true), test: part(false) }
}

/// On which side each example is.
struct Sides {
    is_trained: Vec<bool>,
    /// Templates occur in several classes: the first class decides.
    of_template: HashMap<String, bool>,
}

impl Sides {
    /// Trains with the first `wanted` examples of a class; says how many these are.
    fn assign(&mut self, class: &[usize], wanted: usize) -> usize {
        for idx in &class[..wanted] {
            self.is_trained[*idx] = true;
        }
        wanted
    }

    /// Trains with about `wanted` examples of a class, templates undivided.
    fn assign_templates(&mut self, examples: &[Example], class: &[usize], wanted: usize) -> usize {
        let mut groups: Vec<(String, Vec<usize>)> = Vec::new();
        let mut positions: HashMap<String, usize> = HashMap::new();
        for idx in class {
            let key = template_of(&examples[*idx]);
            let position = *positions.entry(key.clone()).or_insert_with(|| {
                groups.push((key, Vec::new()));
                groups.len() - 1
            });
            groups[position].1.push(*idx);
        }
        // Bound templates first, then the large ones, which find no room later.
        groups.sort_by_key(|(key, members)| {
            (!self.of_template.contains_key(key), std::cmp::Reverse(members.len()))
        });
        let (mut n_train, mut n_test) = (0, 0);
        let n_groups = groups.len();
        for (position, (key, members)) in groups.into_iter().enumerate() {
            let is_last_for_test = n_test == 0 && position + 1 == n_groups && n_train > 0;
            let is_free = n_train + members.len() <= wanted || (n_train == 0 && position + 1 < n_groups);
            let trains = *self.of_template.entry(key).or_insert(is_free && !is_last_for_test);
            if trains {
                n_train += members.len();
                members.iter().for_each(|idx| self.is_trained[*idx] = true);
            } else {
                n_test += members.len();
            }
        }
        n_train
    }
}

/// The pattern that an example is made from.
fn template_of(example: &Example) -> String {
    let mut spans: Vec<(usize, usize, &str)> = example
        .entities
        .iter()
        .filter_map(|entity| Some((entity.start_chars?, entity.end_chars?, entity.entity.as_str())))
        .collect();
    spans.sort_unstable();
    template(&example.text, spans)
}

fn without_examples(data: &NluData) -> NluData {
    NluData {
        examples: Vec::new(),
        synonyms: data.synonyms.clone(),
        regexes: data.regexes.clone(),
        lookups: data.lookups.clone(),
    }
}

/// Positions of examples by class, smaller classes first: response keys, then intents.
fn classes(examples: &[Example]) -> Vec<Vec<usize>> {
    let mut by_key: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let mut by_intent: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (idx, example) in examples.iter().enumerate() {
        match (&example.intent_response_key, &example.intent) {
            (Some(key), _) => by_key.entry(key).or_default().push(idx),
            (None, Some(intent)) => by_intent.entry(intent).or_default().push(idx),
            (None, None) => {}
        }
    }
    let sorted = |classes: BTreeMap<&str, Vec<usize>>| {
        let mut classes: Vec<Vec<usize>> = classes.into_values().collect();
        classes.sort_by_key(Vec::len);
        classes
    };
    let mut classes = sorted(by_key);
    classes.extend(sorted(by_intent));
    classes
}

fn needed_responses(all: &Object, examples: &[Example]) -> Object {
    let keys: HashSet<&str> =
        examples.iter().filter_map(|example| example.intent_response_key.as_deref()).collect();
    let is_needed = |name: &str| name.strip_prefix("utter_").is_some_and(|name| keys.contains(name));
    let needed = all.iter().filter(|(name, _)| is_needed(name));
    needed.map(|(name, variations)| (name.clone(), variations.clone())).collect()
}

/// Splits the stories of one file into two YAML texts: everything else of the file goes to
/// training. `None` when the file has no stories.
pub fn split_stories(
    file: &SourceFile,
    env: Environment<'_>,
    (fraction, seed): (f64, u64),
    findings: &mut Vec<Diagnostic>,
) -> Option<Parts<String>> {
    let document = yaml::parse(file, env, findings)?;
    let stories = match document.get("stories").map(|node| &node.kind) {
        Some(Kind::List(stories)) if !stories.is_empty() => stories,
        _ => return None,
    };
    let mut positions: Vec<usize> = (0..stories.len()).collect();
    Random::new(seed).shuffle(&mut positions);
    let n_test = ((stories.len() as f64) * (1.0 - fraction)).ceil() as usize;
    let (test, train) = positions.split_at(n_test.min(stories.len()));
    let pick =
        |positions: &[usize]| -> Value { positions.iter().map(|idx| stories[*idx].to_json()).collect() };
    let mut rest = document.to_object();
    rest.insert("stories".to_owned(), pick(train));
    let test = Object::from_iter([("stories".to_owned(), pick(test))]);
    Some(Parts { train: object_yaml(&rest), test: object_yaml(&test) })
}
