//! Every kind of predictor: declared, trained, packed, loaded, asked.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use intendant_component::predictor::{Prediction, Predictor};
use intendant_component::training::{Silent, TrainContext};
use intendant_predictor::archive::{self, Model};
use intendant_predictor::files::{self, Format};
use intendant_predictor::kinds::{self, Material};
use intendant_predictor::measure::measure;
use intendant_predictor::spec::Spec;
use intendant_predictor::{card, input, output, read, split};
use intendant_rasa_format::yaml::SourceFile;
use intendant_table::{Table, csv};

fn spec(yaml: &str) -> Spec {
    let mut findings = Vec::new();
    let spec = read::read(&SourceFile::new("predictors/p.yml", yaml), &|_| None, &mut findings);
    spec.unwrap_or_else(|| panic!("{findings:?}"))
}

fn table(spec: &Spec, text: &str) -> Table {
    files::read(text.as_bytes(), Format::Csv, &files::options(spec, None)).unwrap().table
}

fn trained(spec: &Spec, material: &Material) -> Arc<dyn Predictor> {
    let context = TrainContext { seed: 1, threads: 1, progress: &Silent };
    kinds::train(spec, material, &context).unwrap()
}

/// Through an archive and back: the same bytes, the same answers.
fn through_archive(spec: &Spec, predictor: &Arc<dyn Predictor>, rows: &Table) -> Model {
    let fingerprints = archive::fingerprints(spec, &[b"data"]);
    let model = Model {
        spec: spec.clone(),
        predictor: Arc::clone(predictor),
        figures: Default::default(),
        model_id: archive::model_id(&spec.name, &fingerprints),
        fingerprints,
        curves: intendant_predictor::curves::of(spec, predictor.as_ref(), rows),
    };
    let packed = archive::write(&model).unwrap();
    let again = archive::read(&packed).unwrap();
    assert_eq!(archive::write(&again).unwrap(), packed);
    assert_eq!(again.predictor.predict(rows).unwrap(), predictor.predict(rows).unwrap());
    assert_eq!(again.spec, *spec);
    assert_eq!(again.curves, model.curves);
    assert_eq!(again.curves.is_empty(), spec.kind != intendant_predictor::spec::Kind::Tabular);
    assert!(archive::read(&packed[..packed.len() / 2]).is_err());
    again
}

/// Rows in which those who are old and abroad leave.
fn customers(count: usize) -> String {
    let mut text = String::from("ID,AGE,PAYS,ACTIVE,CHURN\n");
    for row in 0..count {
        let (age, pays) = (20 + row * 7 % 50, ["France", "Espagne", "Allemagne"][row % 3]);
        let active = if row % 2 == 0 { "Yes" } else { "No" };
        let churn = if age > 45 && row % 3 != 0 || row % 17 == 0 { "Yes" } else { "No" };
        text.push_str(&format!("{row:05},{age},{pays},{active},{churn}\n"));
    }
    text
}

#[test]
fn rows_of_a_table() {
    let spec = spec(
        "kind: tabular\ndata: x.csv\ntarget: CHURN\npositive: \"Yes\"\nkey: ID\nmodel: boosting\nsplit: 0.25\n\
         metric: f1\nslices: [PAYS]\nfeatures: {AGE: {type: integer, maximum: 100}, PAYS: {values: [France, Espagne, Allemagne]}, ACTIVE: category}\n",
    );
    let parts = split::split(&spec, table(&spec, &customers(400)), None).unwrap();
    let test = parts.test.unwrap();
    assert_eq!((parts.train.rows(), test.rows()), (300, 100));
    let predictor = trained(&spec, &Material { rows: parts.train, ..Material::default() });
    let figures = measure(&spec, predictor.as_ref(), &test).unwrap();
    assert!(figures["f1"] > 0.9 && figures["roc_auc"] > 0.85, "{figures:?}");
    assert!(figures.contains_key("f1[PAYS=France]"), "{figures:?}");

    let asked = table(&spec, "ID,AGE,PAYS,ACTIVE\n00007,60,Espagne,No\n00008,,France,\n");
    let model = through_archive(&spec, &predictor, &asked);
    let predictions = predictor.predict(&asked).unwrap();
    let reasons = predictor.explain(&asked).unwrap().unwrap();
    let written = output::table(&spec, predictor.as_ref(), &asked, (&predictions, Some(&reasons))).unwrap();
    let text = String::from_utf8(csv::write(&written, ',')).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "ID,probability,label,reasons");
    assert!(lines[1].starts_with("00007,0.") && lines[1].contains(",Yes,"), "{text}");
    assert!(lines[2].starts_with("00008,") && lines[2].contains(",No,"), "{text}");

    let card = card::markdown(&model, "1", "digest");
    assert!(card.contains("# p, version 1") && card.contains("| AGE | number |"), "{card}");
    let signature = input::signature(&spec, predictor.as_ref());
    let check = |json: &str, expected: &[&str]| {
        let row = serde_json::from_str(json).unwrap();
        let problems = input::rows(&spec, &signature, &[&row]).err().unwrap_or_default();
        assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>(), expected, "{json}");
    };
    check("{}", &[]);
    check("{\"AGE\": 30, \"PAYS\": \"France\", \"NOBODY\": 1}", &[]);
    check("{\"AGE\": \"old\"}", &["row 0, `AGE`: expected a number, found `old`"]);
    check("{\"AGE\": 30.5}", &["row 0, `AGE`: must be a whole number, found `30.5`"]);
    check(
        "{\"PAYS\": \"Mars\"}",
        &["row 0, `PAYS`: must be one of France, Espagne, Allemagne, found `Mars`"],
    );
}

