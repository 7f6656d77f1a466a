//! What each component answers.

use intendant_nlu::{Pipeline, default_pipeline};
use intendant_talk::data::{ComponentSpec, Lookup, NluData, Regex};
use intendant_talk::domain::ResponseVariation;
use serde_json::{Value, json};

use crate::{component, small_data, small_domain, train};

fn trained(specs: &[ComponentSpec], data: &NluData) -> Pipeline {
    train(specs, data).unwrap_or_else(|error| panic!("{error}")).0
}

fn with_features(last: Vec<ComponentSpec>) -> Vec<ComponentSpec> {
    let mut specs = vec![
        component("WhitespaceTokenizer", Value::Null),
        component("RegexFeaturizer", Value::Null),
        component("CountVectorsFeaturizer", Value::Null),
    ];
    specs.extend(last);
    specs
}

#[test]
fn the_default_pipeline_understands_its_training_data() {
    let data = small_data();
    let pipeline = trained(&default_pipeline(), &data);
    for example in &data.examples {
        let parse = pipeline.parse(&example.text);
        assert_eq!(parse.intent.name, example.intent, "{}", example.text);
        assert!(parse.intent.confidence.unwrap() > 0.8, "{}: {:?}", example.text, parse.intent);
        let spans = |entities: &[intendant_talk::message::Entity]| {
            let mut spans: Vec<_> = entities
                .iter()
                .map(|e| (e.start_chars, e.end_chars, e.entity.clone(), e.role.clone()))
                .collect();
            spans.sort();
            spans
        };
        assert_eq!(spans(&parse.entities), spans(&example.entities), "{}", example.text);
    }
}

#[test]
fn answers_have_the_shape_of_the_wire_format() {
    let pipeline = trained(&default_pipeline(), &small_data());
    let parse = pipeline.parse(" Fly from Bremen to Kiel! ");
    assert_eq!(parse.text.as_deref(), Some("Fly from Bremen to Kiel!"));
    assert_eq!(parse.text_tokens, Some(vec![(0, 3), (4, 8), (9, 15), (16, 18), (19, 23)]));
    let ranking = parse.intent_ranking.unwrap();
    assert_eq!(ranking.len(), 5);
    assert_eq!(ranking[0], parse.intent);
    assert!(ranking.windows(2).all(|pair| pair[0].confidence >= pair[1].confidence));
    let total: f64 = ranking.iter().filter_map(|intent| intent.confidence).sum();
    assert!((total - 1.0).abs() < 1e-4, "{total}");
    let entity = &parse.entities[0];
    assert_eq!(entity.value, "Bremen");
    assert_eq!(entity.role.as_deref(), Some("from"));
    assert_eq!(entity.extractor.as_deref(), Some("DIETClassifier"));
    let keys: Vec<&String> = entity.extra.keys().collect();
    assert_eq!(keys, ["confidence_entity", "confidence_role", "processors"]);
}

#[test]
fn strange_messages_fall_back() {
    let pipeline = trained(&default_pipeline(), &small_data());
    let parse = pipeline.parse("zxcv qqq wwwww");
    assert_eq!(parse.intent_name(), "nlu_fallback");
    assert_eq!(parse.intent.confidence, Some(0.3));
    let ranking = parse.intent_ranking.unwrap();
    assert_eq!(ranking[0], parse.intent);
    assert_eq!(ranking.len(), 6);
}

#[test]
fn roles_are_decided_by_the_context() {
    let pipeline = trained(&default_pipeline(), &small_data());
    let parse = pipeline.parse("a flight from Kiel to Bremen");
    let roles: Vec<(&str, &str)> =
        parse.entities.iter().map(|e| (e.value.as_str().unwrap(), e.role.as_deref().unwrap_or(""))).collect();
    assert_eq!(roles, [("Kiel", "from"), ("Bremen", "to")]);
}

#[test]
fn selectors_choose_answers() {
    let text = |text: &str| {
        let dict = json!({"text": text}).as_object().cloned().unwrap();
        vec![ResponseVariation { dict, ..ResponseVariation::default() }]
    };
    let mut domain = small_domain();
    domain.responses = vec![("utter_faq/hours".into(), text("Nine to five."))];
    let context = intendant_component::training::TrainContext {
        seed: 1,
        threads: 2,
        progress: &intendant_component::training::Silent,
    };
    let mut specs = default_pipeline();
    specs.insert(8, component("ResponseSelector", json!({"retrieval_intent": "faq"})));
    let (pipeline, _) = intendant_nlu::train(&specs, "en", &small_data(), &domain, &context).unwrap();
    let parse = pipeline.parse("when do you open");
    let property = Value::Object(parse.response_selector.unwrap());
    assert_eq!(property["all_retrieval_intents"], json!(["faq"]));
    for key in ["default", "faq"] {
        assert_eq!(property[key]["response"]["intent_response_key"], "faq/hours");
        assert_eq!(property[key]["response"]["utter_action"], "utter_faq/hours");
        assert_eq!(property[key]["response"]["responses"], json!([{"text": "Nine to five."}]));
        assert_eq!(property[key]["ranking"].as_array().map(Vec::len), Some(2));
    }
    assert_eq!(parse.intent.extra["full_retrieval_intent_name"], "faq/hours");
    let other = pipeline.parse("what is your address").response_selector.unwrap();
    assert_eq!(other["default"]["response"]["responses"], json!([{"text": "faq/place"}]));
}

