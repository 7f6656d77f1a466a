//! What kinds of data a file holds, by its name and text (`spec: training-data.md §1.2`).

use crate::stories::is_test_path;
use crate::yaml::SourceFile;

/// Kinds of data; one file may hold several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds {
    /// YAML with `nlu:` or `responses:`.
    pub nlu: bool,
    /// YAML with `stories:` or `rules:`.
    pub stories: bool,
    /// Stories in a file whose name starts with `test_`.
    pub test_stories: bool,
    /// YAML with a top-level key of a domain.
    pub domain: bool,
    /// A file named `config.yml` or `config.yaml`.
    pub config: bool,
    /// JSON in a foreign format.
    pub json: bool,
}

/// Whether the file is YAML by its name.
pub fn is_yaml_path(path: &str) -> bool {
    has_extension(path, "yml") || has_extension(path, "yaml")
}

fn has_extension(path: &str, extension: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, found)| found == extension)
}

/// Finds out what a file holds. A textual test, not a parse: broken files are classified too.
pub fn classify(file: &SourceFile) -> Kinds {
    if has_extension(&file.path, "json") {
        return Kinds { json: true, ..Kinds::default() };
    }
    if !is_yaml_path(&file.path) {
        return Kinds::default();
    }
    let name = file.path.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut kinds = Kinds { config: matches!(name, "config.yml" | "config.yaml"), ..Kinds::default() };
    for line in file.bytes.split(|byte| *byte == b'\n') {
        let text = line.trim_ascii_start();
        let starts = |keys: &[&str]| {
            keys.iter()
                .any(|key| text.strip_prefix(key.as_bytes()).is_some_and(|rest| rest.first() == Some(&b':')))
        };
        match text.first() {
            Some(b'n' | b's' | b'r' | b'f' | b'a' | b'e' | b'i') => {}
            _ => continue,
        }
        kinds.nlu |= starts(&["nlu", "responses"]);
        kinds.stories |= starts(&["stories", "rules"]);
        kinds.domain |= text.len() == line.len() && starts(&crate::domain::KEYS);
    }
    kinds.test_stories = kinds.stories && is_test_path(&file.path);
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_name_and_keys() {
        let cases = [
            ("data/nlu.yml", "version: \"3.1\"\nnlu:\n", "nlu"),
            ("data/all.yaml", "stories:\nrules:\nresponses:\n", "nlu stories domain"),
            ("tests/test_a.yml", "  stories: []\n", "stories test"),
            ("x/config.yml", "pipeline:\n", "config"),
            ("domain.yml", "intents: []\n", "domain"),
            ("nested.yml", "a:\n  intents: []\n", ""),
            ("old.json", "{}", "json"),
            ("notes.txt", "nlu:\n", ""),
            ("broken.yml", "\u{1}nlu\nnlu:\n\t-", "nlu"),
        ];
        for (path, text, expected) in cases {
            let kinds = classify(&SourceFile::new(path, text));
            let flags = [
                (kinds.nlu, "nlu"),
                (kinds.stories, "stories"),
                (kinds.test_stories, "test"),
                (kinds.domain, "domain"),
                (kinds.config, "config"),
                (kinds.json, "json"),
            ];
            let found: Vec<&str> = flags.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect();
            assert_eq!(found.join(" "), expected, "{path}");
        }
    }
}
