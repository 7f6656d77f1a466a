//! Tables made here: what is in them is known, so it must be found.

use intendant_component::training::{Silent, TrainContext};
use intendant_learn::ErrorKind;
use intendant_learn::tabular::{
    self, Calibration, Family, Feature, Imbalance, Impute, Metric, Model, Settings, Slice, SliceValues, Task,
    Trained,
};
use intendant_numeric::random::Random;
use intendant_table::{Table, csv};

fn read(text: &str) -> Table {
    csv::read(text.as_bytes(), &csv::Options::default()).unwrap().table
}

/// Loans: who pays late depends on age and income together, on the job, and on whether income is known.
fn loans(rows: usize, seed: u64) -> Table {
    let mut random = Random::new(seed);
    let mut text = String::from("loan_id,age,income,job,opened,noise,late\n");
    let jobs = ["clerk", "cook", "driver", "nurse", "teacher"];
    for row in 0..rows {
        let (age, income, job) = (18 + random.below(60), random.below(9000), random.below(5));
        let is_known = random.unit() > 0.1;
        let mut score = -2.0 + [0.0, 1.0, -1.0, 0.5, -0.5][job];
        score += if age < 30 && income < 4000 { 3.0 } else { 0.0 };
        score += if is_known { 0.0 } else { 1.5 };
        let late = random.unit() < 1.0 / (1.0 + f64::exp(-score));
        let income = if is_known { income.to_string() } else { String::new() };
        let (month, noise) = (1 + random.below(12), random.unit());
        let late = if late { "Yes" } else { "No" };
        text += &format!("{row},{age},{income},{},2020-{month:02}-01,{noise},{late}\n", jobs[job]);
    }
    read(&text)
}

fn train(table: &Table, settings: &Settings, threads: usize) -> Trained {
    tabular::train(table, settings, &TrainContext { seed: 5, threads, progress: &Silent }).unwrap()
}

#[test]
fn every_family_learns_and_explains_exactly() {
    let (table, test) = (loans(1500, 1), loans(800, 2));
    for (family, floor) in
        [(Family::Boosting, 0.72), (Family::Additive, 0.73), (Family::Linear, 0.66), (Family::Auto, 0.73)]
    {
        let settings = Settings { family, ..Settings::new("late") };
        let Trained { model, report } = train(&table, &settings, 2);
        assert_eq!((model.task(), model.classes()), (Task::Binary, &["No".to_owned(), "Yes".to_owned()][..]));
        assert_eq!(report.warnings, ["`loan_id` is left out: it numbers the rows"]);
        let evaluation = model.evaluate(&test, &[], 1).unwrap();
        let found = evaluation.value(Metric::RocAuc).unwrap();
        assert!(found >= floor, "{family}: {found:.3}, the floor {floor}");
        let predictions = model.predict(&test);
        for (row, explanation) in model.explain(&test.take(&[0, 1, 2, 3])).iter().enumerate() {
            let share = 1.0 / (1.0 + (-explanation.score).exp());
            let difference = (share - predictions.score(row)).abs();
            assert!(difference < 1e-9, "{family}: contributions miss the prediction by {difference}");
        }
        if family != Family::Linear {
            let strongest: Vec<&str> =
                model.importance()[..3].iter().map(|(name, _)| name.as_str()).collect();
            for name in ["age", "income", "job"] {
                assert!(strongest.contains(&name), "{family}: {:?}", model.importance());
            }
        }
    }
}

#[test]
fn same_seed_same_bytes_on_any_number_of_threads() {
    let table = loans(400, 3);
    let settings = Settings::new("late");
    let (one, two) = (train(&table, &settings, 1).model, train(&table, &settings, 2).model);
    assert_eq!(one.to_stored(), two.to_stored());
    let again = Model::from_stored(one.to_stored()).unwrap();
    let (here, there) = (one.predict(&table), again.predict_on(&table, 2));
    for (left, right) in here.scores.iter().zip(&there.scores) {
        assert!((left - right).abs() < 1e-12);
    }
    assert_eq!(here.labels, there.labels);
}

#[test]
fn damaged_models_are_refused() {
    let stored = train(&loans(200, 3), &Settings::new("late"), 2).model.to_stored();
    for name in stored.tensors.keys() {
        let mut damaged = stored.clone();
        damaged.tensors.remove(name);
        assert!(Model::from_stored(damaged).is_err(), "without {name}");
    }
    let keys: Vec<String> = stored.state.as_object().unwrap().keys().cloned().collect();
    for key in keys {
        let mut damaged = stored.clone();
        damaged.state.as_object_mut().unwrap().remove(&key);
        assert!(Model::from_stored(damaged).is_err(), "without {key}");
    }
}

