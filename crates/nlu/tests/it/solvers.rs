//! Classifiers that find the optimum scikit-learn's look for.

use std::sync::atomic::{AtomicUsize, Ordering};

use intendant_component::stored::{Tensor, TensorData};
use intendant_component::training::{Progress, TrainContext};
use intendant_nlu::{Kind, Pipeline};
use intendant_talk::data::{ComponentSpec, NluData};
use serde_json::{Value, json};

use crate::language_models::{with_model, words_of_two_kinds};
use crate::{component, example, small_domain, train};

const TEXTS: [(&str, &[&str]); 3] = [
    ("book", &["book a table", "find a table for two", "table for two please"]),
    ("bye", &["goodbye", "see you", "see you later", "good night", "bye bye", "farewell then"]),
    ("greet", &["hello", "hello there", "good morning", "hey hey"]),
];
const ASKED: [&str; 4] = ["hello", "good table", "see a table for you", "unheard"];

fn data(intents: &[&str]) -> NluData {
    let examples = TEXTS.iter().filter(|(intent, _)| intents.contains(intent));
    let examples = examples.flat_map(|(intent, texts)| texts.iter().map(|text| example(intent, text)));
    NluData { examples: examples.collect(), ..NluData::default() }
}

fn regression(options: Value) -> Vec<ComponentSpec> {
    vec![
        component("WhitespaceTokenizer", Value::Null),
        component("CountVectorsFeaturizer", json!({"alias": "words"})),
        component("LogisticRegressionClassifier", options),
    ]
}

fn machines(options: Value) -> Vec<ComponentSpec> {
    vec![
        component("WhitespaceTokenizer", Value::Null),
        with_model("LanguageModelFeaturizer", json!({"model_weights": "m"})),
        component("SklearnIntentClassifier", options),
    ]
}

/// Confidences of the intents in the order of their names.
fn confidences(pipeline: &Pipeline, text: &str) -> Vec<f64> {
    let mut ranking = pipeline.parse(text).intent_ranking.unwrap();
    assert!(ranking.is_sorted_by(|a, b| a.confidence >= b.confidence));
    ranking.sort_by(|a, b| a.name.cmp(&b.name));
    ranking.into_iter().filter_map(|intent| intent.confidence).collect()
}

#[test]
fn confidences_are_those_of_scikit_learn() {
    // Found by scikit-learn 1.1.3 with `CountVectorizer` and `LogisticRegression(tol=1e-6)`.
    let check = |intents: &[&str], options: Value, expected: [&[f64]; 4]| {
        let mut all = json!({"max_iter": 1000});
        all.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        let (pipeline, warnings) = train(&regression(all), &data(intents)).unwrap();
        assert_eq!(warnings, [], "{options}");
        for (text, expected) in ASKED.iter().zip(expected) {
            let found = confidences(&pipeline, text);
            let is_close =
                found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-3);
            assert!(is_close && found.len() == expected.len(), "{options} {text}: {found:?}");
        }
    };
    let three = ["book", "bye", "greet"];
    let balanced: [&[f64]; 4] = [
        &[0.1085, 0.2521, 0.6393],
        &[0.3324, 0.3289, 0.3387],
        &[0.6296, 0.2913, 0.0791],
        &[0.1555, 0.4673, 0.3772],
    ];
    check(&three, json!({}), balanced);
    check(&three, json!({"solver": "saga", "featurizers": ["words"]}), balanced);
    let liblinear: [&[f64]; 4] = [
        &[0.186, 0.2889, 0.5251],
        &[0.3841, 0.3139, 0.302],
        &[0.5655, 0.3533, 0.0812],
        &[0.2464, 0.4086, 0.345],
    ];
    check(&three, json!({"solver": "liblinear"}), liblinear);
    let costly: [&[f64]; 4] = [
        &[0.0239, 0.0831, 0.8931],
        &[0.3469, 0.3197, 0.3334],
        &[0.7929, 0.1942, 0.0129],
        &[0.071, 0.5988, 0.3302],
    ];
    check(&three, json!({"C": 10}), costly);
    let weighed: [&[f64]; 4] = [
        &[0.0342, 0.0975, 0.8683],
        &[0.1891, 0.2752, 0.5358],
        &[0.4971, 0.4072, 0.0956],
        &[0.081, 0.371, 0.5479],
    ];
    check(&three, json!({"class_weight": {"greet": 5}}), weighed);
    let two = ["book", "greet"];
    let free: [&[f64]; 4] = [&[0.2454, 0.7546], &[0.4626, 0.5374], &[0.7371, 0.2629], &[0.3269, 0.6731]];
    check(&two, json!({}), free);
    let held: [&[f64]; 4] = [&[0.3103, 0.6897], &[0.5297, 0.4703], &[0.7744, 0.2256], &[0.4263, 0.5737]];
    check(&two, json!({"solver": "liblinear"}), held);
}

#[test]
fn steps_that_do_not_suffice_are_told_of() {
    let (pipeline, warnings) = train(&regression(json!({"max_iter": 1})), &data(&["bye", "greet"])).unwrap();
    let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "warning: `LogisticRegressionClassifier` has not reached its optimum after 1 steps\n  help: a larger \
          `max_iter` takes longer and may be a little better"
        ]
    );
    assert_eq!(confidences(&pipeline, "hello").len(), 2);
}

