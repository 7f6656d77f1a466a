//! Google's store, by two stand-ins, as none that runs everywhere does all of it: moto speaks the protocol that
//! objects travel by, which is that of S3 with other headers; fake-gcs-server makes buckets, and gives out.

use fixtures::http::Connection;
use fixtures::object_store::{Line, S3};
use fixtures::process::free_port;
use intendant_blob::bucket::Bucket;
use intendant_blob::transfer::digest_of;
use intendant_port::error::Kind;
use serde_json::json;
use tempfile::TempDir;

use crate::{MEGABYTE, StandIn, file, open, round_trip, upload_over};

/// Starts fake-gcs-server, or tells that it is not installed.
fn start(port: u16) -> Option<StandIn> {
    let (port_text, public) = (port.to_string(), format!("127.0.0.1:{port}"));
    let mut arguments = vec!["-scheme", "http", "-backend", "memory", "-host", "127.0.0.1"];
    arguments.extend(["-port", &port_text, "-public-host", &public]);
    crate::stand_in("INTENDANT_TEST_GCS", port, &arguments)
}

/// A bucket whose requests are signed by a service account, at a port.
fn signed(place: &str, folder: &TempDir, port: u16) -> Bucket {
    let key = concat!(env!("CARGO_MANIFEST_DIR"), "/../app/tests/channels/signing_key.pem");
    let account = json!({
        "type": "service_account", "project_id": "test", "private_key_id": "1", "client_id": "1",
        "private_key": std::fs::read_to_string(key).unwrap(),
        "client_email": "models@test.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    });
    let path = folder.path().join("account.json");
    std::fs::write(&path, account.to_string()).unwrap();
    let url = format!("http://127.0.0.1:{port}");
    let (path, url) = (path.display().to_string(), url.as_str());
    let variables =
        [("BUCKET_NAME", "models"), ("GOOGLE_APPLICATION_CREDENTIALS", &path), ("GOOGLE_BASE_URL", url)];
    open(place, variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec())
}

fn stand_in(place: &str, port: u16) -> Bucket {
    open(place, vec![("STORAGE_EMULATOR_HOST".to_owned(), format!("127.0.0.1:{port}"))])
}

#[tokio::test]
async fn objects_travel_to_google_and_back() {
    let Some(s3) = S3::start().unwrap() else { return };
    open("aws", S3::variables(s3.port, "models")).prepare().await.unwrap();
    let folder = TempDir::new().unwrap();
    round_trip(&signed("gcs", &folder, s3.port), &folder).await;
    round_trip(&signed("gs://models/inside", &folder, s3.port), &TempDir::new().unwrap()).await;
}

#[tokio::test]
async fn what_breaks_off_goes_on_there_too() {
    let Some(s3) = S3::start().unwrap() else { return };
    open("aws", S3::variables(s3.port, "models")).prepare().await.unwrap();
    let line = Line::to(s3.port).unwrap();
    let bucket = stand_in("gs://models", line.port);
    let folder = TempDir::new().unwrap();
    let file = upload_over(&line, &bucket, &folder).await;
    line.cut_after_down(12 * MEGABYTE as u64);
    let fetched = bucket.get_file("m.tar.gz", &folder.path().join("back")).await.unwrap();
    assert_eq!(fetched.digest, digest_of(&file).await.unwrap());
    let (_, down) = line.passed();
    assert!(down < 36 * MEGABYTE as u64, "{down} bytes came");
}

#[tokio::test]
async fn a_bucket_that_google_lacks_is_made() {
    let port = free_port().unwrap();
    let Some(_google) = start(port) else { return };
    let folder = TempDir::new().unwrap();
    let bucket = signed("gcs", &folder, port);
    bucket.prepare().await.unwrap();
    bucket.prepare().await.unwrap();
    let missing = bucket.get_file("m.tar.gz", folder.path()).await.unwrap_err();
    assert_eq!(missing.kind, Kind::Invalid);
    let file = file(&folder, 9 * MEGABYTE);
    let mut connection = Connection::open(port).unwrap();
    let path = "/upload/storage/v1/b/models/o?uploadType=media&name=m.tar.gz";
    let sent = connection.send("POST", path, &[], &std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(sent.status, 200, "{}", sent.text());
    for bucket in [bucket, stand_in("gs://models", port)] {
        assert_eq!(bucket.keys().await.unwrap(), ["m.tar.gz"]);
        let fetched = bucket.get_file("m.tar.gz", &folder.path().join("back")).await.unwrap();
        assert_eq!(fetched.digest, digest_of(&file).await.unwrap());
        std::fs::remove_file(fetched.path).unwrap();
    }
}
