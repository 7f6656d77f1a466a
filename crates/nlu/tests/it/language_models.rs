//! Pretrained vectors beside words, and entities found by a server.

use std::sync::Arc;

use fixtures::language_model::Tiny;
use intendant_component::training::{Progress, Silent, TrainContext};
use intendant_embed::Encoder;
use intendant_nlu::{LanguageModel, Outside, Pipeline, Wanted, wanted};
use intendant_talk::data::{ComponentSpec, NluData, Resource};
use serde_json::{Value, json};

use crate::{component, example, small_data, small_domain, train};

/// Words of a group mean the same to this model.
const WORDS: [&[&str]; 4] = [
    &["hello", "hi", "servus", "ahoi"],
    &["bye", "goodbye", "ciao", "adieu"],
    &["book", "reserve"],
    &["fly", "flight"],
];

fn language_model(digest: &str, seed: u64) -> Resource {
    let tiny = Tiny { architecture: "bert", number_type: "F32", words: &WORDS, seed };
    let encoder = Encoder::read(&tiny.files()).unwrap();
    Resource::Ready(Arc::new(LanguageModel::new(encoder, digest.to_owned())))
}

pub(crate) fn with_model(name: &str, options: Value) -> ComponentSpec {
    ComponentSpec { resource: Some(language_model("d1", 3)), ..component(name, options) }
}

pub(crate) fn words_of_two_kinds() -> NluData {
    let intents: [(&str, &[&str]); 4] = [
        ("greet", &["hello", "hi", "hello hello", "hi hi", "hello hi"]),
        ("bye", &["bye", "goodbye", "bye bye", "goodbye bye", "bye goodbye"]),
        ("book", &["book", "book book", "book book book", "book book book book"]),
        ("fly", &["fly", "fly fly", "fly fly fly", "fly fly fly fly"]),
    ];
    let examples = intents.iter().flat_map(|(intent, texts)| texts.iter().map(|text| example(intent, text)));
    NluData { examples: examples.collect(), ..NluData::default() }
}

/// Pipelines whose classifier is one of ours and whose vectors come one way or the other.
fn pipelines() -> Vec<Vec<ComponentSpec>> {
    let mut pipelines = Vec::new();
    for classifier in ["DIETClassifier", "LogisticRegressionClassifier", "SklearnIntentClassifier"] {
        pipelines.push(vec![
            component("WhitespaceTokenizer", json!({})),
            component("CountVectorsFeaturizer", json!({})),
            with_model("LanguageModelFeaturizer", json!({"model_weights": "m"})),
            component(classifier, json!({})),
        ]);
        pipelines.push(vec![
            with_model("SpacyNLP", json!({"model": "m"})),
            component("SpacyTokenizer", json!({})),
            component("SpacyFeaturizer", json!({"pooling": "max"})),
            component(classifier, json!({})),
        ]);
    }
    pipelines
}

#[test]
fn words_never_seen_are_understood_by_what_they_mean() {
    for specs in pipelines() {
        let (pipeline, _) = train(&specs, &words_of_two_kinds()).unwrap();
        for (text, intent) in [
            ("servus", "greet"),
            ("Ahoi ahoi", "greet"),
            ("ciao", "bye"),
            ("reserve", "book"),
            ("flight", "fly"),
        ] {
            let parse = pipeline.parse(text);
            assert_eq!(parse.intent_name(), intent, "{text} by {:?}", specs[3].name);
        }
        assert_eq!(pipeline.parse("").text.as_deref(), Some(""));
    }
    // Without the vectors nothing speaks for either.
    let specs: Vec<ComponentSpec> =
        pipelines()[0].iter().filter(|spec| spec.resource.is_none()).cloned().collect();
    let (pipeline, _) = train(&specs, &words_of_two_kinds()).unwrap();
    assert!(pipeline.parse("servus").intent.confidence.unwrap() < 0.6);
}

