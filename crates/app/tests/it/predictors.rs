//! Predictors as their users meet them: the examples trained, loaded, served and asked.

use std::fs;
use std::time::{Duration, Instant};

use fixtures::http::{Answer, Connection};
use fixtures::process::Server;
use fixtures::project::Sandbox;
use serde_json::{Value, json};

use crate::{binary, intendant, repository, succeed};

pub fn post(connection: &mut Connection, path: &str, body: &Value) -> Answer {
    connection.send("POST", path, &[], body.to_string().as_bytes()).unwrap()
}

pub fn get(connection: &mut Connection, path: &str) -> Answer {
    connection.send("GET", path, &[], b"").unwrap()
}

pub fn replace(sandbox: &Sandbox, path: &str, from: &str, to: &str) {
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
    let explained = post(connection, "/detect/?explain=true", &customer).json().unwrap();
    assert_eq!(explained["answer"], by_id["answer"]);
    assert!(explained["explanation"]["contributions"]["AGE"].is_number(), "{explained}");
    let csv = [("Content-Type", "text/csv")];
    let torn = connection.send("POST", "/detect/batch", &csv, b"AGE,PAYS\n30,France\n70\n").unwrap();
    assert_eq!((torn.status, &torn.json().unwrap()["detail"][0]["loc"]), (422, &json!(["body", 3])));
    let page = get(connection, "/customers?limit=2").json().unwrap();
    assert_eq!(page.as_array().map(Vec::len), Some(2), "{page}");
    let next = get(connection, &format!("/customers?limit=2&after={}", page[1]["ID_CLIENT"])).json().unwrap();
    assert!(next[0]["ID_CLIENT"].as_u64() > page[1]["ID_CLIENT"].as_u64(), "{next}");
    let id = page[0]["ID_CLIENT"].as_u64().unwrap();
    assert_eq!(get(connection, &format!("/customer/{id}")).json().unwrap(), page[0]);
    assert_eq!(get(connection, "/customers").json().unwrap().as_array().map(Vec::len), Some(100));
    let wrong = get(connection, "/customers?after=x");
    assert_eq!((wrong.status, &wrong.json().unwrap()["detail"][0]["loc"]), (422, &json!(["query", "after"])));
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
    taken_out_of_use(connection);
    tensors_as_bytes(connection, &probabilities);
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

/// The same request with its tensors behind the JSON, and the answer likewise.
fn tensors_as_bytes(connection: &mut Connection, probabilities: &[f64]) {
    let mut send = |mut request: Value, tensors: &[u8]| {
        request["inputs"][0]["name"] = "AGE".into();
        let head = request.to_string();
        let length = head.len().to_string();
        let body = [head.as_bytes(), tensors].concat();
        let headers = [("Inference-Header-Content-Length", length.as_str())];
        connection.send("POST", "/v2/models/churn/infer", &headers, &body).unwrap()
    };
    let (ages, countries) =
        ([30i32, 70].map(i32::to_le_bytes).concat(), b"\x06\0\0\0France\x09\0\0\0Allemagne");
    let tensors = [&ages[..], countries].concat();
    let request = json!({
        "inputs": [
            {"shape": [2], "datatype": "INT32", "parameters": {"binary_data_size": ages.len()}},
            {"name": "PAYS", "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": countries.len()}},
        ],
        "outputs": [
            {"name": "probability", "parameters": {"binary_data": true}},
            {"name": "probabilities", "parameters": {"classification": 1}},
        ],
    });
    let answer = send(request.clone(), &tensors);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/octet-stream")));
    let length: usize = answer.header("inference-header-content-length").unwrap().parse().unwrap();
    let (head, behind) = answer.body.split_at(length);
    let told: Value = serde_json::from_slice(head).unwrap();
    assert_eq!(told["outputs"][0]["parameters"], json!({"binary_data_size": 16}), "{told}");
    let numbers: Vec<f64> =
        behind.chunks(8).map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap())).collect();
    assert_eq!(numbers, probabilities);
    assert_eq!(told["outputs"][1]["shape"], json!([2, 1]));
    let likeliest = told["outputs"][1]["data"][0].as_str().unwrap();
    assert!(likeliest.ends_with(":0:No") || likeliest.ends_with(":1:No"), "{told}");
    let mut all = request.clone();
    all["parameters"] = json!({"binary_data_output": true});
    all["outputs"] =
        json!([{"name": "label"}, {"name": "probability", "parameters": {"binary_data": false}}]);
    let answer = send(all, &tensors);
    let length: usize = answer.header("inference-header-content-length").unwrap().parse().unwrap();
    let told: Value = serde_json::from_slice(&answer.body[..length]).unwrap();
    assert!(told["outputs"][0].get("data").is_none() && told["outputs"][1]["data"].is_array(), "{told}");
    let mut refused = |request: &Value, tensors: &[u8], why: &str| {
        let answer = send(request.clone(), tensors);
        let message = answer.json().unwrap()["error"].as_str().unwrap().to_owned();
        assert!(answer.status == 400 && message.contains(why), "{message}");
    };
    refused(&request, &tensors[..20], "within the 12 behind the JSON");
    refused(&request, &[&tensors[..], b"!"].concat(), "1 bytes behind the JSON belong to no input");
    let mut wrong = request.clone();
    wrong["inputs"][0]["datatype"] = "INT64".into();
    refused(&wrong, &tensors, "does not fit 1 values");
    wrong["inputs"][0] = json!({"shape": [1], "datatype": "UINT8", "data": [256]});
    refused(&wrong, countries, "`256` is no UINT8");
}

