//! Synonyms and lookup tables that annotated entities suggest.
//!
//! Two phrases of one entity are taken for the same thing when they differ in case, punctuation or accents, in a short
//! ending, in a typing mistake, or when one is made of the other's initials. Phrases with digits are only compared by
//! case and punctuation: `A12` and `A13` are two rooms. Nothing here is certain, so the reason stands beside each.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use intendant_talk::data::NluData;
use intendant_text::normal::normal_form;

/// An entity with fewer different phrases needs no lookup table.
const LOOKUP_PHRASES_MIN: usize = 4;
/// A phrase of more words is a description, not a name.
const LOOKUP_WORDS_MAX: usize = 4;
/// The letters that two inflections of a word have in common at least.
const STEM_CHARS_MIN: usize = 4;
/// The letters that an inflection adds at most.
const ENDING_CHARS_MAX: usize = 3;
/// Words shorter than this are other words when a letter differs.
const TYPO_CHARS_MIN: usize = 5;

/// Why two phrases are taken for the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// They differ in case, punctuation or accents.
    Spelling,
    /// One has another ending.
    Inflection,
    /// A letter or two are wrong, missing or swapped.
    Typo,
    /// One is made of the other's initials.
    Initials,
}

impl Reason {
    /// The reason in words.
    pub fn text(self) -> &'static str {
        match self {
            Self::Spelling => "case, punctuation or accents",
            Self::Inflection => "another ending",
            Self::Typo => "a typing mistake",
            Self::Initials => "initials",
        }
    }
}

/// A phrase that could be a synonym.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synonym {
    /// The entity that both are annotated as.
    pub entity: String,
    /// The phrase.
    pub text: String,
    /// The more frequent phrase that it could stand for.
    pub value: String,
    /// Why.
    pub reason: Reason,
}

/// A lookup table that could be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The entity.
    pub entity: String,
    /// Its phrases, sorted.
    pub phrases: Vec<String>,
    /// Words that stand where this entity stands but are not annotated, with a message each.
    pub unmarked: Vec<(String, String)>,
}

/// What the data suggests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Suggestions {
    /// By entity, then value.
    pub synonyms: Vec<Synonym>,
    /// By entity.
    pub lookups: Vec<Table>,
}

/// A phrase with how often it is annotated.
type Phrases<'a> = BTreeMap<&'a str, usize>;

impl Suggestions {
    /// Looks through the annotated entities. What the data has already is not suggested.
    pub fn of(data: &NluData) -> Self {
        let mut by_entity: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
        for example in &data.examples {
            let chars: Vec<char> = example.text.chars().collect();
            for entity in &example.entities {
                let (Some(start), Some(end)) = (entity.start_chars, entity.end_chars) else { continue };
                let text: String = chars.get(start..end).unwrap_or_default().iter().collect();
                if !text.trim().is_empty() {
                    *by_entity.entry(entity.entity.clone()).or_default().entry(text).or_default() += 1;
                }
            }
        }
        let mut suggestions = Self::default();
        for (entity, counted) in &by_entity {
            let phrases: Phrases<'_> = counted.iter().map(|(text, count)| (text.as_str(), *count)).collect();
            let synonyms = synonyms(entity, &phrases, data);
            // What is likely misspelt is no entry of a table.
            let phrases =
                phrases.into_iter().filter(|(text, _)| !synonyms.iter().any(|one| one.text == *text));
            suggestions.lookups.extend(table(entity, &phrases.collect(), data));
            suggestions.synonyms.extend(synonyms);
        }
        suggestions
    }

    /// Whether there is nothing to suggest.
    pub fn is_empty(&self) -> bool {
        self.synonyms.is_empty() && self.lookups.is_empty()
    }
}

