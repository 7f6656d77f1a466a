//! A server at the front: a built front end, certificates that change, systemd, nginx.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fixtures::process::{Server, free_port};
use fixtures::project::Sandbox;

use crate::{binary, repository};

/// How long things may take on a machine under load.
const PATIENCE: Duration = Duration::from_secs(60);

fn site() -> Sandbox {
    Sandbox::with(&[
        ("site/index.html", "<title>Front</title>"),
        ("site/app.js", "0123456789"),
        ("site/app.js.gz", "not really packed"),
        ("site/.secret", "hidden"),
        ("outside.txt", "not for guests"),
    ])
    .unwrap()
}

/// Sends one request and reads the whole answer.
fn ask(port: u16, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn header<'a>(answer: &'a str, name: &str) -> &'a str {
    let lines = answer.lines().take_while(|line| !line.is_empty());
    let found =
        lines.filter_map(|line| line.split_once(": ")).find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.map_or("", |(_, value)| value)
}

#[test]
fn a_front_end_is_served_as_it_was_built() {
    let sandbox = site();
    std::os::unix::fs::symlink(sandbox.at("outside.txt"), sandbox.at("site/link.txt")).unwrap();
    let server =
        Server::start(binary(), sandbox.path(), &["run", "--enable-api", "--static-files", "site"]).unwrap();
    let port = server.port();
    let check = |path: &str, headers: &str, status: &str, body: &str| {
        let answer = ask(port, path, headers);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path} {headers}: {answer}");
        assert!(answer.ends_with(body), "{path} {headers}: {answer}");
        answer
    };
    let page = check("/", "", "200", "<title>Front</title>");
    assert_eq!(header(&page, "content-type"), "text/html; charset=utf-8");
    let script = check("/app.js?v=2", "", "200", "0123456789");
    let tag = header(&script, "etag").to_owned();
    check("/app.js", &format!("if-none-match: {tag}\r\n"), "304", "\r\n\r\n");
    let part = check("/app.js", "range: bytes=2-4\r\n", "206", "\r\n\r\n234");
    assert_eq!(header(&part, "content-range"), "bytes 2-4/10");
    check("/app.js", &format!("range: bytes=2-4\r\nif-range: {tag}\r\n"), "206", "234");
    check("/app.js", "range: bytes=2-4\r\nif-range: \"other\"\r\n", "200", "0123456789");
    check("/app.js", "range: bytes=20-\r\n", "416", "");
    let packed = check("/app.js", "accept-encoding: br, gzip\r\n", "200", "not really packed");
    assert_eq!(header(&packed, "content-encoding"), "gzip");
    check("/app.js", "accept-encoding: gzip;q=0\r\n", "200", "0123456789");
    check("/rooms/7", "accept: text/html\r\n", "200", "<title>Front</title>");
    check("/rooms/7", "", "404", "");
    check("/version", "accept: text/html\r\n", "200", "");
    for path in ["/.secret", "/link.txt", "/../outside.txt", "/%2e%2e/outside.txt", "/..%2foutside.txt", "/%"]
    {
        let answer = ask(port, path, "");
        assert!(!answer.contains("not for guests") && !answer.contains("hidden"), "{path}: {answer}");
    }
    server.stop().unwrap();
}

#[test]
fn a_folder_with_settings_is_not_shown() {
    let sandbox = site();
    sandbox.write("intendant.yml", "{}").unwrap();
    let output = crate::intendant(sandbox.path(), &["run", "--enable-api", "--static-files", "."]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && told.contains("everybody could read intendant.yml"), "{told}");
}