#[test]
fn several_classes_and_numbers_are_learnt() {
    let mut random = Random::new(4);
    let mut text = String::from("x,y,kind,size,price\n");
    for _ in 0..900 {
        let (x, y, size) = (random.unit() * 4.0 - 2.0, random.unit() * 4.0 - 2.0, random.below(3));
        let kind = if x * x + y * y < 1.0 {
            "inner"
        } else if x > 0.0 {
            "right"
        } else {
            "left"
        };
        let price = 100.0 * x * x + 30.0 * y + 50.0 * size as f64 + random.unit();
        text += &format!("{x:.4},{y:.4},{kind},{},{price:.2}\n", ["S", "M", "L"][size]);
    }
    let table = read(&text);
    let (train_rows, test_rows): (Vec<usize>, Vec<usize>) = (0..900).partition(|row| row % 3 > 0);
    let (table, test) = (table.take(&train_rows), table.take(&test_rows));
    let kinds = Settings { ignored: vec!["price".into(), "size".into()], ..Settings::new("kind") };
    let model = train(&table, &kinds, 2).model;
    assert_eq!((model.task(), model.classes().len()), (Task::Multiclass, 3));
    let accuracy = model.evaluate(&test, &[], 1).unwrap().value(Metric::Accuracy).unwrap();
    assert!(accuracy > 0.93, "{accuracy}");
    let first = &model.explain(&test.take(&[0]))[0];
    assert_eq!(Some(first.class.as_str()), model.predict(&test).label(0));
    for (family, floor) in
        [(Family::Auto, 0.97), (Family::Additive, 0.97), (Family::Boosting, 0.93), (Family::Linear, 0.2)]
    {
        let prices = Settings { family, ignored: vec!["kind".into()], ..Settings::new("price") };
        let model = train(&table, &prices, 2).model;
        assert_eq!(model.task(), Task::Regression);
        let evaluation = model.evaluate(&test, &[], 1).unwrap();
        let r2 = evaluation.value(Metric::R2).unwrap();
        assert!(r2 > floor, "{family}: {r2}");
        let curve = model.partial_dependence(&test, "size");
        let at = |name: &str| curve.iter().find(|(label, _)| label == name).unwrap().1;
        assert!((at("L") - at("S") - 100.0).abs() < 15.0, "{family}: {curve:?}");
    }
}

#[test]
fn rare_classes_get_thresholds_and_honest_probabilities() {
    let table = loans(2000, 6);
    let test = loans(1500, 7);
    let settings = Settings { family: Family::Additive, ..Settings::new("late") };
    let plain = train(&table, &settings, 2).model;
    let weighed = Settings { imbalance: Imbalance::Weigh, ..settings.clone() };
    let weighed = train(&table, &weighed, 2).model;
    let centred = Settings { calibration: Calibration::Centred, ..settings.clone() };
    let centred = train(&table, &centred, 2).model;
    let isotonic = Settings { calibration: Calibration::Isotonic, ..settings };
    let isotonic = train(&table, &isotonic, 2).model;
    assert_eq!(centred.threshold(), 0.5);
    let brier = |model: &Model| model.evaluate(&test, &[], 1).unwrap().value(Metric::Brier).unwrap();
    assert!((brier(&plain) - brier(&weighed)).abs() < 0.01, "weights must not spoil probabilities");
    assert!((brier(&plain) - brier(&isotonic)).abs() < 0.01);
    assert_eq!(plain.predict(&test).labels, centred.predict(&test).labels);
    let slices = [
        Slice::each("job"),
        Slice { name: "young".into(), column: "age".into(), values: SliceValues::Range(0.0, 30.0) },
        Slice { name: "unknown income".into(), column: "income".into(), values: SliceValues::Missing },
    ];
    let evaluation = plain.evaluate(&test, &slices, 1).unwrap();
    assert_eq!(evaluation.slices.len(), 7);
    assert_eq!(evaluation.confusion.iter().flatten().sum::<usize>(), 1500);
    for (predicted, observed, rows) in &evaluation.reliability {
        assert!((predicted - observed).abs() < 0.12, "{predicted} {observed} of {rows}");
    }
    let window = {
        let predictions = plain.predict(&test);
        let scores: Vec<f64> = (0..predictions.rows()).map(|row| predictions.score(row)).collect();
        let mut window = plain.reference().window();
        window.observe(plain.reference(), &test, &scores);
        window
    };
    for shift in plain.reference().compare(&window) {
        assert_eq!(shift.verdict(), "stable", "{} {}", shift.name, shift.stability);
    }
}

#[test]
fn what_is_declared_is_done() {
    let table = loans(600, 8);
    let income = Feature {
        least: Some(100.0),
        most: Some(8000.0),
        missing: vec![0.0],
        impute: Impute::Median,
        ..Feature::new("income")
    };
    let settings = Settings {
        features: vec![income, Feature::new("job")],
        positive: Some("No".into()),
        family: Family::Boosting,
        ..Settings::new("late")
    };
    let model = train(&table, &settings, 2).model;
    assert_eq!(model.classes(), ["Yes", "No"]);
    let probe = read("income,job\n0,cook\n99999,cook\n,cook\n");
    let predictions = model.predict(&probe);
    assert!(predictions.score(0) == predictions.score(1) && predictions.score(1) == predictions.score(2));
}

#[test]
fn mistakes_are_told() {
    let table = loans(100, 9);
    #[track_caller]
    fn check(table: &Table, settings: &Settings, kind: ErrorKind, expected: &str) {
        let context = TrainContext { seed: 1, threads: 1, progress: &Silent };
        let error = tabular::train(table, settings, &context).unwrap_err();
        assert!(error.kind == kind && error.to_string().contains(expected), "{error}");
    }
    check(&table, &Settings::new("churn"), ErrorKind::NoColumn, "there is no column `churn` (target)");
    let features = vec![Feature::new("salary")];
    check(&table, &Settings { features, ..Settings::new("late") }, ErrorKind::NoColumn, "`salary` (feature)");
    check(&table.take(&[0, 1, 2]), &Settings::new("late"), ErrorKind::TooFewRows, "at least 20 are needed");
    let positive = Some("Maybe".to_owned());
    let expected = "`Maybe` is no value of `late`, which has `No` and `Yes`";
    check(&table, &Settings { positive, ..Settings::new("late") }, ErrorKind::Target, expected);
    let task = Some(Task::Regression);
    check(&table, &Settings { task, ..Settings::new("job") }, ErrorKind::Target, "`job` holds words");
    let features = vec![Feature::new("late")];
    check(
        &table,
        &Settings { features, ..Settings::new("late") },
        ErrorKind::Settings,
        "cannot be a feature",
    );
}
