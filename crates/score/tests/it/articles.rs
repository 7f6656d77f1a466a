//! Articles kept once, on SQLite and on PostgreSQL where it is installed.

use std::collections::BTreeMap;

use intendant_component::training::{Silent, TrainContext};
use intendant_predictor::archive::Model;
use intendant_predictor::kinds::{self, Material};
use intendant_predictor::spec::Spec;
use intendant_score::articles::asked::{Group, Order, Wishes, figures};
use intendant_score::articles::{Failed, Taken};
use intendant_score::database::{Database, Kind};
use intendant_score::service::{Served, Service, Version};
use intendant_table::csv;
use serde_json::{Map, Value, json};

/// A predictor of headlines that keeps articles in this database.
fn service(url: &str, number: &str) -> Service {
    let mut data = String::from("headline,entity,label\n");
    for (words, label) in
        [("wins praise", "positive"), ("under fire", "negative"), ("visits a town", "neutral")]
    {
        for (at, name) in ["Marlow", "Vega", "Quint"].iter().cycle().take(12).enumerate() {
            data.push_str(&format!("{name} {words} on day {at},{name},{label}\n"));
        }
    }
    let declared = json!({
        "kind": "text", "target": "label", "text": "headline", "entity": "entity",
        "gazetteer": {"entities": {"Marlow": ["Ada Marlow"], "Vega": [], "Quint": []}},
        "serve": {"articles": {"database": url, "source": "wire"}},
    });
    let mut spec: Spec = serde_json::from_value(declared).unwrap();
    spec.name = "polarity".to_owned();
    let options = intendant_predictor::files::options(&spec, None);
    let material =
        Material { rows: csv::read(data.as_bytes(), &options).unwrap().table, ..Material::default() };
    let context = TrainContext { seed: 1, threads: 1, progress: &Silent };
    let predictor = kinds::train(&spec, &material, &context).unwrap();
    let model = Model {
        spec: spec.clone(),
        predictor,
        figures: BTreeMap::new(),
        curves: Vec::new(),
        model_id: "id".to_owned(),
        fingerprints: BTreeMap::new(),
    };
    let served = Served::new(spec, None).unwrap();
    served.put(Version::new(model, number, "digest"));
    Service::new(vec![served])
}

fn article(uri: &str, headline: &str, pub_date: &str) -> Map<String, Value> {
    let article = json!({
        "uri": uri, "headline": headline, "pub_date": pub_date, "byline": ["T. O'Brae"], "keywords": ["a", "b"],
    });
    article.as_object().unwrap().clone()
}

async fn take(service: &Service, articles: &[Map<String, Value>]) -> Result<Taken, Failed> {
    let predictor = service.get("polarity").unwrap();
    let given: Vec<&Map<String, Value>> = articles.iter().collect();
    service.take_articles(predictor.articles.as_ref().unwrap(), predictor, &given).await
}

fn wishes(wishes: &[(&str, &str)]) -> Wishes {
    let mut taken = Wishes::default();
    for (name, value) in wishes {
        taken.take(name, value).unwrap();
    }
    taken
}

async fn count(database: &Database, table: &str) -> u64 {
    let query = database.selecting(&format!("select count(*) as n from {table}"));
    database.select(&query, &[]).await.unwrap()[0]["n"].as_u64().unwrap()
}

