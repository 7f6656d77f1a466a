//! Language data of other tools.

use intendant_rasa_format::foreign::{
    Format, dialogflow_files, guess, luis_json, markdown, nlu_json, wit_json,
};
use intendant_rasa_format::project::read_language;
use intendant_rasa_format::{Files, Project, SourceFile};
use serde_json::json;

fn read(files: &[(&str, &str)]) -> (Project, Vec<String>) {
    let files: Vec<SourceFile> = files.iter().map(|(path, text)| SourceFile::new(*path, *text)).collect();
    let (project, findings) = Project::read(Files { data: &files, ..Files::default() }, &|_| None);
    (project, findings.iter().map(ToString::to_string).collect())
}

/// Examples as lines: intent, text, then `entity/role=value@start-end`.
fn lines(project: &Project) -> Vec<String> {
    let line = |example: &intendant_talk::data::Example| {
        let mut line = format!("{} | {}", example.intent.as_deref().unwrap_or("-"), example.text);
        for entity in &example.entities {
            let (start, end) = (entity.start_chars.unwrap(), entity.end_chars.unwrap());
            let role = entity.role.as_ref().map(|role| format!("/{role}")).unwrap_or_default();
            line.push_str(&format!(" | {}{role}={}@{start}-{end}", entity.entity, entity.value));
        }
        line
    };
    project.nlu.examples.iter().map(line).collect()
}

#[test]
fn formats_are_guessed() {
    let cases = [
        ("a.json", json!({"utterances": []}), Some(Format::Wit)),
        ("a.json", json!({"utterances": [], "luis_schema_version": "7.0.0"}), Some(Format::Luis)),
        ("a.json", json!({"rasa_nlu_data": {}}), Some(Format::RasaJson)),
        ("agent.json", json!({"supportedLanguages": []}), Some(Format::DialogflowAgent)),
        ("package.json", json!({"version": "1.0.0"}), Some(Format::DialogflowPackage)),
        ("x.json", json!({"responses": []}), Some(Format::DialogflowIntent)),
        ("x.json", json!({"isEnum": true}), Some(Format::DialogflowEntity)),
        ("x_usersays_en.json", json!([]), Some(Format::DialogflowExamples)),
        ("x_entries_en.json", json!([]), Some(Format::DialogflowEntries)),
        ("x.json", json!({"a": 1}), None),
        ("x.json", json!([]), None),
    ];
    for (path, json, expected) in cases {
        assert_eq!(guess(path, &json), expected, "{path} {json}");
    }
}

#[test]
fn rasa_json_is_read_and_written() {
    let text = r#"{"rasa_nlu_data": {
        "common_examples": [
            {"text": "to Ulm", "intent": "go", "entities": [{"start": 3, "end": 6, "entity": "city", "role": "to"}]},
            {"text": "when", "intent": "faq/hours"},
            {"text": "bad", "intent": "go", "entities": [{"start": 0, "end": 9, "entity": "x"}]}],
        "regex_features": [{"name": "zip", "pattern": "[0-9]{5}"}],
        "lookup_tables": [{"name": "city", "elements": ["Ulm"]}, {"name": "far", "elements": "none.txt"}],
        "entity_synonyms": [{"value": "Ulm", "synonyms": ["ulm", "Ulm "]}]}}"#;
    let (project, findings) = read(&[("a.json", text)]);
    assert_eq!(lines(&project), ["go | to Ulm | city/to=\"Ulm\"@3-6", "faq | when", "go | bad"]);
    assert_eq!(project.nlu.synonyms["ulm"], "Ulm");
    assert_eq!(project.nlu.regexes[0].pattern, "[0-9]{5}");
    let expected = [
        "a.json: warning: Rasa's JSON format is deprecated; convert the file to YAML",
        "a.json: error: an entity of the example `bad` needs `start`, `end` and `entity`, with a span inside of the text",
        "a.json: warning: the lookup table's file `none.txt` is not among the training data",
    ];
    assert_eq!(findings[..3], expected);
    let (again, _) = read(&[("b.json", &nlu_json(&project.nlu))]);
    assert_eq!(lines(&again), lines(&project));
    assert_eq!((again.nlu.synonyms, again.nlu.lookups.len()), (project.nlu.synonyms, 2));
}

