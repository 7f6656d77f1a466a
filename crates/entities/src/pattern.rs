//! A small pattern matcher for the rules' expressions.
//!
//! Rules need hundreds of short patterns, tried only where a word begins. Building a general regular
//! expression for each costs more than everything else together, so this module compiles them in a
//! microsecond each to a tiny backtracking program. Two things differ from usual engines: a match
//! must end at a word edge (it backtracks until it does), and the number of steps is bounded.
//!
//! Syntax: literals, `.`, `[a-z]`, `[^a]`, `\d \s \w \b`, `( )` capturing, `(?: )`, `|`,
//! `? * + {m,n}`, and look-around `(?= ) (?! ) (?<!x) (?<=x)`, the last two of one character or class.
//! Letters are written in lower case and match any case.

use std::collections::BTreeSet;

use crate::text::Text;

const STEPS_MAX: usize = 20_000;
const GROUPS_MAX: usize = 8;

/// A range of code points.
pub type Range = (u32, u32);

/// Captured groups of one match; unset ones are `None`.
pub type Groups = [Option<Range>; GROUPS_MAX];

/// A compiled pattern.
pub struct Pattern {
    program: Vec<Step>,
    classes: Vec<Class>,
    /// Characters a match can begin with; `None`: any.
    pub first: Option<BTreeSet<char>>,
}

enum Step {
    Char(char),
    Class(u16),
    Any,
    Split(u32, u32),
    Jump(u32),
    Save(u8),
    WordBoundary,
    /// Looks ahead with the program up to the matching `End`, then goes on at the second.
    Ahead {
        wanted: bool,
        next: u32,
    },
    Behind {
        wanted: bool,
        class: u16,
    },
    LookEnd,
    End,
}

struct Class {
    negated: bool,
    ranges: Vec<(char, char)>,
}

impl Class {
    fn has(&self, character: char) -> bool {
        self.ranges.iter().any(|&(low, high)| low <= character && character <= high) != self.negated
    }
}

enum Node {
    Char(char),
    Class(u16),
    Any,
    Sequence(Vec<Node>),
    Either(Vec<Node>),
    Repeat(Box<Node>, u32, Option<u32>),
    Group(u8, Box<Node>),
    WordBoundary,
    Ahead(bool, Box<Node>),
    Behind(bool, u16),
}

impl Pattern {
    /// Compiles; rules are constants of this crate, so a mistake is a programming error.
    ///
    /// # Panics
    /// When the syntax is wrong.
    pub fn new(source: &str) -> Pattern {
        let mut parser = Parser { source: source.chars().collect(), at: 0, groups: 0, classes: Vec::new() };
        let node = parser.either();
        assert!(parser.at == parser.source.len(), "unbalanced pattern: {source}");
        let mut first = BTreeSet::new();
        let any = first_of(&node, &parser.classes, &mut first) != First::Consumed;
        let mut program = Vec::new();
        emit(&node, &mut program);
        program.push(Step::End);
        Pattern { program, classes: parser.classes, first: if any { None } else { Some(first) } }
    }

    /// Whether a match could begin with this character.
    pub fn may_start_with(&self, character: char) -> bool {
        self.first.as_ref().is_none_or(|set| set.contains(&character))
    }

    /// Matches at `start`; gives the end and the groups. Empty matches do not count.
    pub fn matches(&self, text: &Text, start: usize) -> Option<(usize, Groups)> {
        let mut machine = Machine { pattern: self, text, start, steps: 0 };
        let mut groups = [None; GROUPS_MAX];
        let end = machine.run(0, start, &mut groups, true)?;
        Some((end, groups))
    }
}

struct Machine<'a> {
    pattern: &'a Pattern,
    text: &'a Text,
    start: usize,
    steps: usize,
}

enum Pending {
    Branch(u32, usize),
    Restore(u8, Option<Range>),
}

