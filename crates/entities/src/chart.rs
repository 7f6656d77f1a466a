//! Applies the rules until nothing new appears.
//!
//! An active chart parser: a rule that has matched its first items waits at a position for a token
//! to continue; every new token wakes those that wait where it begins. The number of tokens that
//! may begin at one position and their length are bounded, so the work grows linearly with the text.

use crate::grammar::{Grammar, Match, Step};
use crate::pattern::Groups;
use crate::text::Text;
use crate::token::{Dimension, Payload};

/// No reading is longer than this.
const LENGTH_MAX: usize = 100;
/// No more tokens begin at one position.
const TOKENS_PER_START_MAX: usize = 160;
/// No more unfinished rules wait at one position.
const WAITING_MAX: usize = 600;
/// Rules are tried this often for a text, and so much more often for each of its characters. Texts that
/// people write need a tenth of it; a text that repeats an interval a thousand times would need a
/// hundred times as much, and keeps the shorter of its readings.
const WORK_MAX: usize = 8_000;
const WORK_PER_CHARACTER_MAX: usize = 15;
/// A rule has at most this many items.
const ITEMS_MAX: usize = 10;

/// A reading of a piece of the text.
pub struct Token {
    /// What it is.
    pub payload: Payload,
    /// First character.
    pub start: u32,
    /// After the last character.
    pub end: u32,
    /// The rule that made it.
    pub rule: u16,
    /// What it was made of.
    pub children: Children,
    /// How plausible its tree is.
    pub score: f64,
}

impl Token {
    /// Whether it is a time said in a zone.
    pub(crate) fn is_zoned(&self) -> bool {
        matches!(&self.payload, Payload::Time(time) if time.zoned)
    }
}

/// The tokens a rule has matched so far.
#[derive(Clone, Copy)]
pub struct Children {
    items: [u32; ITEMS_MAX],
    length: u8,
}

impl Children {
    fn with(mut self, token: u32) -> Children {
        self.items[self.length as usize] = token;
        self.length += 1;
        self
    }

    /// Them as a slice.
    pub fn as_slice(&self) -> &[u32] {
        &self.items[..self.length as usize]
    }
}

#[derive(Clone, Copy)]
struct Partial {
    rule: u16,
    start: u32,
    children: Children,
}

pub(crate) struct Chart<'a> {
    grammar: &'a Grammar,
    text: &'a Text,
    enabled: u32,
    pub tokens: Vec<Token>,
    /// Tokens already seen by waiting rules, by start.
    seen: Vec<Vec<u32>>,
    /// All payload tokens, by start: where they end and which they are.
    made: Vec<Vec<(u32, u32)>>,
    waiting: Vec<Vec<Partial>>,
    agenda: std::collections::VecDeque<u32>,
    /// How often a rule was tried or continued; for tests of growth.
    pub work: usize,
    work_max: usize,
}

/// Reads `text` with the rules of the enabled dimensions (a bit set).
pub(crate) fn saturate<'a>(grammar: &'a Grammar, text: &'a Text, enabled: u32) -> Chart<'a> {
    let places = text.chars.len() + 1;
    let mut chart = Chart {
        grammar,
        text,
        enabled,
        tokens: Vec::new(),
        seen: vec![Vec::new(); places],
        made: vec![Vec::new(); places],
        waiting: vec![Vec::new(); places],
        agenda: std::collections::VecDeque::new(),
        work: 0,
        work_max: WORK_MAX + WORK_PER_CHARACTER_MAX * text.chars.len(),
    };
    for position in 0..text.chars.len() {
        chart.scan(position);
    }
    while let Some(id) = chart.agenda.pop_front() {
        if chart.work > chart.work_max {
            break;
        }
        chart.process(id);
    }
    chart
}

