//! Parser events to a tree.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, Span};
use intendant_component::diagnostic::Diagnostic;

use super::scalar::{expand, number, resolve};
use super::{Entry, Environment, Kind, Mark, Node};

/// Values that aliases may copy in one document; beyond it a few lines would fill the memory.
const ALIASED_NODES_MAX: usize = 100_000;
/// Nesting that aliases may reach; without them the parser has the same limit.
const NESTING_MAX: usize = 255;

pub(super) fn build(
    text: &str,
    file: &str,
    env: Environment<'_>,
    findings: &mut Vec<Diagnostic>,
) -> Option<Node> {
    let mut builder = Builder {
        file,
        env,
        findings,
        open: Vec::new(),
        root: None,
        anchors: HashMap::new(),
        aliased_nodes: 0,
        is_broken: false,
    };
    let options = granit_parser::options! { emit_comments: false, simple_key_max_lookahead: 65_536 };
    for event in Parser::new_from_str_with_options(text, options) {
        match event {
            Ok((event, span)) => builder.event(event, span),
            Err(error) => {
                let marker = error.marker();
                let mark = Mark { line: marker.line() as u32, column: marker.col() as u32 + 1 };
                let message = format!("this is not valid YAML: {}", error.info());
                let hint = syntax_hint(text, mark, &error.info());
                let finding = Diagnostic::error(mark.source(file), message);
                builder.findings.push(match hint {
                    Some(hint) => finding.with_hint(hint),
                    None => finding,
                });
                builder.is_broken = true;
                break;
            }
        }
    }
    if builder.is_broken {
        return None;
    }
    let empty = Node { mark: Mark { line: 1, column: 1 }, kind: Kind::Map(Vec::new()) };
    match builder.root {
        None | Some(Node { kind: Kind::Null, .. }) => Some(empty),
        root => root,
    }
}

/// The likely reason why a document cannot be read on.
fn syntax_hint(text: &str, mark: Mark, problem: &str) -> Option<&'static str> {
    let mut lines = text.lines().skip((mark.line as usize).saturating_sub(1));
    let line = lines.next()?;
    let starts_with_tab = |line: &str| line[..line.len() - line.trim_start().len()].contains('\t');
    if starts_with_tab(line) || lines.next().is_some_and(starts_with_tab) {
        return Some("indent with spaces; YAML does not allow tabs there");
    }
    if problem.contains("quoted scalar") {
        return Some("a quote that was opened is not closed, or its text is not indented");
    }
    if problem.contains("unknown anchor") {
        return Some("a text that starts with `*` must be put in quotes");
    }
    let value = line.split_once(": ").map_or("", |(_, value)| value.trim_start());
    if value.contains(": ") && !value.starts_with(['"', '\'']) {
        return Some("a text that holds `: ` must be put in quotes");
    }
    if value.starts_with(['*', '&', '!', '%', '@', '`', '[', '{']) {
        return Some("a text that starts with a special character must be put in quotes");
    }
    Some("check the indentation and the quotes of this line and the one above")
}

struct Builder<'a> {
    file: &'a str,
    env: Environment<'a>,
    findings: &'a mut Vec<Diagnostic>,
    open: Vec<Open>,
    root: Option<Node>,
    anchors: HashMap<usize, Node>,
    aliased_nodes: usize,
    is_broken: bool,
}

