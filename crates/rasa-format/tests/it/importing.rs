//! Projects that import projects.

use intendant_rasa_format::{SourceFile, config, imports};

const FILES: [(&str, &str); 9] = [
    (
        "bot/config.yml",
        "recipe: default.v1\nassistant_id: x\nimporters: [{name: MultiProjectImporter}]\nimports: [skills/a, ../shared/config.yml, nowhere]\n",
    ),
    ("bot/skills/a/config.yml", "imports: [../b, ../a]\n"),
    ("bot/skills/a/domain.yml", "intents: [a]\n"),
    ("bot/skills/a/data/nlu.yml", "nlu: []\nresponses: {}\n"),
    ("bot/skills/a/tests/test_stories.yml", "stories: []\n"),
    ("bot/skills/b/rules.yml", "rules: []\n"),
    ("bot/skills/b/notes.yml", "title: x\n"),
    ("shared/config.yml", "imports: [c]\n"),
    ("shared/c/stories.yml", "stories: []\nactions: []\n"),
];

fn load(path: &str) -> Option<Vec<SourceFile>> {
    let inside =
        |name: &str| name == path || name.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
    let files: Vec<SourceFile> = FILES
        .iter()
        .filter(|(name, _)| inside(name))
        .map(|(name, text)| SourceFile::new(*name, *text))
        .collect();
    (!files.is_empty()).then_some(files)
}

#[test]
fn imports_are_followed_and_cycles_end() {
    let mut findings = Vec::new();
    let root = config::read(&SourceFile::new(FILES[0].0, FILES[0].1), &|_| None, &mut findings);
    let imported = imports::follow(&root, &load, &|_| None, &mut findings);
    let paths =
        |files: &[SourceFile]| -> Vec<String> { files.iter().map(|file| file.path.clone()).collect() };
    assert_eq!(
        paths(&imported.domain),
        ["bot/skills/a/domain.yml", "bot/skills/a/data/nlu.yml", "shared/c/stories.yml"]
    );
    assert_eq!(
        paths(&imported.data),
        ["bot/skills/a/data/nlu.yml", "bot/skills/b/rules.yml", "shared/c/stories.yml"]
    );
    let said: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["bot/config.yml:1:1: warning: `bot/nowhere` is imported but does not exist"]);
}

#[test]
fn imports_without_their_importer_are_told() {
    let mut findings = Vec::new();
    let text = "recipe: default.v1\nimports: [a]\n";
    let root = config::read(&SourceFile::new("config.yml", text), &|_| None, &mut findings);
    let imported = imports::follow(&root, &load, &|_| None, &mut findings);
    assert_eq!(imported, imports::Imported::default());
    assert_eq!(findings.len(), 1);
}
