//! `intendant models rotate` as the replacement of the container that rotated models.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use intendant_registry::inspect::{Verdict, inspect};
use tempfile::TempDir;

fn intendant(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_intendant"));
    command.current_dir(folder).stdin(Stdio::null()).env_remove("LOG_LEVEL").env("THROTTLE_DELAY", "0");
    command
}

fn rotate(folder: &Path, arguments: &[&str]) -> Output {
    intendant(folder).args(["models", "rotate"]).args(arguments).output().unwrap()
}

/// A model as Rasa 3 writes it, trained so many seconds after a fixed moment.
fn model(second: i64) -> Vec<u8> {
    let trained_at = jiff::Timestamp::from_second(1_650_000_000 + second).unwrap();
    let metadata = format!("{{\"trained_at\": \"{trained_at}\"}}");
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, content) in [("metadata.json", metadata.as_bytes()), ("weights", &[7; 60_000])] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, content).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

fn is_complete(path: &Path) -> bool {
    fs::File::open(path).is_ok_and(|file| matches!(inspect(file), Ok(Verdict::Complete(_))))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_containers_variables_are_understood() {
    let folder = TempDir::new().unwrap();
    let models = folder.path().join("volume");
    fs::create_dir(&models).unwrap();
    for at in 1..=4 {
        fs::write(models.join(format!("{at}.tar.gz")), model(at)).unwrap();
    }
    let mut command = intendant(folder.path());
    command.args(["models", "rotate", "--json"]);
    command.env("TARGET_DIR", "volume").env("LATEST_MODEL_PATH", "volume/current.tar.gz");
    command.env("IGNORE_FILE_PATHS", "volume/lost+found, volume/1.tar.gz");
    let output = command.env("INTENDANT_ROTATION__KEEP", "2").output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["published"], "4.tar.gz");
    assert_eq!(report["kept"], serde_json::json!(["4.tar.gz", "3.tar.gz", "1.tar.gz"]));
    assert_eq!(report["removed"], serde_json::json!(["2.tar.gz"]));
    assert_eq!(fs::read(models.join("current.tar.gz")).unwrap(), model(4));
}

#[test]
fn what_cannot_be_used_is_said() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("models")).unwrap();
    let check = |arguments: &[&str], variables: &[(&str, &str)], part: &str| {
        let mut command = intendant(folder.path());
        command.args(["models", "rotate"]).args(arguments).envs(variables.iter().copied());
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains(part), "{part}: {}", text(&output.stderr));
    };
    check(&["absent"], &[], "absent");
    check(&["--keep", "0"], &[], "at least one model must be kept");
    check(&[], &[("THROTTLE_DELAY", "soon")], "expected a whole number of milliseconds, found `soon`");
    check(&[], &[("INTENDANT_ROTATION__KEEP", "few")], "INTENDANT_ROTATION__KEEP");
    fs::write(folder.path().join("intendant.yml"), "rotation:\n  kep: 2\n").unwrap();
    check(&[], &[], "intendant.yml:2:3: error: rotation.kep: unknown field `kep`");
}

struct Watch(Child);

impl Watch {
    fn start(folder: &Path) -> Self {
        let mut command = intendant(folder);
        command.args(["models", "rotate", "--watch"]).env("INTENDANT_ROTATION__SCAN_MS", "10");
        Watch(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_rotation_killed_at_any_moment_loses_no_good_model() {
    let folder = TempDir::new().unwrap();
    let models = folder.path().join("models");
    fs::create_dir(&models).unwrap();
    let latest = models.join("latest.tar.gz");
    let mut second = 0;
    let mut put = || {
        second += 1;
        fs::write(models.join(format!("{second}.tar.gz")), model(second)).unwrap();
    };
    put();
    {
        let _watch = Watch::start(folder.path());
        until("the first model is published", || is_complete(&latest));
    }
    for round in 0..200_u64 {
        let watch = Watch::start(folder.path());
        put();
        put();
        // Spread over the start, the copying, the renaming, the removal, and the rest after it.
        std::thread::sleep(Duration::from_micros(round * 7_919 % 30_000));
        drop(watch);
        assert!(is_complete(&latest), "round {round}");
    }
    let output = rotate(folder.path(), &["--force"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(fs::read(&latest).unwrap(), model(second));
    let mut left: Vec<PathBuf> = fs::read_dir(&models).unwrap().map(|entry| entry.unwrap().path()).collect();
    left.retain(|path| path.is_file());
    assert_eq!(left.len(), 4, "{left:?}");
}

#[test]
fn a_second_rotation_stands_by_and_takes_over() {
    let folder = TempDir::new().unwrap();
    let models = folder.path().join("models");
    fs::create_dir(&models).unwrap();
    let latest = models.join("latest.tar.gz");
    let first = Watch::start(folder.path());
    fs::write(models.join("1.tar.gz"), model(1)).unwrap();
    until("the first model is published", || is_complete(&latest));
    let output = rotate(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(1));
    let owner = format!("process {}", first.0.id());
    assert!(text(&output.stderr).contains(&owner), "{}", text(&output.stderr));
    let _second = Watch::start(folder.path());
    drop(first);
    fs::write(models.join("2.tar.gz"), model(2)).unwrap();
    until("the second rotation publishes", || fs::read(&latest).is_ok_and(|bytes| bytes == model(2)));
}

#[cfg(unix)]
#[test]
fn a_termination_is_a_clean_end() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("models")).unwrap();
    fs::write(folder.path().join("models/1.tar.gz"), model(1)).unwrap();
    let mut watch = Watch::start(folder.path());
    until("it works", || is_complete(&folder.path().join("models/latest.tar.gz")));
    let id = watch.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert!(watch.0.wait().unwrap().success());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_removes_nothing() {
    let folder = TempDir::new().unwrap();
    let models = folder.path().join("models");
    fs::create_dir(&models).unwrap();
    // A file system of its own with little room, if this process may mount one.
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"]).arg(&models).status();
    if !mounted.is_ok_and(|status| status.success()) {
        eprintln!("skipped: mounting a small file system is not allowed here");
        return;
    }
    struct Mounted(PathBuf);
    impl Drop for Mounted {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg(&self.0).status();
        }
    }
    let _mounted = Mounted(models.clone());
    fs::write(models.join("1.tar.gz"), model(1)).unwrap();
    assert!(rotate(folder.path(), &["--keep", "1"]).status.success());
    fs::write(models.join("2.tar.gz"), model(2)).unwrap();
    // What is left is filled up.
    let mut filler = fs::File::create(models.join("filler")).unwrap();
    while std::io::Write::write(&mut filler, &[0; 4096]).is_ok_and(|count| count > 0) {}
    let output = rotate(folder.path(), &["--keep", "1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("No space left on device"), "{}", text(&output.stderr));
    assert!(models.join("1.tar.gz").exists() && models.join("2.tar.gz").exists());
    assert_eq!(fs::read(models.join("latest.tar.gz")).unwrap(), model(1));
}