#[test]
fn numbers_are_predicted_too() {
    let spec = spec("kind: tabular\ndata: x.csv\ntarget: y\nmodel: linear\nsplit: 0.2\n");
    let mut text = String::from("a,b,y\n");
    for row in 0..200 {
        text.push_str(&format!("{},{},{}\n", row % 20, row % 7, 3 * (row % 20) + 2 * (row % 7) + 1));
    }
    let parts = split::split(&spec, table(&spec, &text), None).unwrap();
    let predictor = trained(&spec, &Material { rows: parts.train, ..Material::default() });
    let figures = measure(&spec, predictor.as_ref(), &parts.test.unwrap()).unwrap();
    assert!(figures["r2"] > 0.95, "{figures:?}");
}

#[test]
fn texts_and_what_they_say_of_entities() {
    let spec = spec(
        "kind: text\ndata: x.csv\ntext: headline\nentity: entity\ntarget: label\nkey: row\nmetric: macro_f1\n\
         gazetteer: {file: g.json, year_of: date}\n",
    );
    let mut text = String::from("row,headline,entity,label\n");
    for (row, name) in ["Marlow", "Quint", "Vega"].iter().cycle().take(60).enumerate() {
        let (verb, label) =
            [("wins praise for", "positive"), ("is blamed for", "negative"), ("speaks about", "neutral")]
                [row / 3 % 3];
        text.push_str(&format!("{row},{name} {verb} plan {},{name},{label}\n", row % 11));
    }
    let gazetteer =
        br#"[{"election_year": "2024", "candidate": [{"name": "Ada Marlow"}, {"name": "Lena Vega"}]}]"#;
    let material =
        Material { rows: table(&spec, &text), gazetteer: Some(gazetteer.to_vec()), ..Material::default() };
    let predictor = trained(&spec, &material);
    let asked = table(&spec, "headline,date\nMarlow wins praise for the bridge,2023-05-01\n");
    through_archive(&spec, &predictor, &asked);
    let Prediction::Polarity { opinions, .. } = predictor.predict(&asked).unwrap().remove(0) else {
        panic!()
    };
    let told: Vec<(&str, Option<&str>)> = opinions
        .iter()
        .map(|opinion| {
            let label = opinion.class.as_ref().map(|class| predictor.classes()[class.label].as_str());
            (opinion.entity.as_str(), label)
        })
        .collect();
    assert_eq!(told, [("Marlow", Some("positive")), ("Vega", None)]);
    assert_eq!(opinions[0].mentions, [(0, 6, "Marlow".to_owned())]);
    let asked = table(&spec, "row,headline,entity\n1,Quint is blamed for plan 3,Quint\n");
    let predictions = predictor.predict(&asked).unwrap();
    let written = output::table(&spec, predictor.as_ref(), &asked, (&predictions, None)).unwrap();
    let text = String::from_utf8(csv::write(&written, ',')).unwrap();
    assert!(text.starts_with("row,probability,label\n1,") && text.ends_with(",negative\n"), "{text}");
}

