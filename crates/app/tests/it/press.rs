//! The press example: polarity and books behind tokens, articles kept once, a stream that brings them.

use std::fs;

use fixtures::http::{Answer, Connection};
use fixtures::process::Server;
use fixtures::project::Sandbox;
use serde_json::{Value, json};

use crate::predictors::{get, post, replace};
use crate::{binary, repository, succeed};

/// A hash of the password `quay`.
const HASH: &str = "$2b$04$abcdefghijklmnopqrstuukxwZ3O.Oql7J2sjPi9gdTSrIS3kgvoe";

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
    let both = json!([{"text": "Trust in Vega grows"}, {"text": "Vega under fire", "entities": ["Vega"]}]);
    let both = ask("/v1/polarity", &both).json().unwrap();
    assert_eq!((both.as_array().unwrap().len(), &both[1]["entities"][0]["label"]), (2, &json!("negative")));
    kept_once(&mut ask);
    looked_at(&mut connection);
    assert!(server.stop().unwrap().success());
    streamed(&sandbox);
}

/// Articles of the wire, as the example has them.
fn wire() -> Vec<Value> {
    let lines = fs::read_to_string(repository().join("examples/press/data/wire.ndjson")).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn kept_once(ask: &mut impl FnMut(&str, &Value) -> Answer) {
    let wire = Value::Array(wire());
    assert_eq!(ask("/articles", &wire).json().unwrap(), json!({"added": 48, "updated": 0, "known": 0}));
    assert_eq!(ask("/articles", &wire).json().unwrap(), json!({"added": 0, "updated": 0, "known": 48}));
    let changed = json!({"uri": "wire:001", "headline": "Vega under fire for broken promises", "pub_date": "2024-12-31"});
    assert_eq!(ask("/articles", &changed).json().unwrap(), json!({"added": 0, "updated": 1, "known": 0}));
    let wrong = ask("/articles", &json!([wire[0], {"uri": "x", "headline": "y", "pub_date": "soon"}]));
    assert_eq!(wrong.status, 422);
    assert_eq!(wrong.json().unwrap()["detail"][0]["loc"], json!(["body", 1, "pub_date"]));
}

fn looked_at(connection: &mut Connection) {
    let mut look = |path: &str| get(connection, path).json().unwrap();
    let last = look("/articles/last_published_article");
    assert_eq!(last["response"]["uri"], "wire:001");
    assert_eq!(last["response"]["polarity"], json!([{"entity": "Vega", "prediction": "negative"}]));
    let books = last["response"]["recommended_book"].as_array().unwrap();
    assert_eq!(books.len(), 3, "{last}");
    assert_eq!(look("/articles/all_data").as_array().unwrap().len(), 48);
    assert_eq!(look("/articles/filter/Marlow").as_array().unwrap().len(), 23);
    assert_eq!(look("/articles/filter/Vega?since=2024-12-01&n=2").as_array().unwrap().len(), 2);
    assert_eq!(look("/candidates/candidates_list"), json!({"response": ["Marlow", "Vega"]}));
    assert_eq!(look("/candidates/top_candidate"), json!({"response": {"Vega": 25, "Marlow": 23}}));
    let raw = look("/polarity/top_candidate_negative_raw")["response"].clone();
    assert!(raw["Vega"].as_u64().unwrap() > 8, "{raw}");
    let shares = look("/polarity/top_candidate_positive_proportion")["response"].clone();
    assert_eq!(shares.as_object().unwrap().keys().next().map(String::as_str), Some("Marlow"), "{shares}");
    let months = look("/polarity/shares?group_by=month&min_support=4&n=100");
    assert_eq!(months, json!([]), "at most three of each a month");
    let share = look("/polarity/shares?group_by=year&min_support=3")[0].clone();
    assert_eq!((&share["entity"], &share["group"]), (&json!("Marlow"), &json!("2024")));
    let number = |name: &str| share[name].as_f64().unwrap();
    assert!(number("low") < number("share") && number("share") < number("high"), "{share}");
    let books = look("/books/top_5")["response"].clone();
    assert!(books[0]["count"].as_u64().unwrap() >= books[4]["count"].as_u64().unwrap(), "{books}");
    assert!(look("/books/top_5/Vega")["response"][0]["title"].is_string());
    let wrong = get(connection, "/polarity/shares?group_by=week&since=soon");
    assert_eq!((wrong.status, wrong.json().unwrap()["detail"].as_array().unwrap().len()), (422, 2));
}

/// The stream of the example finds the articles that are there, and adds what is new.
fn streamed(sandbox: &Sandbox) {
    let more =
        json!({"uri": "wire:049", "headline": "Trust in Vega grows, poll says", "pub_date": "2025-01-02"});
    let undated = json!({"uri": "wire:050", "headline": "Trust in Vega grows, poll says"});
    let lines = fs::read_to_string(sandbox.at("data/wire.ndjson")).unwrap();
    sandbox.write("data/wire.ndjson", &format!("{lines}{more}\n{undated}\n")).unwrap();
    assert_eq!(
        succeed(sandbox.path(), &["stream", "produce", "wire", "--quiet"]),
        "50 sent, 0 known before.\n"
    );
    let consumed = succeed(sandbox.path(), &["stream", "consume", "wire", "--once", "--quiet"]);
    assert_eq!(consumed, "49 scored, 0 known before, 1 dead.\n");
    let dead = succeed(sandbox.path(), &["stream", "dead", "list", "wire"]);
    assert!(dead.contains("`pub_date` is required"), "{dead}");
    let server = Server::start(binary(), sandbox.path(), &["run"]).unwrap();
    let mut connection = server.connect().unwrap();
    let all = get(&mut connection, "/articles/all_data").json().unwrap();
    assert_eq!((all.as_array().unwrap().len(), &all[0]["uri"]), (49, &json!("wire:049")));
    assert!(server.stop().unwrap().success());
}