fn synonyms(entity: &str, phrases: &Phrases<'_>, data: &NluData) -> Vec<Synonym> {
    let listed: BTreeSet<&str> =
        data.lookups.iter().flat_map(|lookup| lookup.elements.iter().map(String::as_str)).collect();
    let canonical: BTreeSet<&str> = data.synonyms.values().map(String::as_str).collect();
    let is_settled = |text: &str| data.synonyms.contains_key(text) || canonical.contains(text);
    // Frequent ones first: they are what the others stand for; among equals the one with capitals, then the longer.
    let mut ordered: Vec<(&str, usize)> = phrases.iter().map(|(text, count)| (*text, *count)).collect();
    let capitals = |text: &str| text.chars().filter(|c| c.is_uppercase()).count();
    ordered.sort_by_key(|(text, count)| {
        (std::cmp::Reverse(*count), std::cmp::Reverse(capitals(text)), std::cmp::Reverse(text.len()), *text)
    });
    let forms: Vec<Form> = ordered.iter().map(|(text, _)| Form::of(text)).collect();
    let mut found: Vec<Synonym> = Vec::new();
    let mut stands_for: Vec<Option<usize>> = vec![None; ordered.len()];
    for idx in 0..ordered.len() {
        let text = ordered[idx].0;
        if is_settled(text) {
            continue;
        }
        let candidate = (0..idx)
            .filter(|other| stands_for[*other].is_none())
            .filter_map(|other| Some((forms[idx].likeness(&forms[other])?, other)))
            .filter(|(reason, other)| {
                // Two entries of one table are two things unless they differ in spelling only.
                *reason == Reason::Spelling || !(listed.contains(text) && listed.contains(ordered[*other].0))
            })
            .min();
        if let Some((reason, other)) = candidate {
            stands_for[idx] = Some(other);
            let value = data.synonyms.get(ordered[other].0).map_or(ordered[other].0, String::as_str);
            let (entity, text, value) = (entity.to_owned(), text.to_owned(), value.to_owned());
            found.push(Synonym { entity, text, value, reason });
        }
    }
    found.sort_by(|left, right| (&left.value, &left.text).cmp(&(&right.value, &right.text)));
    found
}

/// A phrase prepared for comparing.
struct Form {
    /// Normal form without accents.
    folded: Vec<char>,
    initials: Vec<char>,
    has_digits: bool,
}

impl Form {
    fn of(text: &str) -> Self {
        let normal = normal_form(text);
        let initials = normal.split(' ').filter_map(|word| word.chars().next()).collect();
        let folded: Vec<char> = normal.chars().filter(|c| *c != ' ').map(without_accent).collect();
        let has_digits = folded.iter().any(|c| c.is_numeric());
        Self { folded, initials, has_digits }
    }

    fn likeness(&self, other: &Self) -> Option<Reason> {
        let (short, long) =
            if self.folded.len() <= other.folded.len() { (self, other) } else { (other, self) };
        if short.folded == long.folded {
            return Some(Reason::Spelling);
        }
        if self.has_digits || other.has_digits || short.folded.is_empty() {
            return None;
        }
        let common = short.folded.iter().zip(&long.folded).take_while(|(left, right)| left == right).count();
        let (short_rest, long_rest) = (short.folded.len() - common, long.folded.len() - common);
        let is_inflected = common >= STEM_CHARS_MIN
            && common * 4 >= long.folded.len() * 3
            && long_rest <= ENDING_CHARS_MAX
            && (short_rest == 0 || (short_rest == 1 && common > STEM_CHARS_MIN && long_rest <= 2));
        if is_inflected {
            return Some(Reason::Inflection);
        }
        let typos_max = match short.folded.len() {
            length if length < TYPO_CHARS_MIN => 0,
            length if length < 2 * TYPO_CHARS_MIN => 1,
            _ => 2,
        };
        if typos_max > 0 && distance(&short.folded, &long.folded, typos_max) <= typos_max {
            return Some(Reason::Typo);
        }
        let is_initials =
            short.folded.len() >= 2 && short.initials.len() == 1 && long.initials == short.folded;
        is_initials.then_some(Reason::Initials)
    }
}

fn without_accent(c: char) -> char {
    match c {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' => 'a',
        'è' | 'é' | 'ê' | 'ë' => 'e',
        'ì' | 'í' | 'î' | 'ï' => 'i',
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' => 'o',
        'ù' | 'ú' | 'û' | 'ü' => 'u',
        'ç' => 'c',
        'ñ' => 'n',
        'ý' | 'ÿ' => 'y',
        other => other,
    }
}

