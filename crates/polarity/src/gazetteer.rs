//! Names of entities and where texts mention them.
//!
//! A text is cut into words; a name is a sequence of words. Names match in any accents, in the case
//! they are written in or in capitals, and in any case where the text has no capitals at all, so that
//! the verb `trump` in a sentence is not the person. What follows an apostrophe is another word:
//! `Trump’s` mentions Trump. The longest name wins; mentions never overlap.

use std::collections::{BTreeMap, HashMap};

use intendant_numeric::random::hash_bytes;
use intendant_text::Token;
use intendant_text::chars::{base_letter, is_combining, is_word};

/// Words of one name, at most; what a name has beyond is not looked at.
const NAME_WORDS_MAX: usize = 12;
/// Characters that may stand between two words of a name.
const GAP_CHARS_MAX: usize = 3;

/// An entity and the names it goes by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entity {
    /// The name that answers use.
    pub canonical: String,
    /// Further names.
    pub aliases: Vec<String>,
}

impl Entity {
    /// An entity that goes by one name.
    pub fn named(canonical: impl Into<String>) -> Self {
        Self { canonical: canonical.into(), aliases: Vec::new() }
    }

    /// A person, who also goes by the last word of the name.
    pub fn person(canonical: impl Into<String>) -> Self {
        let canonical = canonical.into();
        let last = canonical.split_whitespace().last().filter(|last| *last != canonical.trim());
        Self { aliases: last.map(str::to_owned).into_iter().collect(), canonical }
    }
}

/// An entity that a text mentions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its place in the gazetteer.
    pub entity: usize,
    /// Where, in the order of the text.
    pub mentions: Vec<Token>,
}

/// Entities whose mentions can be looked up in texts.
#[derive(Clone, Debug, Default)]
pub struct Gazetteer {
    entities: Vec<Entity>,
    /// Names by the hash of their first word.
    names: HashMap<u64, Vec<Name>>,
}

#[derive(Clone, Debug)]
struct Name {
    entity: usize,
    words: Vec<NameWord>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct NameWord {
    /// Lower case without accents.
    folded: u64,
    /// Without accents as written, and in capitals.
    written: [u64; 2],
}

impl Gazetteer {
    /// Indexes entities; names without any letter or digit are never found.
    pub fn new(entities: Vec<Entity>) -> Self {
        let mut names: HashMap<u64, Vec<Name>> = HashMap::new();
        for (entity, names_of) in entities.iter().enumerate() {
            for name in std::iter::once(&names_of.canonical).chain(&names_of.aliases) {
                let words: Vec<NameWord> =
                    words(name).take(NAME_WORDS_MAX).map(|word| NameWord::of(word.text(name))).collect();
                let Some(first) = words.first() else { continue };
                let same_start = names.entry(first.folded).or_default();
                if !same_start.iter().any(|other| other.entity == entity && other.words == words) {
                    same_start.push(Name { entity, words });
                }
            }
        }
        for same_start in names.values_mut() {
            same_start.sort_by_key(|name| (std::cmp::Reverse(name.words.len()), name.entity));
        }
        Self { entities, names }
    }

    /// Entities that go by the given names only.
    pub fn of_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self::new(names.into_iter().map(Entity::named).collect())
    }

    /// The entities, as given.
    pub fn entities(&self) -> &[Entity] {
        &self.entities
    }

    /// Which entities a text mentions and where, in the order of the gazetteer.
    ///
    /// A name of several entities means the one that the text also mentions by a longer name, else the first.
    pub fn find(&self, text: &str) -> Vec<Found> {
        let tokens: Vec<Token> = words(text).collect();
        let words: Vec<TextWord> = tokens.iter().map(|token| TextWord::of(token.text(text))).collect();
        let has_capitals = text.chars().any(char::is_uppercase);
        let mut matches: Vec<(Token, Vec<usize>, usize)> = Vec::new();
        let mut at = 0;
        while at < words.len() {
            let candidates = self.names.get(&words[at].folded).map_or(&[][..], Vec::as_slice);
            let fits = |name: &&Name| {
                let end = at + name.words.len();
                end <= words.len()
                    && name
                        .words
                        .iter()
                        .zip(&words[at..end])
                        .all(|(name, word)| name.fits(word, has_capitals))
                    && tokens[at..end].windows(2).all(|pair| is_gap(text, pair))
            };
            let Some(longest) = candidates.iter().find(fits) else {
                at += 1;
                continue;
            };
            let length = longest.words.len();
            let same = candidates.iter().filter(|name| name.words.len() == length).filter(fits);
            let mut entities: Vec<usize> = same.map(|name| name.entity).collect();
            entities.dedup();
            let (first, last) = (tokens[at], tokens[at + length - 1]);
            let token = Token { end_bytes: last.end_bytes, end_chars: last.end_chars, ..first };
            matches.push((token, entities, length));
            at += length;
        }
        settle(matches)
    }
}

