//! Training, storing, judging.

use intendant_component::training::{Silent, TrainContext, Untrained};
use intendant_numeric::random::Random;
use intendant_polarity::{
    Entity, Example, Gazetteer, Metric, Model, Options, Report, Subject, mentions, train,
};

use crate::sets;

fn context(threads: usize) -> TrainContext<'static> {
    TrainContext { seed: 7, threads, progress: &Silent }
}

const LIKES: [&str; 6] = ["wonderful", "brilliant", "charming", "excellent", "magnifique", "superbe"];
const DISLIKES: [&str; 6] = ["awful", "dreadful", "boring", "terrible", "ennuyeux", "raté"];
const THINGS: [&str; 6] = ["plot", "cast", "music", "film", "scénario", "final"];

/// Made-up judgements of works, some turned over by a negation.
fn reviews(count: usize, seed: u64) -> Vec<(String, &'static str)> {
    let mut random = Random::new(seed);
    let mut pick = |words: &[&'static str]| words[random.below(words.len())];
    (0..count)
        .map(|at| {
            let likes = at % 2 == 0;
            let negated = at % 5 == 0;
            let word = if likes != negated { pick(&LIKES) } else { pick(&DISLIKES) };
            let verdict = if negated { format!("is not {word}") } else { format!("is {word}") };
            (
                format!("the {} {verdict} , says a {} lover", pick(&THINGS), pick(&THINGS)),
                if likes { "good" } else { "bad" },
            )
        })
        .collect()
}

fn examples(reviews: &[(String, &'static str)]) -> Vec<Example<'static>> {
    let leak = |text: &String| -> &'static str { Box::leak(text.clone().into_boxed_str()) };
    reviews.iter().map(|(text, label)| Example::document(leak(text), label)).collect()
}

fn trained() -> (Model, Report) {
    train(&examples(&reviews(300, 1)), &Options::default(), &context(1)).unwrap()
}

fn label(model: &Model, text: &str) -> String {
    model.labels()[model.predict(&Subject::document(text)).label].clone()
}

#[test]
fn words_and_negations_are_learnt() {
    let (model, report) = trained();
    assert!(report.accuracy > 0.95, "{report:?}");
    assert_eq!(report.examples, [150, 150]);
    for (text, expected) in reviews(60, 99) {
        assert_eq!(label(&model, &text), expected, "{text}");
    }
    let probabilities = model.predict(&Subject::document("the film is not brilliant")).probabilities;
    assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-5);
    let words = model.explain(&Subject::document("the film is magnifique"));
    let most = words.iter().max_by(|a, b| a.weight.total_cmp(&b.weight)).unwrap();
    assert_eq!((most.start_chars, most.end_chars), (12, 22));
}

#[test]
fn a_model_of_texts_judges_an_entity_by_its_clause() {
    let (model, _) = trained();
    let text = "Biden is wonderful but Trump is dreadful";
    let gazetteer = Gazetteer::new(vec![Entity::person("Joe Biden"), Entity::person("Donald Trump")]);
    let analysis = model.analyse(text, &gazetteer.find(text));
    let labels: Vec<(usize, &str)> = analysis
        .entities
        .iter()
        .map(|found| (found.entity, model.labels()[found.prediction.label].as_str()))
        .collect();
    assert_eq!(labels, [(0, "good"), (1, "bad")]);
}

#[test]
fn what_is_said_of_entities_is_learnt() {
    let names = ["Ada", "Bob", "Cleo", "Dan"];
    let mut random = Random::new(3);
    let mut rows = Vec::new();
    for _ in 0..200 {
        let (winner, loser) = (names[random.below(2)], names[2 + random.below(2)]);
        let (winner, loser) = if random.below(2) == 0 { (winner, loser) } else { (loser, winner) };
        let day = random.below(28);
        rows.push((format!("{winner} beats {loser} on day {day}"), winner, "positive"));
        rows.push((format!("{winner} beats {loser} on day {day}"), loser, "negative"));
        rows.push((format!("{winner} meets the press on day {day}"), winner, "neutral"));
    }
    let examples: Vec<Example<'_>> =
        rows.iter().map(|(text, entity, label)| Example::entity(text, entity, label)).collect();
    let options = Options { metric: Metric::MacroF1, ..Options::default() };
    let (model, report) = train(&examples, &options, &context(2)).unwrap();
    assert!(report.macro_f1 > 0.95, "{report:?}");
    let judged = |text: &str, name: &str| {
        model.labels()[model.predict(&Subject { text, mentions: &mentions(text, name) }).label].clone()
    };
    assert_eq!(judged("Bob beats Dan on day 2", "Bob"), "positive");
    assert_eq!(judged("Bob beats Dan on day 2", "Dan"), "negative");
    assert_eq!(judged("Dan meets the press on day 9", "Dan"), "neutral");
}

#[test]
fn models_do_not_depend_on_threads_and_survive_storing() {
    let examples = examples(&reviews(120, 2));
    let (one, report) = train(&examples, &Options::default(), &context(1)).unwrap();
    let (two, same) = train(&examples, &Options::default(), &context(2)).unwrap();
    assert_eq!((one.store(), report), (two.store(), same));
    let loaded = Model::load(one.store()).unwrap();
    assert_eq!(loaded.store(), one.store());
    let texts: Vec<(String, &str)> = reviews(200, 5);
    let subjects: Vec<Subject<'_>> = texts.iter().map(|(text, _)| Subject::document(text)).collect();
    assert_eq!(one.predict_all(&subjects, 1), loaded.predict_all(&subjects, 2));
    let mut damaged = one.store();
    damaged.tensors.remove("bias");
    assert!(Model::load(damaged).is_err());
    let mut damaged = one.store();
    damaged.state["labels"] = serde_json::json!(["only"]);
    assert!(Model::load(damaged).is_err());
}

#[test]
fn labels_and_examples_are_checked() {
    let check = |rows: &[(&'static str, &'static str)], declared: &[&str], message: &str| {
        let examples: Vec<Example<'_>> =
            rows.iter().map(|(text, label)| Example::document(text, label)).collect();
        let labels = declared.iter().map(|label| (*label).to_owned()).collect();
        let error = train(&examples, &Options { labels, ..Options::default() }, &context(1)).unwrap_err();
        assert_eq!(error, Untrained::Data(message.to_owned()));
    };
    check(&[], &[], "the examples have 0 label(s), at least 2 are needed");
    check(&[("x", "a"), ("y", "a")], &[], "the examples have 1 label(s), at least 2 are needed");
    check(&[("x", "a"), ("y", "a"), ("z", "b")], &[], "label `b` has 1 example(s), at least 2 are needed");
    let four = [("v", "a"), ("w", "a"), ("x", "b"), ("y", "b"), ("z", "c")];
    check(&four, &["a", "b"], "example 5 has the label `c`, which is not declared");
    check(&four[..4], &["a", "b", "c"], "label `c` has 0 example(s), at least 2 are needed");
}

#[test]
fn any_text_is_judged_and_spans_lie_on_characters() {
    let (model, _) = trained();
    let gazetteer =
        Gazetteer::new(vec![Entity::person("Zoë Ünal"), Entity::named("東京"), Entity::named("a")]);
    let pieces = [
        "Ünal",
        "ZOË",
        " ",
        "’s",
        "n't",
        "é",
        "e\u{301}",
        "😀",
        "👨‍👩‍👧",
        "東京",
        "\u{0}",
        "\u{1}",
        "\u{FEFF}",
        "İ",
        "ß",
        "…",
        ":(",
        "?!",
        "\n",
        "not",
        "mais",
        "a",
        "A",
        "\u{202E}",
        "ﬁ",
        "٣",
        ".",
    ];
    let mut random = Random::new(11);
    for round in 0..400 {
        let text: String = (0..round % 23).map(|_| pieces[random.below(pieces.len())]).collect();
        let found = gazetteer.find(&text);
        for mention in found.iter().flat_map(|found| &found.mentions) {
            let surface = text.get(mention.start_bytes..mention.end_bytes).unwrap();
            assert!(!surface.is_empty());
            assert_eq!(text[..mention.start_bytes].chars().count(), mention.start_chars, "{text:?}");
            assert_eq!(text[..mention.end_bytes].chars().count(), mention.end_chars, "{text:?}");
        }
        let analysis = model.analyse(&text, &found);
        let all = analysis.entities.iter().map(|entity| &entity.prediction).chain([&analysis.document]);
        for prediction in all {
            assert!((prediction.probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-4, "{text:?}");
        }
        let length = text.chars().count();
        for mentions in found.iter().map(|found| &found.mentions[..]).chain([&[][..]]) {
            let influences = model.explain(&Subject { text: &text, mentions });
            assert!(
                influences.iter().all(|i| i.start_chars < i.end_chars && i.end_chars <= length),
                "{text:?}"
            );
        }
    }
}

#[test]
fn texts_that_tell_nothing_give_the_shares_of_labels() {
    for texts in [["", " "], ["…", "\u{0}"], ["same", "same"]] {
        let rows = [
            (texts[0], "a"),
            (texts[1], "a"),
            (texts[0], "a"),
            (texts[1], "b"),
            (texts[0], "b"),
            ("", "c"),
            (" ", "c"),
        ];
        let examples: Vec<Example<'_>> =
            rows.iter().map(|(text, label)| Example::document(text, label)).collect();
        for metric in [Metric::Accuracy, Metric::MacroF1] {
            let (model, _) =
                train(&examples, &Options { metric, ..Options::default() }, &context(2)).unwrap();
            let prediction = model.predict(&Subject::document("anything"));
            assert!(
                (prediction.probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-4,
                "{texts:?} {prediction:?}"
            );
            assert_eq!(
                Model::load(model.store()).unwrap().predict(&Subject::document("anything")),
                prediction
            );
        }
    }
}

/// Floors below what is reached, above what is asked.
#[test]
fn shared_sets_are_learnt() {
    for (name, metric, floors) in [
        ("sen", Metric::MacroF1, (0.58, 0.56)),
        ("rt", Metric::Accuracy, (0.808, 0.808)),
        ("allocine", Metric::Accuracy, (0.94, 0.94)),
    ] {
        let Some(rows) = sets::shared(name) else {
            eprintln!("skipped: INTENDANT_SHARED names no folder with the set `{name}`");
            continue;
        };
        let example = |row: &sets::Row| -> Example<'static> {
            let leak = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
            match row.entity.as_str() {
                "" => Example::document(leak(&row.text), leak(&row.label)),
                entity => Example::entity(leak(&row.text), entity, leak(&row.label)),
            }
        };
        let examples: Vec<Example<'_>> = rows.iter().filter(|row| !row.is_test).map(example).collect();
        let (model, report) =
            train(&examples, &Options { metric, ..Options::default() }, &context(2)).unwrap();
        let tested: Vec<Example<'_>> = rows.iter().filter(|row| row.is_test).map(example).collect();
        let pairs: Vec<(&str, &str)> = tested
            .iter()
            .map(|row| {
                let found = model.predict(&Subject { text: row.text, mentions: &row.mentions });
                (row.label, model.labels()[found.label].as_str())
            })
            .collect();
        let (accuracy, macro_f1) = sets::scores(&pairs);
        assert!(accuracy >= floors.0 && macro_f1 >= floors.1, "{name}: {accuracy} {macro_f1} {report:?}");
    }
}
