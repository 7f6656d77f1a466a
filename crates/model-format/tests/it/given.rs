//! The given models with recorded predictions, where they are at hand.

use std::path::PathBuf;

use intendant_model_format::Foreign;
use intendant_table::{Table, csv};

fn folder() -> Option<PathBuf> {
    let folder =
        std::env::var_os("INTENDANT_SHARED").map(|folder| PathBuf::from(folder).join("data/foreign-models"));
    if folder.is_none() {
        eprintln!("skipped: INTENDANT_SHARED does not say where the models are");
    }
    folder
}

fn table(name: &str) -> Option<Table> {
    let bytes = std::fs::read(folder()?.join(name)).unwrap();
    Some(csv::read(&bytes, &csv::Options::default()).unwrap().table)
}

fn model(name: &str) -> Option<Foreign> {
    let bytes = std::fs::read(folder()?.join(name)).unwrap();
    Some(Foreign::read(&bytes, name).unwrap_or_else(|error| panic!("{error}")))
}

const FEATURES: [&str; 11] = [
    "BALANCE",
    "NB_PRODUITS",
    "SALAIRE",
    "SCORE_CREDIT",
    "AGE",
    "CARTE_CREDIT",
    "SEXE_H",
    "MEMBRE_ACTIF",
    "PAYS_Allemagne",
    "PAYS_Espagne",
    "PAYS_France",
];

#[track_caller]
fn check(name: &str, input: &str, expected: (&str, &str)) {
    let (Some(mut model), Some(rows), Some(recorded)) = (model(name), table(input), table(expected.0)) else {
        return;
    };
    if !model.is_named() {
        model = model.with_features(&FEATURES.map(str::to_owned)).unwrap();
    }
    let predictions = model.predict(&rows).unwrap_or_else(|error| panic!("{name}: {error}"));
    let column = recorded.column(expected.1).unwrap();
    assert_eq!(predictions.rows(), column.len(), "{name}");
    let mut worst = 0.0f64;
    for (row, value) in column.values().enumerate() {
        worst = worst.max((predictions.score(row) - value.as_number().unwrap()).abs());
    }
    assert!(worst <= 1e-5, "{name}: a prediction differs by {worst}");
}

#[test]
fn recorded_predictions_are_reproduced() {
    for (name, input, column) in [
        ("churn_lightgbm.txt", "churn_test_numeric.csv", "lightgbm"),
        ("churn_lightgbm_categorical.txt", "churn_test_raw.csv", "lightgbm_categorical"),
        ("churn_xgboost.json", "churn_test_numeric.csv", "xgboost"),
        ("churn_xgboost.ubj", "churn_test_numeric.csv", "xgboost"),
        ("churn_xgboost.json", "churn_test_raw.csv", "xgboost"),
        ("churn_hgb.onnx", "churn_test_numeric.csv", "hgb_onnx"),
        ("churn_lightgbm.onnx", "churn_test_numeric.csv", "lightgbm_onnx"),
        ("churn_xgboost.onnx", "churn_test_numeric.csv", "xgboost_onnx"),
        ("churn_pipeline_lr.onnx", "churn_test_raw.csv", "pipeline_lr_onnx"),
        ("churn_pipeline_gb.onnx", "churn_test_raw.csv", "pipeline_gb_onnx"),
        ("churn_pipeline_rf50.onnx", "churn_test_raw.csv", "pipeline_rf50_onnx"),
    ] {
        check(name, input, ("churn_expected.csv", column));
    }
    check("churn_ebm.json", "churn_ebm_expected.csv", ("churn_ebm_expected.csv", "p"));
}

#[test]
fn texts_are_judged_as_recorded() {
    let (Some(model), Some(rows)) = (model("polarity_tfidf_lr.onnx"), table("polarity_expected.csv")) else {
        return;
    };
    let name = model.signature().fields[0].name.clone();
    let texts = rows.column("text").unwrap().clone();
    let input = Table::new(vec![(name, texts)]).unwrap();
    let predictions = model.predict(&input).unwrap();
    let expected = rows.column("onnx").unwrap();
    for (row, value) in expected.values().enumerate() {
        let difference = (predictions.score(row) - value.as_number().unwrap()).abs();
        assert!(difference <= 1e-5, "row {row} differs by {difference}");
    }
}

#[test]
fn contributions_are_those_of_the_library() {
    let (Some(model), Some(rows)) = (model("churn_lightgbm.txt"), table("churn_test_numeric.csv")) else {
        return;
    };
    let Some(recorded) = table("churn_lightgbm_shap.csv") else { return };
    let first: Vec<usize> = (0..recorded.rows()).collect();
    let explanations = model.explain(&rows.take(&first)).unwrap();
    for (row, explanation) in explanations.iter().enumerate() {
        let expected = |name: &str| recorded.column(name).unwrap().value(row).as_number().unwrap();
        assert!(
            (explanation.base - expected("bias")).abs() < 1e-6,
            "{} {}",
            explanation.base,
            expected("bias")
        );
        for (name, value) in &explanation.contributions {
            assert!(
                (value - expected(name)).abs() < 1e-6,
                "row {row}, {name}: {value} for {}",
                expected(name)
            );
        }
    }
}

#[test]
fn terms_of_a_machine_are_its_explanation() {
    let (Some(model), Some(rows)) = (model("churn_ebm.json"), table("churn_ebm_expected.csv")) else {
        return;
    };
    for (row, explanation) in model.explain(&rows).unwrap().iter().enumerate() {
        for (name, value) in &explanation.contributions {
            let column = format!("t_{}", name.replace(" & ", "&"));
            let expected = rows.column(&column).unwrap().value(row).as_number().unwrap();
            assert!((value - expected).abs() < 1e-9, "row {row}, {name}: {value} for {expected}");
        }
    }
}

#[test]
fn cut_and_changed_models_never_panic() {
    let Some(folder) = folder() else { return };
    for name in [
        "churn_lightgbm_categorical.txt",
        "churn_xgboost.ubj",
        "churn_ebm.json",
        "churn_pipeline_lr.onnx",
        "polarity_tfidf_lr.onnx",
    ] {
        let bytes = std::fs::read(folder.join(name)).unwrap();
        crate::damaged::shake(&bytes, name, 60);
    }
}