impl Chart<'_> {
    fn is_enabled(&self, dimension: Dimension) -> bool {
        self.enabled & (1 << dimension as u32) != 0
    }

    // Begins all rules whose first item is an expression.
    fn scan(&mut self, position: usize) {
        let character = self.text.chars[position];
        if matches!(character, ' ' | '\t' | '\n' | '\r') || !self.text.is_edge(position) {
            return;
        }
        let grammar = self.grammar;
        let known: &[u32] = grammar.by_character.get(&character).map_or(&[], Vec::as_slice);
        for &pattern in known.iter().chain(&grammar.by_any) {
            let rules = &grammar.by_pattern[pattern as usize];
            if !rules.iter().any(|&rule| self.is_enabled(grammar.rules[rule as usize].dimension)) {
                continue;
            }
            self.work += 1;
            if let Some((end, groups)) = grammar.patterns[pattern as usize].matches(self.text, position) {
                let child = self.text_token(position, end, groups);
                for &rule in rules {
                    if self.is_enabled(grammar.rules[rule as usize].dimension) {
                        let children = Children { items: [0; ITEMS_MAX], length: 0 }.with(child);
                        self.advance(Partial { rule, start: position as u32, children }, end);
                    }
                }
            }
        }
        for &(scan, rule) in &grammar.scans {
            if self.is_enabled(grammar.rules[rule as usize].dimension)
                && let Some((end, contact)) = scan(self.text, position)
                && self.text.is_edge(end)
            {
                let children = Children { items: [0; ITEMS_MAX], length: 0 };
                let partial = Partial { rule, start: position as u32, children };
                self.make(partial, end, Payload::Contact(contact));
            }
        }
    }

    fn text_token(&mut self, start: usize, end: usize, groups: Groups) -> u32 {
        let children = Children { items: [0; ITEMS_MAX], length: 0 };
        let (start, end) = (start as u32, end as u32);
        self.tokens.push(Token {
            payload: Payload::Text(groups),
            start,
            end,
            rule: u16::MAX,
            children,
            score: 0.0,
        });
        (self.tokens.len() - 1) as u32
    }

    // Offers a new token to the rules that wait for one here, and to those that begin with one.
    fn process(&mut self, id: u32) {
        let token = &self.tokens[id as usize];
        let (start, end) = (token.start as usize, token.end as usize);
        let Some(dimension) = token.payload.dimension() else { return };
        self.seen[start].push(id);
        let grammar = self.grammar;
        for index in 0..self.waiting[start].len() {
            let partial = self.waiting[start][index];
            let step = &grammar.rules[partial.rule as usize].steps[partial.children.length as usize];
            if let Step::Token(wanted, test) = step
                && *wanted == dimension
                && test(&self.tokens[id as usize].payload)
            {
                self.advance(Partial { children: partial.children.with(id), ..partial }, end);
            }
        }
        let next = self.text.skip_blanks(end);
        let next_character = self.text.chars.get(next).copied();
        for &index in &grammar.by_dimension[dimension as usize] {
            let rule = &grammar.rules[index as usize];
            if !self.is_enabled(rule.dimension) {
                continue;
            }
            if let Some(Step::Pattern(pattern)) = rule.steps.get(1) {
                let may =
                    next_character.is_some_and(|c| grammar.patterns[*pattern as usize].may_start_with(c));
                if !may {
                    continue;
                }
            }
            if let Step::Token(_, test) = &rule.steps[0]
                && test(&self.tokens[id as usize].payload)
            {
                let children = Children { items: [0; ITEMS_MAX], length: 0 }.with(id);
                self.advance(Partial { rule: index, start: start as u32, children }, end);
            }
        }
    }

    // Continues a rule whose items up to now end at `end`.
    fn advance(&mut self, partial: Partial, end: usize) {
        self.work += 1;
        if self.work > self.work_max || end - partial.start as usize > LENGTH_MAX {
            return;
        }
        let grammar = self.grammar;
        let rule = &grammar.rules[partial.rule as usize];
        let Some(step) = rule.steps.get(partial.children.length as usize) else {
            let matched =
                Match { text: self.text, tokens: &self.tokens, children: partial.children.as_slice() };
            if let Some(payload) = rule.production.as_ref().and_then(|make| make(&matched)) {
                self.make(partial, end, payload);
            }
            return;
        };
        let next = self.text.skip_blanks(end);
        if next >= self.text.chars.len() || !self.text.is_edge(next) {
            return;
        }
        match step {
            Step::Pattern(pattern) => {
                let pattern = &grammar.patterns[*pattern as usize];
                if !pattern.may_start_with(self.text.chars[next]) {
                    return;
                }
                if let Some((end, groups)) = pattern.matches(self.text, next) {
                    let child = self.text_token(next, end, groups);
                    self.advance(Partial { children: partial.children.with(child), ..partial }, end);
                }
            }
            Step::Token(dimension, test) => {
                for index in 0..self.seen[next].len() {
                    let id = self.seen[next][index];
                    let token = &self.tokens[id as usize];
                    let token_end = token.end as usize;
                    if token.payload.dimension() == Some(*dimension) && test(&token.payload) {
                        self.advance(Partial { children: partial.children.with(id), ..partial }, token_end);
                    }
                }
                if self.waiting[next].len() < WAITING_MAX {
                    self.waiting[next].push(partial);
                }
            }
            Step::Scan(_) => {}
        }
    }

    fn make(&mut self, partial: Partial, end: usize, payload: Payload) {
        let children = partial.children;
        let score = self.grammar.model.score(partial.rule, children.as_slice(), &self.tokens);
        let start = partial.start as usize;
        let end = end as u32;
        for &(_, id) in self.made[start].iter().filter(|(other, _)| *other == end) {
            let token = &mut self.tokens[id as usize];
            if token.payload.same(&payload) {
                if score > token.score {
                    (token.rule, token.children, token.score) = (partial.rule, children, score);
                }
                return;
            }
        }
        if self.made[start].len() >= TOKENS_PER_START_MAX {
            return;
        }
        let id = self.tokens.len() as u32;
        self.tokens.push(Token { payload, start: partial.start, end, rule: partial.rule, children, score });
        self.made[start].push((end, id));
        self.agenda.push_back(id);
    }
}