/// What both databases must do.
async fn keeps_articles_once(url: &str) {
    let first = service(url, "1");
    let database = Database::at(url).unwrap();
    let mut wire = vec![
        article("w:1", "Marlow wins praise", "2024-05-31T23:30:00-01:00"),
        article("w:2", "Marlow under fire, Vega wins praise", "2024-05-31"),
        article("w:3", "Ada Marlow wins praise", "2024-06-30 08:00:00"),
        article("w:4", "nobody is named", "2024-07-01"),
    ];
    assert_eq!(take(&first, &wire).await.unwrap(), Taken { added: 4, updated: 0, known: 0 });
    // The same once more, and twice at the same time: nothing changes.
    assert_eq!(take(&first, &wire).await.unwrap(), Taken { added: 0, updated: 0, known: 4 });
    let more =
        [article("w:5", "Quint wins praise", "2023-01-01"), article("w:5", "Quint under fire", "2023-01-01")];
    let (left, right) = tokio::join!(take(&first, &more), take(&first, &more));
    left.unwrap();
    right.unwrap();
    assert_eq!((count(&database, "article").await, count(&database, "article_entity").await), (5, 5));

    // Changed content replaces pairs, another version judges anew.
    wire[1]["headline"] = "Marlow visits a town".into();
    assert_eq!(take(&first, &wire).await.unwrap(), Taken { added: 0, updated: 1, known: 3 });
    assert_eq!(count(&database, "article_entity").await, 4);
    let second = service(url, "2");
    assert_eq!(take(&second, &wire[..1]).await.unwrap(), Taken { added: 0, updated: 1, known: 0 });

    let mut broken = wire[0].clone();
    broken["uri"] = "w:9".into();
    let mut undated = broken.clone();
    undated["pub_date"] = "soon".into();
    undated.shift_remove("headline");
    match take(&first, &[broken, undated]).await {
        Err(Failed::Invalid(problems)) => {
            let places: Vec<(usize, &str)> =
                problems.iter().map(|(row, field, _)| (*row, field.as_str())).collect();
            assert_eq!(places, [(1, "headline")]);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(count(&database, "article").await, 5, "all or none");
    told(&first).await;
}

async fn told(service: &Service) {
    let articles = service.get("polarity").unwrap().articles.as_ref().unwrap();
    let latest = articles.latest(&Wishes::default()).await.unwrap().unwrap();
    assert_eq!((&latest["uri"], &latest["pub_date"]), (&json!("w:4"), &json!("2024-07-01T00:00:00Z")));
    let list = articles.list(&wishes(&[("entity", "marlow"), ("until", "2024-06-30")])).await.unwrap();
    let uris: Vec<&str> = list.iter().map(|article| article["uri"].as_str().unwrap()).collect();
    assert_eq!(uris, ["w:3", "w:1", "w:2"]);
    assert_eq!(list[1]["pub_date"], "2024-06-01T00:30:00Z", "a zone counts");
    assert_eq!((&list[0]["byline"], &list[0]["keywords"]), (&json!(["T. O'Brae"]), &json!(["a", "b"])));
    assert_eq!(list[0]["polarity"], json!([{"entity": "Marlow", "prediction": "positive"}]));
    assert_eq!((&list[0]["source"], &list[0]["lang"]), (&json!("wire"), &json!("en")));
    assert_eq!(articles.entities().await.unwrap(), ["Marlow", "Quint"]);

    let shares = async |asked: &[(&str, &str)], order| {
        let asked = wishes(asked);
        figures(&articles.shares(&asked, order).await.unwrap()).into_iter().collect::<BTreeMap<_, _>>()
    };
    let counts = shares(&[], Order::Most).await;
    assert_eq!(counts["$counts"], json!({"Marlow": 3, "Quint": 1}));
    let positive = shares(&[("label", "positive"), ("min_support", "2")], Order::Surest).await;
    let share = &positive["$shares"][0];
    assert_eq!(
        (&share["entity"], &share["count"], &share["total"]),
        (&json!("Marlow"), &json!(2), &json!(3))
    );
    // Wilson's interval of two of three.
    assert!((share["low"].as_f64().unwrap() - 0.2077).abs() < 1e-3, "{share}");
    assert!((share["high"].as_f64().unwrap() - 0.9385).abs() < 1e-3, "{share}");
    assert!((positive["$proportions"]["Marlow"].as_f64().unwrap() - 200.0 / 3.0).abs() < 1e-9);
    let by_month = shares(&[("group_by", "month"), ("since", "2024-06-01")], Order::Most).await;
    assert_eq!(by_month["$counts"], json!({"2024-06": {"Marlow": 2}}));
    let by_year = shares(&[("group_by", "year"), ("entity", "Quint")], Order::Most).await;
    assert_eq!(by_year["$counts"], json!({"2023": {"Quint": 1}}));
    let by_source = shares(&[("group_by", "source")], Order::Most).await;
    assert_eq!(by_source["$counts"]["wire"]["Marlow"], 3);
    assert_eq!(Wishes::default().group, Group::All);
    assert!(Wishes::default().take("group_by", "week").is_err());
    assert!(Wishes::default().take("since", "yesterday").is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sqlite_file_keeps_articles_once() {
    let folder = tempfile::tempdir().unwrap();
    keeps_articles_once(&format!("sqlite://{}?mode=rwc", folder.path().join("press.db").display())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_server_keeps_articles_once() {
    let server = fixtures::services::Service::start(fixtures::services::Kind::Postgres).unwrap();
    let Some(server) = server else {
        eprintln!("skipped: PostgreSQL is not installed");
        return;
    };
    keeps_articles_once(&server.url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_away_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(&format!("sqlite://{}", folder.path().join("none.db").display()), "1");
    match take(&service, &[article("w:1", "Vega wins praise", "2024-01-01")]).await {
        Err(Failed::Database(error)) => assert_eq!(error.kind, Kind::Away),
        other => panic!("{other:?}"),
    }
}
