//! Downloads over lines that break, from servers that know more or less of ranges.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::mpsc;

use http::HeaderValue;
use intendant_client::download::Partial;
use intendant_client::endpoint::Endpoint;
use intendant_client::http::HttpClient;
use intendant_port::error::Kind;

/// Gives these answers, one a connection, each cut off where it ends, and tells the `Range` and `If-Range` that
/// were asked for.
fn server(answers: Vec<&'static str>) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/archive", listener.local_addr().unwrap());
    let (sender, asked) = mpsc::channel();
    std::thread::spawn(move || {
        for answer in answers {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream);
            let mut ranges = Vec::new();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                match line.trim().to_lowercase() {
                    end if end.is_empty() => break,
                    range if range.contains("range:") => ranges.push(range),
                    _ => {}
                }
            }
            ranges.sort();
            sender.send(ranges.join("; ")).unwrap();
            reader.get_mut().write_all(answer.as_bytes()).unwrap();
        }
    });
    (url, asked)
}

/// What arrives, or why nothing does, and what was asked for on the way.
async fn check(answers: &[&'static str], expected: Result<(u16, &str), Kind>, ranges: &[&str]) {
    let (url, asked) = server(answers.to_vec());
    let (client, endpoint) = (HttpClient::new().unwrap(), Endpoint::bare(&url).unwrap());
    let mut partial = Partial::default();
    let known = HeaderValue::from_static("\"old\"");
    let got = client.download(&endpoint, &known, (&mut partial, 100)).await;
    let found = match &got {
        Ok(answer) => Ok((answer.status.as_u16(), std::str::from_utf8(&answer.body).unwrap())),
        Err(error) => Err(error.kind),
    };
    assert_eq!(found, expected, "{answers:?}");
    assert_eq!(asked.try_iter().collect::<Vec<_>>(), ranges, "{answers:?}");
}

#[tokio::test]
async fn a_download_goes_on_as_far_as_the_server_lets_it() {
    const HALF: &str = "HTTP/1.1 200 OK\r\nETag: \"new\"\r\nContent-Length: 10\r\n\r\n01234";
    const REST: &str = "HTTP/1.1 206 Partial Content\r\nETag: \"new\"\r\nContent-Range: bytes 5-9/10\r\nContent-Length: 5\r\n\r\n56789";
    const WHOLE: &str = "HTTP/1.1 200 OK\r\nETag: \"newer\"\r\nContent-Length: 3\r\n\r\nabc";
    const ASKED: &str = "if-range: \"new\"; range: bytes=5-";
    check(&[WHOLE], Ok((200, "abc")), &[""]).await;
    check(&[HALF, REST], Ok((200, "0123456789")), &["", ASKED]).await;
    // Another archive by now, or a server that knows no ranges.
    check(&[HALF, WHOLE], Ok((200, "abc")), &["", ASKED]).await;
    let unchanged = "HTTP/1.1 304 Not Modified\r\n\r\n";
    check(&[HALF, unchanged], Ok((304, "")), &["", ASKED]).await;
    // A part that nobody asked for is not put together with what there is.
    let other = "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-9/10\r\nContent-Length: 1\r\n\r\nx";
    check(&[HALF, other], Err(Kind::Unavailable), &["", ASKED]).await;
    let weak = "HTTP/1.1 200 OK\r\nETag: W/\"new\"\r\nContent-Length: 10\r\n\r\n01234";
    check(&[weak], Err(Kind::Unavailable), &[""]).await;
    let gone = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    check(&[gone], Ok((404, "")), &[""]).await;
}

#[tokio::test]
async fn what_arrives_is_what_was_sent() {
    // The SHA-256 of `abc`, and of something else. Source: FIPS 180-2, appendix B.
    let sound = "HTTP/1.1 200 OK\r\nRepr-Digest: sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:\r\n\
                 Content-Length: 3\r\n\r\nabc";
    check(&[sound], Ok((200, "abc")), &[""]).await;
    let damaged = "HTTP/1.1 200 OK\r\nRepr-Digest: sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:\r\n\
                   Content-Length: 3\r\n\r\nabd";
    check(&[damaged], Err(Kind::Invalid), &[""]).await;
    let large = "HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n\
                 0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\
                 0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789";
    check(&[large], Err(Kind::Invalid), &[""]).await;
}