/// Where a text mentions a name; where nothing fits the case rules, in any case.
pub fn mentions(text: &str, name: &str) -> Vec<Token> {
    let strict = Gazetteer::of_names([name]).find(text);
    if let Some(found) = strict.into_iter().next() {
        return found.mentions;
    }
    let lower: Vec<u64> = words(name).map(|word| fold(word.text(name))).collect();
    let tokens: Vec<Token> = words(text).collect();
    if lower.is_empty() {
        return Vec::new();
    }
    let fits = |window: &&[Token]| {
        window.iter().zip(&lower).all(|(token, name)| fold(token.text(text)) == *name)
            && window.windows(2).all(|pair| is_gap(text, pair))
    };
    let whole = |window: &[Token]| {
        let (first, last) = (window[0], window[window.len() - 1]);
        Token { end_bytes: last.end_bytes, end_chars: last.end_chars, ..first }
    };
    tokens.windows(lower.len()).filter(fits).map(whole).collect()
}

/// Gives every mention to one entity.
fn settle(matches: Vec<(Token, Vec<usize>, usize)>) -> Vec<Found> {
    let mut longest: BTreeMap<usize, usize> = BTreeMap::new();
    for (_, entities, length) in &matches {
        if let [only] = entities[..] {
            let most = longest.entry(only).or_default();
            *most = (*most).max(*length);
        }
    }
    let mut found: BTreeMap<usize, Vec<Token>> = BTreeMap::new();
    for (token, entities, length) in matches {
        let known = entities.iter().find(|entity| longest.get(entity).is_some_and(|most| *most > length));
        if let Some(entity) = known.or(entities.first()) {
            found.entry(*entity).or_default().push(token);
        }
    }
    found.into_iter().map(|(entity, mentions)| Found { entity, mentions }).collect()
}

struct TextWord {
    folded: u64,
    written: u64,
}

impl TextWord {
    fn of(word: &str) -> Self {
        Self { folded: fold(word), written: hash(word.chars()) }
    }
}

impl NameWord {
    fn of(word: &str) -> Self {
        let capitals = hash(word.chars().flat_map(char::to_uppercase));
        Self { folded: fold(word), written: [hash(word.chars()), capitals] }
    }

    fn fits(&self, word: &TextWord, has_capitals: bool) -> bool {
        self.folded == word.folded && (!has_capitals || self.written.contains(&word.written))
    }
}

fn fold(word: &str) -> u64 {
    hash(word.chars().flat_map(char::to_lowercase))
}

/// The hash of a word without accents.
fn hash(chars: impl Iterator<Item = char>) -> u64 {
    let plain: String = chars.filter(|c| !is_combining(*c)).map(base_letter).collect();
    hash_bytes(0, plain.as_bytes())
}

/// Whether what stands between two neighbours may stand inside a name: `F. D. Roosevelt`, `Ocasio-Cortez`.
fn is_gap(text: &str, pair: &[Token]) -> bool {
    let gap = text.get(pair[0].end_bytes..pair[1].start_bytes).unwrap_or("\n");
    gap.chars().count() <= GAP_CHARS_MAX
        && gap
            .chars()
            .all(|c| c == ' ' || c == '\u{A0}' || matches!(c, '.' | '-' | '‐' | '‑' | '\'' | '’' | '&'))
}

