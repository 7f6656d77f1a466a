//! Predictors as their users meet them: the examples trained, loaded, served and asked.

use std::fs;
use std::time::{Duration, Instant};

use fixtures::http::{Answer, Connection};
use fixtures::process::Server;
use fixtures::project::Sandbox;
use serde_json::{Value, json};

use crate::{binary, intendant, repository, succeed};

/// A hash of the password `quay`.
const HASH: &str = "$2b$04$abcdefghijklmnopqrstuukxwZ3O.Oql7J2sjPi9gdTSrIS3kgvoe";

fn post(connection: &mut Connection, path: &str, body: &Value) -> Answer {
    connection.send("POST", path, &[], body.to_string().as_bytes()).unwrap()
}

fn get(connection: &mut Connection, path: &str) -> Answer {
    connection.send("GET", path, &[], b"").unwrap()
}

fn replace(sandbox: &Sandbox, path: &str, from: &str, to: &str) {
    let text = fs::read_to_string(sandbox.at(path)).unwrap();
    assert!(text.contains(from), "{path}: {from}");
    sandbox.write(path, &text.replace(from, to)).unwrap();
}

/// The churn example, with its tables in SQLite.
fn churn() -> Sandbox {
    let sandbox = Sandbox::copy_of(&repository().join("examples/churn")).unwrap();
    let store = "    table: historicize\n";
    replace(
        &sandbox,
        "predictors/churn.yml",
        store,
        &format!("    database: sqlite://churn.db?mode=rwc\n{store}"),
    );
    succeed(sandbox.path(), &["train", "churn"]);
    sandbox
}

#[test]
fn churn_service() {
    let sandbox = churn();
    let before = Server::start(binary(), sandbox.path(), &["run", "--model", "nowhere"]).unwrap();
    let mut connection = before.connect().unwrap();
    let answer = post(&mut connection, "/detect/", &json!({"BALANCE": 0}));
    assert_eq!((answer.status, answer.json().unwrap()), (500, json!({"message": "Churn model not loaded"})));
    let answer = get(&mut connection, "/customer/700000");
    assert_eq!((answer.status, answer.json().unwrap()), (500, json!({"message": "No SQL connection"})));
    assert_eq!(get(&mut connection, "/readyz").status, 503);
    assert!(before.stop().unwrap().success());

    let loaded = succeed(sandbox.path(), &["load", "churn"]);
    assert!(loaded.contains("customer: 1200 rows read, 1200 inserted, 0 updated, 0 rejected"), "{loaded}");
    let again = succeed(sandbox.path(), &["load", "churn"]);
    assert!(again.contains("indicators: 1200 rows read, 0 inserted, 1200 updated, 0 rejected"), "{again}");

    let server = Server::start(binary(), sandbox.path(), &["run"]).unwrap();
    let mut connection = server.connect().unwrap();
    routes(&mut connection);
    protocols(&mut connection);
    pages(&mut connection);
    assert!(server.stop().unwrap().success());
}

fn routes(connection: &mut Connection) {
    let answer = post(connection, "/detect/", &json!({"BALANCE": 0, "NOM": "ignored"}));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let told = answer.json().unwrap();
    assert_eq!(told.as_object().unwrap().keys().collect::<Vec<_>>(), ["answer"]);
    assert!((0.0..0.5).contains(&told["answer"].as_f64().unwrap()), "{told}");
    assert_eq!(answer.header("x-request-id").map(str::len), Some(36));
    assert_eq!(post(connection, "/detect", &json!({})).status, 200);
    let wrong = post(connection, "/detect/", &json!({"SEXE": "X", "AGE": "old"}));
    assert_eq!(wrong.status, 422);
    let places: Vec<Value> = wrong.json().unwrap()["detail"]
        .as_array()
        .unwrap()
        .iter()
        .map(|detail| detail["loc"].clone())
        .collect();
    assert_eq!(places, [json!(["body", "AGE"]), json!(["body", "SEXE"])]);
    assert_eq!(connection.send("POST", "/detect/", &[], b"{").unwrap().status, 422);

    let customer = get(connection, "/customer/700007").json().unwrap();
    assert_eq!(customer["ID_CLIENT"], 700_007);
    assert_eq!(customer["DATE_ENTREE"].as_str().map(str::len), Some(10), "{customer}");
    let unknown = get(connection, "/customer/1");
    assert_eq!((unknown.status, unknown.json().unwrap()), (404, json!({"message": "Client ID 1 not found"})));
    assert_eq!(get(connection, "/customer/1%20OR%201=1").status, 422);
    let by_id = get(connection, "/customer_detect/700007").json().unwrap();
    let by_row = post(connection, "/detect/", &customer).json().unwrap();
    assert_eq!(by_id, by_row);
    let batch = post(connection, "/detect/batch", &json!([customer, {}])).json().unwrap();
    assert_eq!(batch[0]["answer"], by_id["answer"]);
}