#[test]
fn luis_and_wit_are_read() {
    let luis = r#"{"luis_schema_version": "8.0", "utterances": [
        {"text": "to Ülm", "intent": "go", "entities": [{"entity": "city", "startPos": 3, "endPos": 5}]}],
        "regex_features": [{"name": "a", "pattern": "x", "activated": true}, {"name": "b", "pattern": "y"}],
        "regex_entities": [{"name": "c", "regexPattern": "z"}]}"#;
    let (project, findings) = read(&[("luis.json", luis)]);
    assert_eq!(lines(&project), ["go | to Ülm | city/O=\"Ülm\"@3-6"]);
    let names: Vec<&str> = project.nlu.regexes.iter().map(|regex| regex.name.as_str()).collect();
    assert_eq!(names, ["a", "c"]);
    assert_eq!(
        findings[0],
        "luis.json: warning: the LUIS schema version 8.0 is newer than 7, the newest one known"
    );

    let wit = r#"{"utterances": [
        {"text": "to Ulm", "intent": "go", "entities": [{"entity": "city:to", "start": 3, "end": 6, "body": "Ulm"}]},
        {"text": "eh", "entities": []},
        {"text": "skipped", "intent": "go"}]}"#;
    let (project, findings) = read(&[("wit.json", wit)]);
    assert_eq!(lines(&project), ["go | to Ulm | city/to=\"Ulm\"@3-6", "out_of_scope | eh"]);
    assert_eq!(findings, [""; 0]);
}