/// Letters to insert, remove, replace or swap with their neighbour; more than `most` counts as `most + 1`.
/// Source: optimal string alignment, the restricted form of Damerau's distance.
fn distance(left: &[char], right: &[char], most: usize) -> usize {
    if left.len().abs_diff(right.len()) > most {
        return most + 1;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (row, a) in left.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, b) in right.iter().enumerate() {
            let replaced = last[column] + usize::from(a != b);
            let mut least = replaced.min(last[column + 1] + 1).min(current[column] + 1);
            if row > 0 && column > 0 && *a == right[column - 1] && left[row - 1] == *b {
                least = least.min(before[column - 1] + 1);
            }
            current.push(least);
        }
        before = std::mem::replace(&mut last, current);
    }
    last[right.len()].min(most + 1)
}

fn table(entity: &str, phrases: &Phrases<'_>, data: &NluData) -> Option<Table> {
    let has_table = data.lookups.iter().any(|lookup| lookup.name == entity);
    let is_name = |text: &str| {
        text.split_whitespace().count() <= LOOKUP_WORDS_MAX
            && text.chars().any(char::is_alphabetic)
            && !text.chars().any(char::is_numeric)
    };
    let names: Vec<&str> = phrases.keys().copied().filter(|text| is_name(text)).collect();
    // Where most phrases are numbers or sentences a list of the others helps nobody.
    if has_table || names.len() < LOOKUP_PHRASES_MIN || names.len() * 3 < phrases.len() * 2 {
        return None;
    }
    let mut seen = BTreeSet::new();
    let distinct =
        names.into_iter().filter(|text| seen.insert(normal_form(text))).map(str::to_owned).collect();
    Some(Table { entity: entity.to_owned(), phrases: distinct, unmarked: unmarked(entity, phrases, data) })
}

/// Two words before and one after; an edge of the message counts as a word.
type Context<'a> = (&'a str, &'a str, &'a str);

/// Single words in a context in which at least two different phrases of the entity stand, and nothing else often.
fn unmarked(entity: &str, phrases: &Phrases<'_>, data: &NluData) -> Vec<(String, String)> {
    let known: BTreeSet<String> = phrases.keys().map(|text| normal_form(text)).collect();
    let messages: Vec<Message> = data.examples.iter().map(|example| Message::of(example, entity)).collect();
    let mut with_entity: HashMap<Context<'_>, BTreeSet<String>> = HashMap::new();
    let mut others: HashMap<Context<'_>, Vec<(&str, usize)>> = HashMap::new();
    for (idx, message) in messages.iter().enumerate() {
        for (position, word) in message.words.iter().enumerate() {
            let context = message.context(position);
            match word {
                Word::Own(text) => {
                    with_entity.entry(context).or_default().insert(normal_form(text));
                }
                Word::Plain(text) => others.entry(context).or_default().push((text, idx)),
                Word::Foreign => {}
            }
        }
    }
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for (context, own) in with_entity.iter().filter(|(context, own)| own.len() >= 2 && context.1 != "^") {
        let Some(others) = others.get(context).filter(|others| others.len() <= own.len()) else { continue };
        for (word, idx) in others {
            let is_name = word.chars().all(char::is_alphabetic) && word.chars().count() > 2;
            if is_name && !known.contains(&normal_form(word)) {
                found.entry((*word).to_owned()).or_insert_with(|| data.examples[*idx].text.clone());
            }
        }
    }
    found.into_iter().collect()
}

enum Word {
    /// A phrase of the entity.
    Own(String),
    /// A word that is not annotated.
    Plain(String),
    /// A phrase of another entity.
    Foreign,
}

struct Message {
    words: Vec<Word>,
    keys: Vec<String>,
}

impl Message {
    fn of(example: &intendant_talk::data::Example, entity: &str) -> Self {
        let mut spans: Vec<(usize, usize, bool)> = example
            .entities
            .iter()
            .filter_map(|found| Some((found.start_chars?, found.end_chars?, found.entity == entity)))
            .collect();
        spans.sort_unstable();
        let chars: Vec<char> = example.text.chars().collect();
        let mut message = Self { words: Vec::new(), keys: Vec::new() };
        let mut position = 0;
        for (start, end, is_own) in spans {
            if start < position || end > chars.len() || end < start {
                continue;
            }
            message.plain(&chars[position..start]);
            let text: String = chars[start..end].iter().collect();
            message.words.push(if is_own { Word::Own(text) } else { Word::Foreign });
            message.keys.push("{}".to_owned());
            position = end;
        }
        message.plain(&chars[position..]);
        message
    }

