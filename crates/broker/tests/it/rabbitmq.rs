//! A real RabbitMQ.

use fixtures::amqp::Consumer;
use fixtures::services::{Kind, Service};
use intendant_broker::open::{Environment, event_broker};
use intendant_rasa_format::endpoints::EndpointConfig;
use serde_json::{Value, json};

use crate::support::{complete, environment, expected, numbered, publish, settings, until};

fn config(server: &Service, extra: Value) -> EndpointConfig {
    EndpointConfig { url: Some(server.url()), ..settings(None, extra) }
}

#[tokio::test]
async fn rabbitmq_gets_every_event_in_order_whatever_happens_to_it() {
    let Some(mut server) = Service::start(Kind::RabbitMq).unwrap() else { return };
    let folder = tempfile::tempdir().unwrap();
    let config = config(
        &server,
        json!({"queues": ["one", "two"], "outbox": folder.path(), "retry_delay_in_seconds": 0.1}),
    );
    publish(&config).await;
    let mut consumer = Consumer::connect(server.port).unwrap();
    for queue in ["one", "two"] {
        for event in [expected("a"), expected("b")].concat() {
            let message = consumer.get(queue).unwrap().unwrap();
            consumer.acknowledge(&message).unwrap();
            assert_eq!(message.body, event);
            // Delivery mode and application id are given; it is persistent.
            assert_eq!(message.properties, [&[0x10, 0x08, 2, 4][..], b"test"].concat());
        }
        assert!(consumer.get(queue).unwrap().is_none());
    }

    // What `export` publishes says so.
    let exporting = Environment { export_process_id: Some("p7".to_owned()), ..environment() };
    let broker = event_broker(Some(&config), &exporting).await.unwrap().unwrap();
    broker.publish("a", &numbered(0)).await.unwrap();
    broker.flush().await.unwrap();
    drop(broker);
    for queue in ["one", "two"] {
        let message = consumer.get(queue).unwrap().unwrap();
        consumer.acknowledge(&message).unwrap();
        let headers = b"\0\0\0\x1e\x16rasa-export-process-idS\0\0\0\x02p7";
        assert_eq!(message.properties, [&[0x30, 0x08], &headers[..], &[2, 4], b"test"].concat());
    }

    // Killed while events come, and back later.
    let broker = event_broker(Some(&config), &environment()).await.unwrap().unwrap();
    let mut count = 0;
    let mut publish_some = async |many: usize| {
        for _ in 0..many {
            broker.publish("a", &numbered(count)).await.unwrap();
            count += 1;
            tokio::task::yield_now().await;
        }
    };
    publish_some(500).await;
    server.kill();
    publish_some(500).await;
    drop(broker);
    // Another process takes over what was left, once the files are free.
    until(async || {
        let mut files = std::fs::read_dir(folder.path()).unwrap();
        files.all(|file| std::fs::File::open(file.unwrap().path()).unwrap().try_lock().is_ok())
    })
    .await;
    let broker = event_broker(Some(&config), &environment()).await.unwrap().unwrap();
    broker.publish("a", &numbered(1000)).await.unwrap();
    let server =
        tokio::task::spawn_blocking(move || server.restart().map(|()| server)).await.unwrap().unwrap();
    until(async || broker.flush().await.is_ok()).await;
    let mut consumer = Consumer::connect(server.port).unwrap();
    let mut numbers = Vec::new();
    while let Some(message) = consumer.get("one").unwrap() {
        // Messages whose acknowledgement was lost with the broker come again.
        numbers.extend(message.body["value"].as_u64());
    }
    assert!(complete(&numbers, 1001), "{numbers:?}");
}

#[tokio::test]
async fn without_keeping_events_are_dropped_while_the_broker_is_away() {
    let port = fixtures::process::free_port().unwrap();
    let extra =
        json!({"should_keep_unpublished_messages": false, "retry_delay_in_seconds": 0.01, "queues": "q"});
    let config = EndpointConfig { url: Some(format!("127.0.0.1:{port}")), ..settings(Some("pika"), extra) };
    let broker = event_broker(Some(&config), &environment()).await.unwrap().unwrap();
    broker.publish("a", &numbered(1)).await.unwrap();
    until(async || broker.flush().await.is_ok()).await;
}