/// A model is taken out of use and put back.
fn taken_out_of_use(connection: &mut Connection) {
    let state = |connection: &mut Connection| {
        post(connection, "/v2/repository/index", &json!({})).json().unwrap()[0]["state"].clone()
    };
    assert_eq!(state(connection), "READY");
    let unloaded = post(connection, "/v2/repository/models/churn/unload", &json!({}));
    assert_eq!((unloaded.status, unloaded.json().unwrap()), (200, json!({})));
    assert_eq!(state(connection), "UNAVAILABLE");
    let ready = get(connection, "/v2/models/churn/ready");
    assert_eq!(ready.json().unwrap()["ready"], false);
    assert_eq!(post(connection, "/detect/", &json!({})).status, 500);
    assert_eq!(post(connection, "/v2/repository/models/churn/load", &json!({})).status, 200);
    assert_eq!(state(connection), "READY");
    assert_eq!(post(connection, "/v2/repository/models/nobody/load", &json!({})).status, 404);
}

fn pages(connection: &mut Connection) {
    let page = get(connection, "/predictors/churn/card").text();
    assert!(page.matches("<svg").count() >= 4 && page.contains("mean prediction by AGE"), "{page}");
    let card = get(connection, "/predictors/churn/card?format=json").json().unwrap();
    let curve = card["curves"].as_array().unwrap().iter().find(|curve| curve["column"] == "AGE").unwrap();
    let mean = |at: usize| curve["points"][at][1].as_f64().unwrap();
    let last = curve["points"].as_array().unwrap().len() - 1;
    assert!(mean(0) < mean(last), "the old leave: {curve}");
    assert_eq!(get(connection, "/nowhere").json().unwrap(), json!({"detail": "Not Found"}));
    assert_eq!(get(connection, "/detect/").status, 405);
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
    let report = fs::read_to_string(sandbox.at("results/churn.html")).unwrap();
    assert!(report.contains("<svg") && report.contains("On held-out rows"), "{report}");
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
    versions_by_number(&mut connection);
    assert!(server.stop().unwrap().success());
}

