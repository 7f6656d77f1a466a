//! What an agent's entities are called in one language, and where they stand in a text.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use intendant_entities::Dimension;
use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value, json};

use crate::pattern::Pattern;
use crate::system::{self, Moment, Way};
use crate::values::{Agent, EntityType, Entry};
use crate::words::{Words, fold, key};

/// The most memory that one regular expression of an agent may take.
const REGEX_BYTES_MAX: usize = 1 << 20;
/// The longest text in which entities are looked for, in words.
pub(crate) const WORDS_MAX: usize = 400;
/// How many words of an entry may be misspelled by a letter, from this length on.
const FUZZY_CHARS_MIN: usize = 5;

/// An entity in a text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mention {
    /// The type's name, without `@`, in lower case.
    pub(crate) kind: String,
    /// First word.
    pub(crate) start: usize,
    /// After the last word.
    pub(crate) end: usize,
    /// What parameters get.
    pub(crate) value: Value,
    /// As it was said.
    pub(crate) original: String,
}

/// Entries that a session brings for an entity type.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionEntities {
    /// The type's name, without `@`.
    pub name: String,
    /// Whether they stand instead of the agent's entries.
    pub replaces: bool,
    /// The entries.
    pub entries: Vec<Entry>,
}

/// The names of one entity type.
#[derive(Clone, Debug, Default)]
struct Names {
    /// Ways to say it by their first word.
    by_first_word: HashMap<String, Vec<Name>>,
    composites: Vec<Pattern>,
    expressions: Vec<Regex>,
    is_fuzzy: bool,
}

/// A way to say a value.
#[derive(Clone, Debug)]
struct Name {
    words: Vec<String>,
    value: String,
}

/// Everything that can be found in texts of one language.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lexicon {
    language: String,
    types: BTreeMap<String, Names>,
    /// Kinds of system entities that the agent uses.
    system: BTreeSet<String>,
    /// What examples say about open kinds.
    examples: BTreeMap<String, Names>,
}

/// The name of a kind as it is compared: no `@`, lower case, no `.original`.
pub(crate) fn kind_of(data_type: &str) -> String {
    data_type.trim().trim_start_matches('@').to_lowercase()
}

impl Names {
    fn of(entity: &EntityType, entries: &[&Entry]) -> Self {
        let mut names = Self { is_fuzzy: entity.is_fuzzy, ..Self::default() };
        for entry in entries {
            names.add(entry, entity.is_regexp);
        }
        names
    }

    fn add(&mut self, entry: &Entry, is_regexp: bool) {
        let ways = entry.synonyms.iter().filter(|synonym| !synonym.trim().is_empty());
        let mut ways: Vec<&str> = ways.map(String::as_str).collect();
        if ways.is_empty() {
            ways.push(&entry.value);
        }
        for way in ways {
            if is_regexp {
                let built = RegexBuilder::new(way).size_limit(REGEX_BYTES_MAX).build();
                self.expressions.extend(built.ok());
            } else if way.contains('@') && Pattern::of_template(way).names_entities() {
                self.composites.push(Pattern::of_template(way));
            } else {
                self.add_name(way, &entry.value);
            }
        }
    }

    fn add_name(&mut self, way: &str, value: &str) {
        let words: Vec<String> = Words::of(way).words.into_iter().map(|word| word.norm).collect();
        if let Some(first) = words.first() {
            let names = self.by_first_word.entry(first.clone()).or_default();
            if !names.iter().any(|name| name.words == words) {
                names.push(Name { words, value: value.to_owned() });
            }
        }
    }

    /// The longest name that begins with a word: its end and value.
    fn at(&self, text: &Words<'_>, start: usize) -> Option<(usize, &str)> {
        let fits = |name: &&Name| {
            let there = text.words[start..].iter().map(|word| &word.norm);
            name.words.len() <= text.len() - start
                && name.words.iter().zip(there).all(|(one, other)| one == other)
        };
        let first = &text.words[start].norm;
        let names = self.by_first_word.get(first).into_iter().flatten();
        let longest = names.filter(fits).max_by_key(|name| name.words.len());
        let exact = longest.map(|name| (start + name.words.len(), name.value.as_str()));
        exact.or_else(|| self.inflected_at(text, start)).or_else(|| self.misspelled_at(text, start))
    }

