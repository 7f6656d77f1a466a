//! Parameters from messages: what was marked in the phrase that fits, what was found anywhere, and
//! what answers the question for one parameter.

use intendant_talk::message::Object;
use serde_json::{Value, json};

use crate::lexicon::{Mention, kind_of};
use crate::matcher::Matcher;
use crate::pattern::{Capture, Piece};
use crate::render::{Scope, is_empty};
use crate::system::{self, Moment, Way};
use crate::values::{Intent, Parameter};
use crate::words::Words;

/// How many words around a gap are compared.
const ANCHOR_WORDS: usize = 3;
/// The longest name of a place or person, in words.
const OPEN_WORDS_MAX: usize = 5;

/// A message whose parameters are looked for.
pub(crate) struct Gaps<'a> {
    pub(crate) matcher: &'a Matcher,
    pub(crate) intent_at: usize,
    pub(crate) words: &'a Words<'a>,
    pub(crate) mentions: &'a [Mention],
}

impl Gaps<'_> {
    /// What the message says of an intent's parameters, by name and `name.original`.
    pub(crate) fn fill(&self, intent: &Intent, captures: &[Capture]) -> Object {
        let mut found = Object::new();
        let mut used: Vec<&Mention> = Vec::new();
        for parameter in intent.parameters() {
            let kind = kind_of(&parameter.data_type);
            let mine: Vec<&Capture> = captures
                .iter()
                .filter(|capture| capture.alias == parameter.name && capture.kind == kind)
                .collect();
            let values: Vec<(Value, String)> =
                mine.iter().filter_map(|capture| self.captured(capture)).collect();
            put(&mut found, parameter, values);
            used.extend(self.mentions.iter().filter(|mention| {
                mine.iter().any(|capture| {
                    capture.kind == mention.kind
                        && (capture.start, capture.end) == (mention.start, mention.end)
                })
            }));
        }
        let open: Vec<&Parameter> =
            intent.parameters().iter().filter(|parameter| !found.contains_key(&parameter.name)).collect();
        self.fill_mentioned((&open, None), &mut used, &mut found);
        for parameter in intent.parameters() {
            let kind = kind_of(&parameter.data_type);
            if !found.contains_key(&parameter.name) && self.matcher.lexicon.is_open(&kind) {
                put(&mut found, parameter, self.anchored(&parameter.name, &kind).into_iter().collect());
            }
        }
        found
    }

    fn captured(&self, capture: &Capture) -> Option<(Value, String)> {
        let same = |mention: &&Mention| {
            mention.kind == capture.kind && (mention.start, mention.end) == (capture.start, capture.end)
        };
        if let Some(mention) = self.mentions.iter().find(same) {
            return Some((mention.value.clone(), mention.original.clone()));
        }
        let original = self.words.original(capture.start, capture.end);
        (!original.is_empty()).then(|| (json!(original), original.to_owned()))
    }

    /// Gives parameters what was found of their kinds, in order.
    fn fill_mentioned<'m>(
        &'m self,
        (open, asked): (&[&Parameter], Option<&str>),
        used: &mut Vec<&'m Mention>,
        found: &mut Object,
    ) {
        let kinds: Vec<String> = open.iter().map(|parameter| kind_of(&parameter.data_type)).collect();
        let wanted: Vec<&Mention> =
            self.mentions.iter().filter(|mention| kinds.contains(&mention.kind)).collect();
        let is_part = |mention: &Mention| {
            let length = mention.end - mention.start;
            let others = wanted.iter().filter(|other| other.kind != mention.kind);
            others.into_iter().any(|other| {
                other.start <= mention.start && mention.end <= other.end && other.end - other.start > length
            })
        };
        let free: Vec<&Mention> = wanted.iter().copied().filter(|mention| !is_part(mention)).collect();
        for (parameter, kind) in open.iter().zip(&kinds) {
            let is_free = |mention: &&Mention| {
                mention.kind == *kind
                    && (asked == Some(&parameter.name) || !self.is_article(&parameter.name, mention))
                    && !used.iter().any(|other| other.kind == *kind && other.start == mention.start)
            };
            let mut mine: Vec<&Mention> = free.iter().copied().filter(is_free).collect();
            let rivals = kinds.iter().filter(|other| *other == kind).count();
            if !parameter.is_list || rivals > 1 {
                let likes = |mention: &&Mention| self.liking(&parameter.name, kind, mention);
                let best = mine.iter().copied().rev().max_by_key(likes);
                mine = best.into_iter().collect();
            }
            used.extend(&mine);
            let values = mine.iter().map(|mention| (mention.value.clone(), mention.original.clone()));
            put(found, parameter, values.collect());
        }
    }

    /// Whether a number is only an article: "eine Leiter", unless phrases count the word that follows.
    fn is_article(&self, alias: &str, mention: &Mention) -> bool {
        if !system::is_article(&mention.kind, &mention.original) {
            return false;
        }
        let next = self.words.words.get(mention.end).map(|word| word.norm.as_str());
        !self
            .gaps(alias, &mention.kind)
            .any(|(pieces, at)| next.is_some() && pieces.get(at + 1).and_then(word) == next)
    }

    /// How often phrases have the words beside a mention beside a parameter.
    fn liking(&self, alias: &str, kind: &str, mention: &Mention) -> usize {
        let word =
            |at: Option<usize>| at.and_then(|at| self.words.words.get(at)).map(|word| word.norm.as_str());
        let (left, right) = (word(mention.start.checked_sub(1)), word(Some(mention.end)));
        let mut count = 0;
        for (pieces, at) in self.gaps(alias, kind) {
            let is_word = |piece: Option<&Piece>, word: Option<&str>| matches!((piece, word), (Some(Piece::Word(one)), Some(other)) if one == other);
            count += usize::from(is_word(at.checked_sub(1).and_then(|at| pieces.get(at)), left)) * 2;
            count += usize::from(is_word(pieces.get(at + 1), right));
        }
        count
    }

    /// The phrases of the intent that have a gap for a parameter, and where.
    fn gaps<'s>(&'s self, alias: &'s str, kind: &'s str) -> impl Iterator<Item = (&'s [Piece], usize)> {
        let mine = self.matcher.patterns.iter().filter(|(intent, _)| *intent == self.intent_at);
        mine.flat_map(move |(_, pattern)| {
            let is_gap = move |piece: &Piece| matches!(piece, Piece::Gap { kind: k, alias: a } if k == kind && a == alias);
            let places = pattern.pieces.iter().enumerate().filter(move |(_, piece)| is_gap(piece));
            places.map(move |(at, _)| (pattern.pieces.as_slice(), at))
        })
    }

    /// A value of an open kind by the words that phrases have around it.
    fn anchored(&self, alias: &str, kind: &str) -> Option<(Value, String)> {
        let is_any = system::way(kind) == Some(Way::Any);
        let mut best: Option<(usize, usize, usize)> = None;
        for (pieces, at) in self.gaps(alias, kind) {
            let left = words_before(pieces, at);
            let right = words_after(pieces, at);
            if left.is_empty() && (right.is_empty() || at > 0) {
                continue;
            }
            let starts: Vec<usize> = match left.as_slice() {
                [] => vec![0],
                left => (left.len()..self.words.len())
                    .filter(|start| self.stands(left, start - left.len()))
                    .collect(),
            };
            for start in starts {
                let limit =
                    if is_any { self.words.len() } else { (start + OPEN_WORDS_MAX).min(self.words.len()) };
                let end = match right.as_slice() {
                    [] => Some(limit),
                    right => (start + 1..=limit).find(|end| self.stands(right, *end)),
                };
                // Without the words that follow in the phrase, what is said last may be meant.
                let end = end.or((!left.is_empty()).then_some(limit)).filter(|end| *end > start);
                if let Some(end) = end {
                    let score = left.len() * 2 + right.len();
                    if best.is_none_or(|(other, ..)| score > other) {
                        best = Some((score, start, end));
                    }
                }
            }
        }
        let (_, start, end) = best?;
        let original = self.words.original(start, end);
        (!original.is_empty()).then(|| (json!(original), original.to_owned()))
    }

    fn stands(&self, words: &[&str], at: usize) -> bool {
        let there = self.words.words.get(at..).unwrap_or(&[]);
        there.len() >= words.len() && words.iter().zip(there).all(|(one, other)| *one == other.norm)
    }

    /// What answers the question for one parameter, and for others on the way.
    pub(crate) fn fill_asked(&self, open: &[&Parameter], asked: &str, moment: &Moment) -> Object {
        let mut found = Object::new();
        let mut order: Vec<&Parameter> = open.to_vec();
        order.sort_by_key(|parameter| parameter.name != asked);
        self.fill_mentioned((&order, Some(asked)), &mut Vec::new(), &mut found);
        let Some(parameter) = order.first().filter(|parameter| parameter.name == asked) else { return found };
        if found.contains_key(asked) {
            return found;
        }
        let kind = kind_of(&parameter.data_type);
        let latent = self.matcher.lexicon.find_system(self.words, moment, true);
        if let Some(mention) = latent.into_iter().find(|mention| mention.kind == kind) {
            put(&mut found, parameter, vec![(mention.value, mention.original)]);
        } else if (kind.is_empty() || self.matcher.lexicon.is_open(&kind)) && found.is_empty() {
            let named = self.anchored(asked, &kind);
            let sign = |c: char| c.is_whitespace() || ".,;!?".contains(c);
            let whole = self.words.raw.trim().trim_end_matches(sign);
            let value = named.or_else(|| (!whole.is_empty()).then(|| (json!(whole), whole.to_owned())));
            put(&mut found, parameter, value.into_iter().collect());
        }
        found
    }
}