#[test]
fn entities_are_found_by_what_words_mean() {
    let texts = ["take [hello](word) now", "take [hi](word) now", "take bye now", "take goodbye now"];
    let more =
        ["now take [hi](word) please", "now take bye please", "now take [hello](word)", "now take goodbye"];
    let examples = texts.iter().chain(&more).cycle().take(24);
    let data =
        NluData { examples: examples.map(|text| example("take", text)).collect(), ..NluData::default() };
    let specs = |with_vectors: bool| {
        let mut specs = vec![component("WhitespaceTokenizer", json!({}))];
        let featurizer = with_model("LanguageModelFeaturizer", json!({"model_weights": "m"}));
        specs.extend(with_vectors.then_some(featurizer));
        specs.push(component("CountVectorsFeaturizer", json!({})));
        specs.push(component("DIETClassifier", json!({"intent_classification": false})));
        specs
    };
    let (pipeline, _) = train(&specs(true), &data).unwrap();
    let loaded = Pipeline::load(&specs(true), pipeline.store()).unwrap();
    for (text, expected) in [("take servus now", 1), ("take ciao now", 0), ("now take ahoi please", 1)] {
        let found = pipeline.parse(text).entities;
        assert_eq!(found.len(), expected, "{text}: {found:?}");
        assert_eq!(loaded.parse(text).entities, found, "{text}");
    }
}

#[test]
fn a_stored_pipeline_answers_as_before_with_the_same_model_only() {
    let texts = ["servus", "book", "bye hello", "", "something else"];
    for specs in pipelines() {
        let (pipeline, _) = train(&specs, &words_of_two_kinds()).unwrap();
        let loaded = Pipeline::load(&specs, pipeline.store()).unwrap();
        assert_eq!(pipeline.parse_on(2, &texts), loaded.parse_on(1, &texts));
        let refusal = |resource: Option<Resource>| {
            let with = |spec: &ComponentSpec| match spec.resource {
                Some(_) => ComponentSpec { resource: resource.clone(), ..spec.clone() },
                None => spec.clone(),
            };
            let specs: Vec<ComponentSpec> = specs.iter().map(with).collect();
            Pipeline::load(&specs, pipeline.store()).err().map(|error| error.message).unwrap_or_default()
        };
        assert!(
            refusal(Some(language_model("d2", 4)))
                .contains("holds other files than when this model was trained")
        );
        assert_eq!(
            refusal(Some(Resource::Failed("there is no folder `m`".into()))),
            "there is no folder `m`"
        );
        assert!(refusal(None).contains("was not read"));
    }
}

#[test]
fn training_gives_the_same_on_any_number_of_threads_and_with_remembered_vectors() {
    let stored = |specs: &[ComponentSpec], threads: usize| {
        let context = TrainContext { seed: 1, threads, progress: &Silent };
        intendant_nlu::train(specs, "en", &words_of_two_kinds(), &small_domain(), &context).unwrap().0.store()
    };
    for (specs, fresh) in pipelines().iter().zip(pipelines()) {
        let first = stored(specs, 1);
        // The second time, the model remembers the vectors of all texts.
        assert!(first == stored(specs, 2));
        assert!(first == stored(&fresh, 2));
    }
}

#[test]
fn vectors_of_texts_can_be_handed_on() {
    let Resource::Ready(one) = language_model("d", 3) else { unreachable!() };
    let one = one.downcast::<LanguageModel>().unwrap();
    let mut specs = pipelines().remove(0);
    specs[2].resource = Some(Resource::Ready(Arc::clone(&one) as _));
    train(&specs, &words_of_two_kinds()).unwrap();
    let memory = one.memory();
    assert_eq!(memory.len(), 18);
    let Resource::Ready(other) = language_model("d", 3) else { unreachable!() };
    let other = other.downcast::<LanguageModel>().unwrap();
    other.remember(memory.clone());
    other.remember([(1, Arc::from([0.5f32].as_slice()))]);
    assert_eq!(other.memory(), memory, "a vector of another width is left out");
}

#[test]
fn what_stands_in_the_way_is_said_where_it_stands() {
    let check = |specs: &[ComponentSpec], expected: &str| {
        let error = train(specs, &small_data()).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(expected), "{error:?} lacks {expected:?}");
    };
    let tokenizer = component("WhitespaceTokenizer", json!({}));
    let featurizer = component("LanguageModelFeaturizer", json!({"model_name": "bert"}));
    let failed = ComponentSpec {
        resource: Some(Resource::Failed("there is no folder `x`".into())),
        ..featurizer.clone()
    };
    check(&[tokenizer.clone(), failed], "`LanguageModelFeaturizer`: there is no folder `x`");
    check(&[tokenizer.clone(), featurizer.clone()], "name a local folder with config.json");
    check(std::slice::from_ref(&featurizer), "needs a tokenizer before it");
    check(&[component("SpacyTokenizer", json!({}))], "`SpacyTokenizer` needs a language model before it");
    check(&[tokenizer.clone(), component("SpacyFeaturizer", json!({}))], "needs a language model before it");
    check(
        &[
            with_model("SpacyNLP", json!({})),
            component("SpacyTokenizer", json!({})),
            component("SpacyFeaturizer", json!({"pooling": "sum"})),
        ],
        "option `pooling` of `SpacyFeaturizer` cannot be `sum`",
    );
}