    /// A name of one word in another number or case, as far as endings tell.
    fn inflected_at(&self, text: &Words<'_>, start: usize) -> Option<(usize, &str)> {
        let said = &text.words[start].norm;
        let stem = stem(said)?;
        ["", "s", "es", "e", "n", "en", "er"].iter().find_map(|ending| {
            let names = self.by_first_word.get(&format!("{stem}{ending}"))?;
            let name = names.iter().find(|name| name.words.len() == 1)?;
            Some((start + 1, name.value.as_str()))
        })
    }

    fn misspelled_at(&self, text: &Words<'_>, start: usize) -> Option<(usize, &str)> {
        if !self.is_fuzzy {
            return None;
        }
        let all = self.by_first_word.values().flatten();
        let close = all.filter(|name| {
            let there = &text.words[start..];
            name.words.len() <= there.len()
                && name.words.iter().zip(there).all(|(name, word)| is_close(name, &word.norm))
        });
        // Ties are broken by the words, as the map has no order.
        let best = close.max_by(|a, b| a.words.len().cmp(&b.words.len()).then(b.words.cmp(&a.words)))?;
        Some((start + best.words.len(), best.value.as_str()))
    }
}

/// A word without the endings that most languages here decline with.
fn stem(word: &str) -> Option<&str> {
    if word.chars().count() < 4 || !word.chars().all(char::is_alphabetic) {
        return None;
    }
    for ending in ["en", "es", "er", "s", "n", "e"] {
        if let Some(stem) = word.strip_suffix(ending)
            && stem.chars().count() >= 3
        {
            return Some(stem);
        }
    }
    Some(word)
}

