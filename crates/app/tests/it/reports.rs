//! The files that tests leave: Rasa's names and shapes.

use std::collections::BTreeSet;
use std::path::Path;

use fixtures::project::Sandbox;
use serde_json::Value;

use crate::stand_in::serve_files;
use crate::{intendant, repository, succeed, trained_starter};

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn run(sandbox: &Sandbox, arguments: &[&str]) {
    let output = intendant(sandbox.path(), arguments);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {told}");
}

#[test]
fn tests_leave_rasas_files_and_ours() {
    let sandbox = Sandbox::copy_of(&repository().join("examples/advisor")).unwrap();
    run(&sandbox, &["train"]);
    run(&sandbox, &["test", "nlu", "-u", "tests/messages.yml", "--successes"]);
    let results = sandbox.path().join("results");
    let mut expected: BTreeSet<String> = ["intent", "response_selection", "DIETClassifier"]
        .iter()
        .flat_map(|name| {
            ["report.json", "errors.json", "successes.json", "confusion_matrix.png", "histogram.png"]
                .map(|ending| format!("{name}_{ending}"))
        })
        .collect();
    let ours = [
        "intent_calibration.png",
        "response_selection_calibration.png",
        "nlu_findings.json",
        "nlu_report.html",
    ];
    expected.extend(ours.map(str::to_owned));
    assert_eq!(names(&results), expected);
    for name in names(&results).iter().filter(|name| name.ends_with(".png")) {
        assert!(std::fs::read(results.join(name)).unwrap().starts_with(b"\x89PNG"), "{name}");
    }
    let report = json(&results.join("intent_report.json"));
    for average in ["micro avg", "macro avg", "weighted avg"] {
        for figure in ["precision", "recall", "f1-score", "support"] {
            assert!(report[average][figure].is_number(), "{average} {figure}");
        }
    }
    assert!(report["accuracy"].is_number() && report["greet"]["confused_with"].is_object());
    let entities = json(&results.join("DIETClassifier_report.json"));
    let last = entities.as_object().unwrap().keys().next_back().unwrap();
    assert_eq!(last, "accuracy");
    let findings = json(&results.join("nlu_findings.json"));
    assert_eq!(findings["setting"], "messages that were held back");
    let accuracy = &findings["intents"]["accuracy"];
    assert!(accuracy["low"].as_f64() < accuracy["value"].as_f64(), "{accuracy}");
    let page = std::fs::read_to_string(results.join("nlu_report.html")).unwrap();
    assert!(page.contains("<svg ") && page.contains("DIETClassifier"));

    run(&sandbox, &["test", "core", "--e2e", "-s", "tests", "--out", "core", "--successes"]);
    let expected = [
        "failed_test_stories.yml",
        "stories_with_warnings.yml",
        "story_confusion_matrix.png",
        "story_report.json",
        "successful_test_stories.yml",
    ];
    assert_eq!(names(&sandbox.path().join("core")), expected.map(str::to_owned).into());
}

