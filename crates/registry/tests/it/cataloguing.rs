//! Versions and tags.

use std::fs;
use std::path::Path;

use fixtures::services::Service;
use intendant_registry::catalog::{Act, Catalog, Kind, Measured, Provenance};
use jiff::Timestamp;
use tempfile::TempDir;

use crate::archives::{ours, rasa2, rasa3};

fn act() -> Act<'static> {
    Act { by: "anna", reason: "better", at: Timestamp::from_second(1_700_000_000).unwrap() }
}

async fn open(folder: &Path) -> Catalog {
    Catalog::open(folder, None).await.unwrap()
}

#[tokio::test]
async fn every_model_is_a_version() {
    let folder = TempDir::new().unwrap();
    let put = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    put("a.tar.gz", &rasa3("2022-02-03T10:11:12"));
    put("b.tar.gz", &rasa2(1_643_883_072.5));
    put("c.tar.gz", &ours("c"));
    put("half.tar.gz", &ours("d")[..700]);
    put("notes.txt", b"mine");
    let catalog = open(folder.path()).await;
    let adopted = catalog.adopt().await.unwrap();
    let summary: Vec<(String, &str)> =
        adopted.iter().map(|version| (version.reference(), version.made_by.as_str())).collect();
    let expected =
        [("assistant:1", "rasa 3.6.21"), ("assistant:2", "rasa 2"), ("assistant:3", "intendant 0.1.0")];
    assert_eq!(summary, expected.map(|(reference, by)| (reference.to_owned(), by)));
    assert!(catalog.adopt().await.unwrap().is_empty());
    // The same content is the same version, whatever its file is called.
    put("copy.tar.gz", &ours("c"));
    assert_eq!(
        catalog.register(&folder.path().join("copy.tar.gz"), Provenance::default()).await.unwrap().version,
        3
    );
    assert_eq!(catalog.find("c.tar.gz").await.unwrap().version, 3);
    assert_eq!(catalog.find("copy").await.unwrap().version, 3);
    assert_eq!(catalog.find("assistant:2").await.unwrap().file, "b.tar.gz");
    let digest = catalog.find("models/a").await.unwrap().digest;
    assert_eq!(catalog.find(&digest[..8]).await.unwrap().version, 1);
    let error = catalog.find("production").await.unwrap_err();
    assert_eq!(error.kind, Kind::NotFound);
    assert!(error.to_string().contains("3 models are known"), "{error}");
    let error =
        catalog.register(&folder.path().join("half.tar.gz"), Provenance::default()).await.unwrap_err();
    assert_eq!(error.kind, Kind::Damaged);
}

#[tokio::test]
async fn tags_move_with_history_and_go_back() {
    let folder = TempDir::new().unwrap();
    let catalog = open(folder.path()).await;
    let mut versions = Vec::new();
    for mark in ["a", "b", "c"] {
        let file = folder.path().join(format!("{mark}.tar.gz"));
        fs::write(&file, ours(mark)).unwrap();
        versions.push(catalog.register(&file, Provenance::default()).await.unwrap());
    }
    let mut current: Option<String> = None;
    for version in &versions {
        catalog.tag("production", version, current.as_deref(), act()).await.unwrap();
        current = Some(version.digest.clone());
    }
    let on = async || catalog.tagged("production").await.unwrap().unwrap().version;
    assert_eq!(on().await, 3);
    // Somebody who saw an older state does not move it.
    let stale = catalog.tag("production", &versions[0], Some(&versions[1].digest), act()).await.unwrap_err();
    assert_eq!(stale.kind, Kind::Refused);
    assert_eq!(catalog.rollback("production", act()).await.unwrap().1.version, 2);
    assert_eq!(catalog.rollback("production", act()).await.unwrap().1.version, 1);
    assert_eq!(catalog.rollback("production", act()).await.unwrap_err().kind, Kind::NotFound);
    assert_eq!(on().await, 1);
    // Forward again, and back again.
    catalog.tag("production", &versions[2], Some(&versions[0].digest), act()).await.unwrap();
    assert_eq!(catalog.rollback("production", act()).await.unwrap().1.version, 1);
    let history = catalog.history("production").await.unwrap();
    let steps: Vec<(i64, bool)> = history.iter().map(|step| (step.step, step.is_rollback)).collect();
    assert_eq!(steps, [(1, false), (2, false), (3, false), (4, true), (5, true), (6, false), (7, true)]);
    // A tag protects its model; taking it away ends that.
    assert_eq!(catalog.remove(&versions[0], Timestamp::now()).await.unwrap_err().kind, Kind::Refused);
    catalog.untag("production", act()).await.unwrap();
    assert_eq!(catalog.untag("production", act()).await.unwrap_err().kind, Kind::NotFound);
    catalog.remove(&versions[0], Timestamp::now()).await.unwrap();
    assert!(catalog.file(&versions[0]).is_none());
    for name in ["", "latest", "a b", "ä"] {
        assert_eq!(catalog.tag(name, &versions[1], None, act()).await.unwrap_err().kind, Kind::Refused);
    }
    fs::write(folder.path().join("b.tar.gz"), ours("other")).unwrap();
    assert_eq!(catalog.tag("staging", &versions[1], None, act()).await.unwrap_err().kind, Kind::Damaged);
}