#[test]
fn a_text_without_words_has_no_intent_and_rankings_are_as_long_as_asked() {
    let three = data(&["book", "bye", "greet"]);
    for specs in [regression(json!({"ranking_length": 2})), machines(json!({}))] {
        let (pipeline, _) = train(&specs, &three).unwrap();
        let parse = pipeline.parse("");
        assert_eq!((parse.intent.name, parse.intent_ranking.map(|ranking| ranking.len())), (None, Some(0)));
        let length = pipeline.parse("hello").intent_ranking.unwrap().len();
        assert_eq!(length, if specs[2].name == "SklearnIntentClassifier" { 3 } else { 2 });
    }
    for specs in [regression(json!({})), machines(json!({}))] {
        let (pipeline, warnings) = train(&specs, &data(&["greet"])).unwrap();
        assert!(warnings[0].to_string().contains("fewer than two intents"), "{warnings:?}");
        assert_eq!(pipeline.parse("hello").intent.name, None);
    }
}

#[test]
fn settings_are_chosen_among_those_given() {
    let data = words_of_two_kinds();
    let chosen = |options: Value| {
        let (pipeline, _) = train(&machines(options), &data).unwrap();
        for (text, intent) in [("servus", "greet"), ("ciao", "bye"), ("reserve", "book"), ("flight", "fly")] {
            let parse = pipeline.parse(text);
            assert_eq!(parse.intent_name(), intent, "{text}");
        }
        let state = pipeline.store().pop().unwrap().1.state;
        (state["kernel"].clone(), state["gamma"].as_f64())
    };
    assert_eq!(chosen(json!({})), (json!("linear"), None));
    let one = json!({"kernels": ["rbf"], "C": [10], "gamma": [0.25]});
    assert_eq!(chosen(one), (json!("rbf"), Some(0.25)));
    // Vectors are of length one and have 16 numbers or so: the first of these gammas sees no differences.
    let (kernel, gamma) = chosen(json!({"kernels": ["rbf"], "gamma": [1e-9, "scale"], "C": [1]}));
    assert!(kernel == "rbf" && gamma.unwrap() > 1e-3, "{gamma:?}");
    for scoring in ["accuracy", "balanced_accuracy", "recall_macro"] {
        chosen(json!({"scoring_function": scoring, "kernels": ["linear", "rbf"], "gamma": [0.1, "auto"]}));
    }
}

#[test]
fn options_that_cannot_be_honoured_are_refused() {
    let check = |specs: &[ComponentSpec], expected: &[&str]| {
        let error = train(specs, &data(&["bye", "greet"])).err().map(|error| error.to_string());
        let error = error.unwrap_or_default();
        assert!(expected.iter().all(|expected| error.contains(expected)), "{error:?} lacks {expected:?}");
    };
    let refused = |options: Value, expected: &[&str]| check(&regression(options), expected);
    refused(
        json!({"solver": "adam", "tol": 0, "C": -1, "class_weight": "even"}),
        &[
            "option `solver` of `LogisticRegressionClassifier` cannot be `adam`",
            "option `tol` of `LogisticRegressionClassifier` must be above 0, found 0",
            "option `C` of `LogisticRegressionClassifier` must be above 0, found -1",
            "option `class_weight` of `LogisticRegressionClassifier` cannot be \"even\"",
        ],
    );
    refused(json!({"class_weight": {"greet": -1}}), &["weights that are not below 0"]);
    refused(json!({"max_iter": "many"}), &["must be a number"]);
    let refused = |options: Value, expected: &[&str]| check(&machines(options), expected);
    refused(
        json!({"C": [], "gamma": ["wide"], "kernels": ["linear", "string"], "scoring_function": "roc_auc"}),
        &[
            "option `C` of `SklearnIntentClassifier` cannot be []",
            "option `gamma` of `SklearnIntentClassifier` cannot be [\"wide\"]",
            "option `kernels` of `SklearnIntentClassifier` cannot be [\"linear\",\"string\"]",
            "option `scoring_function` of `SklearnIntentClassifier` cannot be \"roc_auc\"",
        ],
    );
    refused(json!({"C": 1}), &["must be a list"]);
    let mut sparse = regression(json!({}));
    sparse[2] = component("SklearnIntentClassifier", Value::Null);
    check(
        &sparse,
        &["`SklearnIntentClassifier` needs a dense featurizer before it", "`LanguageModelFeaturizer`"],
    );
}

#[test]
fn parts_that_do_not_fit_are_refused_and_training_can_be_stopped() {
    struct Impatient(AtomicUsize);
    impl Progress for Impatient {
        fn report(&self, _: &str, _: u64, _: u64) {}
        fn is_cancelled(&self) -> bool {
            self.0.fetch_add(1, Ordering::Relaxed) > 8
        }
    }
    let rbf = machines(json!({"kernels": ["rbf"]}));
    for specs in [regression(json!({})), machines(json!({})), rbf] {
        let (pipeline, _) = train(&specs, &words_of_two_kinds()).unwrap();
        let stored = pipeline.store();
        for name in stored[2].1.tensors.keys() {
            for change in [
                |_: &mut Tensor| (),
                |tensor: &mut Tensor| *tensor = Tensor::flat(TensorData::F32(vec![0.5])),
            ] {
                let mut damaged = stored.clone();
                let tensor = damaged[2].1.tensors.remove(name).unwrap();
                let mut changed = tensor.clone();
                change(&mut changed);
                if changed != tensor {
                    damaged[2].1.tensors.insert(name.clone(), changed);
                }
                assert!(Pipeline::load(&specs, damaged).is_err(), "{} {name}", specs[2].name);
            }
        }
        let progress = Impatient(AtomicUsize::new(0));
        let context = TrainContext { seed: 1, threads: 2, progress: &progress };
        let stopped = intendant_nlu::train(&specs, "en", &words_of_two_kinds(), &small_domain(), &context);
        assert_eq!(stopped.map(|_| ()).unwrap_err().kind, Kind::Cancelled, "{}", specs[2].name);
    }
}
