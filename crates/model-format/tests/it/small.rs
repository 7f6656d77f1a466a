//! Small models written here.

use intendant_learn::tabular::Task;
use intendant_model_format::{ErrorKind, Foreign, Format};
use intendant_table::{Table, csv};

use crate::damaged::shake;

fn table(text: &str) -> Table {
    csv::read(text.as_bytes(), &csv::Options::default()).unwrap().table
}

#[track_caller]
fn check(model: &Foreign, rows: &str, expected: &[f64]) {
    let predictions = model.predict(&table(rows)).unwrap();
    let scores: Vec<f64> = (0..predictions.rows()).map(|row| predictions.score(row)).collect();
    let is_close =
        scores.len() == expected.len() && scores.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-7);
    assert!(is_close, "{scores:?} for {expected:?}");
}

/// One split by number with missing values to the right, one by category.
const LIGHTGBM: &str = "tree
version=v4
num_class=1
num_tree_per_iteration=1
max_feature_idx=1
objective=regression
feature_names=age land
feature_infos=[18:80] 0:1:2
tree_sizes=1 1

Tree=0
num_leaves=2
num_cat=0
split_feature=0
threshold=40
decision_type=8
left_child=-1
right_child=-2
leaf_value=1 2
leaf_count=10 30
internal_count=40
is_linear=0
shrinkage=1


Tree=1
num_leaves=2
num_cat=1
split_feature=1
threshold=0
decision_type=1
left_child=-1
right_child=-2
leaf_value=10 20
leaf_count=5 35
internal_count=40
cat_boundaries=0 1
cat_threshold=5
is_linear=0
shrinkage=1


end of trees

pandas_categorical:[[\"A\", \"B\", \"C\"]]
";

#[test]
fn lightgbm_follows_missing_values_and_categories() {
    let model = Foreign::read(LIGHTGBM.as_bytes(), "model.txt").unwrap();
    assert_eq!((model.format(), model.task()), (Format::LightGbm, Task::Regression));
    check(&model, "age,land\n40,A\n41,B\n,C\n30,unseen\n", &[11.0, 22.0, 12.0, 21.0]);
    let explanation = &model.explain(&table("age,land\n30,A\n")).unwrap()[0];
    assert!((explanation.base - (1.75 + 18.75)).abs() < 1e-9);
    assert_eq!(explanation.contributions, [("land".to_owned(), -8.75), ("age".to_owned(), -0.75)]);
    let error = model.predict(&table("x,y\n1,2\n")).unwrap_err();
    assert!(
        error.kind == ErrorKind::Input && error.to_string().contains("none of the model's features"),
        "{error}"
    );
    let error = model.predict(&table("age,land\nold,A\n")).unwrap_err();
    assert_eq!(error.to_string(), "row 0, `age`: expected a number, found `old`");
    let linear = LIGHTGBM.replace("is_linear=0", "is_linear=1");
    assert_eq!(Foreign::read(linear.as_bytes(), "m").unwrap_err().kind, ErrorKind::Unsupported);
    let looping = LIGHTGBM.replace("left_child=-1", "left_child=0");
    assert!(Foreign::read(looping.as_bytes(), "m").unwrap_err().to_string().contains("two parents"));
    shake(LIGHTGBM.as_bytes(), "model.txt", 500);
}

const XGBOOST: &str = r#"{"learner": {
    "feature_names": ["age", "land_F"], "learner_model_param": {"base_score": "[5E-1]", "num_class": "0", "num_feature": "2", "num_target": "1"},
    "objective": {"name": "binary:logistic"},
    "gradient_booster": {"name": "gbtree", "model": {"tree_info": [0], "trees": [{
        "left_children": [1, -1, -1], "right_children": [2, -1, -1], "split_indices": [0, 0, 0],
        "split_conditions": [40.5, 1.0, -1.0], "default_left": [0, 0, 0], "sum_hessian": [4.0, 1.0, 3.0],
        "split_type": [0, 0, 0], "tree_param": {"size_leaf_vector": "1"}, "categories_nodes": []
    }, {
        "left_children": [1, -1, -1], "right_children": [2, -1, -1], "split_indices": [1, 0, 0],
        "split_conditions": [0.5, 0.0, 2.0], "default_left": [1, 0, 0], "sum_hessian": [4.0, 2.0, 2.0]
    }]}}
}, "version": [3, 0, 0]}"#;