fn protocols(connection: &mut Connection) {
    let metadata = get(connection, "/v2/models/churn").json().unwrap();
    assert_eq!(metadata["versions"], json!(["1"]));
    let request = json!({
        "id": "7",
        "inputs": [
            {"name": "AGE", "shape": [2], "datatype": "INT64", "data": [30, 70]},
            {"name": "PAYS", "shape": [2, 1], "datatype": "BYTES", "data": [["France"], ["Allemagne"]]},
        ],
        "outputs": [{"name": "probability"}],
    });
    let told = post(connection, "/v2/models/churn/versions/1/infer", &request).json().unwrap();
    assert_eq!(
        (&told["id"], &told["model_name"], &told["model_version"]),
        (&json!("7"), &json!("churn"), &json!("1"))
    );
    let output = &told["outputs"][0];
    assert_eq!(
        (&output["name"], &output["datatype"], &output["shape"]),
        (&json!("probability"), &json!("FP64"), &json!([2]))
    );
    let probabilities: Vec<f64> =
        output["data"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
    assert!(probabilities[0] < probabilities[1], "{told}");
    for (path, status) in [
        ("/v2", 200),
        ("/v2/health/live", 200),
        ("/v2/health/ready", 200),
        ("/v2/models/churn/ready", 200),
        ("/v2/models/churn/stats", 200),
        ("/v2/models/nobody", 404),
        ("/v2/models/churn/versions/9", 404),
    ] {
        assert_eq!(get(connection, path).status, status, "{path}");
    }
    let mut wrong = request.clone();
    wrong["inputs"][0]["shape"] = json!([3]);
    let refused = post(connection, "/v2/models/churn/infer", &wrong);
    assert_eq!(refused.status, 400);
    assert!(refused.json().unwrap()["error"].as_str().unwrap().contains("does not fit 2 values"));

    let rows = json!([{"AGE": 30, "PAYS": "France"}, {"AGE": 70, "PAYS": "Allemagne"}]);
    let shapes = [
        json!({"dataframe_records": rows}),
        json!({"dataframe_split": {"columns": ["AGE", "PAYS"], "data": [[30, "France"], [70, "Allemagne"]]}}),
        json!({"inputs": {"AGE": [30, 70], "PAYS": ["France", "Allemagne"]}}),
        json!({"instances": rows}),
    ];
    for shape in shapes {
        let told = post(connection, "/invocations", &shape).json().unwrap();
        assert_eq!(told, json!({"predictions": probabilities}), "{shape}");
    }
    let csv = [("Content-Type", "text/csv")];
    let told = connection.send("POST", "/invocations", &csv, b"AGE,PAYS\n30,France\n70,Allemagne\n").unwrap();
    assert_eq!(told.json().unwrap(), json!({"predictions": probabilities}));
    let both = post(connection, "/invocations", &json!({"inputs": [], "instances": []}));
    assert_eq!((both.status, both.json().unwrap()["error_code"].as_str()), (400, Some("BAD_REQUEST")));
    let explained = post(connection, "/predictors/churn/predict?explain=true", &rows[1]).json().unwrap();
    assert!(explained["explanation"]["contributions"]["AGE"].as_f64().unwrap() > 0.0, "{explained}");
}

fn pages(connection: &mut Connection) {
    let card = get(connection, "/predictors/churn/card?format=markdown").text();
    assert!(card.contains("# churn, version 1") && card.contains("| f1 |"), "{card}");
    assert!(get(connection, "/predictors/churn/card").text().contains("<h1>churn, version 1</h1>"));
    let drift = get(connection, "/predictors/churn/drift?format=json").json().unwrap();
    assert!(drift["rows"].as_u64().unwrap() > 10, "{drift}");
    let metrics = get(connection, "/metrics").text();
    assert!(
        metrics.contains(
            "intendant_predictor_request_duration_seconds_count{predictor=\"churn\",outcome=\"ok\"}"
        )
    );
    assert!(
        metrics.contains("intendant_predictor_drift_stability_index{predictor=\"churn\",column=\"AGE\"}")
    );
    let described = get(connection, "/openapi.json").json().unwrap();
    let path = &described["paths"]["/customer/{customer_id}"]["get"];
    assert_eq!(path["parameters"][0]["schema"], json!({"type": "integer"}), "{described}");
    assert_eq!(
        described["components"]["schemas"]["churn_row"]["properties"]["SEXE"]["enum"],
        json!(["H", "F", null])
    );
}

#[test]
fn gates_and_tags_of_predictors() {
    let sandbox = churn();
    let measured = succeed(sandbox.path(), &["test", "churn"]);
    assert!(measured.contains("gate roc_auc on held-out: passed"), "{measured}");
    let tagged = succeed(sandbox.path(), &["models", "tag", "churn:1", "churn.production"]);
    assert!(tagged.contains("churn.production is now churn:1"), "{tagged}");
    let shown = succeed(sandbox.path(), &["models", "show", "churn.production"]);
    assert!(shown.contains("tabular") && shown.contains("f1 on held-out"), "{shown}");
    assert!(succeed(sandbox.path(), &["train", "churn"]).contains("Nothing changed since"));
    replace(&sandbox, "predictors/churn.yml", "gate: {roc_auc: 0.7}", "gate: {roc_auc: 0.99}");
    let missed = intendant(sandbox.path(), &["test", "churn"]);
    assert_eq!(missed.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&missed.stdout).contains("FAILED"), "{missed:?}");
}