#[test]
fn a_selector_without_data_says_so() {
    let mut data = small_data();
    data.examples.retain(|example| example.intent_response_key.is_none());
    let parse = trained(&default_pipeline(), &data).parse("hello");
    let expected = json!({
        "all_retrieval_intents": [],
        "default": {
            "response": {
                "responses": null, "confidence": 0.0, "intent_response_key": null, "utter_action": "utter_None",
            },
            "ranking": [],
        },
    });
    assert_eq!(parse.response_selector.map(Value::Object), Some(expected));
    assert!(parse.intent.extra.is_empty());
}

#[test]
fn patterns_and_synonyms_work_together() {
    let mut data = small_data();
    data.lookups = vec![Lookup {
        name: "cuisine".into(),
        elements: vec!["korean".into(), "tex-mex".into()],
        ..Lookup::default()
    }];
    data.regexes = vec![
        Regex { name: "city".into(), pattern: r"\b[A-Z]{3}\b".into(), ..Regex::default() },
        Regex { name: "unused".into(), pattern: r"\d+".into(), ..Regex::default() },
    ];
    data.synonyms.insert("tex-mex".into(), "mexican".into());
    let specs =
        [component("RegexEntityExtractor", Value::Null), component("EntitySynonymMapper", Value::Null)];
    let pipeline = trained(&specs, &data);
    let found: Vec<(String, Value, Option<usize>, bool)> = pipeline
        .parse("Ü: Tex-Mex or THAI near ULM 7 ")
        .entities
        .iter()
        .map(|e| (e.entity.clone(), e.value.clone(), e.start_chars, e.extra.contains_key("processors")))
        .collect();
    // The regex matches any three letters because case does not matter by default.
    assert!(found.contains(&("city".into(), json!("Ulm"), Some(24), true)), "{found:?}");
    assert!(found.contains(&("cuisine".into(), json!("mexican"), Some(3), true)), "{found:?}");
    assert!(found.iter().all(|(entity, ..)| entity != "unused"));
}

#[test]
fn a_message_that_is_a_synonym_has_the_intent_of_its_value() {
    let mut data = small_data();
    data.examples.push(crate::example("inform", "[mexican](cuisine)"));
    data.synonyms.insert("tex-mex".into(), "mexican".into());
    let parse = trained(&default_pipeline(), &data).parse("tex-mex");
    assert_eq!(parse.intent_name(), "inform");
    assert!(parse.intent.confidence.unwrap() > 0.6);
}

#[test]
fn keywords_match_whole_words_in_order() {
    let specs = [component("KeywordIntentClassifier", json!({"case_sensitive": false}))];
    let pipeline = trained(&specs, &small_data());
    let check = |text: &str, intent: Option<&str>| {
        assert_eq!(pipeline.parse(text).intent.name.as_deref(), intent, "{text}");
    };
    check("well HELLO you", Some("greet"));
    check("othello", None);
    check("nothing", None);
    check("book a table and say goodbye", Some("bye"));
}

#[test]
fn configured_counts_are_honoured() {
    let counts = json!({"stop_words": ["hello"], "alias": "words"});
    let specs = [
        component("WhitespaceTokenizer", Value::Null),
        component("CountVectorsFeaturizer", counts),
        component("DIETClassifier", json!({"featurizers": ["words"], "ranking_length": 2})),
    ];
    let parse = trained(&specs, &small_data()).parse("hello farewell");
    assert_eq!(parse.intent_name(), "bye");
    assert_eq!(parse.intent_ranking.map(|ranking| ranking.len()), Some(2));
}

#[test]
fn conditional_random_fields_use_their_windows() {
    let crf =
        component("CRFEntityExtractor", json!({"features": [["low"], ["low", "suffix2", "bias"], ["low"]]}));
    let pipeline = trained(&with_features(vec![crf]), &small_data());
    let entities = pipeline.parse("get me from Jena to Ulm").entities;
    let found: Vec<(&str, &str)> =
        entities.iter().map(|e| (e.value.as_str().unwrap(), e.role.as_deref().unwrap_or(""))).collect();
    assert_eq!(found, [("Jena", "from"), ("Ulm", "to")]);
    assert_eq!(entities[0].extractor.as_deref(), Some("CRFEntityExtractor"));
}

#[test]
fn neighbours_of_one_kind_are_one_without_marks_of_starts() {
    let texts = [
        "mix [red](color) [blue](color) now",
        "mix [blue](color) [green](color) now",
        "mix [green](color) now",
    ];
    let data = NluData {
        examples: texts.iter().cycle().take(12).map(|text| crate::example("mix", text)).collect(),
        ..NluData::default()
    };
    for name in ["CRFEntityExtractor", "DIETClassifier"] {
        for (is_bilou, expected) in [(true, vec!["red", "green"]), (false, vec!["red green"])] {
            let extractor = component(name, json!({"BILOU_flag": is_bilou}));
            let pipeline = trained(&with_features(vec![extractor]), &data);
            let parse = pipeline.parse("mix red green now");
            let found: Vec<&str> = parse.entities.iter().filter_map(|entity| entity.value.as_str()).collect();
            assert_eq!(found, expected, "{name} {is_bilou}");
        }
    }
}