/// A list or map that is not finished.
struct Open {
    mark: Mark,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, seen: HashMap<String, Mark>, key: Option<(String, Mark)> },
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, span: Span) {
        let mark = Mark { line: span.start.line() as u32, column: span.start.col() as u32 + 1 };
        match event {
            Event::DocumentStart(..) if self.root.is_some() => {
                self.error(mark, "a second YAML document starts here; one file holds one document");
            }
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.as_ref().map(|tag| match tag.core_suffix() {
                    Some(suffix) => format!("!!{suffix}"),
                    None => tag.original(),
                });
                let kind = self.scalar(&text, style, tag.as_deref(), mark);
                self.finish(Node { mark, kind }, anchor);
            }
            Event::SequenceStart(_, anchor, _) => {
                self.open.push(Open { mark, anchor, content: Content::List(Vec::new()) });
            }
            Event::MappingStart(_, anchor, _) => {
                let content = Content::Map { entries: Vec::new(), seen: HashMap::new(), key: None };
                self.open.push(Open { mark, anchor, content });
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else { return };
                let kind = match open.content {
                    Content::List(items) => Kind::List(items),
                    Content::Map { entries, .. } => Kind::Map(merged(entries)),
                };
                self.finish(Node { mark: open.mark, kind }, open.anchor);
            }
            Event::Alias(anchor) => self.alias(anchor, mark),
            _ => {}
        }
    }

    fn error(&mut self, mark: Mark, message: impl Into<String>) {
        self.findings.push(Diagnostic::error(mark.source(self.file), message));
    }

    fn alias(&mut self, anchor: usize, mark: Mark) {
        let Some(node) = self.anchors.get(&anchor) else {
            self.error(mark, "an alias may not refer to what contains it");
            return self.finish(Node { mark, kind: Kind::Null }, 0);
        };
        let (n_nodes, depth) = extent(node);
        self.aliased_nodes += n_nodes;
        let problem = if self.aliased_nodes > ALIASED_NODES_MAX {
            Some(format!("aliases of this file copy more than {ALIASED_NODES_MAX} values"))
        } else if self.open.len() + depth > NESTING_MAX {
            Some(format!("aliases of this file nest lists and maps more than {NESTING_MAX} deep"))
        } else {
            None
        };
        if let Some(problem) = problem {
            if !self.is_broken {
                self.error(mark, problem);
            }
            self.is_broken = true;
            return self.finish(Node { mark, kind: Kind::Null }, 0);
        }
        let node = node.clone();
        self.finish(node, 0);
    }

    fn finish(&mut self, node: Node, anchor: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            if self.root.is_none() {
                self.root = Some(node);
            }
            return;
        };
        match &mut open.content {
            Content::List(items) => items.push(node),
            Content::Map { entries, seen, key } => match key.take() {
                None => match key_text(&node) {
                    Some(text) => *key = Some((text, node.mark)),
                    None => {
                        let mark = node.mark;
                        *key = Some((String::new(), mark));
                        self.error(mark, "a key must be a text, found a list or a map");
                    }
                },
                Some((text, mark)) => match seen.get(&text) {
                    Some(first) if text != "<<" => {
                        let message = format!(
                            "the key `{text}` is there twice: first on line {}, column {}, again here",
                            first.line, first.column
                        );
                        self.error(mark, message);
                    }
                    _ => {
                        seen.insert(text.clone(), mark);
                        entries.push(Entry { key: text, mark, value: node });
                    }
                },
            },
        }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&str>, mark: Mark) -> Kind {
        if let Some(tag) = tag {
            return self.tagged(text, tag, mark);
        }
        if style != ScalarStyle::Plain {
            return Kind::Text(text.to_owned());
        }
        match expand(text, self.env) {
            None => resolve(text),
            Some(Ok(expanded)) => Kind::Text(expanded),
            Some(Err(unset)) => {
                let unset: Vec<String> = unset.iter().map(|word| format!("`{word}`")).collect();
                let message = format!("the environment does not define {}", unset.join(", "));
                let finding = Diagnostic::error(mark.source(self.file), message);
                let hint = "set the variable, or put the text in quotes if it is none";
                self.findings.push(finding.with_hint(hint));
                Kind::Text(text.to_owned())
            }
        }
    }

    fn tagged(&mut self, text: &str, tag: &str, mark: Mark) -> Kind {
        let kind = match tag {
            "!!str" | "!" | "!!timestamp" => Some(Kind::Text(text.to_owned())),
            "!!null" => Some(Kind::Null),
            "!!bool" => match resolve(&text.to_lowercase()) {
                Kind::Bool(flag) => Some(Kind::Bool(flag)),
                _ => None,
            },
            "!!int" => number(text).filter(|kind| matches!(kind, Kind::Int(_))),
            "!!float" => number(text).map(|kind| match kind {
                Kind::Int(number) => Kind::Float(number as f64),
                other => other,
            }),
            _ => {
                let finding =
                    Diagnostic::error(mark.source(self.file), format!("the tag `{tag}` is not supported"));
                let hint = "put the text in quotes if it starts with `!`";
                self.findings.push(finding.with_hint(hint));
                return Kind::Text(text.to_owned());
            }
        };
        kind.unwrap_or_else(|| {
            self.error(mark, format!("`{text}` cannot be read as `{tag}`"));
            Kind::Text(text.to_owned())
        })
    }
}

fn key_text(node: &Node) -> Option<String> {
    match &node.kind {
        Kind::List(_) | Kind::Map(_) => None,
        Kind::Text(text) => Some(text.clone()),
        _ => Some(node.to_json().to_string()),
    }
}

/// Applies merge keys (`<<`): what the map itself says wins, then the earlier merged map.
fn merged(entries: Vec<Entry>) -> Vec<Entry> {
    if !entries.iter().any(|entry| entry.key == "<<") {
        return entries;
    }
    let (merges, mut own): (Vec<Entry>, Vec<Entry>) =
        entries.into_iter().partition(|entry| entry.key == "<<");
    for merge in merges {
        let sources = match merge.value.kind {
            Kind::List(items) => items,
            _ => vec![merge.value],
        };
        for source in sources {
            let Kind::Map(entries) = source.kind else { continue };
            for entry in entries {
                if !own.iter().any(|known| known.key == entry.key) {
                    own.push(entry);
                }
            }
        }
    }
    own
}

/// How many values a node holds, itself included, and how deep they are nested.
fn extent(node: &Node) -> (usize, usize) {
    let mut total = (1, 1);
    let mut add = |child: &Node| {
        let (n_nodes, depth) = extent(child);
        total = (total.0 + n_nodes, total.1.max(depth + 1));
    };
    match &node.kind {
        Kind::List(items) => items.iter().for_each(&mut add),
        Kind::Map(entries) => entries.iter().for_each(|entry| add(&entry.value)),
        _ => {}
    }
    total
}
