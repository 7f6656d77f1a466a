//! Azure's own stand-in, Azurite.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fixtures::http::Connection;
use fixtures::process::free_port;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use tempfile::TempDir;

use crate::{open, round_trip};

/// The account that Azurite always has, as its documentation prints it.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// Azurite; ended when dropped.
struct Azurite(Child);

impl Drop for Azurite {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts it, or tells that it is not installed.
fn start(folder: &TempDir, port: u16) -> Option<Azurite> {
    let Some(program) = std::env::var_os("INTENDANT_TEST_AZURE") else {
        eprintln!("skipped: INTENDANT_TEST_AZURE does not name the program azurite-blob");
        return None;
    };
    let mut azurite = Command::new(program)
        .args(["--skipApiVersionCheck", "--silent", "--blobHost", "127.0.0.1", "--blobPort"])
        .arg(port.to_string())
        .arg("--location")
        .arg(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while Connection::open(port).is_err() {
        assert!(azurite.try_wait().unwrap().is_none(), "azurite ended");
        assert!(start.elapsed() < Duration::from_secs(300), "azurite did not start");
        std::thread::sleep(Duration::from_millis(20));
    }
    Some(Azurite(azurite))
}

/// Makes a container. Source: Azure Storage, authorisation with a shared key.
fn make_container(port: u16, name: &str) {
    let date = jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let version = "2021-08-06";
    let signed = format!(
        "PUT{}x-ms-date:{date}\nx-ms-version:{version}\n/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container",
        "\n".repeat(12)
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(KEY).unwrap()).unwrap();
    mac.update(signed.as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    let authorization = format!("SharedKey {ACCOUNT}:{signature}");
    let headers =
        [("x-ms-date", date.as_str()), ("x-ms-version", version), ("Authorization", &authorization)];
    let path = format!("/{ACCOUNT}/{name}?restype=container");
    let answer = Connection::open(port).unwrap().send("PUT", &path, &headers, b"").unwrap();
    assert_eq!(answer.status, 201, "{}", answer.text());
}

#[tokio::test]
async fn azure_is_a_store() {
    let folder = TempDir::new().unwrap();
    let port = free_port().unwrap();
    let Some(_azurite) = start(&folder, port) else { return };
    make_container(port, "models");
    let endpoint = format!("http://127.0.0.1:{port}/{ACCOUNT}");
    let variables = [
        ("AZURE_CONTAINER", "models"),
        ("AZURE_ACCOUNT_NAME", ACCOUNT),
        ("AZURE_ACCOUNT_KEY", KEY),
        ("AZURE_STORAGE_ENDPOINT", &endpoint),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    round_trip(&open("azure", variables.to_vec()), &TempDir::new().unwrap()).await;
    round_trip(&open("az://models/inside", variables.to_vec()), &TempDir::new().unwrap()).await;
}
