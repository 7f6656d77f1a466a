//! Regular expressions in Python's syntax, and sets of them from regex features and lookup tables.

use intendant_component::diagnostic::Diagnostic;
use intendant_component::stored::Unreadable;
use intendant_talk::data::{NluData, Source};
use serde_json::{Value, json};

/// Backtracking steps after which a match with look-around is given up.
const BACKTRACK_MAX: usize = 100_000;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(crate) enum Pattern {
    Plain(regex::Regex),
    /// Look-around or back-references.
    Fancy(Box<fancy_regex::Regex>),
}

impl Pattern {
    /// Compiles a pattern written for Python's `re`.
    pub(crate) fn new(python: &str, is_case_sensitive: bool) -> Result<Self, String> {
        let translated = translate(python);
        let plain = regex::RegexBuilder::new(&translated)
            .case_insensitive(!is_case_sensitive)
            .size_limit(64 << 20)
            .dfa_size_limit(16 << 20)
            .build();
        match plain {
            Ok(plain) => Ok(Self::Plain(plain)),
            Err(reason) => {
                let flags = if is_case_sensitive { "" } else { "(?i)" };
                fancy_regex::RegexBuilder::new(&format!("{flags}{translated}"))
                    .backtrack_limit(BACKTRACK_MAX)
                    .build()
                    .map(|fancy| Self::Fancy(Box::new(fancy)))
                    .map_err(|_| short(&reason.to_string()))
            }
        }
    }

    /// Non-overlapping matches from the left, as byte spans.
    pub(crate) fn find_all(&self, text: &str) -> Vec<(usize, usize)> {
        match self {
            Self::Plain(pattern) => {
                pattern.find_iter(text).map(|found| (found.start(), found.end())).collect()
            }
            Self::Fancy(pattern) => pattern
                .find_iter(text)
                .map_while(Result::ok)
                .map(|found| (found.start(), found.end()))
                .collect(),
        }
    }

    pub(crate) fn is_match(&self, text: &str) -> bool {
        match self {
            Self::Plain(pattern) => pattern.is_match(text),
            Self::Fancy(pattern) => pattern.is_match(text).unwrap_or(false),
        }
    }
}

/// The last line of a multi-line parser message, which names the reason.
fn short(reason: &str) -> String {
    reason.lines().last().unwrap_or(reason).trim_start_matches("error: ").to_owned()
}

/// Rewrites the few constructs that Python spells differently.
fn translate(python: &str) -> String {
    let mut translated = String::with_capacity(python.len());
    let mut rest = python;
    while let Some(at) = rest.find(['\\', '(', '[']) {
        translated.push_str(&rest[..at]);
        rest = &rest[at..];
        let taken = match rest.as_bytes() {
            [b'\\', b'Z', ..] => {
                translated.push_str("\\z");
                2
            }
            [b'\\', ..] => {
                let len = 1 + rest[1..].chars().next().map_or(0, char::len_utf8);
                // Python takes an escaped character it does not know as that character.
                match rest[1..].chars().next() {
                    Some(c) if c.is_ascii() || !c.is_alphanumeric() => escaped(c, &mut translated),
                    _ => translated.push_str(&rest[1..len]),
                }
                len
            }
            [b'[', ..] => {
                let len = class_len(rest);
                translated.push_str(&class(&rest[..len]));
                len
            }
            _ if rest.starts_with("(?P=") => {
                let end = rest.find(')').map_or(rest.len(), |end| end + 1);
                translated.push_str("\\k<");
                translated.push_str(rest[4..end].trim_end_matches(')'));
                translated.push('>');
                end
            }
            _ if rest.starts_with("(?#") => rest.find(')').map_or(rest.len(), |end| end + 1),
            _ => {
                translated.push('(');
                1
            }
        };
        rest = &rest[taken..];
    }
    translated.push_str(rest);
    translated
}

fn escaped(c: char, translated: &mut String) {
    let is_plain =
        matches!(c, '"' | '\'' | '/' | ',' | ':' | ';' | '=' | '@' | '%' | '<' | '>' | '`' | '!' | '_');
    if is_plain {
        translated.push(c);
    } else {
        translated.push('\\');
        translated.push(c);
    }
}

/// Length of a bracketed class at the start of `rest`.
fn class_len(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let mut at = 1 + usize::from(bytes.get(1) == Some(&b'^'));
    // A closing bracket in first place is a member.
    at += usize::from(bytes.get(at) == Some(&b']'));
    while at < bytes.len() && bytes[at] != b']' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

/// Escapes what has a meaning inside a class here but not in Python: `[`, `&&`, `~~`, `--`.
fn class(class: &str) -> String {
    let mut translated = String::from("[");
    let inner = &class[1..];
    let mut previous = '\0';
    let mut chars = inner.chars().enumerate();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => {
                if let Some((_, next)) = chars.next() {
                    escaped(next, &mut translated);
                }
            }
            '[' => translated.push_str("\\["),
            ']' if at == 0 || (at == 1 && inner.starts_with('^')) => translated.push_str("\\]"),
            '&' | '~' if previous == c => {
                translated.push('\\');
                translated.push(c);
            }
            c => translated.push(c),
        }
        previous = c;
    }
    translated
}

