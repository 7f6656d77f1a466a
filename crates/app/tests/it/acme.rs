//! Certificates from a real authority: Pebble, which Let's Encrypt tests with.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fixtures::process::free_port;
use fixtures::project::Sandbox;
use serde_json::json;

use crate::binary;

/// How long things may take on a machine under load.
const PATIENCE: Duration = Duration::from_secs(240);
/// How long certificates live where none is to end.
const LIFETIME_SECONDS: u32 = 90 * 86_400;
const NAMES: [&str; 2] = ["bot.example", "www.bot.example"];

/// A process that ends with the test.
struct Process(Child);

impl Process {
    fn start(command: &mut Command, log: &Path) -> Self {
        let log = fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        let command = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        Self(command.spawn().unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

struct Rig {
    sandbox: Sandbox,
    /// Where the authority looks for answers.
    plain: u16,
    secured: u16,
    directory: u16,
    management: u16,
    names: u16,
}

impl Rig {
    /// With an authority whose certificates live so many seconds; `None` where there is none.
    fn prepare(lifetime_seconds: u32) -> Option<Self> {
        for program in ["pebble", "pebble-challtestsrv", "curl"] {
            let found =
                std::env::split_paths(&std::env::var_os("PATH")?).any(|path| path.join(program).exists());
            if !found {
                eprintln!("skipped: {program} is not installed");
                return None;
            }
        }
        let ports = [(); 5].map(|()| free_port().unwrap());
        let [plain, secured, directory, management, names] = ports;
        let rig = Self { sandbox: Sandbox::empty().unwrap(), plain, secured, directory, management, names };
        let (chain, key) = crate::front::rcgen_pem();
        rig.sandbox.write("pebble.pem", &chain).unwrap();
        rig.sandbox.write("pebble.key", &key).unwrap();
        let settings = json!({"pebble": {
            "listenAddress": format!("127.0.0.1:{directory}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": rig.at("pebble.pem"),
            "privateKey": rig.at("pebble.key"),
            "httpPort": plain,
            "tlsPort": secured,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
            "certificateValidityPeriod": lifetime_seconds,
        }});
        rig.sandbox.write("pebble.json", &settings.to_string()).unwrap();
        Some(rig)
    }

    fn at(&self, name: &str) -> String {
        self.sandbox.at(name).display().to_string()
    }

    /// Every name is this machine.
    fn name_server(&self) -> Process {
        let management = free_port().unwrap();
        let mut command = Command::new("pebble-challtestsrv");
        command.args(["-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-http01", "", "-https01", ""]);
        command.args(["-tlsalpn01", "", "-dns01", &format!("127.0.0.1:{}", self.names)]);
        command.args(["-management", &format!("127.0.0.1:{management}")]);
        let process = Process::start(&mut command, &self.sandbox.at("names.log"));
        until("the name server does not start", || listens(management));
        process
    }

    /// An authority that has forgotten all it knew.
    fn authority(&self) -> Process {
        let mut command = Command::new("pebble");
        command.args([
            "-config",
            &self.at("pebble.json"),
            "-dnsserver",
            &format!("127.0.0.1:{}", self.names),
        ]);
        let process = Process::start(command.env("PEBBLE_VA_NOSLEEP", "1"), &self.sandbox.at("pebble.log"));
        until("the authority does not start", || listens(self.directory) && listens(self.management));
        let root = Command::new("curl")
            .args(["-sk", &format!("https://127.0.0.1:{}/roots/0", self.management)])
            .output()
            .unwrap();
        self.sandbox.write("root.pem", &String::from_utf8_lossy(&root.stdout)).unwrap();
        process
    }

    fn server(&self, store: &str) -> Process {
        let mut command = Command::new(binary());
        let (secured, plain) = (self.secured.to_string(), self.plain.to_string());
        command.args(["run", "--enable-api", "-i", "127.0.0.1", "-p", &secured, "--redirect-port", &plain]);
        command.arg("--acme-domain").args(NAMES);
        command.args(["--acme-email", "ops@bot.example", "--acme-store", store, "--acme-root", "pebble.pem"]);
        command.args(["--acme-directory", &format!("https://localhost:{}/dir", self.directory)]);
        command.current_dir(self.sandbox.path());
        let process = Process::start(&mut command, &self.sandbox.at("server.log"));
        until("the server does not start", || listens(self.secured) && listens(self.plain));
        process
    }

    /// What the server answers to who trusts the authority only.
    fn ask(&self, name: &str, path: &str) -> String {
        let place = format!("{name}:{}", self.secured);
        let fetched = Command::new("curl")
            .args(["-s", "--max-time", "60", "--cacert", &self.at("root.pem")])
            .args(["--resolve", &format!("{place}:127.0.0.1"), &format!("https://{place}{path}")])
            .output()
            .unwrap();
        String::from_utf8_lossy(&fetched.stdout).into_owned()
    }

    fn is_served(&self) -> bool {
        NAMES.iter().all(|name| self.ask(name, "/version").contains("\"version\""))
    }

    /// When the certificate in use ends, as the server's figures say.
    fn expiry(&self) -> Option<f64> {
        let figures = self.ask(NAMES[0], "/metrics");
        let mut lines = figures.lines();
        lines.find_map(|line| line.strip_prefix("intendant_certificate_expiry_seconds "))?.parse().ok()
    }

    /// The certificate that a new connection is shown.
    fn shown(&self) -> String {
        let place = format!("{}:{}", NAMES[0], self.secured);
        let fetched = Command::new("curl")
            .args(["-sk", "-o", "/dev/null", "-w", "%{certs}", "--max-time", "60"])
            .args(["--resolve", &format!("{place}:127.0.0.1"), &format!("https://{place}/version")])
            .output()
            .unwrap();
        let chain = String::from_utf8_lossy(&fetched.stdout).into_owned();
        let first = chain.split_inclusive("-----END CERTIFICATE-----").next().unwrap_or_default();
        first.split_once("-----BEGIN CERTIFICATE-----").map_or_else(String::new, |(_, own)| own.to_owned())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.sandbox.at("server.log")).unwrap_or_default()
    }
}

#[test]
fn certificates_come_from_an_authority_and_survive_it() {
    let Some(rig) = Rig::prepare(LIFETIME_SECONDS) else { return };
    let _names = rig.name_server();
    let authority = rig.authority();
    let server = rig.server("certificates");
    until("no certificate was issued", || rig.is_served());
    assert!(rig.ask(NAMES[0], "/metrics").contains("intendant_certificate_expiry_seconds "), "{}", rig.log());
    let mode = |name: &str| fs::metadata(rig.sandbox.at(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("certificates"), 0o700);
    assert_eq!(mode("certificates/account.json"), 0o600);
    assert_eq!(mode("certificates/certificate.json"), 0o600);
    // The authority goes away: what is kept is served.
    drop((authority, server));
    let server = rig.server("certificates");
    until("the certificate that is kept is not served", || rig.is_served());
    drop(server);
    // What is kept is damaged, and the authority knows nothing of us any more.
    rig.sandbox.write("certificates/certificate.json", "{\"chain\": ").unwrap();
    let _authority = rig.authority();
    let _server = rig.server("certificates");
    until("no certificate was issued anew", || rig.is_served());
    assert!(rig.log().contains("the certificate that is kept cannot be used"), "{}", rig.log());
}

#[test]
fn a_certificate_is_renewed_before_it_ends_without_a_restart() {
    // Due after two thirds of its life; what an authority under load takes fits into the rest.
    let Some(rig) = Rig::prepare(45) else { return };
    let _names = rig.name_server();
    let _authority = rig.authority();
    let mut server = rig.server("certificates");
    let (mut first, mut ends) = (String::new(), None);
    until("no certificate was issued", || {
        (first, ends) = (rig.shown(), rig.expiry());
        first.len() > 100 && ends.is_some()
    });
    // Both are checked against the authority, so the new one is good for both names.
    until("the certificate was not renewed", || rig.expiry() > ends);
    until("the new certificate is not served", || rig.shown() != first && rig.is_served());
    assert!(server.0.try_wait().unwrap().is_none(), "the server ended: {}", rig.log());
    assert!(rig.log().matches("a new certificate is in use").count() >= 2, "{}", rig.log());
}

#[test]
fn a_server_waits_for_an_authority_that_is_away() {
    let Some(rig) = Rig::prepare(LIFETIME_SECONDS) else { return };
    let _server = rig.server("certificates");
    until("nothing is said of it", || rig.log().contains("there is no new certificate"));
    let told = rig.log();
    assert!(
        told.contains("cannot order a certificate") && told.contains("cannot connect to localhost"),
        "{told}"
    );
    let answer = Command::new("curl")
        .args(["-si", "--max-time", "60", &format!("http://127.0.0.1:{}/x", rig.plain)])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&answer.stdout).starts_with("HTTP/1.1 301"));
    assert!(rig.ask(NAMES[0], "/version").is_empty());
}
