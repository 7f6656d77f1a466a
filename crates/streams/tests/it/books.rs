//! What one consumer does with its messages.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use intendant_port::stream::{Delivery, Message};
use intendant_store::books::{Books, Repeats};
use intendant_streams::consumer::{Consumer, Handled, Settings, Until};
use intendant_streams::score::Score;
use intendant_streams::stop::Stop;
use serde_json::{Value, json};

use crate::support::{Carrier, delivery, message, score, settings};

async fn books() -> (tempfile::TempDir, Books) {
    let folder = tempfile::tempdir().unwrap();
    let books = Books::open(&folder.path().join("x.db").display().to_string()).await.unwrap();
    (folder, books)
}

fn keys(handled: &Handled) -> (Vec<&str>, Vec<&str>, Vec<&str>) {
    let scored = handled.scored.iter().map(|(key, _)| key.as_str()).collect();
    let dead = handled.dead.iter().map(|dead| dead.reason.as_str()).collect();
    (scored, handled.repeated.iter().map(String::as_str).collect(), dead)
}

#[tokio::test]
async fn a_key_is_scored_once() {
    let (_folder, books) = books().await;
    let consumer = Consumer::new(books.clone(), Arc::new(score), settings());
    let article = |uri: &str, headline: &str| delivery(json!({"uri": uri, "headline": headline}));
    let handled =
        consumer.handle(&[article("a", "xx"), article("b", "y"), article("a", "xxx")]).await.unwrap();
    assert_eq!(keys(&handled), (vec!["a", "b"], vec!["a"], vec![]));
    assert_eq!(handled.scored[0].1, json!({"length": 2}));
    let handled = consumer.handle(&[article("b", "changed"), article("c", "")]).await.unwrap();
    assert_eq!(keys(&handled), (vec!["c"], vec!["b"], vec![]));
    assert_eq!(books.tally("articles").await.unwrap().scored, 3);
    // Another stream has its own books.
    let other = Settings { stream: "others".to_owned(), ..settings() };
    let consumer = Consumer::new(books.clone(), Arc::new(score), other);
    assert_eq!(keys(&consumer.handle(&[article("a", "xx")]).await.unwrap()).0, ["a"]);
}

#[tokio::test]
async fn a_changed_message_takes_the_place_of_the_one_before() {
    let (_folder, books) = books().await;
    let settings = Settings { repeats: Repeats::Update, ..settings() };
    let consumer = Consumer::new(books.clone(), Arc::new(score), settings);
    let article = |headline: &str, order: i64| {
        let mut delivery = delivery(json!({"uri": "a", "headline": headline}));
        delivery.order = order;
        delivery
    };
    let check = async |delivery: Delivery, expected: &[&str]| {
        assert_eq!(keys(&consumer.handle(&[delivery]).await.unwrap()).0, expected);
    };
    check(article("x", 2), &["a"]).await;
    check(article("x", 3), &[]).await;
    check(article("xxxx", 3), &["a"]).await;
    // One that was under way for long does not undo a newer one.
    check(article("old", 1), &[]).await;
    let length = "SELECT CAST(output ->> 'length' AS BIGINT) FROM stream_scored";
    assert_eq!(books.database().number(length).await.unwrap(), 4);
}

#[tokio::test]
async fn what_cannot_be_scored_is_put_aside_with_its_reason() {
    let (_folder, books) = books().await;
    let panics = |row: &Value| match row["headline"].as_str() {
        Some("bad") => panic!("no"),
        _ => score(row),
    };
    let consumer = Consumer::new(books.clone(), Arc::new(panics), settings());
    let text = |body: &str| Delivery {
        message: Message { key: Some("k".to_owned()), body: body.to_owned() },
        ..delivery(json!({}))
    };
    let damaged = Delivery { damage: Some("it is not UTF-8".to_owned()), ..text("x") };
    let deliveries = [
        text("{"),
        text("[1]"),
        damaged,
        delivery(json!({"uri": "a"})),
        delivery(json!({"uri": "b", "headline": "bad"})),
        delivery(json!({"uri": "nul\0", "headline": "good\0"})),
        delivery(json!({"uri": "c", "headline": "good"})),
    ];
    for times in 1..=2 {
        let handled = consumer.handle(&deliveries).await.unwrap();
        let (scored, _, mut dead) = keys(&handled);
        dead.sort_unstable();
        assert_eq!(
            dead,
            [
                "the message cannot be used: it is not UTF-8",
                "the message has no `headline`",
                "the message is not JSON: EOF while parsing an object at line 1 column 1",
                "the message is not a JSON object",
                "the model failed on it (it panicked)",
            ]
        );
        assert_eq!(scored, if times == 1 { vec!["c", "nul\0"] } else { vec![] });
        // The same message again is the same dead letter.
        let letters = books.dead("articles", 10).await.unwrap();
        assert_eq!(letters.iter().map(|letter| letter.times).collect::<Vec<_>>(), vec![times; 5]);
    }
    let letters = books.dead("articles", 10).await.unwrap();
    let ids: Vec<String> = letters.iter().map(|letter| letter.id.clone()).collect();
    assert_eq!(books.exhume("articles", &ids[..2], None).await.unwrap(), 2);
    let topic = Consumer::replay_topic("articles");
    assert_eq!(books.exhume("articles", &ids, Some(&topic)).await.unwrap(), 3);
    assert_eq!(books.tally("articles").await.unwrap().dead, 0);
    // They are tried again beside the stream's own messages.
    consumer.run(Carrier::Queue.subscription(&books, "articles"), Until::Empty, &Stop::default()).await;
    assert_eq!(books.tally("articles").await.unwrap().dead, 3);
}

/// A model that is away at first.
struct Late {
    is_there: AtomicBool,
    asked: AtomicUsize,
}

impl Score for Late {
    fn score(&self, rows: &[Value]) -> Result<Vec<Result<Value, String>>, String> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        match self.is_there.load(Ordering::SeqCst) {
            true => Ok(rows.iter().map(score).collect()),
            false => Err("no model yet".to_owned()),
        }
    }

    fn model(&self) -> String {
        "late".to_owned()
    }
}

#[tokio::test]
async fn messages_wait_for_a_model_that_is_away() {
    let (_folder, books) = books().await;
    let messages: Vec<Message> = (0..120).map(message).collect();
    Carrier::Queue.publisher(&books, "articles").send(&messages).await.unwrap();
    let late = Arc::new(Late { is_there: AtomicBool::new(false), asked: AtomicUsize::new(0) });
    let scorer: Arc<dyn Score> = Arc::clone(&late) as Arc<dyn Score>;
    let consumer = Consumer::new(books.clone(), scorer, settings());
    let stop = Stop::default();
    let subscription = Carrier::Queue.subscription(&books, "articles");
    let running = consumer.run(subscription, Until::Empty, &stop);
    let coming = async {
        crate::support::until("the model is asked", async || late.asked.load(Ordering::SeqCst) >= 2).await;
        assert!(!consumer.counters().is_ready());
        late.is_there.store(true, Ordering::SeqCst);
    };
    tokio::join!(running, coming);
    assert_eq!(books.tally("articles").await.unwrap().scored, 120);
    assert_eq!((consumer.counters().lag(), consumer.counters().is_ready()), (0, true));
}