fn words_before(pieces: &[Piece], at: usize) -> Vec<&str> {
    let before = pieces[..at].iter().rev().map_while(word).take(ANCHOR_WORDS);
    let mut words: Vec<&str> = before.collect();
    words.reverse();
    words
}

fn words_after(pieces: &[Piece], at: usize) -> Vec<&str> {
    pieces[at + 1..].iter().map_while(word).take(ANCHOR_WORDS).collect()
}

fn word(piece: &Piece) -> Option<&str> {
    match piece {
        Piece::Word(word) => Some(word),
        Piece::Gap { .. } => None,
    }
}

/// Notes the values of a parameter, if there are any.
fn put(found: &mut Object, parameter: &Parameter, values: Vec<(Value, String)>) {
    if values.is_empty() || parameter.name.is_empty() {
        return;
    }
    let originals: Vec<&str> = values.iter().map(|(_, original)| original.as_str()).collect();
    let original = json!(originals.join(" "));
    let mut all = values.into_iter().map(|(value, _)| value);
    let value = if parameter.is_list { all.collect() } else { all.next().unwrap_or_default() };
    found.insert(parameter.name.clone(), value);
    found.insert(format!("{}.original", parameter.name), original);
}

/// What all parameters are, by their own rules: values, references, defaults.
pub(crate) fn settle(intent: &Intent, scope: &Scope<'_>) -> Object {
    let mut known = Object::new();
    for parameter in intent.parameters().iter().filter(|parameter| !parameter.name.is_empty()) {
        let name = &parameter.name;
        let template = parameter.value.as_deref().map(str::trim).unwrap_or("");
        let own = || scope.parameters.get(name).cloned().unwrap_or_default();
        let mut value = match template {
            "" if parameter.data_type.is_empty() => json!(""),
            "" => own(),
            template => scope.value(template),
        };
        if is_empty(&value) && template.starts_with('$') {
            value = own();
        }
        if is_empty(&value)
            && let Some(default) = parameter.default_value.as_deref().filter(|default| !default.is_empty())
        {
            value = typed(&kind_of(&parameter.data_type), scope.value(default));
        }
        if parameter.is_list && !value.is_array() && !is_empty(&value) {
            value = json!([value]);
        }
        let key = format!("{name}.original");
        let said = scope.parameters.get(&key).cloned();
        let referred = || template.starts_with('#').then(|| scope.value(&format!("{template}.original")));
        let original = said.or_else(referred).unwrap_or_else(|| json!(""));
        known.insert(name.clone(), if value.is_null() { json!("") } else { value });
        known.insert(key, original);
    }
    known
}

