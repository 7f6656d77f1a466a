//! Rules and the tables that find them.
//!
//! A rule is a name, a few items and a production. An item is an expression, a scanner or a token
//! of a dimension that satisfies a test; between items only blanks may stand. The production makes
//! a new token or refuses.

use std::collections::HashMap;

use crate::calendar::Grain;
use crate::chart::Token;
use crate::pattern::Pattern;
use crate::rank::Model;
use crate::text::Text;
use crate::token::{Contact, Dimension, Duration, Measure, Number, Payload, Time};

/// A test on a token.
pub type Test = Box<dyn Fn(&Payload) -> bool + Send + Sync>;

/// Makes a token of what the items matched.
pub type Production = Box<dyn Fn(&Match) -> Option<Payload> + Send + Sync>;

/// A matcher written by hand: the end and the token of what begins at a position.
pub type Scan = fn(&Text, usize) -> Option<(usize, Contact)>;

/// One item of a rule as the rule's author writes it.
pub enum Item {
    /// An expression, see the module `pattern`.
    Expression(String),
    /// A token.
    Token(Dimension, Test),
}

/// An expression.
pub fn re(pattern: impl Into<String>) -> Item {
    Item::Expression(pattern.into())
}

/// A token of a dimension that passes a test.
pub fn token(dimension: Dimension, test: impl Fn(&Payload) -> bool + Send + Sync + 'static) -> Item {
    Item::Token(dimension, Box::new(test))
}

pub(crate) enum Step {
    Pattern(u32),
    Scan(Scan),
    Token(Dimension, Test),
}

pub(crate) struct Rule {
    pub name: String,
    pub dimension: Dimension,
    pub steps: Vec<Step>,
    pub production: Option<Production>,
}

/// The rules of a language while they are being collected.
#[derive(Default)]
pub struct Rules {
    rules: Vec<Rule>,
    patterns: Vec<Pattern>,
    by_source: HashMap<String, u32>,
    dimension: Option<Dimension>,
}

impl Rules {
    /// The rules added from here on make tokens of this dimension.
    pub fn of(&mut self, dimension: Dimension) {
        self.dimension = Some(dimension);
    }

    /// Adds a rule.
    pub fn add(
        &mut self,
        name: impl Into<String>,
        items: impl IntoIterator<Item = Item>,
        production: impl Fn(&Match) -> Option<Payload> + Send + Sync + 'static,
    ) {
        let steps = items
            .into_iter()
            .map(|item| match item {
                Item::Expression(source) => Step::Pattern(self.pattern(source)),
                Item::Token(dimension, test) => Step::Token(dimension, test),
            })
            .collect();
        let dimension = self.dimension.unwrap_or(Dimension::Number);
        self.rules.push(Rule { name: name.into(), dimension, steps, production: Some(Box::new(production)) });
    }

    /// Adds a hand-written matcher.
    pub fn add_scan(&mut self, name: &str, scan: Scan) {
        let dimension = self.dimension.unwrap_or(Dimension::Number);
        self.rules.push(Rule {
            name: name.to_owned(),
            dimension,
            steps: vec![Step::Scan(scan)],
            production: None,
        });
    }

    fn pattern(&mut self, source: String) -> u32 {
        if let Some(&known) = self.by_source.get(&source) {
            return known;
        }
        let index = self.patterns.len() as u32;
        self.patterns.push(Pattern::new(&source));
        self.by_source.insert(source, index);
        index
    }