#[test]
fn systemd_is_told() {
    let sandbox = site();
    let socket = UnixDatagram::bind(sandbox.at("notify")).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let port = free_port().unwrap().to_string();
    let mut server = Process(
        Command::new(binary())
            .args(["run", "--enable-api", "--interface", "127.0.0.1", "--port", &port])
            .current_dir(sandbox.path())
            .env("NOTIFY_SOCKET", sandbox.at("notify"))
            .env("WATCHDOG_USEC", "200000")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let hear = || {
        let mut bytes = [0; 64];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    };
    assert_eq!(hear(), "READY=1");
    assert_eq!([hear(), hear()], ["WATCHDOG=1", "WATCHDOG=1"]);
    let id = server.0.id().to_string();
    assert!(Command::new("kill").arg(&id).status().unwrap().success());
    while hear() != "STOPPING=1" {}
    server.0.wait().unwrap();
}

#[test]
fn the_unit_is_one_that_systemd_takes() {
    let unit = repository().join("packaging/intendant.service");
    let folder = Sandbox::empty().unwrap();
    // The program of the unit is not installed here.
    let text = fs::read_to_string(unit).unwrap().replace("/usr/local/bin/intendant", "/bin/true");
    folder.write("intendant.service", &text).unwrap();
    let mut command = Command::new("systemd-analyze");
    command.args(["verify", "--man=no"]).arg(folder.at("intendant.service"));
    let Ok(output) = command.output() else {
        println!("skipped: systemd-analyze is not installed");
        return;
    };
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let about_ours: Vec<&str> = told.lines().filter(|line| line.contains("intendant.service")).collect();
    assert!(about_ours.is_empty(), "{about_ours:?}");
}

/// A process that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn nginx_passes_on_what_the_example_says() {
    let nginx = ["/usr/sbin/nginx", "/usr/bin/nginx"].into_iter().find(|path| Path::new(path).exists());
    let Some(nginx) = nginx else {
        println!("skipped: nginx is not installed");
        return;
    };
    let sandbox = site();
    let server =
        Server::start(binary(), sandbox.path(), &["run", "--enable-api", "--static-files", "site"]).unwrap();
    let (plain, secured) = (free_port().unwrap(), free_port().unwrap());
    let made = rcgen_pem();
    sandbox.write("chain.pem", &made.0).unwrap();
    sandbox.write("key.pem", &made.1).unwrap();
    let here = sandbox.path().display();
    let example = fs::read_to_string(repository().join("packaging/nginx.conf")).unwrap();
    let example = example
        .replace("127.0.0.1:5005", &format!("127.0.0.1:{}", server.port()))
        .replace("listen 80;", &format!("listen 127.0.0.1:{plain};"))
        .replace("listen 443 ssl;", &format!("listen 127.0.0.1:{secured} ssl;"))
        .replace("/etc/ssl/bot.example.org.pem", &format!("{here}/chain.pem"))
        .replace("/etc/ssl/bot.example.org.key", &format!("{here}/key.pem"));
    let around = format!(
        "daemon off; pid {here}/nginx.pid; error_log {here}/error.log; worker_processes 1;\n\
         events {{}}\nhttp {{ access_log off; client_body_temp_path {here}/t1; proxy_temp_path {here}/t2; \
         fastcgi_temp_path {here}/t3; uwsgi_temp_path {here}/t4; scgi_temp_path {here}/t5;\n{example}\n}}\n"
    );
    sandbox.write("nginx.conf", &around).unwrap();
    let mut command = Command::new(nginx);
    command.args([
        "-p",
        &here.to_string(),
        "-c",
        &format!("{here}/nginx.conf"),
        "-e",
        &format!("{here}/error.log"),
    ]);
    let mut proxy = Process(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let until = Instant::now() + PATIENCE;
    while TcpStream::connect(("127.0.0.1", secured)).is_err() {
        let log = fs::read_to_string(sandbox.at("error.log")).unwrap_or_default();
        assert!(proxy.0.try_wait().unwrap().is_none(), "nginx ended: {log}");
        assert!(Instant::now() < until, "nginx does not listen: {log}");
        std::thread::sleep(Duration::from_millis(20));
    }
    let answer = ask(plain, "/x?y=1", "");
    assert!(answer.starts_with("HTTP/1.1 301"), "{answer}");
    assert_eq!(header(&answer, "location"), "https://localhost/x?y=1");
    let fetched = Command::new("curl")
        .args(["-sk", "--max-time", "60", "-i", &format!("https://127.0.0.1:{secured}/version")])
        .output();
    let Ok(fetched) = fetched else {
        println!("skipped in part: curl is not installed");
        return;
    };
    let fetched = String::from_utf8_lossy(&fetched.stdout).into_owned();
    assert!(
        fetched.contains("\"version\"") && fetched.to_lowercase().contains("strict-transport-security"),
        "{fetched}"
    );
    drop(proxy);
    server.stop().unwrap();
}

pub fn rcgen_pem() -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let pem = |tag: &str, der: &[u8]| {
        use base64::Engine;
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        format!("-----BEGIN {tag}-----\n{text}\n-----END {tag}-----\n")
    };
    (pem("CERTIFICATE", certificate.der()), pem("PRIVATE KEY", &key.serialize_der()))
}