/// Whether two words differ by one letter at most.
fn is_close(one: &str, other: &str) -> bool {
    if one == other {
        return true;
    }
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let (short, long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    if short.len() < FUZZY_CHARS_MIN || long.len() - short.len() > 1 {
        return false;
    }
    let same_start = short.iter().zip(&long).take_while(|(a, b)| a == b).count();
    let (short, long) = (&short[same_start..], &long[same_start..]);
    let rest = |skipped: usize| long.get(1..) == short.get(skipped..);
    let swapped = short.len() >= 2
        && short.len() == long.len()
        && short[0] == long[1]
        && short[1] == long[0]
        && short[2..] == long[2..];
    swapped || if short.len() == long.len() { rest(1) } else { rest(0) }
}

impl Lexicon {
    /// Reads what an agent has in a language; `chain` is the language, its root, and so on.
    pub(crate) fn of(agent: &Agent, chain: &[String]) -> Self {
        let mut lexicon = Self { language: chain.first().cloned().unwrap_or_default(), ..Self::default() };
        for entity in &agent.entities {
            let mut entries: Vec<&Entry> = Vec::new();
            for language in chain {
                let written = entity.entries.iter().filter(|(name, _)| name.eq_ignore_ascii_case(language));
                entries.extend(written.flat_map(|(_, entries)| entries));
            }
            if entries.is_empty() {
                let own = agent.settings.own_language();
                entries.extend(entity.entries.get(own).into_iter().flatten());
            }
            lexicon.types.insert(kind_of(&entity.name), Names::of(entity, &entries));
        }
        let mut used = |data_type: &str| {
            let kind = kind_of(data_type);
            if system::way(&kind).is_some() {
                lexicon.system.insert(kind);
            }
        };
        for intent in &agent.intents {
            intent.parameters().iter().for_each(|parameter| used(&parameter.data_type));
            for phrase in intent.phrases.values().flatten() {
                phrase.parts.iter().filter_map(|part| part.meta.as_deref()).for_each(&mut used);
            }
        }
        let composites: Vec<Pattern> =
            lexicon.types.values().flat_map(|names| names.composites.clone()).collect();
        for kind in composites.iter().flat_map(Pattern::kinds) {
            if system::way(kind).is_some() {
                lexicon.system.insert(kind.to_owned());
            }
        }
        lexicon.learn_examples(agent, chain);
        lexicon
    }

    /// Values of open kinds, and of types that may expand, as phrases have them.
    fn learn_examples(&mut self, agent: &Agent, chain: &[String]) {
        let expanding: BTreeSet<String> = agent
            .entities
            .iter()
            .filter(|entity| entity.expands)
            .map(|entity| kind_of(&entity.name))
            .collect();
        for intent in &agent.intents {
            let phrases = intent
                .phrases
                .iter()
                .filter(|(language, _)| chain.iter().any(|name| name.eq_ignore_ascii_case(language)));
            for part in phrases.flat_map(|(_, phrases)| phrases).flat_map(|phrase| &phrase.parts) {
                let (Some(meta), Some(_)) = (&part.meta, &part.alias) else { continue };
                let kind = kind_of(meta);
                if system::way(&kind) == Some(Way::Open) || expanding.contains(&kind) {
                    self.examples.entry(kind).or_default().add_name(&part.text, part.text.trim());
                }
            }
        }
    }

    /// Whether values of a kind are known by where they stand only.
    pub(crate) fn is_open(&self, kind: &str) -> bool {
        matches!(system::way(kind), Some(Way::Open | Way::Any)) || self.examples.contains_key(kind)
    }

    /// Everything that is found, each kind for itself without overlaps, in order of place.
    pub(crate) fn find(
        &self,
        text: &Words<'_>,
        moment: &Moment,
        session: &[SessionEntities],
    ) -> Vec<Mention> {
        let mut found = self.find_system(text, moment, false);
        for (kind, names) in &self.types {
            let mine: Vec<&SessionEntities> =
                session.iter().filter(|entities| kind_of(&entities.name) == *kind).collect();
            if !mine.iter().any(|entities| entities.replaces) {
                find_names(names, kind, text, &mut found);
            }
            for entities in mine {
                let mut names = Names::default();
                entities.entries.iter().for_each(|entry| names.add(entry, false));
                find_names(&names, kind, text, &mut found);
            }
        }
        for (kind, names) in &self.examples {
            find_names(names, kind, text, &mut found);
        }
        self.find_composites(text, &mut found);
        keep_longest(found)
    }

    /// System entities, with readings that need the question they answer if `latent`.
    pub(crate) fn find_system(&self, text: &Words<'_>, moment: &Moment, latent: bool) -> Vec<Mention> {
        let mut dimensions: Vec<Dimension> = Vec::new();
        for kind in &self.system {
            if let Some(Way::Rules(dimension)) = system::way(kind)
                && !dimensions.contains(&dimension)
            {
                dimensions.push(dimension);
            }
        }
        let bytes: Vec<usize> = text.raw.char_indices().map(|(at, _)| at).chain([text.raw.len()]).collect();
        let mut mentions = Vec::new();
        for found in system::find(text.raw, &self.language, &dimensions, moment, latent) {
            let (Some(start), Some(end)) = (bytes.get(found.start_chars), bytes.get(found.end_chars)) else {
                continue;
            };
            let Some((first, last)) = text.touched(*start, *end) else { continue };
            for kind in &self.system {
                let fits = system::way(kind) == Some(Way::Rules(found.dimension));
                if let Some(value) = system::value(kind, &found, text.raw).filter(|_| fits) {
                    let original = text.raw[*start..*end].to_owned();
                    mentions.push(Mention { kind: kind.clone(), start: first, end: last, value, original });
                }
            }
        }
        for kind in &self.system {
            match system::way(kind) {
                Some(Way::Colors) => self.find_colors(kind, text, &mut mentions),
                Some(Way::Digits) => find_digits(kind, text, &mut mentions),
                Some(Way::Flight) => find_flights(kind, text, &mut mentions),
                _ => {}
            }
        }
        mentions
    }

    fn find_colors(&self, kind: &str, text: &Words<'_>, mentions: &mut Vec<Mention>) {
        let mut names = Names::default();
        system::colors(&self.language).iter().for_each(|color| names.add_name(color, color));
        let before = mentions.len();
        find_names(&names, kind, text, mentions);
        // The value is the colour as it is said in that language.
        for mention in &mut mentions[before..] {
            mention.value = json!(mention.original.to_lowercase());
        }
    }

    fn find_composites(&self, text: &Words<'_>, found: &mut Vec<Mention>) {
        let parts = keep_longest(found.clone());
        for (kind, names) in &self.types {
            for pattern in &names.composites {
                for start in 0..text.len() {
                    let Some((end, captures)) = pattern.match_at(text, start, &parts, &|_| false) else {
                        continue;
                    };
                    let mut value = Map::new();
                    for capture in &captures {
                        let part = parts.iter().find(|mention| {
                            mention.kind == capture.kind
                                && mention.start == capture.start
                                && mention.end == capture.end
                        });
                        if let Some(part) = part {
                            value.insert(capture.alias.clone(), part.value.clone());
                        }
                    }
                    let original = text.original(start, end).to_owned();
                    let value = Value::Object(value);
                    found.push(Mention { kind: kind.clone(), start, end, value, original });
                }
            }
        }
    }
}

fn find_names(names: &Names, kind: &str, text: &Words<'_>, found: &mut Vec<Mention>) {
    for start in 0..text.len().min(WORDS_MAX) {
        if let Some((end, value)) = names.at(text, start) {
            let original = text.original(start, end).to_owned();
            found.push(Mention { kind: kind.to_owned(), start, end, value: json!(value), original });
        }
    }
    for expression in &names.expressions {
        for piece in expression.find_iter(text.raw).take(WORDS_MAX).filter(|piece| !piece.is_empty()) {
            let inner = |c: char| c.is_alphanumeric();
            let goes_on = text.raw[piece.end()..].chars().next().is_some_and(inner)
                && piece.as_str().chars().next_back().is_some_and(inner);
            let began_before = text.raw[..piece.start()].chars().next_back().is_some_and(inner)
                && piece.as_str().chars().next().is_some_and(inner);
            let touched = text.touched(piece.start(), piece.end()).filter(|_| !goes_on && !began_before);
            if let Some((start, end)) = touched {
                let (value, original) = (json!(piece.as_str()), piece.as_str().to_owned());
                found.push(Mention { kind: kind.to_owned(), start, end, value, original });
            }
        }
    }
}

fn find_digits(kind: &str, text: &Words<'_>, found: &mut Vec<Mention>) {
    let is_digits = |at: usize| text.words[at].norm.bytes().all(|byte| byte.is_ascii_digit());
    let mut at = 0;
    while at < text.len() {
        let start = at;
        while at < text.len() && is_digits(at) {
            at += 1;
        }
        if at > start {
            let original = text.original(start, at).to_owned();
            let digits: String = original.chars().filter(char::is_ascii_digit).collect();
            found.push(Mention { kind: kind.to_owned(), start, end: at, value: json!(digits), original });
        }
        at = at.max(start + 1);
    }
}

fn find_flights(kind: &str, text: &Words<'_>, found: &mut Vec<Mention>) {
    let is_number =
        |word: &str| (1..=4).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_digit());
    let is_line = |word: &str| word.len() == 2 && word.bytes().any(|byte| byte.is_ascii_alphabetic());
    for start in 0..text.len() {
        let word = text.words[start].norm.as_str();
        let next = text.words.get(start + 1).map_or("", |word| word.norm.as_str());
        let joined = word.is_char_boundary(2.min(word.len())) && word.len() > 2;
        let end = if joined && is_line(&word[..2]) && is_number(&word[2..]) {
            start + 1
        } else if is_line(word) && is_number(next) && word.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            start + 2
        } else {
            continue;
        };
        let original = text.original(start, end).to_owned();
        let value: String =
            original.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect();
        found.push(Mention { kind: kind.to_owned(), start, end, value: json!(value), original });
    }
}