/// A named pattern as stored.
#[derive(Clone, Debug)]
pub(crate) struct NamedPattern {
    pub(crate) name: String,
    pub(crate) written: String,
    pub(crate) pattern: Pattern,
}

/// Where the patterns of a component come from.
pub(crate) struct Selection<'a> {
    pub(crate) use_regexes: bool,
    pub(crate) use_lookup_tables: bool,
    pub(crate) use_word_boundaries: bool,
    pub(crate) is_case_sensitive: bool,
    /// Only names it accepts.
    pub(crate) accepts: &'a dyn Fn(&str) -> bool,
}

/// Patterns of the training data: regexes, then one per lookup table.
pub(crate) fn collect(
    data: &NluData,
    selection: &Selection<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<NamedPattern> {
    let mut written: Vec<(&str, String, &Source)> = Vec::new();
    if selection.use_regexes {
        let mut regexes: Vec<_> = data.regexes.iter().collect();
        regexes.sort_by(|a, b| (&a.name, &a.pattern).cmp(&(&b.name, &b.pattern)));
        written
            .extend(regexes.iter().map(|regex| (regex.name.as_str(), regex.pattern.clone(), &regex.source)));
    }
    if selection.use_lookup_tables {
        for lookup in data.lookups.iter().filter(|lookup| !lookup.elements.is_empty()) {
            let boundary = if selection.use_word_boundaries { "\\b" } else { "" };
            let elements: Vec<String> = lookup
                .elements
                .iter()
                .map(|element| format!("{boundary}{}{boundary}", regex::escape(element)))
                .collect();
            written.push((&lookup.name, format!("({})", elements.join("|")), &lookup.source));
        }
    }
    let mut patterns = Vec::new();
    for (name, written, source) in written {
        if !(selection.accepts)(name) {
            continue;
        }
        match Pattern::new(&written, selection.is_case_sensitive) {
            Ok(pattern) => patterns.push(NamedPattern { name: name.to_owned(), written, pattern }),
            Err(reason) => diagnostics.push(Diagnostic::error(
                source.clone(),
                format!("regular expression `{written}` of `{name}` is not valid: {reason}"),
            )),
        }
    }
    patterns
}

pub(crate) fn store(patterns: &[NamedPattern]) -> Value {
    patterns.iter().map(|pattern| json!({"name": pattern.name, "pattern": pattern.written})).collect()
}

pub(crate) fn load(state: &Value, is_case_sensitive: bool) -> Result<Vec<NamedPattern>, Unreadable> {
    let items = state.as_array().ok_or_else(|| Unreadable::new("patterns are not a list"))?;
    items
        .iter()
        .map(|item| {
            let text = |key: &str| item.get(key).and_then(Value::as_str).map(str::to_owned);
            let (Some(name), Some(written)) = (text("name"), text("pattern")) else {
                return Err(Unreadable::new("a pattern has no name or text"));
            };
            let pattern = Pattern::new(&written, is_case_sensitive)
                .map_err(|reason| Unreadable::new(format!("pattern `{written}`: {reason}")))?;
            Ok(NamedPattern { name, written, pattern })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_patterns_match_as_in_python() {
        let check = |pattern: &str, text: &str, expected: &[&str]| {
            let found = Pattern::new(pattern, true).unwrap().find_all(text);
            let found: Vec<&str> = found.iter().map(|(start, end)| &text[*start..*end]).collect();
            assert_eq!(found, expected, "{pattern}");
        };
        check(r"\b[0-9]+\b", "4 or 12", &["4", "12"]);
        check(r"\d{3}\Z", "123456", &["456"]);
        check(r"(?P<q>['\x22]).*?(?P=q)", "say 'a' now", &["'a'"]);
        check(r"(?<=#)\w+", "#tag", &["tag"]);
        check(r"a(?!b)", "ab ac", &["a"]);
        check(r"[[\]]", "a[b]", &["[", "]"]);
        check(r"[]a]", "a]", &["a", "]"]);
        check(r"\/\@\'", "/@'", &["/@'"]);
        check(r"(?#remark)x", "x", &["x"]);
        check(r"[&&a]", "&", &["&"]);
        check(r"ü+\.", "üü.", &["üü."]);
        assert!(Pattern::new("(", true).is_err());
        assert!(Pattern::new("ABC", false).unwrap().is_match("xabcx"));
    }
}
