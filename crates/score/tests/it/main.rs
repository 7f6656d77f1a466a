//! Look-ups, loading and keeping, on SQLite and on PostgreSQL where it is installed.
#![allow(clippy::unwrap_used)]

mod articles;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use intendant_predictor::spec::{self, Store};
use intendant_score::database::{Database, Kind, Parameter};
use intendant_score::keep::Keeper;
use intendant_score::load::load;
use intendant_score::lookup::{Failed, Lookup};
use serde_json::{Value, json};

const SETUP: [&str; 2] = [
    "create table if not exists customer (id_client bigint primary key, nom varchar(70) not null, \
     sexe char(1) not null check (sexe in ('H', 'F')), date_entree date, salaire double precision)",
    "create table if not exists historicize (id_client bigint, salaire double precision, churn double precision, \
     call_timestamp timestamp not null default current_timestamp, model_version text, request_id text)",
];

fn declared(query: &str, cache_secs: u64) -> spec::Lookup {
    let parameters = [("id".to_owned(), "integer".to_owned())].into();
    spec::Lookup { database: None, query: query.to_owned(), parameters, cache_secs }
}

/// What both databases must do.
async fn serves(url: &str) {
    let database = Database::at(url).unwrap();
    for statement in SETUP {
        database.run(statement, &[]).await.unwrap();
    }
    let file = "ID_CLIENT;DATE_ENTREE;NOM;SEXE;SALAIRE\n1;2015-06-01;Tai;H;88947.56\n2;2015-06-02;T'ao;F;\n\
                3;2015-06-03;H?;X;1\n4;2015-06-03\n2;2015-06-02;again;F;2\n;2015-06-03;nobody;F;2\n";
    let loaded = load(&database, "customer", "id_client", file.as_bytes()).await.unwrap();
    assert_eq!((loaded.read, loaded.inserted, loaded.updated), (6, 2, 0), "{loaded:?}");
    let lines: Vec<u64> = loaded.rejected.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [4, 5, 6, 7], "{loaded:?}");
    let comma = "id_client,nom,sexe,other\n2,Tao,F,x\n5,Eva,F,y\n";
    let again = load(&database, "customer", "ID_CLIENT", comma.as_bytes()).await.unwrap();
    assert_eq!((again.inserted, again.updated, again.rejected.len()), (1, 1, 0), "{again:?}");
    assert!(load(&database, "nowhere", "id", comma.as_bytes()).await.is_err());

    let query = "select c.id_client as \"ID_CLIENT\", c.nom as \"NOM\", c.salaire as \"SALAIRE\" from customer c where c.id_client = :id";
    let lookup = Lookup::new(&declared(query, 60), database.clone());
    let find = async |id: &str| lookup.find(&HashMap::from([("id", id)])).await;
    let row = find("2").await.unwrap().unwrap();
    assert_eq!(Value::Object((*row).clone()), json!({"ID_CLIENT": 2, "NOM": "Tao", "SALAIRE": null}));
    assert!(find("99").await.unwrap().is_none());
    assert!(matches!(find("1 OR 1=1").await, Err(Failed::Parameter { expected: "integer", .. })));
    database.run("update customer set nom = 'Changed' where id_client = 2", &[]).await.unwrap();
    assert_eq!(find("2").await.unwrap().unwrap()["NOM"], "Tao", "kept for a minute");

    let store = Store {
        database: String::new(),
        table: Some("historicize".to_owned()),
        prediction: Some("churn".to_owned()),
        setup: Vec::new(),
    };
    let keeper = Keeper::start("churn", &store, database.clone());
    for row in 0..700 {
        let asked = json!({"ID_CLIENT": row, "SALAIRE": null, "UNKNOWN": "x"});
        keeper.keep(asked.as_object().unwrap(), json!(0.25), ("3", "00000000-0000-0000-0000-000000000000"));
    }
    keeper.flush().await;
    let query =
        database.selecting("select count(*) as n, sum(churn) as s, max(model_version) as v from historicize");
    let kept = database.select(&query, &[]).await.unwrap();
    assert_eq!(
        (&kept[0]["n"], kept[0]["s"].as_f64(), &kept[0]["v"]),
        (&json!(700), Some(175.0), &json!("3"))
    );
    let refused = database.run("insert into customer values (:1)", &[Parameter::Integer(1)]).await;
    assert_eq!(refused.unwrap_err().kind, Kind::Refused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sqlite_file_serves() {
    let folder = tempfile::tempdir().unwrap();
    serves(&format!("sqlite://{}?mode=rwc", folder.path().join("x.db").display())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_away_is_told_of_and_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("later.db");
    let database = Database::at(&format!("sqlite://{}", path.display())).unwrap();
    let lookup = Lookup::new(&declared("select 1 as x where 1 = :id", 0), database.clone());
    let found = lookup.find(&HashMap::from([("id", "1")])).await;
    assert!(matches!(found, Err(Failed::Database(error)) if error.kind == Kind::Away));
    assert!(!database.is_there().await);

    let store = Store { database: String::new(), table: None, prediction: None, setup: Vec::new() };
    let keeper = Keeper::start("churn", &store, database.clone());
    keeper.keep(json!({"a": 1}).as_object().unwrap(), json!("yes"), ("1", "id"));
    let made = Database::at(&format!("sqlite://{}?mode=rwc", path.display())).unwrap();
    made.run("create table there (x int)", &[]).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while keeper.counts().read() != (1, 0) {
        assert!(Instant::now() < deadline, "what waited was not written");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let query = database.selecting("select predictor, input, prediction from intendant_predictions");
    let kept = database.select(&query, &[]).await.unwrap();
    assert_eq!(
        Value::Object(kept[0].clone()),
        json!({"predictor": "churn", "input": "{\"a\":1}", "prediction": "yes"})
    );
}

#[test]
fn addresses_of_other_databases_are_refused() {
    let error = Database::at("mysql://x").unwrap_err();
    assert_eq!(error.kind, Kind::Address);
    assert!(error.to_string().contains("postgres://"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_server_serves() {
    let server = fixtures::services::Service::start(fixtures::services::Kind::Postgres).unwrap();
    let Some(server) = server else {
        eprintln!("skipped: PostgreSQL is not installed");
        return;
    };
    serves(&format!("postgresql://postgres@127.0.0.1:{}/postgres", server.port)).await;
}