#[test]
fn dialogflow_is_read_from_files_side_by_side() {
    let files = [
        ("df/agent.json", r#"{"supportedLanguages": ["de"]}"#),
        ("df/entities/city.json", r#"{"name": "city", "isEnum": false, "isRegexp": false}"#),
        (
            "df/entities/city_entries_en.json",
            r#"[{"value": "Ulm", "synonyms": ["Ulm", "ulm"]}, {"value": "x", "synonyms": ["@y"]}]"#,
        ),
        ("df/entities/zip.json", r#"{"name": "zip", "isEnum": true, "isRegexp": true}"#),
        ("df/entities/zip_entries_en.json", r#"[{"value": "v", "synonyms": ["\\d+"]}]"#),
        ("df/intents/go.json", r#"{"name": "go", "responses": []}"#),
        (
            "df/intents/go_usersays_en.json",
            r#"[{"data": [{"text": "to "}, {"text": "Ulm", "alias": "town", "meta": "@city"}, {"text": " now", "meta": "@sys.ignore"}]}]"#,
        ),
        ("df/intents/none.json", r#"{"name": "none", "responses": []}"#),
    ];
    let (project, findings) = read(&files);
    assert_eq!(lines(&project), ["go | to Ulm now | town=\"Ulm\"@3-6"]);
    assert_eq!(project.nlu.lookups[0].elements, ["Ulm", "ulm"]);
    assert_eq!(project.nlu.regexes[0].pattern, "\\d+");
    assert_eq!(project.nlu.synonyms["ulm"], "Ulm");
    assert_eq!(
        findings,
        ["df/intents/none.json: warning: there are no examples in `df/intents/none_usersays_en.json`"]
    );
}

#[test]
fn broken_json_is_located() {
    let (_, findings) = read(&[("a.json", "{\n  \"a\": ]\n}")]);
    assert_eq!(findings, ["a.json:2:8: error: this is not valid JSON: expected value"]);
}

fn language(files: &[(&str, &str)]) -> (intendant_rasa_format::nlu::LanguageData, Vec<String>) {
    let files: Vec<SourceFile> = files.iter().map(|(path, text)| SourceFile::new(*path, *text)).collect();
    let mut findings = Vec::new();
    let language = read_language(&files, "de", &|_| None, &mut findings);
    (language, findings.iter().map(ToString::to_string).collect())
}

const MARKDOWN: &str = r#"## intent:greet
- hi <!-- short -->
<!-- - not this
- nor this -->
* hello [Bo](name)

## intent:faq/hours
- when
## synonym:Ulm
- Ulmer
## regex:zip
- [0-9]{5}
## lookup:city
data/city.txt
- Bonn
## ask hours
* faq/hours
    - from nine
    - from ten
## a story
* greet
  - utter_greet
"#;

#[test]
fn markdown_of_rasa_1_is_read() {
    let (language, findings) = language(&[("nlu.md", MARKDOWN)]);
    let project = Project { nlu: language.data.clone(), ..Project::default() };
    assert_eq!(lines(&project), ["greet | hi", "greet | hello Bo | name=\"Bo\"@6-8", "faq | when"]);
    assert_eq!(language.data.synonyms["Ulmer"], "Ulm");
    assert_eq!(
        (language.data.regexes.len(), &language.data.lookups[0].elements),
        (1, &vec!["Bonn".to_owned()])
    );
    assert_eq!(
        language.responses.dict["responses"],
        json!({"utter_faq/hours": [{"text": "from nine"}, {"text": "from ten"}]})
    );
    assert_eq!(findings.len(), 2, "{findings:?}");
    assert!(findings[0].starts_with("nlu.md:14:1: warning: `data/city.txt`"), "{findings:?}");
}

/// What goes out comes back in; each format keeps what it has a place for.
#[test]
fn every_format_is_written_and_read_again() {
    let text = r#"nlu:
- intent: go
  examples: |
    - to [Ülm]{"entity": "city", "role": "to"} or [Bonn](city) now
    - on foot
- intent: faq/hours
  examples: |
    - when
- synonym: Ülm
  examples: |
    - Ulm
- regex: zip
  examples: |
    - [0-9]{5}
- lookup: town
  examples: |
    - Ülm
    - Kiel
"#;
    let (original, _) = language(&[("nlu.yml", text)]);
    let data = &original.data;
    let with_roles =
        ["go | to Ülm or Bonn now | city/to=\"Ülm\"@3-6 | city=\"Bonn\"@10-14", "go | on foot", "faq | when"];
    let read = |files: &[(String, String)]| {
        let files: Vec<(&str, &str)> =
            files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let (language, findings) = language(&files);
        (Project { nlu: language.data, ..Project::default() }, findings)
    };

    let (markdown, findings) = read(&[("a.md".into(), markdown::write(data))]);
    assert_eq!((lines(&markdown), findings), (with_roles.map(str::to_owned).to_vec(), vec![]));
    assert_eq!((&markdown.nlu.synonyms, markdown.nlu.regexes.len()), (&data.synonyms, 1));
    assert_eq!(markdown.nlu.lookups[0].elements, ["Ülm", "Kiel"]);

    let (luis, findings) = read(&[("a.json".into(), luis_json(data, "de"))]);
    assert_eq!(lines(&luis)[0], "go | to Ülm or Bonn now | city/to=\"Ülm\"@3-6 | city/O=\"Bonn\"@10-14");
    assert_eq!((&luis.nlu.synonyms, findings), (&data.synonyms, vec![]));
    assert_eq!(luis.nlu.regexes[0].pattern, "[0-9]{5}");

    let (wit, findings) = read(&[("a.json".into(), wit_json(data))]);
    assert_eq!(lines(&wit)[0], "go | to Ülm or Bonn now | city/to=\"Ülm\"@3-6 | city/city=\"Bonn\"@10-14");
    assert_eq!((lines(&wit).len(), findings), (3, vec![]));

    let (dialogflow, findings) = read(&dialogflow_files(data, "de"));
    assert_eq!(findings, [""; 0]);
    let mut found = lines(&dialogflow);
    found.sort();
    let without_roles =
        ["faq | when", "go | on foot", "go | to Ülm or Bonn now | city=\"Ülm\"@3-6 | city=\"Bonn\"@10-14"];
    assert_eq!(found, without_roles);
    assert_eq!(dialogflow.nlu.synonyms["Ulm"], "Ülm");
    assert_eq!(dialogflow.nlu.regexes[0].pattern, "[0-9]{5}");
}