/// Stories told by texts alone: of these the decision counts, and what the policy finds in them.
#[test]
fn texts_without_intents_are_tested_by_what_they_decide() {
    let sandbox = Sandbox::with(&[
        (
            "config.yml",
            "recipe: default.v1\nlanguage: en\nassistant_id: test\n\
             pipeline: [{name: WhitespaceTokenizer}, {name: CountVectorsFeaturizer}, {name: DIETClassifier}]\n\
             policies: [{name: RulePolicy}, {name: TEDPolicy}]\n",
        ),
        ("domain.yml", "version: \"3.1\"\nintents: [bye, thank]\nentities: [city]\nactions: [action_weather]\n"),
        (
            "data/nlu.yml",
            "version: \"3.1\"\nnlu:\n- {intent: bye, examples: \"- bye\\n- see you\"}\n\
             - {intent: thank, examples: \"- thanks\\n- thank you\"}\n",
        ),
        (
            "data/stories.yml",
            "version: \"3.1\"\nstories:\n\
             - {story: a, steps: [{user: 'the weather in [Berlin](city) please'}, {action: action_weather}]}\n\
             - {story: b, steps: [{user: 'what is the weather in [Rome](city)'}, {action: action_weather}]}\n\
             - {story: c, steps: [{user: 'who are you'}, {bot: 'A bot.'}]}\n",
        ),
        (
            "tests/test_stories.yml",
            "version: \"3.1\"\nstories:\n\
             - {story: right, steps: [{user: 'the weather in [Oslo](city) please'}, {action: action_weather}]}\n\
             - {story: missed, steps: [{user: 'what is the [weather](city) in Oslo'}, {action: action_weather}]}\n\
             - {story: wrong, steps: [{user: 'who are you'}, {action: action_weather}]}\n",
        ),
    ])
    .unwrap();
    run(&sandbox, &["train"]);
    run(&sandbox, &["test", "core", "--e2e", "--successes"]);
    let results = sandbox.path().join("results");
    let report = json(&results.join("story_report.json"));
    assert_eq!(report["conversation_accuracy"]["correct"], 2, "{report}");
    let failed = std::fs::read_to_string(results.join("failed_test_stories.yml")).unwrap();
    assert!(failed.contains("- story: wrong (") && failed.contains("# predicted: A bot."), "{failed}");
    let found = json(&results.join("TEDPolicy_report.json"));
    assert_eq!((&found["city"]["support"], &found["city"]["recall"]), (&2.into(), &0.5.into()), "{found}");
    let errors = json(&results.join("TEDPolicy_errors.json"));
    assert_eq!(errors.as_array().unwrap().len(), 1);
    assert_eq!(errors[0]["text"], "what is the weather in Oslo");
    assert_eq!(errors[0]["predicted_entities"][0]["value"], "Oslo");
    for name in ["TEDPolicy_successes.json", "TEDPolicy_confusion_matrix.png"] {
        assert!(results.join(name).exists(), "{name}");
    }
    run(&sandbox, &["test", "core", "--e2e", "--out", "few", "--no-errors", "--no-plot", "--no-warnings"]);
    let few = ["TEDPolicy_report.json", "story_report.json"];
    assert_eq!(names(&sandbox.path().join("few")), few.map(str::to_owned).into());
}

/// Cross-validation reads what has a wrong label as what it is; the same seed finds the same.
#[test]
fn exchanged_labels_are_found() {
    let sandbox = Sandbox::copy_of(&repository().join("examples/advisor")).unwrap();
    let places = ["thank", "goodbye"];
    let lines = |intent: &str, texts: &[&str]| -> String {
        let items: String = texts.iter().map(|text| format!("    - {text}\n")).collect();
        format!("- intent: {intent}\n  examples: |\n{items}")
    };
    let thanks: Vec<String> =
        (0..12).map(|idx| format!("vielen dank für alles {}", "sehr ".repeat(idx))).collect();
    let byes: Vec<String> =
        (0..12).map(|idx| format!("auf wiedersehen und bis {}", "bald ".repeat(idx))).collect();
    let mut first: Vec<&str> = thanks.iter().map(String::as_str).collect();
    first.push("auf wiedersehen und bis morgen");
    let second: Vec<&str> = byes.iter().map(String::as_str).collect();
    let text = format!("version: \"3.1\"\nnlu:\n{}{}", lines(places[0], &first), lines(places[1], &second));
    sandbox.write("exchanged.yml", &text).unwrap();
    let test = |out: &str| {
        run(&sandbox, &["test", "nlu", "-u", "exchanged.yml", "--cross-validation", "-f", "3", "--out", out]);
        json(&sandbox.path().join(out).join("nlu_findings.json"))
    };
    let findings = test("one");
    let errors = json(&sandbox.path().join("one/intent_errors.json"));
    let errors = errors.as_array().unwrap();
    let exchanged = errors.iter().find(|error| error["text"] == "auf wiedersehen und bis morgen").unwrap();
    assert_eq!(exchanged["intent_prediction"]["name"], "goodbye");
    for suspect in findings["suspects"].as_array().unwrap() {
        assert!(errors.iter().any(|error| error["text"] == suspect["text"]), "{suspect}");
    }
    assert_eq!(findings, test("two"));
}

#[test]
fn test_stories_come_from_elsewhere_and_stories_are_drawn() {
    let sandbox = trained_starter();
    let story = "stories:\n- story: hello\n  steps:\n  - user: hello there\n    intent: greet\n  - action: utter_greet\n";
    let site = serve_files(vec![("/stories?raw", "text/yaml", story.as_bytes().to_vec())]);
    let told = succeed(sandbox.path(), &["test", "core", "--e2e", "--url", &format!("{site}stories?raw")]);
    assert!(told.contains("1 of 1 test stories went as expected"), "{told}");
    let output = intendant(sandbox.path(), &["test", "core", "--url", &format!("{site}other.yml")]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && told.contains("other.yml was answered with status 404"), "{told}");

    succeed(sandbox.path(), &["train", "core", "--debug-plots"]);
    let page = std::fs::read_to_string(sandbox.at("story_blocks_connections.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("utter_greet"), "{page}");
}