impl Machine<'_> {
    fn run(&mut self, pc: u32, position: usize, groups: &mut Groups, whole: bool) -> Option<usize> {
        let mut pending: Vec<Pending> = Vec::new();
        let mut state = Some((pc, position));
        let mut open = [0u32; GROUPS_MAX];
        loop {
            let Some((mut pc, mut position)) = state.take() else {
                match pending.pop()? {
                    Pending::Branch(pc, position) => state = Some((pc, position)),
                    Pending::Restore(index, old) => groups[index as usize] = old,
                }
                continue;
            };
            loop {
                self.steps += 1;
                if self.steps > STEPS_MAX {
                    return None;
                }
                match &self.pattern.program[pc as usize] {
                    Step::Char(wanted) => {
                        if self.text.chars.get(position) != Some(wanted) {
                            break;
                        }
                        position += 1;
                    }
                    Step::Class(class) => match self.text.chars.get(position) {
                        Some(&c) if self.pattern.classes[*class as usize].has(c) => position += 1,
                        _ => break,
                    },
                    Step::Any => match self.text.chars.get(position) {
                        Some(&c) if c != '\n' => position += 1,
                        _ => break,
                    },
                    Step::Split(one, other) => {
                        pending.push(Pending::Branch(*other, position));
                        pc = *one;
                        continue;
                    }
                    Step::Jump(to) => {
                        pc = *to;
                        continue;
                    }
                    Step::Save(slot) => {
                        let index = slot / 2;
                        if slot % 2 == 0 {
                            open[index as usize] = position as u32;
                        } else {
                            pending.push(Pending::Restore(index, groups[index as usize]));
                            groups[index as usize] = Some((open[index as usize], position as u32));
                        }
                    }
                    Step::WordBoundary => {
                        let word =
                            |c: Option<&char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || *c == '_');
                        let before = position > 0 && word(self.text.chars.get(position - 1));
                        if before == word(self.text.chars.get(position)) {
                            break;
                        }
                    }
                    Step::Ahead { wanted, next } => {
                        let mut inner = *groups;
                        if self.run(pc + 1, position, &mut inner, false).is_some() != *wanted {
                            break;
                        }
                        pc = *next;
                        continue;
                    }
                    Step::Behind { wanted, class } => {
                        let found = position > 0
                            && self.pattern.classes[*class as usize].has(self.text.chars[position - 1]);
                        if found != *wanted {
                            break;
                        }
                    }
                    Step::LookEnd => return Some(position),
                    Step::End => {
                        if !whole || position > self.start && self.text.is_edge(position) {
                            return Some(position);
                        }
                        break;
                    }
                }
                pc += 1;
            }
        }
    }
}

struct Parser {
    source: Vec<char>,
    at: usize,
    groups: u8,
    classes: Vec<Class>,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.source.get(self.at).copied()
    }

    fn eat(&mut self, text: &str) -> bool {
        let found = text.chars().enumerate().all(|(i, c)| self.source.get(self.at + i) == Some(&c));
        if found {
            self.at += text.chars().count();
        }
        found
    }

    fn either(&mut self) -> Node {
        let mut branches = vec![self.sequence()];
        while self.eat("|") {
            branches.push(self.sequence());
        }
        if branches.len() == 1 { branches.remove(0) } else { Node::Either(branches) }
    }

    fn sequence(&mut self) -> Node {
        let mut nodes = Vec::new();
        while !matches!(self.peek(), None | Some('|' | ')')) {
            let atom = self.atom();
            nodes.push(self.repeated(atom));
        }
        Node::Sequence(nodes)
    }

    fn repeated(&mut self, atom: Node) -> Node {
        if self.eat("?") {
            Node::Repeat(Box::new(atom), 0, Some(1))
        } else if self.eat("*") {
            Node::Repeat(Box::new(atom), 0, None)
        } else if self.eat("+") {
            Node::Repeat(Box::new(atom), 1, None)
        } else if self.eat("{") {
            let low = self.digits();
            let high = if self.eat(",") {
                if self.peek() == Some('}') { None } else { Some(self.digits()) }
            } else {
                Some(low)
            };
            assert!(self.eat("}"), "unclosed repetition in a pattern");
            Node::Repeat(Box::new(atom), low, high)
        } else {
            atom
        }
    }

    fn digits(&mut self) -> u32 {
        let mut number = 0;
        while let Some(digit) = self.peek().and_then(|c| c.to_digit(10)) {
            number = number * 10 + digit;
            self.at += 1;
        }
        number
    }

    fn atom(&mut self) -> Node {
        if self.eat("(?:") {
            return self.closed();
        }
        if self.eat("(?=") {
            return Node::Ahead(true, Box::new(self.closed()));
        }
        if self.eat("(?!") {
            return Node::Ahead(false, Box::new(self.closed()));
        }
        for (opening, wanted) in [("(?<=", true), ("(?<!", false)] {
            if self.eat(opening) {
                let class = match self.closed() {
                    Node::Sequence(mut nodes) if nodes.len() == 1 => match nodes.remove(0) {
                        Node::Class(class) => class,
                        Node::Char(c) => self.class(vec![(c, c)], false),
                        _ => panic!("look-behind takes one character"),
                    },
                    _ => panic!("look-behind takes one character"),
                };
                return Node::Behind(wanted, class);
            }
        }
        if self.eat("(") {
            self.groups += 1;
            let index = self.groups;
            assert!((index as usize) < GROUPS_MAX, "too many groups in a pattern");
            return Node::Group(index, Box::new(self.closed()));
        }
        if self.eat("[") {
            return self.set();
        }
        if self.eat("\\") {
            return self.escape();
        }
        if self.eat(".") {
            return Node::Any;
        }
        let character = self.source[self.at];
        self.at += 1;
        Node::Char(character)
    }

    fn closed(&mut self) -> Node {
        let node = self.either();
        assert!(self.eat(")"), "unclosed group in a pattern");
        node
    }

    fn escape(&mut self) -> Node {
        let character = self.source[self.at];
        self.at += 1;
        match character {
            'd' | 's' | 'w' => {
                let ranges = named(character);
                Node::Class(self.class(ranges, false))
            }
            'D' | 'S' | 'W' => {
                let ranges = named(character.to_ascii_lowercase());
                Node::Class(self.class(ranges, true))
            }
            'b' => Node::WordBoundary,
            other => Node::Char(other),
        }
    }

    fn class(&mut self, ranges: Vec<(char, char)>, negated: bool) -> u16 {
        self.classes.push(Class { negated, ranges });
        (self.classes.len() - 1) as u16
    }

    fn set(&mut self) -> Node {
        let negated = self.eat("^");
        let mut ranges = Vec::new();
        while !self.eat("]") {
            let mut low = self.source[self.at];
            self.at += 1;
            if low == '\\' {
                low = self.source[self.at];
                self.at += 1;
                if matches!(low, 'd' | 's' | 'w') {
                    ranges.extend(named(low));
                    continue;
                }
            }
            let range_follows =
                self.peek() == Some('-') && self.source.get(self.at + 1).is_some_and(|c| *c != ']');
            if range_follows {
                ranges.push((low, self.source[self.at + 1]));
                self.at += 2;
            } else {
                ranges.push((low, low));
            }
        }
        Node::Class(self.class(ranges, negated))
    }
}