/// Of overlapping mentions of one kind, the longest; of equally long ones, the first.
fn keep_longest(mut found: Vec<Mention>) -> Vec<Mention> {
    found.sort_by(|a, b| (&a.kind, b.end - b.start, a.start).cmp(&(&b.kind, a.end - a.start, b.start)));
    let mut kept: Vec<Mention> = Vec::with_capacity(found.len());
    for mention in found {
        let overlaps = |other: &Mention| {
            other.kind == mention.kind && other.start < mention.end && mention.start < other.end
        };
        if !kept.iter().any(overlaps) {
            kept.push(mention);
        }
    }
    kept.sort_by(|a, b| (a.start, b.end, &a.kind).cmp(&(b.start, a.end, &b.kind)));
    kept
}

/// Whether a text is nothing but one of some words.
pub(crate) fn is_one_of(text: &str, words: &[&str]) -> bool {
    let said = key(text);
    words.iter().any(|word| fold(word) == said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_close_when_one_letter_differs() {
        let check = |one: &str, other: &str, expected: bool| {
            assert_eq!(is_close(one, other), expected, "{one} {other}");
            assert_eq!(is_close(other, one), expected, "{other} {one}");
        };
        check("ladder", "ladder", true);
        check("ladder", "lader", true);
        check("ladder", "laddre", true);
        check("ladder", "lxdder", true);
        check("ladder", "ladderx", true);
        check("ladder", "lxdxer", false);
        check("saw", "sew", false);
    }
}
