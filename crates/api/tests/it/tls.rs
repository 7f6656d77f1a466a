//! TLS: certificates and keys as files hold them, and talking over it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use intendant_api::tls::{TlsFiles, TlsSettings, settings};
use intendant_client::endpoint::Endpoint;
use intendant_client::http::{HttpClient, Outgoing};
use pkcs8::PrivateKeyInfo;
use pkcs8::pkcs5::pbes2::Parameters;
use rcgen::{CertifiedKey, generate_simple_self_signed};

use crate::rig::{Rig, Setup};

/// A certificate for this machine with its key, in files.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        let key = signing_key.serialize_der();
        let files = Self { folder };
        files.write("cert.pem", "CERTIFICATE", cert.der());
        files.write("key.pem", "PRIVATE KEY", &key);
        let parameters = Parameters::pbkdf2_sha256_aes256cbc(2048, b"8 salts!", b"sixteen bytes iv").unwrap();
        let key = PrivateKeyInfo::try_from(key.as_slice()).unwrap();
        let encrypted = key.encrypt_with_params(parameters, "secret").unwrap();
        files.write("locked.pem", "ENCRYPTED PRIVATE KEY", encrypted.as_bytes());
        let both = ["cert.pem", "key.pem"].map(|name| std::fs::read_to_string(files.at(name)).unwrap());
        std::fs::write(files.at("both.pem"), both.concat()).unwrap();
        let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
        std::fs::write(files.at("old.pem"), old).unwrap();
        std::fs::write(files.at("empty.pem"), "").unwrap();
        files
    }

    fn write(&self, name: &str, tag: &str, der: &[u8]) {
        std::fs::write(self.at(name), pem::encode(&pem::Pem::new(tag, der))).unwrap();
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn settings(&self, key: Option<&str>, password: Option<&str>) -> Result<Arc<TlsSettings>, String> {
        let certificate = self.at(if key.is_some() { "cert.pem" } else { "both.pem" });
        let keyfile = key.map(|key| self.at(key));
        let password = password.map(str::to_owned);
        let ca_file = Some(self.at("cert.pem"));
        settings(&TlsFiles { certificate, keyfile, password, ca_file }).map_err(|error| error.message)
    }
}

async fn hello(client: &HttpClient, url: &str) -> Result<String, String> {
    let endpoint = Endpoint::bare(url).unwrap();
    let answer = client.send(&endpoint, Outgoing::get(Duration::from_secs(30))).await;
    answer.map(|answer| String::from_utf8_lossy(&answer.body).into_owned()).map_err(|error| error.chain())
}

#[tokio::test]
async fn the_server_talks_over_tls_to_who_trusts_it() {
    let files = Files::new();
    for (key, password) in [(Some("key.pem"), None), (Some("locked.pem"), Some("secret")), (None, None)] {
        let tls = Some(files.settings(key, password).unwrap());
        let rig = Rig::start(Setup { tls, ..Setup::default() }).await;
        let port = rig.address.port();
        let trusting = HttpClient::trusting(&files.at("cert.pem")).unwrap();
        for host in ["localhost", "127.0.0.1"] {
            let text = hello(&trusting, &format!("https://{host}:{port}/")).await.unwrap();
            assert!(text.starts_with("Hello from Rasa"), "{text}");
        }
        assert!(hello(&rig.client, &format!("https://127.0.0.1:{port}/")).await.is_err());
        // Whoever speaks without TLS is turned away, and the server lives.
        assert!(hello(&trusting, &format!("http://127.0.0.1:{port}/")).await.is_err());
        assert!(hello(&trusting, &format!("https://127.0.0.1:{port}/")).await.is_ok());
    }
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let files = Files::new();
    let check = |key: &str, password: Option<&str>, expected: &str| {
        let message = files.settings(Some(key), password).expect_err(key);
        let message = message.replace(&format!("{}/", files.folder.path().display()), "");
        assert!(message.starts_with(expected), "{message}");
    };
    check("locked.pem", None, "locked.pem: is encrypted; give its password with --ssl-password");
    check("locked.pem", Some("wrong"), "locked.pem: cannot be decrypted; the password may be wrong");
    check("cert.pem", None, "cert.pem: holds no private key; name its file with --ssl-keyfile");
    check("old.pem", None, "old.pem: is encrypted in the old way of OpenSSL; rewrite it with `openssl pkcs8");
    check("empty.pem", None, "empty.pem: holds no private key");
    check("missing.pem", None, "missing.pem: cannot be read: ");
    let other = Files::new();
    std::fs::copy(other.at("key.pem"), files.at("other.pem")).unwrap();
    check("other.pem", None, "the certificate cert.pem cannot be used with the key other.pem: ");
    assert!(HttpClient::trusting(Path::new(&files.at("empty.pem"))).is_err());
}

#[tokio::test]
async fn a_response_that_takes_too_long_is_given_up_on() {
    let rig = Rig::start(Setup { response_timeout: Duration::from_millis(50), ..Setup::default() }).await;
    let body = serde_json::json!({"name": "slow"});
    let (status, body) = rig.json("POST", "/conversations/a/trigger_intent", body).await;
    assert_eq!((status, &body["message"]), (503, &serde_json::json!("Response Timeout")));
    // What was begun is finished, and everybody else is answered.
    rig.gate.permits.add_permits(1);
    assert_eq!(rig.send("GET", "/", &[], "").await.status.as_u16(), 200);
}
