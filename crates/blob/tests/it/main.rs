//! Files to stores and back, with a line that breaks.
#![allow(clippy::unwrap_used)]

mod azure;
mod google;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fixtures::http::Connection;
use fixtures::object_store::{Line, S3};
use intendant_blob::bucket::Bucket;
use intendant_blob::transfer::digest_of;
use intendant_client::http::HttpClient;
use intendant_port::error::Kind;
use tempfile::TempDir;

const MEGABYTE: usize = 1 << 20;

/// A file of so many bytes that compress badly.
fn file(folder: &TempDir, bytes: usize) -> PathBuf {
    let mut state = 1u64;
    let content: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    })
    .take(bytes)
    .collect();
    let path = folder.path().join(format!("{bytes}.tar.gz"));
    std::fs::write(&path, content).unwrap();
    path
}

fn open(place: &str, variables: Vec<(String, String)>) -> Bucket {
    let variables: BTreeMap<String, String> = variables.into_iter().collect();
    Bucket::open(place, &variables, &HttpClient::new().unwrap()).unwrap()
}

/// A program that stands in for a store; ended when dropped.
struct StandIn(Child);

impl Drop for StandIn {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the program that a variable names, on a port, or tells that it is not installed.
fn stand_in(variable: &str, port: u16, arguments: &[&str]) -> Option<StandIn> {
    let Some(program) = std::env::var_os(variable) else {
        eprintln!("skipped: {variable} does not name a program");
        return None;
    };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut process = StandIn(command.spawn().unwrap());
    let start = Instant::now();
    while Connection::open(port).is_err() {
        assert!(process.0.try_wait().unwrap().is_none(), "the program of {variable} ended");
        assert!(start.elapsed() < Duration::from_secs(300), "the program of {variable} did not start");
        std::thread::sleep(Duration::from_millis(20));
    }
    Some(process)
}

/// An upload of 30 megabytes that breaks after 20, and goes on.
async fn upload_over(line: &Line, bucket: &Bucket, folder: &TempDir) -> PathBuf {
    let file = file(folder, 30 * MEGABYTE);
    let transfers = folder.path().join("transfers");
    line.cut_after_up(20 * MEGABYTE as i64);
    bucket.put_file("m.tar.gz", &file, &transfers).await.unwrap_err();
    line.mend();
    bucket.put_file("m.tar.gz", &file, &transfers).await.unwrap();
    let (up, _) = line.passed();
    assert!(up < 20 * MEGABYTE as u64, "{up} bytes were sent again");
    line.mend();
    file
}

/// There and back again, whatever the store.
async fn round_trip(bucket: &Bucket, folder: &TempDir) {
    let transfers = folder.path().join("transfers");
    for bytes in [0, 1000, 9 * MEGABYTE] {
        let file = file(folder, bytes);
        let key = format!("{bytes}.tar.gz");
        bucket.put_file(&key, &file, &transfers).await.unwrap();
        let fetched = bucket.get_file(&key, &folder.path().join("back")).await.unwrap();
        assert_eq!(fetched.digest, digest_of(&file).await.unwrap(), "{bytes} bytes");
        assert!(fetched.path.file_name().unwrap().to_string_lossy().starts_with('.'));
    }
    bucket.put_bytes("note.json", b"{}".to_vec()).await.unwrap();
    assert_eq!(bucket.bytes("note.json").await.unwrap().unwrap(), "{}");
    assert_eq!(bucket.bytes("absent.json").await.unwrap(), None);
    let names = bucket.keys().await.unwrap();
    assert_eq!(names, ["0.tar.gz", "1000.tar.gz", "9437184.tar.gz", "note.json"]);
    let missing = bucket.get_file("absent.tar.gz", folder.path()).await.unwrap_err();
    assert_eq!(missing.kind, Kind::Invalid);
    assert!(missing.message.starts_with("cannot read absent.tar.gz in "), "{missing}");
    let left = std::fs::read_dir(&transfers).map_or(0, Iterator::count);
    assert_eq!(left, 0, "a finished upload is forgotten");
}

#[tokio::test]
async fn a_folder_is_a_store() {
    let (store, work) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let place = store.path().join("models");
    round_trip(&open(&place.display().to_string(), Vec::new()), &work).await;
    assert!(place.join("1000.tar.gz").is_file());
}

#[tokio::test]
async fn s3_is_a_store() {
    let Some(s3) = S3::start().unwrap() else { return };
    let folder = TempDir::new().unwrap();
    // A bucket that is not there is made.
    let bucket = open("aws", S3::variables(s3.port, "models"));
    bucket.prepare().await.unwrap();
    bucket.prepare().await.unwrap();
    round_trip(&bucket, &folder).await;
    let inner = open("s3://models/deep/inside", S3::variables(s3.port, "other"));
    round_trip(&inner, &TempDir::new().unwrap()).await;
    assert!(bucket.keys().await.unwrap().len() == 4, "folders are apart");
}

#[tokio::test]
async fn an_upload_goes_on_where_it_broke_off() {
    let Some(s3) = S3::start().unwrap() else { return };
    let line = Line::to(s3.port).unwrap();
    let folder = TempDir::new().unwrap();
    let bucket = open("aws", S3::variables(line.port, "models"));
    bucket.prepare().await.unwrap();
    let file = upload_over(&line, &bucket, &folder).await;
    let fetched = bucket.get_file("m.tar.gz", folder.path()).await.unwrap();
    assert_eq!(fetched.digest, digest_of(&file).await.unwrap());
}

#[tokio::test]
async fn a_download_goes_on_where_it_broke_off() {
    let Some(s3) = S3::start().unwrap() else { return };
    let line = Line::to(s3.port).unwrap();
    let folder = TempDir::new().unwrap();
    let bucket = open("aws", S3::variables(line.port, "models"));
    bucket.prepare().await.unwrap();
    let file = file(&folder, 20 * MEGABYTE);
    bucket.put_file("m.tar.gz", &file, folder.path()).await.unwrap();
    line.mend();
    line.cut_after_down(8 * MEGABYTE as u64);
    let fetched = bucket.get_file("m.tar.gz", &folder.path().join("back")).await.unwrap();
    assert_eq!(fetched.digest, digest_of(&file).await.unwrap());
    let (_, down) = line.passed();
    assert!(down < 25 * MEGABYTE as u64, "{down} bytes came");
}

#[test]
fn what_cannot_be_meant_is_said() {
    let client = HttpClient::new().unwrap();
    let check = |place: &str, variables: &[(&str, &str)], expected: &str| {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let Err(error) = Bucket::open(place, &variables.collect(), &client) else {
            panic!("{place} was opened");
        };
        assert!(error.chain().starts_with(expected), "{}", error.chain());
    };
    check("aws", &[], "object store `aws`: the environment variable BUCKET_NAME is not set");
    check(
        "gcs",
        &[("BUCKET_NAME", "")],
        "object store `gcs`: the environment variable BUCKET_NAME is not set",
    );
    check("azure", &[], "object store `azure`: the environment variable AZURE_CONTAINER is not set");
    check("my.module.Storage", &[], "`my.module.Storage` is no object store: there are aws, gcs, azure,");
    assert!(!Path::new("my.module.Storage").exists());
}
