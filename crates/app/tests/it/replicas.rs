//! Two servers on one PostgreSQL: conversations keep their order whichever of them is asked.

use fixtures::http::Connection;
use fixtures::process::Server;
use fixtures::services::{Kind, Service};
use serde_json::{Value, json};

use crate::{binary, trained_starter};

const CONVERSATIONS: usize = 3;
const MESSAGES: usize = 12;

#[test]
fn two_servers_keep_the_order_of_conversations() {
    let Some(postgres) = Service::start(Kind::Postgres).unwrap() else { return };
    let Some(redis) = Service::start(Kind::Redis).unwrap() else { return };
    let in_redis = format!("lock_store:\n  type: redis\n  url: 127.0.0.1\n  port: {}\n", redis.port);
    let in_postgres = format!("lock_store:\n  type: sql\n  url: \"{}\"\n", postgres.url());
    for (number, locks) in [in_redis, in_postgres].into_iter().enumerate() {
        let sandbox = trained_starter();
        let endpoints = format!("tracker_store:\n  type: SQL\n  url: \"{}\"\n{locks}", postgres.url());
        sandbox.write("endpoints.yml", &endpoints).unwrap();
        let servers =
            [0, 1].map(|_| Server::start(binary(), sandbox.path(), &["run", "--enable-api"]).unwrap());
        take_turns(&servers, &format!("turns-{number}"));
        talk_at_once(&servers, &format!("at-once-{number}"));
        for server in servers {
            assert!(server.stop().unwrap().success());
        }
    }
}

fn say(connection: &mut Connection, sender: &str, message: &str) {
    let body = json!({"sender": sender, "message": message}).to_string();
    connection.request("/webhooks/rest/webhook", Some(&body)).unwrap();
}

fn events(server: &Server, sender: &str) -> Vec<Value> {
    let path = format!("/conversations/{sender}/tracker?include_events=ALL");
    let tracker = server.connect().unwrap().send("GET", &path, &[], b"").unwrap().json().unwrap();
    tracker["events"].as_array().unwrap().clone()
}

fn texts(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .filter(|event| event["event"] == "user")
        .map(|event| event["text"].as_str().unwrap())
        .collect()
}

/// Each message goes to the other server, as behind a load balancer.
fn take_turns(servers: &[Server; 2], name: &str) {
    let mut connections = [servers[0].connect().unwrap(), servers[1].connect().unwrap()];
    let said: Vec<String> = (0..MESSAGES).map(|number| format!("hello {number}")).collect();
    for (number, message) in said.iter().enumerate() {
        say(&mut connections[number % 2], name, message);
    }
    for server in servers {
        let events = events(server, name);
        assert_eq!(texts(&events), said);
        let starts = events.iter().filter(|event| event["event"] == "session_started").count();
        assert_eq!(starts, 1, "each server sees what the other has stored");
    }
}

/// Both servers get messages of the same conversations at the same time; no turn is torn apart.
fn talk_at_once(servers: &[Server; 2], name: &str) {
    std::thread::scope(|scope| {
        for client in 0..2 * CONVERSATIONS {
            let server = &servers[client % 2];
            scope.spawn(move || {
                let mut connection = server.connect().unwrap();
                let sender = format!("{name}-{}", client / 2);
                for number in 0..MESSAGES {
                    say(&mut connection, &sender, &format!("hello {} {number}", client % 2));
                }
            });
        }
    });
    for conversation in 0..CONVERSATIONS {
        let events = events(&servers[0], &format!("{name}-{conversation}"));
        let texts = texts(&events);
        assert_eq!(texts.len(), 2 * MESSAGES);
        for client in 0..2 {
            let own: Vec<&str> =
                texts.iter().copied().filter(|text| text.starts_with(&format!("hello {client} "))).collect();
            let said: Vec<String> = (0..MESSAGES).map(|number| format!("hello {client} {number}")).collect();
            assert_eq!(own, said);
        }
        // A user speaks only while the bot listens.
        for pair in events.windows(2).filter(|pair| pair[1]["event"] == "user") {
            assert_eq!(pair[0]["name"], "action_listen", "{pair:?}");
        }
    }
}