#[test]
fn items_for_users_and_for_texts() {
    let spec = spec(
        "kind: recommender\ndata: x.csv\nuser: u\nitem: i\nrating: r\nliked_from: 7\ntop: 3\n\
         catalogue: {file: c.csv, item: id, title: title, show: [title]}\nsplit: 0.2\n",
    );
    let mut text = String::from("u,i,r\n");
    for user in 0..40 {
        for item in 0..6 {
            text.push_str(&format!("u{user},{:03},9\n", (user % 2) * 10 + (item + user / 2) % 10));
        }
    }
    let parts = split::split(&spec, table(&spec, &text), None).unwrap();
    let items = csv::Options {
        kinds: vec![("id".to_owned(), intendant_table::Kind::Text)],
        ..csv::Options::default()
    };
    let mut catalogue = String::from("id,title\n");
    for item in 0..20 {
        catalogue
            .push_str(&format!("{item:03},{} volume {item}\n", if item < 10 { "Rivers" } else { "Bridges" }));
    }
    let catalogue = csv::read(catalogue.as_bytes(), &items).unwrap().table;
    let material = Material { rows: parts.train.clone(), catalogue: Some(catalogue), ..Material::default() };
    let predictor = trained(&spec, &material);
    let asked = table(&spec, "u\nu0\nnobody\n");
    through_archive(&spec, &predictor, &asked);
    let predictions = predictor.predict(&asked).unwrap();
    let Prediction::Items { items, .. } = &predictions[0] else { panic!() };
    let users = files::texts(&parts.train, "u").unwrap();
    let rated = files::texts(&parts.train, "i").unwrap();
    let seen = |item: &str| {
        users
            .iter()
            .zip(&rated)
            .any(|(user, id)| user.as_deref() == Some("u0") && id.as_deref() == Some(item))
    };
    assert!(items.len() == 3 && items.iter().all(|item| !seen(&item.id)), "{items:?}");
    let Prediction::Items { mode, .. } = &predictions[1] else { panic!() };
    assert_eq!(mode, "popular");
    let figures = measure(&spec, predictor.as_ref(), &parts.test.unwrap()).unwrap();
    assert!(figures["recall@10"] > 0.5, "{figures:?}");
    let written = output::table(&spec, predictor.as_ref(), &asked, (&predictions, None)).unwrap();
    assert_eq!(written.names(), ["u", "i", "rank", "score", "mode", "reason"]);
    assert_eq!(written.rows(), 6);
}

#[test]
fn models_trained_elsewhere() {
    let spec = spec("kind: foreign\nmodel: {file: models/tiny.txt, classes: [stays, leaves]}\nkey: id\n");
    let refused = Material { file: Some(b"\x80\x04joblib".to_vec()), ..Material::default() };
    let context = TrainContext { seed: 1, threads: 1, progress: &Silent };
    let error = kinds::train(&spec, &refused, &context).err().unwrap().to_string();
    assert!(error.contains("pickle") && error.contains("skl2onnx"), "{error}");
    let model = "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=0\n\
                 objective=binary sigmoid:1\nfeature_names=x\nfeature_infos=[0:10]\ntree_sizes=200\n\n\
                 Tree=0\nnum_leaves=2\nnum_cat=0\nsplit_feature=0\nsplit_gain=1\nthreshold=5\ndecision_type=2\n\
                 left_child=-1\nright_child=-2\nleaf_value=-1 1\nleaf_weight=1 1\nleaf_count=5 5\ninternal_value=0\n\
                 internal_weight=2\ninternal_count=10\nis_linear=0\nshrinkage=1\n\n\nend of trees\n";
    let predictor =
        trained(&spec, &Material { file: Some(model.as_bytes().to_vec()), ..Material::default() });
    let asked = table(&spec, "id,x\na,1\nb,9\n");
    through_archive(&spec, &predictor, &asked);
    let written =
        output::table(&spec, predictor.as_ref(), &asked, (&predictor.predict(&asked).unwrap(), None))
            .unwrap();
    let text = String::from_utf8(csv::write(&written, ',')).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[1].starts_with("a,0.268") && lines[1].ends_with(",stays"), "{text}");
    assert!(lines[2].starts_with("b,0.731") && lines[2].ends_with(",leaves"), "{text}");
}
