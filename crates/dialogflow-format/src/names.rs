//! File names of agents: which file is what, and names that every file system takes.

use std::collections::BTreeSet;

/// What is put into the name of a file with phrases.
pub(crate) const PHRASES: &str = "_usersays_";
/// What is put into the name of a file with entries.
pub(crate) const ENTRIES: &str = "_entries_";
/// The longest name that is given to a file, without language and ending.
const STEM_BYTES_MAX: usize = 150;

/// What a file of an agent is, by its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Settings,
    Package,
    /// An intent, or phrases of one.
    Intent,
    /// An entity type, or entries of one.
    Entity,
    /// Small talk and other domains.
    Other,
    /// No part of the format.
    Stray,
}

/// What a file is.
pub(crate) fn role(path: &str) -> Role {
    match path.rsplit_once('/') {
        None if path == "agent.json" => Role::Settings,
        None if path == "package.json" => Role::Package,
        None if is_other(path) => Role::Other,
        Some((_, name)) if !name.ends_with(".json") || name.starts_with("._") || name == ".json" => {
            Role::Stray
        }
        Some(("intents", _)) => Role::Intent,
        Some(("entities", _)) => Role::Entity,
        _ => Role::Stray,
    }
}

fn is_other(name: &str) -> bool {
    let Some(stem) = name.strip_suffix(".json") else { return false };
    ["customSmalltalkResponses", "customDomainsResponses"].iter().any(|kind| {
        stem.strip_prefix(kind).is_some_and(|rest| {
            let language = rest.strip_prefix('_').unwrap_or("");
            let is_language =
                !language.is_empty() && language.chars().all(|c| c.is_alphanumeric() || "_-".contains(c));
            rest.is_empty() || is_language
        })
    })
}

/// Gives every name a file name of its own.
#[derive(Default)]
pub(crate) struct Namer {
    taken: BTreeSet<String>,
}

impl Namer {
    /// A file name for a name, without ending: no sign that a file system minds, unlike all before
    /// it also where upper and lower case are one.
    pub(crate) fn stem(&mut self, name: &str) -> String {
        let is_bad = |c: char| c.is_control() || r#"<>:"/\|?*"#.contains(c);
        let clean: String = name.chars().map(|c| if is_bad(c) { '_' } else { c }).collect();
        // Phrases of `A` and the intent `A_usersays_en` must not meet in one file.
        let mut clean = clean.replace(PHRASES, "_usersays-").replace(ENTRIES, "_entries-");
        let mut end = clean.len().min(STEM_BYTES_MAX);
        while !clean.is_char_boundary(end) {
            end -= 1;
        }
        clean.truncate(end);
        let clean = clean.trim_matches(|c: char| c.is_whitespace() || c == '.');
        let base = if clean.is_empty() { "_" } else { clean };
        let numbered = (2..).map(|number| format!("{base} ({number})"));
        let mut candidates = std::iter::once(base.to_owned()).chain(numbered);
        let free = candidates.find(|stem| self.taken.insert(stem.to_lowercase()));
        free.unwrap_or_else(|| base.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_apart() {
        let check = |path: &str, expected: Role| assert_eq!(role(path), expected, "{path}");
        check("agent.json", Role::Settings);
        check("package.json", Role::Package);
        check("intents/A: b?.json", Role::Intent);
        check("entities/a_entries_en.json", Role::Entity);
        check("customSmalltalkResponses_pt-br.json", Role::Other);
        check("customDomainsResponses.json", Role::Other);
        check("customDomainsResponses_.json", Role::Stray);
        check("agent.dev.json", Role::Stray);
        check("intents/README.md", Role::Stray);
        check("intents/._A.json", Role::Stray);
        check("intents/old/A.json", Role::Stray);
        check("x/agent.json", Role::Stray);
    }

    #[test]
    fn file_names_are_safe_and_differ() {
        let mut namer = Namer::default();
        let mut check = |name: &str, expected: &str| assert_eq!(namer.stem(name), expected, "{name}");
        check("Where is it: shelf or yard?", "Where is it_ shelf or yard_");
        check("where is it? shelf or yard_", "where is it_ shelf or yard_ (2)");
        check("../../etc/passwd", "_.._etc_passwd");
        check("..", "_");
        check("", "_ (2)");
        check("A_usersays_en", "A_usersays-en");
        check(&"ä".repeat(200), &"ä".repeat(75));
    }
}