    fn plain(&mut self, chars: &[char]) {
        let text: String = chars.iter().collect();
        for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            self.words.push(Word::Plain(word.to_owned()));
            self.keys.push(word.to_lowercase());
        }
    }

    fn context(&self, position: usize) -> Context<'_> {
        let before = |steps: usize| position.checked_sub(steps).map_or("^", |idx| self.keys[idx].as_str());
        (before(2), before(1), self.keys.get(position + 1).map_or("$", String::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use intendant_talk::data::{Example, Lookup};
    use intendant_talk::message::Entity;

    /// `before [phrase] after` as an example annotated as `city`.
    fn example(text: &str) -> Example {
        let (before, rest) = text.split_once('[').unwrap_or((text, ""));
        let (phrase, after) = rest.split_once(']').unwrap_or(("", ""));
        let start = before.chars().count();
        let entity = Entity {
            entity: "city".into(),
            start_chars: Some(start),
            end_chars: Some(start + phrase.chars().count()),
            ..Entity::default()
        };
        let entities = if phrase.is_empty() { vec![] } else { vec![entity] };
        Example { text: format!("{before}{phrase}{after}"), entities, ..Example::default() }
    }

    fn data(texts: &[&str]) -> NluData {
        NluData { examples: texts.iter().map(|text| example(text)).collect(), ..NluData::default() }
    }

    fn pairs(data: &NluData) -> Vec<(String, String, Reason)> {
        let synonyms = Suggestions::of(data).synonyms;
        synonyms.into_iter().map(|found| (found.text, found.value, found.reason)).collect()
    }

    #[test]
    fn phrases_that_mean_the_same_are_found() {
        let cases = [
            (["[Ulm]", "[Ulm]", "[ulm!]"], Some(("ulm!", "Ulm", Reason::Spelling))),
            (["[Zürich]", "[Zürich]", "[Zurich]"], Some(("Zurich", "Zürich", Reason::Spelling))),
            (["[student]", "[student]", "[students]"], Some(("students", "student", Reason::Inflection))),
            (["[Hamburg]", "[Hamburg]", "[Hambrug]"], Some(("Hambrug", "Hamburg", Reason::Typo))),
            (
                ["[New York City]", "[New York City]", "[NYC]"],
                Some(("NYC", "New York City", Reason::Initials)),
            ),
            (["[A12]", "[A12]", "[A13]"], None),
            (["[Ulm]", "[Ulm]", "[Uhm]"], None),
            (["[Bonn]", "[Bonn]", "[Kiel]"], None),
        ];
        for (texts, expected) in cases {
            let expected = expected.map(|(text, value, reason)| (text.to_owned(), value.to_owned(), reason));
            assert_eq!(pairs(&data(&texts)), Vec::from_iter(expected), "{texts:?}");
        }
    }

    #[test]
    fn what_the_data_says_already_is_not_suggested() {
        let mut known = data(&["[Hamburg]", "[Hamburg]", "[Hambrug]"]);
        known.synonyms.insert("Hambrug".into(), "Hamburg".into());
        assert_eq!(pairs(&known), []);
        let mut listed = data(&["[Marburg]", "[Marburg]", "[Warburg]"]);
        let elements = vec!["Marburg".to_owned(), "Warburg".to_owned()];
        listed.lookups.push(Lookup { name: "city".into(), elements, ..Lookup::default() });
        assert_eq!(pairs(&listed), []);
    }

    #[test]
    fn tables_list_phrases_and_what_stands_in_their_place() {
        let data = data(&[
            "go to [Ulm] now",
            "go to [Bonn] now",
            "go to [Kiel]",
            "go to [kiel]",
            "[Oslo] please",
            "go to Rome now",
            "go to sleep",
        ]);
        let tables = Suggestions::of(&data).lookups;
        assert_eq!(tables.len(), 1);
        assert_eq!(tables[0].phrases, ["Bonn", "Kiel", "Oslo", "Ulm"]);
        assert_eq!(tables[0].unmarked, [("Rome".to_owned(), "go to Rome now".to_owned())]);
        assert_eq!(
            Suggestions::of(&self::data(&["[1]", "[2]", "[3]", "[4]", "[5]"])),
            Suggestions::default()
        );
    }
}
