//! Logs where operators want them.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, UdpSocket};
use std::time::Duration;

use fixtures::process::Server;

use crate::{binary, trained_starter};

/// How long a line may take to arrive.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn logs_go_to_a_syslog_server() {
    let sandbox = trained_starter();
    let start = |port: u16, protocol: &str| {
        let port = port.to_string();
        let words = ["run", "--use-syslog", "--syslog-address", "127.0.0.1", "--syslog-port", &port];
        Server::start(binary(), sandbox.path(), &[&words[..], &["--syslog-protocol", protocol]].concat())
            .unwrap()
    };
    let by_udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    by_udp.set_read_timeout(Some(PATIENCE)).unwrap();
    let server = start(by_udp.local_addr().unwrap().port(), "UDP");
    let mut bytes = [0; 4096];
    loop {
        let length = by_udp.recv(&mut bytes).unwrap();
        let line = String::from_utf8_lossy(&bytes[..length]);
        assert!(line.starts_with(&format!("<14>intendant[{}]: ", server.id())), "{line}");
        if line.contains("listening on") {
            break;
        }
    }
    assert!(server.stop().unwrap().success());

    let by_tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = start(by_tcp.local_addr().unwrap().port(), "tcp");
    let (stream, _) = by_tcp.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let lines = BufReader::new(stream).lines().map(|line| line.unwrap());
    let found = lines.take(20).find(|line| line.contains("listening on"));
    assert!(found.is_some_and(|line| line.starts_with("<14>intendant[")));
    drop(server);
}