#[test]
fn xgboost_reads_columns_that_encoders_named() {
    let model = Foreign::read(XGBOOST.as_bytes(), "model.json").unwrap();
    let sigmoid = |score: f64| 1.0 / (1.0 + (-score).exp());
    check(&model, "age,land_F\n40,1\n41,0\n,\n", &[sigmoid(3.0), sigmoid(-1.0), sigmoid(-1.0)]);
    // The column was one of words before it was encoded.
    check(&model, "age,land\n40,F\n41,D\n", &[sigmoid(3.0), sigmoid(-1.0)]);
    check(&model, "age,land_F\n40,Yes\n40,No\n", &[sigmoid(3.0), sigmoid(1.0)]);
    let named = model.clone().with_classes(&["No".into(), "Yes".into()]).unwrap().with_threshold(0.9);
    let predictions = named.predict(&table("age,land_F\n40,1\n41,1\n")).unwrap();
    assert_eq!((predictions.label(0), predictions.label(1)), (Some("Yes"), Some("No")));
    assert!(model.with_features(&["a".into(), "b".into()]).is_err());
    shake(XGBOOST.as_bytes(), "model.json", 500);
}

const EBM: &str = r#"{"type": "ebm", "link": "identity", "intercept": 1.0,
    "features": [{"name": "age", "type": "continuous"}, {"name": "land", "type": "nominal"}],
    "bins": [[[30.0, 40.0], [35.0]], [{"A": 1, "B": 2}]],
    "term_features": [[0], [0, 1]],
    "term_scores": [[100.0, 1.0, 2.0, 3.0, 200.0], [[0, 0, 0, 0], [0.0, 0.5, 0.25, 7.0], [0, 10, 20, 30], [0, 0, 0, 0]]]}"#;

#[test]
fn machines_are_sums_of_bins() {
    let model = Foreign::read(EBM.as_bytes(), "model.json").unwrap();
    check(&model, "age,land\n29,A\n30,B\n40,other\n,A\n", &[2.5, 3.25, 34.0, 101.0]);
    shake(EBM.as_bytes(), "model.json", 500);
}

