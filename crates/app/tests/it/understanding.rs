//! Understanding with what is outside the archive: a language model's folder, a Duckling server.

use fixtures::language_model::Tiny;
use fixtures::process::Server;
use fixtures::project::Sandbox;
use serde_json::{Value, json};

use crate::{archives, binary, intendant, succeed};

const NLU: &str = "version: '3.1'\nnlu:\n- intent: greet\n  examples: |\n    - hello\n    - hi\n    - hello hello\n\
                   - intent: bye\n  examples: |\n    - bye\n    - goodbye\n    - bye goodbye\n";

fn trained(pipeline: &str) -> Sandbox {
    let config = format!("recipe: default.v1\nlanguage: en\nassistant_id: tiny\npipeline:\n{pipeline}");
    let sandbox = Sandbox::with(&[("config.yml", &config), ("data/nlu.yml", NLU)]).unwrap();
    let words: [&[&str]; 2] = [&["hello", "hi", "servus"], &["bye", "goodbye", "ciao"]];
    let tiny = Tiny { architecture: "distilbert", number_type: "F16", words: &words, seed: 5 };
    tiny.write(&sandbox.at("tiny")).unwrap();
    succeed(sandbox.path(), &["train", "nlu"]);
    sandbox
}

fn parse(server: &Server, text: &str) -> Value {
    let body = json!({"text": text}).to_string();
    let mut connection = server.connect().unwrap();
    serde_json::from_slice(connection.request("/model/parse", Some(&body)).unwrap()).unwrap()
}

#[test]
fn a_language_model_in_a_folder_is_used_and_missed() {
    let sandbox = trained(
        "- name: WhitespaceTokenizer\n- name: CountVectorsFeaturizer\n- name: LanguageModelFeaturizer\n  \
         model_weights: tiny\n- name: LogisticRegressionClassifier\n",
    );
    let server = Server::start(binary(), sandbox.path(), &["run", "--enable-api"]).unwrap();
    assert_eq!(parse(&server, "servus")["intent"]["name"], "greet");
    assert_eq!(parse(&server, "ciao ciao")["intent"]["name"], "bye");
    drop(server);
    // The vectors kept from the first training change nothing.
    let models = || -> Vec<Vec<u8>> {
        archives(&sandbox.at("models")).iter().map(|path| std::fs::read(path).unwrap()).collect()
    };
    let first = models();
    assert!(sandbox.at(".intendant/vectors").is_dir());
    std::fs::remove_dir_all(sandbox.at("models")).unwrap();
    succeed(sandbox.path(), &["train", "nlu"]);
    assert_eq!(models(), first);

    std::fs::rename(sandbox.at("tiny"), sandbox.at("elsewhere")).unwrap();
    let said = |arguments: &[&str]| {
        let output = intendant(sandbox.path(), arguments);
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(said(&["test", "nlu", "--nlu", "data/nlu.yml"]).contains("there is no folder `tiny`"));
    let told = said(&["train", "nlu"]);
    assert!(told.contains("`LanguageModelFeaturizer`: there is no folder `tiny`"), "{told}");
    assert!(told.contains("config.yml:7"), "{told}");
}

#[test]
fn a_duckling_server_is_asked_where_one_is_configured() {
    let duckling = Sandbox::empty().unwrap();
    let duckling = Server::start(binary(), duckling.path(), &["entities"]).unwrap();
    let sandbox = trained(&format!(
        "- name: WhitespaceTokenizer\n- name: KeywordIntentClassifier\n- name: DucklingEntityExtractor\n  \
         url: http://127.0.0.1:{}\n  dimensions: [number]\n",
        duckling.port()
    ));
    let server = Server::start(binary(), sandbox.path(), &["run", "--enable-api"]).unwrap();
    let found = parse(&server, "hello at 5 or tomorrow");
    let expected = json!([{
        "start": 9, "end": 10, "text": "5", "value": 5, "confidence": 1.0,
        "additional_info": {"value": 5, "type": "value"}, "entity": "number", "extractor": "DucklingEntityExtractor",
    }]);
    assert_eq!(found["entities"], expected);
    duckling.kill().unwrap();
    let found = parse(&server, "hello at 5");
    assert_eq!((&found["entities"], &found["intent"]["name"]), (&json!([]), &json!("greet")));
}