/// Both versions answer, though only the second is in use.
fn versions_by_number(connection: &mut Connection) {
    let state = |connection: &mut Connection| {
        let states = post(connection, "/v2/repository/index", &json!({})).json().unwrap();
        let states = states.as_array().unwrap().iter();
        states.map(|one| format!("{} {}", one["version"], one["state"]).replace('"', "")).collect::<Vec<_>>()
    };
    assert_eq!(state(connection), ["1 UNAVAILABLE", "2 READY"]);
    let request = json!({
        "inputs": [{"name": "AGE", "shape": [1], "datatype": "FP32", "data": [30.0]}],
        "outputs": [{"name": "label"}],
    });
    for number in ["1", "2"] {
        let path = format!("/v2/models/churn/versions/{number}");
        assert_eq!(get(connection, &format!("{path}/ready")).json().unwrap()["ready"], true);
        assert_eq!(get(connection, &path).json().unwrap()["versions"], json!(["1", "2"]));
        let told = post(connection, &format!("{path}/infer"), &request).json().unwrap();
        assert_eq!(told["model_version"], number, "{told}");
        let stats = get(connection, &format!("{path}/stats")).json().unwrap();
        assert_eq!(stats["model_stats"][0]["inference_count"], 1, "{stats}");
    }
    assert_eq!(state(connection), ["1 READY", "2 READY"]);
    let unknown = post(connection, "/v2/models/churn/versions/3/infer", &request);
    let error = json!({"error": "there is no version 3 of `churn`"});
    assert_eq!((unknown.status, unknown.json().unwrap()), (404, error));
}

/// The gate of the service that is taken over: its held-out rows through its own route, asked as its callers ask.
#[test]
fn the_gate_of_the_churn_service_holds_through_its_route() {
    let Some(shared) = std::env::var_os("INTENDANT_SHARED") else {
        eprintln!("skipped: INTENDANT_SHARED names no folder with the churn data");
        return;
    };
    let shared = std::path::Path::new(&shared).join("data/churn");
    let sandbox = Sandbox::copy_of(&repository().join("examples/churn")).unwrap();
    for file in ["customers.csv", "indicators.csv"] {
        fs::copy(shared.join(file), sandbox.at(&format!("data/{file}"))).unwrap();
    }
    // Which rows its authors held out.
    let split = fs::read_to_string(shared.join("split.csv")).unwrap();
    let parts = split.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    let lines: String = parts.map(|cells| format!("{},{}\n", cells[0], cells[3])).collect();
    sandbox.write("data/split.csv", &format!("ID_CLIENT,part\n{lines}")).unwrap();
    let join = "join: [{file: data/indicators.csv, on: ID_CLIENT}";
    replace(
        &sandbox,
        "predictors/churn.yml",
        join,
        &format!("{join}, {{file: data/split.csv, on: ID_CLIENT}}"),
    );
    replace(&sandbox, "predictors/churn.yml", "split: 0.2", "split: {column: part}");
    replace(&sandbox, "predictors/churn.yml", "gate: {roc_auc: 0.7}", "gate: {f1: 0.61}");
    let trained = succeed(sandbox.path(), &["train", "churn"]);
    assert!(trained.contains("gate f1 on held-out: passed"), "{trained}");

    let server = Server::start(binary(), sandbox.path(), &["run"]).unwrap();
    let mut connection = server.connect().unwrap();
    let rows = fs::read_to_string(shared.join("test_dataset.csv")).unwrap();
    let mut lines = rows.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    let (mut hits, mut told, mut there, mut asked) = (0.0, 0.0, 0.0, 0);
    for line in lines {
        let mut row: serde_json::Map<String, Value> = names
            .iter()
            .zip(line.split(','))
            .map(|(name, cell)| {
                let number = cell.parse::<f64>().ok().map(|number| match number.fract() == 0.0 {
                    true => json!(number as i64),
                    false => json!(number),
                });
                let value = if cell.is_empty() { Value::Null } else { number.unwrap_or_else(|| json!(cell)) };
                ((*name).to_owned(), value)
            })
            .collect();
        let leaves = row.shift_remove("label") == Some(json!("True"));
        let answer = post(&mut connection, "/detect/", &Value::Object(row));
        assert_eq!(answer.status, 200, "{line}: {}", answer.text());
        let says = answer.json().unwrap()["answer"].as_f64().unwrap() > 0.5;
        hits += f64::from(u8::from(leaves && says));
        told += f64::from(u8::from(says));
        there += f64::from(u8::from(leaves));
        asked += 1;
    }
    let f1 = 2.0 * hits / (told + there);
    eprintln!("F1 of {asked} held-out rows through POST /detect/ at 0.5: {f1:.4}");
    assert!(asked == 1990 && f1 > 0.61, "{f1}");
    assert!(server.stop().unwrap().success());
}