/// A message of protocol buffers, put together by hand.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn int(mut self, number: u8, value: u8) -> Self {
        self.0.extend([number << 3, value]);
        self
    }

    fn bytes(mut self, number: u8, bytes: &[u8]) -> Self {
        assert!(bytes.len() < 1 << 14);
        self.0.extend([number << 3 | 2, bytes.len() as u8 & 0x7f | 0x80, (bytes.len() >> 7) as u8]);
        self.0.extend(bytes);
        self
    }

    fn float(mut self, number: u8, value: f32) -> Self {
        self.0.push(number << 3 | 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    fn attribute(self, name: &str, of: impl Fn(Self) -> Self) -> Self {
        let attribute = of(Self::default().bytes(1, name.as_bytes()));
        self.bytes(5, &attribute.0)
    }
}

fn port(name: &str, kind: u8, width: u8) -> Vec<u8> {
    port_of(name, kind, &[0, width])
}

fn port_of(name: &str, kind: u8, sizes: &[u8]) -> Vec<u8> {
    let shape = sizes
        .iter()
        .fold(Message::default(), |shape, size| shape.bytes(1, &Message::default().int(1, *size).0));
    let tensor = Message::default().int(1, kind).bytes(2, &shape.0);
    Message::default().bytes(1, name.as_bytes()).bytes(2, &Message::default().bytes(1, &tensor.0).0).0
}

/// Scales two numbers, then a line through them with a logistic curve; with the operator of the first node to choose.
fn onnx(scaler: &str) -> Vec<u8> {
    let first = Message::default()
        .bytes(1, b"x")
        .bytes(2, b"scaled")
        .bytes(4, scaler.as_bytes())
        .bytes(7, b"ai.onnx.ml")
        .attribute("offset", |list| list.float(7, 1.0))
        .attribute("scale", |list| list.float(7, 2.0));
    let second = Message::default()
        .bytes(1, b"scaled")
        .bytes(2, b"label")
        .bytes(2, b"probabilities")
        .bytes(4, b"LinearClassifier")
        .bytes(7, b"ai.onnx.ml")
        .attribute("coefficients", |list| list.float(7, -1.0).float(7, 0.5).float(7, 1.0).float(7, -0.5))
        .attribute("intercepts", |list| list.float(7, 0.25).float(7, -0.25))
        .attribute("classlabels_strings", |list| list.bytes(9, b"No").bytes(9, b"Yes"))
        .attribute("post_transform", |text| text.bytes(4, b"LOGISTIC"));
    let graph = Message::default()
        .bytes(1, &first.0)
        .bytes(1, &second.0)
        .bytes(11, &port("x", 1, 2))
        .bytes(12, &port("label", 8, 1))
        .bytes(12, &port("probabilities", 1, 2));
    Message::default().int(1, 8).bytes(7, &graph.0).0
}

#[test]
fn graphs_are_run_in_batches() {
    let bytes = onnx("Scaler");
    let model = Foreign::read(&bytes, "model.onnx").unwrap();
    assert_eq!((model.task(), model.classes().len(), model.is_named()), (Task::Binary, 2, false));
    let model = model.with_features(&["a".into(), "b".into()]).unwrap();
    let score = |a: f64, b: f64| 1.0 / (1.0 + (-((a - 1.0) * 2.0 - (b - 1.0) - 0.25)).exp());
    check(&model, "a,b\n1,1\n2,3\n", &[score(1.0, 1.0), score(2.0, 3.0)]);
    let many: String = (0..3000).map(|row| format!("{},{}\n", row % 7, row % 5)).collect();
    let expected: Vec<f64> = (0..3000).map(|row| score(f64::from(row % 7), f64::from(row % 5))).collect();
    check(&model, &format!("a,b\n{many}"), &expected);
    let error = Foreign::read(&onnx("SVMClassifier"), "model.onnx").unwrap_err();
    assert_eq!(
        error.to_string(),
        "`model.onnx`: operators that are not implemented: ai.onnx.ml.SVMClassifier"
    );
    assert!(model.explain(&table("a,b\n1,1\n")).is_err());
    shake(&bytes, "model.onnx", 3000);
}

/// A convolution of four pixels to two numbers, and how likely each is.
fn network(last: &str) -> Vec<u8> {
    let raw = [1.0f32, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0].map(f32::to_le_bytes).concat();
    let weights = [2, 1, 2, 2].iter().fold(Message::default(), |tensor, size| tensor.int(1, *size));
    let weights = weights.int(2, 1).bytes(8, b"w").bytes(9, &raw);
    let node = |inputs: &[&str], output: &str, operator: &str| {
        let node = inputs.iter().fold(Message::default(), |node, input| node.bytes(1, input.as_bytes()));
        node.bytes(2, output.as_bytes()).bytes(4, operator.as_bytes()).0
    };
    let graph = Message::default()
        .bytes(1, &node(&["x", "w"], "c", "Conv"))
        .bytes(1, &node(&["c"], "f", "Flatten"))
        .bytes(1, &node(&["f"], "y", last))
        .bytes(2, b"pixels")
        .bytes(5, &weights.0)
        .bytes(11, &port_of("x", 1, &[0, 1, 2, 2]))
        .bytes(12, &port("y", 1, 2));
    let version = Message::default().bytes(1, b"").int(2, 13);
    Message::default().int(1, 8).bytes(7, &graph.0).bytes(8, &version.0).0
}

#[cfg(not(feature = "onnx"))]
#[test]
fn neural_networks_need_a_feature() {
    let error = Foreign::read(&network("Softmax"), "model.onnx").unwrap_err();
    assert_eq!(
        error.to_string(),
        "`model.onnx`: operators that are not implemented: Conv; neural networks are run by a build with the feature \
         `onnx`: cargo build --release --features onnx"
    );
}

#[cfg(feature = "onnx")]
#[test]
fn neural_networks_are_run_by_a_library() {
    let rows = "x.0,x.1,x.2,x.3\n1,5,5,2\n-1,0,0,-3\n";
    let score = |first: f64, last: f64| 1.0 / (1.0 + (first - last).exp());
    for last in ["Softmax", "LogSoftmax", "Identity"] {
        let bytes = network(last);
        let model = Foreign::read(&bytes, "model.onnx").unwrap();
        assert_eq!((model.format(), model.task(), model.classes().len()), (Format::Onnx, Task::Binary, 2));
        assert_eq!(model.signature().fields.len(), 4);
        let predictions = model.predict(&table(rows)).unwrap();
        let scores: Vec<f64> = (0..2).map(|row| predictions.score(row)).collect();
        let expected = [score(1.0, 2.0), score(-1.0, -3.0)];
        assert!(scores.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{last}: {scores:?}");
    }
    shake(&network("Softmax"), "model.onnx", 300);
    let error = Foreign::read(&network("Convolve"), "model.onnx").unwrap_err();
    assert!(error.to_string().contains("the network cannot be run"), "{error}");
}