#[test]
fn penalties_of_random_fields_are_heeded() {
    let found = |options: Value| {
        let crf = component("CRFEntityExtractor", options);
        trained(&with_features(vec![crf]), &small_data()).parse("get me from Jena to Ulm").entities
    };
    assert_eq!(found(json!({"L1_c": 0.01, "L2_c": 0.01})).len(), 2);
    assert_eq!(found(json!({"L1_c": 1000.0})), []);
    let sure = |entities: Vec<intendant_talk::message::Entity>| {
        entities[0].extra["confidence_entity"].as_f64().unwrap()
    };
    assert!(sure(found(json!({"L2_c": 0.5}))) < sure(found(json!({"L2_c": 0.001}))));
}

#[test]
fn duckling_works_in_process() {
    let specs = [component(
        "DucklingEntityExtractor",
        json!({"dimensions": ["number", "time"], "timezone": "Europe/Berlin"}),
    )];
    let pipeline = trained(&specs, &small_data());
    let (parse, _) = pipeline.parse_at("seven tickets for tomorrow", Some(1_700_000_000_000));
    let number = parse.entities.iter().find(|e| e.entity == "number").unwrap();
    assert_eq!((number.value.as_f64(), number.start_chars, number.end_chars), (Some(7.0), Some(0), Some(5)));
    assert_eq!(number.extractor.as_deref(), Some("DucklingEntityExtractor"));
    assert_eq!(number.extra["confidence"], 1.0);
    let time = parse.entities.iter().find(|e| e.entity == "time").unwrap();
    assert!(time.value.as_str().unwrap().starts_with("2023-11-15T00:00:00"), "{}", time.value);
    let timeless = pipeline.parse("tomorrow");
    assert!(timeless.entities.is_empty(), "without a time there is no tomorrow");
}

#[test]
fn chinese_is_cut_by_a_dictionary_and_by_words_of_ones_own() {
    use std::sync::Arc;

    use intendant_component::training::{Silent, TrainContext};
    use intendant_nlu::Dictionaries;
    use intendant_talk::data::Resource;

    let trained = |spec: &ComponentSpec, language: &str| {
        let context = TrainContext { seed: 1, threads: 1, progress: &Silent };
        let specs = std::slice::from_ref(spec);
        intendant_nlu::train(specs, language, &small_data(), &small_domain(), &context)
    };
    let words = |pipeline: &Pipeline, text: &str| -> Vec<String> {
        let spans = pipeline.parse(text).text_tokens.unwrap_or_default();
        let cut = |(start, end): (usize, usize)| text.chars().skip(start).take(end - start).collect();
        spans.into_iter().map(cut).collect()
    };
    let plain = component("JiebaTokenizer", json!({}));
    let pipeline = trained(&plain, "zh").unwrap().0;
    for (text, expected) in [
        ("我想预订明天晚上的桌子", "我|想|预订|明天|晚上|的|桌子"),
        ("请把灯关掉。", "请|把|灯|关掉|。"),
        ("我要一杯咖啡和AB12的订单", "我要|一杯|咖啡|和|AB12|的|订单"),
        ("北京 天气怎么样?", "北京|天气|怎么样|?"),
        ("云智客服在哪里", "云智|客服|在|哪里"),
    ] {
        assert_eq!(words(&pipeline, text).join("|"), expected);
    }
    let own = Dictionaries(vec![("own.txt".into(), "云智客服\n预订明天 100 n\n\n".into())]);
    let mut spec = component("JiebaTokenizer", json!({"dictionary_path": "words"}));
    assert!(trained(&spec, "zh").err().unwrap().to_string().contains("its folder was not read"));
    spec.resource = Some(Resource::Ready(Arc::new(own)));
    let pipeline = trained(&spec, "zh-CN").unwrap().0;
    assert_eq!(words(&pipeline, "云智客服在哪里").join("|"), "云智客服|在|哪里");
    // The archive holds them.
    spec.resource = None;
    let loaded = Pipeline::load(std::slice::from_ref(&spec), pipeline.store()).unwrap();
    assert_eq!(words(&loaded, "云智客服在哪里").join("|"), "云智客服|在|哪里");
    assert!(trained(&plain, "en").err().unwrap().to_string().contains("cuts Chinese only"));
}

#[test]
fn token_patterns_cut_further() {
    let specs = [component("WhitespaceTokenizer", json!({"token_pattern": "[a-z]+|[0-9]+"}))];
    let parse = trained(&specs, &small_data()).parse("ab12 c");
    assert_eq!(parse.text_tokens, Some(vec![(0, 2), (2, 4), (5, 6)]));
}