fn named(class: char) -> Vec<(char, char)> {
    match class {
        'd' => vec![('0', '9')],
        's' => vec![(' ', ' '), ('\t', '\r')],
        _ => vec![('a', 'z'), ('A', 'Z'), ('0', '9'), ('_', '_')],
    }
}

#[derive(PartialEq)]
enum First {
    /// Every way through takes at least one of the collected characters.
    Consumed,
    /// Can be passed without taking a character.
    Passed,
    /// Too many characters to list.
    Unknown,
}

fn first_of(node: &Node, classes: &[Class], set: &mut BTreeSet<char>) -> First {
    match node {
        Node::WordBoundary | Node::Ahead(..) | Node::Behind(..) => First::Passed,
        Node::Char(c) => {
            set.insert(*c);
            First::Consumed
        }
        Node::Class(class) => {
            let class = &classes[*class as usize];
            if class.negated {
                return First::Unknown;
            }
            for &(low, high) in &class.ranges {
                set.extend(low..=high);
            }
            First::Consumed
        }
        Node::Any => First::Unknown,
        Node::Group(_, inner) => first_of(inner, classes, set),
        Node::Sequence(nodes) => {
            for node in nodes {
                match first_of(node, classes, set) {
                    First::Passed => {}
                    other => return other,
                }
            }
            First::Passed
        }
        Node::Either(nodes) => {
            let mut result = First::Consumed;
            for node in nodes {
                match first_of(node, classes, set) {
                    First::Unknown => return First::Unknown,
                    First::Passed => result = First::Passed,
                    First::Consumed => {}
                }
            }
            result
        }
        Node::Repeat(inner, low, _) => match first_of(inner, classes, set) {
            First::Consumed if *low == 0 => First::Passed,
            other => other,
        },
    }
}

fn emit(node: &Node, program: &mut Vec<Step>) {
    let here = |program: &Vec<Step>| program.len() as u32;
    match node {
        Node::Char(c) => program.push(Step::Char(*c)),
        Node::Class(class) => program.push(Step::Class(*class)),
        Node::Any => program.push(Step::Any),
        Node::WordBoundary => program.push(Step::WordBoundary),
        Node::Behind(wanted, class) => program.push(Step::Behind { wanted: *wanted, class: *class }),
        Node::Ahead(wanted, inner) => {
            let at = program.len();
            program.push(Step::Ahead { wanted: *wanted, next: 0 });
            emit(inner, program);
            program.push(Step::LookEnd);
            program[at] = Step::Ahead { wanted: *wanted, next: here(program) };
        }
        Node::Group(index, inner) => {
            program.push(Step::Save(index * 2));
            emit(inner, program);
            program.push(Step::Save(index * 2 + 1));
        }
        Node::Sequence(nodes) => nodes.iter().for_each(|node| emit(node, program)),
        Node::Either(nodes) => {
            let mut jumps = Vec::new();
            for (i, node) in nodes.iter().enumerate() {
                if i + 1 == nodes.len() {
                    emit(node, program);
                    break;
                }
                let split = program.len();
                program.push(Step::Jump(0));
                emit(node, program);
                jumps.push(program.len());
                program.push(Step::Jump(0));
                program[split] = Step::Split(split as u32 + 1, here(program));
            }
            let end = here(program);
            for jump in jumps {
                program[jump] = Step::Jump(end);
            }
        }
        Node::Repeat(inner, low, high) => emit_repeat(inner, *low, *high, program),
    }
}

fn emit_repeat(inner: &Node, low: u32, high: Option<u32>, program: &mut Vec<Step>) {
    for _ in 0..low {
        emit(inner, program);
    }
    match high {
        None => {
            let split = program.len();
            program.push(Step::Jump(0));
            emit(inner, program);
            program.push(Step::Jump(split as u32));
            program[split] = Step::Split(split as u32 + 1, program.len() as u32);
        }
        Some(high) => {
            let mut splits = Vec::new();
            for _ in low..high {
                splits.push(program.len());
                program.push(Step::Jump(0));
                emit(inner, program);
            }
            let end = program.len() as u32;
            for split in splits {
                program[split] = Step::Split(split as u32 + 1, end);
            }
        }
    }
}