#[tokio::test]
async fn a_tag_finds_another_copy_of_its_model() {
    let folder = TempDir::new().unwrap();
    let (one, other) = (folder.path().join("one.tar.gz"), folder.path().join("other.tar.gz"));
    std::fs::write(&one, ours("a")).unwrap();
    std::fs::write(&other, ours("a")).unwrap();
    let catalog = open(folder.path()).await;
    let version = catalog.register(&one, Provenance::default()).await.unwrap();
    catalog.tag("production", &version, None, act()).await.unwrap();
    std::fs::remove_file(&one).unwrap();
    let found = catalog.tagged("production").await.unwrap().unwrap();
    assert_eq!((found.file.as_str(), found.version), ("other.tar.gz", 1));
}

#[tokio::test]
async fn the_index_can_be_made_anew_from_the_files() {
    let folder = TempDir::new().unwrap();
    let (before, moves) = {
        let catalog = open(folder.path()).await;
        for mark in ["a", "b"] {
            let file = folder.path().join(format!("{mark}.tar.gz"));
            fs::write(&file, ours(mark)).unwrap();
            let version = catalog.register(&file, Provenance::default()).await.unwrap();
            let current = catalog.tagged("staging").await.unwrap().map(|version| version.digest);
            catalog.tag("staging", &version, current.as_deref(), act()).await.unwrap();
            let values = [("intent_accuracy".to_owned(), 0.5)].into();
            let measured = Measured { data: "d1".to_owned(), values };
            catalog.measured(&version.digest, "test", measured).await.unwrap();
            catalog.note(&version.digest, "first tries").await.unwrap();
        }
        (catalog.versions().await.unwrap(), catalog.history("staging").await.unwrap())
    };
    assert_eq!(before[0].metrics["test"].values["intent_accuracy"], 0.5);
    for name in ["registry.db", "registry.db-wal", "registry.db-shm"] {
        let _ = fs::remove_file(folder.path().join(".intendant").join(name));
    }
    // A crash in the middle of the last line.
    let log = folder.path().join(".intendant/tags.ndjson");
    let mut text = fs::read_to_string(&log).unwrap();
    text.push_str("{\"tag\": \"sta");
    fs::write(&log, text).unwrap();
    let catalog = open(folder.path()).await;
    assert_eq!(catalog.versions().await.unwrap(), before);
    assert_eq!(catalog.history("staging").await.unwrap(), moves);
    assert_eq!(catalog.tagged("staging").await.unwrap().unwrap().version, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_are_given_once_by_several_processes() {
    let folder = TempDir::new().unwrap();
    let mut tasks = Vec::new();
    for at in 0..24 {
        let path = folder.path().to_owned();
        tasks.push(tokio::spawn(async move {
            let file = path.join(format!("{at}.tar.gz"));
            fs::write(&file, ours(&at.to_string())).unwrap();
            open(&path).await.register(&file, Provenance::default()).await.unwrap().version
        }));
    }
    let mut numbers = Vec::new();
    for task in tasks {
        numbers.push(task.await.unwrap());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=24).collect::<Vec<u32>>());
}

#[tokio::test]
async fn what_comes_from_elsewhere_is_checked_before_it_is_taken() {
    let (home, away) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    fs::write(away.path().join("m.tar.gz"), ours("a")).unwrap();
    let there = open(away.path()).await;
    let sent = there.adopt().await.unwrap().remove(0);
    there
        .measured(&sent.digest, "tests", Measured { data: "1".to_owned(), ..Measured::default() })
        .await
        .unwrap();
    let record = there.find("m.tar.gz").await.unwrap();
    let catalog = open(home.path()).await;
    fs::create_dir_all(catalog.transfers()).unwrap();
    let stage = |bytes: &[u8]| {
        let part = catalog.transfers().join(".x.part");
        fs::write(&part, bytes).unwrap();
        part
    };
    let whole = ours("a");
    for bytes in [&whole[..whole.len() - 9], &ours("b")] {
        let part = stage(bytes);
        let error = catalog.receive(&part, &record.digest, "m.tar.gz", Some(&record)).await.unwrap_err();
        assert_eq!(error.kind, Kind::Damaged);
        assert!(!part.exists());
    }
    assert!(catalog.versions().await.unwrap().is_empty());
    // A name that is taken, or leads elsewhere, is only a wish.
    fs::write(home.path().join("m.tar.gz"), b"mine").unwrap();
    let part = stage(&whole);
    let received = catalog.receive(&part, &record.digest, "../../m.tar.gz", Some(&record)).await.unwrap();
    assert_eq!(received.file, format!("m-{}.tar.gz", &record.digest[..8]));
    assert_eq!((received.trained_at, received.metrics.len()), (record.trained_at, 1));
    assert_eq!(fs::read(home.path().join("m.tar.gz")).unwrap(), b"mine");
    // Again, it is the one that is here.
    let part = stage(&whole);
    assert_eq!(
        catalog.receive(&part, &record.digest, "other.tar.gz", None).await.unwrap().file,
        received.file
    );
    assert!(!part.exists());
}

#[tokio::test]
async fn an_index_in_postgresql_is_shared() {
    let Some(postgres) = Service::start(fixtures::services::Kind::Postgres).unwrap() else { return };
    let folder = TempDir::new().unwrap();
    for mark in ["a", "b"] {
        fs::write(folder.path().join(format!("{mark}.tar.gz")), ours(mark)).unwrap();
    }
    let url = postgres.url();
    let one = Catalog::open(folder.path(), Some(&url)).await.unwrap();
    one.adopt().await.unwrap();
    let other = Catalog::open(folder.path(), Some(&url)).await.unwrap();
    let (a, b) = (other.find("a.tar.gz").await.unwrap(), other.find("b.tar.gz").await.unwrap());
    assert_eq!((a.version, b.version), (1, 2));
    one.tag("production", &a, None, act()).await.unwrap();
    // Of two who decided by the same state, one moves the tag.
    let (first, second) = tokio::join!(
        one.tag("production", &b, Some(&a.digest), act()),
        other.tag("production", &b, Some(&a.digest), act())
    );
    assert_eq!([&first, &second].iter().filter(|moved| moved.is_ok()).count(), 1, "{first:?} {second:?}");
    assert_eq!(other.tagged("production").await.unwrap().unwrap().digest, b.digest);
    assert_eq!(one.rollback("production", act()).await.unwrap().1.digest, a.digest);
    other.mark(&b.digest, Some("too new")).await.unwrap();
    assert_eq!(one.find("b.tar.gz").await.unwrap().problem.as_deref(), Some("too new"));
    let done = serde_json::json!({"removed": ["x"]});
    one.audit("rotation", act().at, &done).await.unwrap();
    assert_eq!(other.audits("rotation").await.unwrap(), [done]);
    assert!(other.audits("other").await.unwrap().is_empty());
    // Numbers are given out once, however many ask.
    let names: Vec<String> = (0..8).map(|at| format!("n{at}.tar.gz")).collect();
    for name in &names {
        fs::write(folder.path().join(name), ours(name)).unwrap();
    }
    let (one, other) = tokio::join!(one.adopt(), other.adopt());
    assert!(one.is_ok() || other.is_ok(), "{one:?} {other:?}");
    let catalog = Catalog::open(folder.path(), Some(&url)).await.unwrap();
    catalog.adopt().await.unwrap();
    let mut numbers: Vec<u32> =
        catalog.versions().await.unwrap().iter().map(|version| version.version).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 10);
    catalog.rebuild().await.unwrap();
    assert_eq!(catalog.versions().await.unwrap().len(), 10);
    assert_eq!(catalog.tagged("production").await.unwrap().unwrap().digest, a.digest);
}