    /// Builds the tables.
    pub(crate) fn finish(self, model: &str) -> Grammar {
        let mut by_character: HashMap<char, Vec<u32>> = HashMap::new();
        let mut by_any = Vec::new();
        let mut by_pattern: Vec<Vec<u16>> = vec![Vec::new(); self.patterns.len()];
        let mut by_dimension: Vec<Vec<u16>> = vec![Vec::new(); Dimension::ALL.len()];
        let mut scans = Vec::new();
        for (index, rule) in self.rules.iter().enumerate() {
            let index = index as u16;
            match &rule.steps[0] {
                Step::Pattern(pattern) => {
                    let rules = &mut by_pattern[*pattern as usize];
                    if rules.is_empty() {
                        match &self.patterns[*pattern as usize].first {
                            None => by_any.push(*pattern),
                            Some(set) => {
                                for &character in set {
                                    by_character.entry(character).or_default().push(*pattern);
                                }
                            }
                        }
                    }
                    rules.push(index);
                }
                Step::Scan(scan) => scans.push((*scan, index)),
                Step::Token(dimension, _) => by_dimension[*dimension as usize].push(index),
            }
        }
        let model = Model::read(model, self.rules.iter().map(|rule| rule.name.as_str()));
        Grammar {
            rules: self.rules,
            patterns: self.patterns,
            by_character,
            by_any,
            by_pattern,
            by_dimension,
            scans,
            model,
        }
    }
}

/// The finished rules of a language.
pub struct Grammar {
    pub(crate) rules: Vec<Rule>,
    pub(crate) patterns: Vec<Pattern>,
    pub(crate) by_character: HashMap<char, Vec<u32>>,
    pub(crate) by_any: Vec<u32>,
    pub(crate) by_pattern: Vec<Vec<u16>>,
    pub(crate) by_dimension: Vec<Vec<u16>>,
    pub(crate) scans: Vec<(Scan, u16)>,
    pub(crate) model: Model,
}

/// What the items of a rule matched, by position in the rule.
pub struct Match<'a> {
    pub(crate) text: &'a Text,
    pub(crate) tokens: &'a [Token],
    pub(crate) children: &'a [u32],
}

impl Match<'_> {
    fn token(&self, item: usize) -> &Token {
        &self.tokens[self.children[item] as usize]
    }

    /// The payload of an item.
    pub fn payload(&self, item: usize) -> &Payload {
        &self.token(item).payload
    }

    /// The text of an item in lower case.
    pub fn text(&self, item: usize) -> String {
        let token = self.token(item);
        self.text.slice(token.start as usize, token.end as usize)
    }

    /// The text of an item as written.
    pub fn original(&self, item: usize) -> String {
        let token = self.token(item);
        self.text.original(token.start as usize, token.end as usize)
    }

    /// A group of an expression, when it took part.
    pub fn group(&self, item: usize, group: usize) -> Option<String> {
        match self.payload(item) {
            Payload::Text(groups) => {
                groups[group].map(|(start, end)| self.text.slice(start as usize, end as usize))
            }
            _ => None,
        }
    }

    /// Whether a group took part.
    pub fn has(&self, item: usize, group: usize) -> bool {
        matches!(self.payload(item), Payload::Text(groups) if groups[group].is_some())
    }

    /// A group read as a whole number.
    pub fn group_int(&self, item: usize, group: usize) -> Option<i64> {
        self.group(item, group)?.parse().ok()
    }

    /// The number of an item.
    pub fn number(&self, item: usize) -> Option<&Number> {
        if let Payload::Number(number) = self.payload(item) { Some(number) } else { None }
    }

    /// The whole number of an item: a number or an ordinal.
    pub fn int(&self, item: usize) -> Option<i64> {
        match self.payload(item) {
            Payload::Number(number) => number.integer(),
            Payload::Ordinal(value) => Some(*value),
            _ => None,
        }
    }

    /// The duration of an item.
    pub fn duration(&self, item: usize) -> Option<Duration> {
        if let Payload::Duration(duration) = self.payload(item) { Some(*duration) } else { None }
    }

    /// The grain of an item.
    pub fn grain(&self, item: usize) -> Option<Grain> {
        if let Payload::Grain(grain) = self.payload(item) { Some(*grain) } else { None }
    }

    /// The time of an item.
    pub fn time(&self, item: usize) -> Option<&Time> {
        if let Payload::Time(time) = self.payload(item) { Some(time) } else { None }
    }

    /// The measure of an item.
    pub fn measure(&self, item: usize) -> Option<&Measure> {
        if let Payload::Measure(measure) = self.payload(item) { Some(measure) } else { None }
    }
}
