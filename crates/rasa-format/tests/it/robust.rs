//! Readers never panic, whatever they are given, and never take long.

use intendant_rasa_format::nlu::annotation;
use intendant_rasa_format::validate::{self, Strictness};
use intendant_rasa_format::{Files, Project, SourceFile, classify, credentials, endpoints, wire, write};
use serde_json::Value;

/// A small generator: the same seed gives the same mutations.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

const SNIPPETS: [&str; 28] = [
    "\n",
    "\t",
    " ",
    ": ",
    "- ",
    "'",
    "\"",
    "[",
    "]",
    "{",
    "}",
    "(",
    ")",
    "&a ",
    "*a",
    "!x ",
    "|\n",
    ">-\n",
    "#",
    "---\n",
    "null",
    "é",
    "😀",
    "${X}",
    "\\u00e9",
    "<<: ",
    "- intent: a/b/c\n",
    "5",
];

fn mutate(bytes: &mut Vec<u8>, chance: &mut Chance) {
    for _ in 0..1 + chance.below(4) {
        let at = chance.below(bytes.len() + 1);
        match chance.below(5) {
            0 => drop(bytes.splice(at..at, SNIPPETS[chance.below(SNIPPETS.len())].bytes())),
            1 if at < bytes.len() => bytes[at] = chance.below(256) as u8,
            2 => {
                let end = (at + chance.below(20)).min(bytes.len());
                bytes.drain(at..end);
            }
            3 => {
                let end = (at + chance.below(60)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                let to = chance.below(bytes.len() + 1);
                bytes.splice(to..to, copy);
            }
            _ => bytes.truncate(at.max(bytes.len() / 2)),
        }
    }
}

/// All case files: everything that the readers know is in one of them.
fn seeds() -> Vec<SourceFile> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/cases");
    let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let mut files = Vec::new();
    for name in names {
        let text = std::fs::read_to_string(name).unwrap();
        for part in text.split("--- ").skip(1) {
            let (path, content) = part.split_once('\n').unwrap();
            let content = content.split("=== ").next().unwrap();
            files.push(SourceFile::new(path, content));
        }
    }
    files
}

fn read_everything(file: &SourceFile) {
    let env = |name: &str| (name == "X").then(|| "x: [".to_owned());
    let (project, findings) = Project::read_document(file, &env);
    for finding in &findings {
        let text = finding.to_string();
        assert!(!text.is_empty());
    }
    validate::check(&project, Strictness::Warnings);
    validate::check_amounts(&project);
    for example in &project.nlu.examples {
        let n_chars = example.text.chars().count();
        for entity in &example.entities {
            let (start, end) = (entity.start_chars.unwrap(), entity.end_chars.unwrap());
            assert!(start <= end && end <= n_chars, "{example:?}");
        }
    }
    write::domain_yaml(&project.domain);
    write::stories_yaml(&project.stories, write::Form::Test);
    write::nlu_yaml(&project.nlu, &Default::default());
    let mut findings = Vec::new();
    endpoints::read(file, &env, &mut findings);
    credentials::read(file, &env, &mut findings);
    classify::classify(file);
}

#[test]
fn mutated_files_never_make_readers_panic() {
    let seeds = seeds();
    let mut chance = Chance(0x5eed);
    let rounds = if std::env::var_os("SLOW").is_some() { 400_000 } else { 4_000 };
    for _ in 0..rounds {
        let seed = &seeds[chance.below(seeds.len())];
        let path = if chance.below(4) == 0 { "test_all.yml" } else { "all.yml" };
        let mut bytes = seed.bytes.clone();
        mutate(&mut bytes, &mut chance);
        read_everything(&SourceFile::new(path, bytes));
    }
}

#[test]
fn mutated_annotations_keep_their_spans_inside_the_text() {
    let seeds = [
        "to [Ulm](city:New [York]) and [two]{\"entity\": \"n\", \"value\": 2}",
        "[é😀][{\"entity\": \"a\"}, {\"entity\": \"b\", \"role\": \"r\"}] [x](y)",
    ];
    let mut chance = Chance(7);
    for round in 0..20_000 {
        let mut bytes = seeds[round % 2].as_bytes().to_vec();
        mutate(&mut bytes, &mut chance);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let found = annotation::parse(&text);
        let n_chars = found.text.chars().count();
        for entity in &found.entities {
            assert!(entity.start_chars.unwrap() <= entity.end_chars.unwrap(), "{text}");
            assert!(entity.end_chars.unwrap() <= n_chars, "{text}");
        }
        for mistake in &found.mistakes {
            assert!(text.is_char_boundary(mistake.start_bytes), "{text}");
        }
        found.synonyms().for_each(drop);
        write::annotated_text(&found.text, &found.entities);
    }
}