#[test]
fn components_say_which_folder_they_need() {
    let check = |name: &str, options: Value, expected: Option<(Option<&str>, Option<&str>)>| {
        let found = match wanted(&component(name, options)) {
            Some(Wanted::LanguageModel { folder, below, .. }) => Some((folder, below)),
            _ => None,
        };
        let expected = expected.map(|(folder, below)| (folder.map(str::to_owned), below.map(str::to_owned)));
        assert_eq!(found, expected, "{name}");
    };
    check(
        "LanguageModelFeaturizer",
        json!({"model_weights": "w", "cache_dir": "c"}),
        Some((Some("w"), Some("c"))),
    );
    check(
        "rasa.nlu.featurizers.dense_featurizer.lm_featurizer.LanguageModelFeaturizer",
        json!({}),
        Some((None, None)),
    );
    check("SpacyNLP", json!({"model": "m"}), Some((Some("m"), None)));
    check("SpacyFeaturizer", json!({}), None);
    check("Unheard", json!({}), None);
}

#[test]
fn encoding_can_be_cancelled() {
    struct Never;
    impl Progress for Never {
        fn report(&self, _: &str, _: u64, _: u64) {}
        fn is_cancelled(&self) -> bool {
            true
        }
    }
    let context = TrainContext { seed: 1, threads: 1, progress: &Never };
    let trained = intendant_nlu::train(&pipelines()[0], "en", &small_data(), &small_domain(), &context);
    assert_eq!(trained.err().map(|error| error.kind), Some(intendant_nlu::Kind::Cancelled));
}

#[test]
fn a_server_that_is_configured_decides_what_entities_there_are() {
    let duckling = component(
        "DucklingEntityExtractor",
        json!({"url": "http://localhost:8000", "dimensions": ["time", "number"], "timezone": "Europe/Berlin", "timeout": 1.5}),
    );
    let synonyms = component("EntitySynonymMapper", json!({}));
    let data = NluData { synonyms: [("5".to_owned(), "five".to_owned())].into(), ..small_data() };
    let (pipeline, warnings) = train(&[duckling, synonyms], &data).unwrap();
    assert!(warnings.iter().all(|warning| !warning.message.contains("url")));
    let questions = pipeline.questions("at 5");
    let [(0, question)] = questions.as_slice() else { panic!("{questions:?}") };
    assert_eq!(question.url.as_deref(), Some("http://localhost:8000"));
    assert_eq!(
        (question.locale.as_str(), question.timezone.as_deref(), question.timeout_secs),
        ("en", Some("Europe/Berlin"), 1.5)
    );
    assert!(pipeline.questions("/greet").is_empty() && pipeline.questions(" ").is_empty());
    // In vain: nothing is found, although the rules would find something.
    assert!(pipeline.parse("at 5").entities.is_empty());
    let answer = |dimension: &str, value: Value| json!({"body": "5", "start": 3, "end": 4, "dim": dimension, "value": value, "latent": false});
    let interval = json!({"type": "interval", "from": {"value": "a"}, "to": {"value": "b"}});
    let told = vec![
        answer("number", json!({"value": 5, "type": "value"})),
        answer("time", interval.clone()),
        answer("email", json!({"value": "x"})),
    ];
    let outside = Outside { now_ms: Some(0), told: &[(0, told)] };
    let entities = pipeline.parse_with("at 5", outside).0.entities;
    let found: Vec<_> = entities
        .iter()
        .map(|entity| (entity.entity.as_str(), entity.value.clone(), entity.start_chars))
        .collect();
    assert_eq!(
        found,
        [("number", json!("five"), Some(3)), ("time", json!({"to": "b", "from": "a"}), Some(3))]
    );
    assert_eq!(entities[1].extra["additional_info"], interval);
    assert_eq!(entities[1].extra["text"], json!("5"));
}
