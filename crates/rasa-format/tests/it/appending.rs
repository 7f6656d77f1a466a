//! Additions leave what people wrote as it is.

use intendant_rasa_format::write::Form;
use intendant_rasa_format::write::append::{self, DomainAdditions};
use intendant_rasa_format::{SourceFile, nlu, stories};
use intendant_talk::data::NluData;

fn file(text: &str) -> SourceFile {
    SourceFile::new("data.yml", text)
}

fn told(result: Result<String, intendant_component::diagnostic::Diagnostic>) -> String {
    result.unwrap_or_else(|refused| format!("{refused}\n"))
}

#[test]
fn stories_stand_at_the_end_of_their_list() {
    let added = "stories:\n- story: new\n  steps:\n  - intent: greet\n  - action: utter_greet\n";
    let added = stories::read(&file(added), &|_| None, &mut Vec::new());
    let check = |text: &str, expected: &str| {
        assert_eq!(told(append::stories(&file(text), &added, Form::Training, &|_| None)), expected, "{text}");
    };
    const NEW: &str = "- story: new\n  steps:\n  - intent: greet\n  - action: utter_greet\n";
    check("", &format!("version: \"3.1\"\n\nstories:\n{NEW}"));
    check(
        "stories:\n- story: old # mine\n  steps: []",
        &format!("stories:\n- story: old # mine\n  steps: []\n{NEW}"),
    );
    check(
        "# mine\nstories:\n\n  - story: a\n    steps: []\n    # about a\n\n  - story: b\n    steps: []\n\n\n# the rules\nrules: []\n",
        "# mine\nstories:\n\n  - story: a\n    steps: []\n    # about a\n\n  - story: b\n    steps: []\n\n  - story: new\n    \
         steps:\n    - intent: greet\n    - action: utter_greet\n\n\n# the rules\nrules: []\n",
    );
    check("rules: []\nstories: [] # none yet\n", &format!("rules: []\nstories: # none yet\n{NEW}"));
    check("stories:\nrules: []\n", &format!("stories:\n{NEW}rules: []\n"));
    check("stories:\r\n- story: a\r\n", &format!("stories:\n- story: a\n{NEW}").replace('\n', "\r\n"));
    check("version: \"3.1\"\n", &format!("version: \"3.1\"\n\nstories:\n{NEW}"));
    check(
        "stories: [{story: a}]\n",
        "data.yml:1:1: error: nothing can be added to `stories` without changing what is there\n  help: name another \
         file, a new one say\n",
    );
    check(
        "stories: {a: b}\n",
        "data.yml:1:1: error: nothing can be added to `stories`, which is not written line by line\n  help: name \
         another file, a new one say\n",
    );
    check(
        "- a\n",
        "data.yml:1:1: error: the file is no map of keys to values\n  help: name another file, a new one say\n",
    );
}

#[test]
fn examples_join_their_intent() {
    let added = "nlu:\n- intent: greet\n  examples: |\n    - hi [Ann](name)\n    - moin\n";
    let added: NluData = nlu::read(&file(added), &|_| None, &mut Vec::new()).data;
    let check = |text: &str, expected: &str| {
        assert_eq!(told(append::examples(&file(text), &added, &|_| None)), expected, "{text}");
    };
    check("", "version: \"3.1\"\n\nnlu:\n- intent: greet\n  examples: |\n    - hi [Ann](name)\n    - moin\n");
    check(
        "nlu:\n- intent: greet\n  examples: |\n     - hello   \n     - moin\n\n- intent: bye # last\n  examples: |\n    - bye\n",
        "nlu:\n- intent: greet\n  examples: |\n     - hello   \n     - moin\n     - hi [Ann](name)\n\n- intent: bye # last\n  \
         examples: |\n    - bye\n",
    );
    check(
        "nlu:\n- intent: greet\n  examples:\n  - text: |\n      hello\n    metadata: 1\n- intent: bye\n  examples: |\n    - bye\n",
        "nlu:\n- intent: greet\n  examples:\n  - text: |\n      hello\n    metadata: 1\n  - text: |\n      hi [Ann](name)\n  - \
         text: |\n      moin\n- intent: bye\n  examples: |\n    - bye\n",
    );
    // Written in a way that has no end of its own: a second item of the same intent.
    check(
        "nlu:\n- intent: greet\n  examples: \"- hello\"\n",
        "nlu:\n- intent: greet\n  examples: \"- hello\"\n- intent: greet\n  examples: |\n    - hi [Ann](name)\n    - moin\n",
    );
}

#[test]
fn a_domain_gets_names_and_responses() {
    let added = DomainAdditions {
        intents: vec!["greet".into(), "new".into()],
        entities: vec!["no".into()],
        actions: vec!["action_new".into()],
        responses: vec![("utter_new".into(), "It's: new".into())],
    };
    let check = |text: &str, expected: &str| {
        assert_eq!(told(append::domain(&file(text), &added, &|_| None)), expected, "{text}");
    };
    check(
        "intents: [greet] # all\nactions:\n  - action_old\n\nresponses:\n  utter_a:\n  - text: a\n\n  # about b\n  utter_b:\n  - text: b\n",
        "intents: [greet, new] # all\nactions:\n  - action_old\n  - action_new\n\nresponses:\n  utter_a:\n  - text: a\n\n  \
         # about b\n  utter_b:\n  - text: b\n\n  utter_new:\n  - text: 'It''s: new'\n\nentities:\n- no\n",
    );
    check(
        "intents:\n- greet:\n    use_entities: []\n",
        "intents:\n- greet:\n    use_entities: []\n- new\n\nentities:\n- no\n\nactions:\n- action_new\n\nresponses:\n  \
         utter_new:\n  - text: 'It''s: new'\n",
    );
}