#[test]
fn long_broken_annotations_are_read_in_linear_time() {
    for part in ["[", "[a](", "[a]{", "[a][", "[a", "]", "[]"] {
        let text = format!("{}]", part.repeat(5_000));
        assert!(!annotation::parse(&text).text.is_empty());
    }
}

#[test]
fn any_json_is_an_event_or_an_error() {
    let mut chance = Chance(11);
    let seed = r#"[{"event":"user","text":"a","parse_data":{"intent":{"name":"g","confidence":1},"entities":[{"entity":"e","value":1,"start":0,"end":1}],"text_tokens":[[0,1]],"intent_ranking":[],"response_selector":{"all_retrieval_intents":[]}}},{"event":"reminder","date_time":"x"},{"event":"slot","name":"a","value":null}]"#;
    let mut n_read = 0;
    for _ in 0..20_000 {
        let mut bytes = seed.as_bytes().to_vec();
        mutate(&mut bytes, &mut chance);
        let Ok(value) = serde_json::from_slice::<Value>(&bytes) else { continue };
        if let Ok(events) = wire::validate_events(&value, Default::default()) {
            n_read += 1;
            for event in events {
                let written = wire::event_to_json(&event);
                let again = wire::event_from_json(&written, Default::default()).unwrap().unwrap();
                assert_eq!(wire::event_to_json(&again), written);
            }
        }
    }
    assert!(n_read > 100, "{n_read}");
}

#[test]
fn mutated_foreign_files_never_make_readers_panic() {
    let seeds = [
        r#"{"luis_schema_version": "7.0", "utterances": [{"text": "to Ulm", "intent": "go", "entities": [{"entity": "city", "startPos": 3, "endPos": 5}]}], "regex_entities": [{"name": "c", "regexPattern": "z"}]}"#,
        r#"{"utterances": [{"text": "to Ulm", "intent": "go", "entities": [{"entity": "city:to", "start": 3, "end": 6, "body": "Ulm"}]}]}"#,
        r#"{"rasa_nlu_data": {"common_examples": [{"text": "to Ulm", "intent": "go", "entities": [{"start": 3, "end": 6, "entity": "city"}]}], "lookup_tables": [{"name": "city", "elements": ["Ulm"]}], "entity_synonyms": [{"value": "Ulm", "synonyms": ["ulm"]}]}}"#,
        r#"{"name": "go", "responses": []}"#,
    ];
    let says = r#"[{"data": [{"text": "to "}, {"text": "Ulm", "alias": "town"}]}]"#;
    let mut chance = Chance(13);
    for round in 0..20_000 {
        let mut bytes = seeds[round % seeds.len()].as_bytes().to_vec();
        mutate(&mut bytes, &mut chance);
        let data = [SourceFile::new("a.json", bytes), SourceFile::new("a_usersays_en.json", says)];
        let (project, _) = Project::read(Files { data: &data, ..Files::default() }, &|_| None);
        for example in &project.nlu.examples {
            let n_chars = example.text.chars().count();
            assert!(
                example.entities.iter().all(|entity| entity.end_chars.unwrap() <= n_chars),
                "{example:?}"
            );
        }
    }
}

#[test]
fn aliases_cannot_fill_the_memory() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let items = vec![format!("*a{}", level - 1); 9].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    let (_, findings) =
        Project::read_document(&SourceFile::new("all.yml", format!("nlu: []\n{text}")), &|_| None);
    assert!(findings.iter().any(|finding| finding.message.contains("aliases")), "{findings:?}");
}

#[test]
fn aliases_cannot_nest_without_end() {
    let mut text = "a0: &a0 []\n".to_owned();
    for level in 1..300 {
        text.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
    }
    let (_, findings) =
        Project::read_document(&SourceFile::new("all.yml", format!("nlu: []\n{text}")), &|_| None);
    assert!(findings.iter().any(|finding| finding.message.contains("deep")), "{findings:?}");
}

#[test]
fn deep_nesting_is_an_error() {
    let text = format!("nlu: {}", "[".repeat(100_000));
    let (_, findings) = Project::read_document(&SourceFile::new("all.yml", text), &|_| None);
    assert!(!findings.is_empty());
    let text =
        format!("nlu:\n{}", (0..5000).map(|depth| format!("{}- \n", " ".repeat(depth))).collect::<String>());
    Project::read_document(&SourceFile::new("all.yml", text), &|_| None);
}