/// A default as its kind has values.
fn typed(kind: &str, value: Value) -> Value {
    let is_number = matches!(kind, "sys.number" | "sys.number-integer" | "sys.cardinal" | "sys.ordinal");
    match value.as_str().and_then(|text| serde_json::from_str::<serde_json::Number>(text.trim()).ok()) {
        Some(number) if is_number => Value::Number(number),
        _ => value,
    }
}

/// Words that end the asking for parameters, by language.
pub(crate) fn cancel_words(language: &str) -> &'static [&'static str] {
    match language {
        "de" => &["abbrechen", "abbruch", "stopp", "stop", "beenden", "vergiss es", "cancel", "exit"],
        "fr" => &["annuler", "annule", "arrête", "arrêter", "stop", "quitter", "laisse tomber", "cancel"],
        "es" => &["cancelar", "cancela", "parar", "para", "detener", "salir", "olvídalo", "cancel", "stop"],
        "it" => &["annulla", "annullare", "ferma", "basta", "esci", "lascia perdere", "cancel", "stop"],
        "pt" => &["cancelar", "cancela", "parar", "pare", "sair", "esquece", "cancel", "stop"],
        "nl" => &["annuleren", "annuleer", "stop", "stoppen", "laat maar", "cancel"],
        "tr" => &["iptal", "iptal et", "dur", "vazgeç", "cancel", "stop"],
        "ja" => &["キャンセル", "やめる", "中止", "やめて", "cancel", "stop"],
        _ => &[
            "cancel",
            "cancel it",
            "cancel that",
            "stop",
            "exit",
            "quit",
            "abort",
            "never mind",
            "nevermind",
            "forget it",
        ],
    }
}

/// What is said when asking was ended, by language.
pub(crate) fn cancelled(language: &str) -> &'static str {
    match language {
        "de" => "Okay, abgebrochen.",
        "fr" => "D’accord, c’est annulé.",
        "es" => "De acuerdo, cancelado.",
        "it" => "Va bene, annullato.",
        "pt" => "Certo, cancelado.",
        "nl" => "Oké, geannuleerd.",
        _ => "Okay, cancelled.",
    }
}