/// The words of a text; a sign of a script without spaces is a word of its own.
fn words(text: &str) -> impl Iterator<Item = Token> {
    let mut chars = text.char_indices().enumerate().peekable();
    std::iter::from_fn(move || {
        while let Some((start_chars, (start_bytes, c))) = chars.next() {
            if !is_word(c) {
                continue;
            }
            let mut token = Token {
                start_bytes,
                end_bytes: start_bytes + c.len_utf8(),
                start_chars,
                end_chars: start_chars + 1,
            };
            while !is_sign(c) {
                let Some((_, (bytes, next))) = chars
                    .next_if(|(_, (_, next))| (is_word(*next) && !is_sign(*next)) || is_combining(*next))
                else {
                    break;
                };
                token.end_bytes = bytes + next.len_utf8();
                token.end_chars += 1;
            }
            return Some(token);
        }
        None
    })
}

/// Whether a character belongs to a script that is written without spaces.
fn is_sign(c: char) -> bool {
    matches!(u32::from(c), 0x0E00..=0x0EFF | 0x3040..=0x30FF | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0x20000..=0x2FFFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(names: &[(&str, &[&str])], text: &str, expected: &[(&str, &[&str])]) {
        let entity = |(canonical, aliases): &(&str, &[&str])| Entity {
            canonical: (*canonical).to_owned(),
            aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
        };
        let gazetteer = Gazetteer::new(names.iter().map(entity).collect());
        let found = gazetteer.find(text);
        let found: Vec<(&str, Vec<&str>)> = found
            .iter()
            .map(|found| {
                let surfaces = found.mentions.iter().map(|mention| mention.text(text)).collect();
                (gazetteer.entities()[found.entity].canonical.as_str(), surfaces)
            })
            .collect();
        let expected: Vec<(&str, Vec<&str>)> =
            expected.iter().map(|(name, surfaces)| (*name, surfaces.to_vec())).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn names_are_found_as_texts_write_them() {
        let people: &[(&str, &[&str])] =
            &[("Joe Biden", &["Biden"]), ("Donald Trump", &["Trump"]), ("John C. Frémont", &["Frémont"])];
        check(
            people,
            "Biden Goes After Trump’s Felon Status, TRUMP answers",
            &[("Joe Biden", &["Biden"]), ("Donald Trump", &["Trump", "TRUMP"])],
        );
        check(people, "No ace can trump Joe Biden.", &[("Joe Biden", &["Joe Biden"])]);
        check(people, "joe biden and trump", &[("Joe Biden", &["joe biden"]), ("Donald Trump", &["trump"])]);
        check(
            people,
            "John C. Fremont's ride; Fre\u{301}mont",
            &[("John C. Frémont", &["John C. Fremont", "Fre\u{301}mont"])],
        );
        check(people, "Joe. Then, for no reason, Biden", &[("Joe Biden", &["Biden"])]);
        check(people, "Trumpism, unBiden", &[]);
        check(people, "", &[]);
        check(&[("東京", &[]), ("...", &[])], "私は東京に...", &[("東京", &["東京"])]);
    }

    #[test]
    fn a_shared_name_means_who_is_also_named_in_full() {
        let people: &[(&str, &[&str])] =
            &[("George H. W. Bush", &["Bush", "George Bush"]), ("Jeb Bush", &["Bush"])];
        check(people, "Jeb Bush spoke. Bush left.", &[("Jeb Bush", &["Jeb Bush", "Bush"])]);
        check(people, "Bush left.", &[("George H. W. Bush", &["Bush"])]);
    }

    #[test]
    fn a_name_given_alone_is_found_in_any_case_at_last() {
        let surfaces = |text: &'static str, name: &str| -> Vec<&str> {
            mentions(text, name).iter().map(|mention| mention.text(text)).collect()
        };
        assert_eq!(surfaces("Ordeal at apple, Apple", "Apple"), ["Apple"]);
        assert_eq!(surfaces("Ordeal at iphone", "iPhone"), ["iphone"]);
        assert_eq!(surfaces("Ordeal", "iPhone"), Vec::<&str>::new());
        assert_eq!(surfaces("Ordeal", "!"), Vec::<&str>::new());
        assert_eq!(Entity::person("Kamala Harris").aliases, ["Harris"]);
        assert_eq!(Entity::person("Cher").aliases, Vec::<String>::new());
    }
}