#[test]
fn press_service() {
    let sandbox = Sandbox::copy_of(&repository().join("examples/press")).unwrap();
    for path in ["predictors/polarity.yml", "predictors/books.yml"] {
        replace(&sandbox, path, "${SECRET_KEY}", "a secret of this test");
    }
    replace(&sandbox, "predictors/polarity.yml", "${READER_PASSWORD_HASH}", &format!("'{HASH}'"));
    succeed(sandbox.path(), &["train", "polarity"]);
    succeed(sandbox.path(), &["train", "books"]);
    let server = Server::start(binary(), sandbox.path(), &["run"]).unwrap();
    let mut connection = server.connect().unwrap();
    let article = json!({
        "abstract": "Ships and docks: what the port gave the city", "pub_date": "2024-05-01",
        "headline": "Voters cheer Marlow after a strong debate",
    });
    let refused = post(&mut connection, "/polarity", &article);
    assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some("Bearer")));
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let wrong = connection.send("POST", "/get_token", &form, b"username=nobody&password=quay").unwrap();
    assert_eq!(
        (wrong.status, wrong.json().unwrap()),
        (400, json!({"detail": "Incorrect username or password"}))
    );
    let token = connection
        .send("POST", "/get_token", &form, b"username=reader&password=quay")
        .unwrap()
        .json()
        .unwrap();
    assert_eq!(token["token_type"], "bearer");
    let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());
    let headers = [("Authorization", bearer.as_str())];
    let mut ask = |path: &str, body: &Value| {
        connection.send("POST", path, &headers, body.to_string().as_bytes()).unwrap()
    };
    let told = ask("/polarity", &article);
    assert_eq!(
        told.json().unwrap(),
        json!({"response": [{"entity": "Marlow", "prediction": "positive"}, {"entity": "Vega", "prediction": null}]})
    );
    let missing = ask("/polarity", &json!({"headline": "x"}));
    assert_eq!(missing.status, 422);
    let books = ask("/books", &article).json().unwrap();
    let books = books["response"].as_array().unwrap();
    assert_eq!(books.len(), 3);
    assert_eq!(books[0].as_object().unwrap().keys().collect::<Vec<_>>(), ["title", "author", "publisher"]);
    assert!(books[0]["title"].as_str().unwrap().contains("Harbour"), "{books:?}");
    let mut silent = article.clone();
    silent["abstract"] = "".into();
    assert_eq!(ask("/books", &silent).json().unwrap(), json!({"response": "None"}));
    let whole =
        ask("/v1/polarity", &json!({"text": "Trust in Vega grows", "entities": ["Vega"]})).json().unwrap();
    assert_eq!(
        whole["entities"][0]["mentions"],
        json!([{"start": 9, "end": 13, "surface": "Vega"}]),
        "{whole}"
    );
    assert!(server.stop().unwrap().success());
}

#[test]
fn another_version_is_used_while_the_server_answers() {
    let sandbox = churn();
    let server = Server::start(binary(), sandbox.path(), &["run"]).unwrap();
    let mut connection = server.connect().unwrap();
    assert_eq!(get(&mut connection, "/readyz").json().unwrap()["models"]["churn"]["version"], "1");
    replace(&sandbox, "predictors/churn.yml", "metric: f1", "metric: roc_auc");
    succeed(sandbox.path(), &["train", "churn"]);
    let deadline = Instant::now() + Duration::from_secs(60);
    while get(&mut connection, "/readyz").json().unwrap()["models"]["churn"]["version"] != "2" {
        assert!(Instant::now() < deadline, "the new version is not used");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(server.stop().unwrap().success());
}
