//! A models folder kept in order, with a clock in hand.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use intendant_registry::inspect::{Verdict, inspect};
use intendant_registry::rotation::{Kind, Now, Outside, Report, Rotator, Settings};
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use crate::archives::{noise, ours, rasa2, rasa3};

/// Nobody uses anything, and every model loads.
struct Quiet;

impl Outside for Quiet {
    fn in_use(&self) -> Result<BTreeSet<String>, String> {
        Ok(BTreeSet::new())
    }

    fn activate(&self, _latest: &Path) -> Result<(), String> {
        Ok(())
    }
}

struct Folder {
    root: TempDir,
    steady: Duration,
}

impl Folder {
    fn new() -> Self {
        Folder { root: TempDir::new().unwrap(), steady: Duration::ZERO }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Writes a file that was last changed so many seconds ago.
    fn put(&self, name: &str, bytes: &[u8], age_seconds: u64) {
        fs::write(self.path(name), bytes).unwrap();
        self.touch(name, age_seconds);
    }

    fn touch(&self, name: &str, age_seconds: u64) {
        let file = fs::File::options().append(true).open(self.path(name)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(age_seconds)).unwrap();
    }

    fn settings(&self) -> Settings {
        Settings::of(self.root.path())
    }

    fn now(&self) -> Now {
        Now { wall: Timestamp::now(), steady: self.steady }
    }

    fn rotate(&self, settings: Settings) -> Report {
        Rotator::open(settings).unwrap().pass(self.now(), &Quiet, false).unwrap()
    }

    /// The names at the top of the folder, ours left out.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.root.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name != ".intendant");
        names.sort();
        names
    }

    fn latest(&self) -> Vec<u8> {
        fs::read(self.path("latest.tar.gz")).unwrap()
    }
}

fn day(day: u32) -> Vec<u8> {
    rasa3(&format!("2022-02-{day:02}T10:00:00"))
}

#[test]
fn the_newest_are_kept_and_the_newest_is_published() {
    let folder = Folder::new();
    for at in 1..=5 {
        folder.put(&format!("model-{at}.tar.gz"), &day(at), 600 - u64::from(at));
    }
    let report = folder.rotate(folder.settings());
    assert_eq!(report.published.as_deref(), Some("model-5.tar.gz"));
    assert_eq!(report.removed, ["model-1.tar.gz", "model-2.tar.gz"]);
    assert_eq!(folder.names(), ["latest.tar.gz", "model-3.tar.gz", "model-4.tar.gz", "model-5.tar.gz"]);
    assert_eq!(folder.latest(), day(5));
    // Nothing is lost at once: what was removed is in the trash until its time is over.
    let trash = || fs::read_dir(folder.path(".intendant/trash")).unwrap().count();
    assert_eq!(trash(), 2);
    let mut rotator = Rotator::open(folder.settings()).unwrap();
    let later = Now { wall: Timestamp::now() + SignedDuration::from_secs(601), ..folder.now() };
    assert!(!rotator.pass(later, &Quiet, false).unwrap().is_change());
    assert_eq!(trash(), 0);
}

#[test]
fn when_a_model_was_trained_decides_and_not_who_was_touched() {
    let folder = Folder::new();
    folder.put("old.tar.gz", &day(1), 9);
    folder.put("new.tar.gz", &day(20), 5_000);
    folder.put("rasa2.tar.gz", &rasa2(1_643_883_072.0), 7);
    // Ours say it in their names.
    folder.put("20220210-101112-calm-otter.tar.gz", &ours("a"), 6);
    let report = folder.rotate(folder.settings());
    assert_eq!(report.published.as_deref(), Some("new.tar.gz"));
    assert_eq!(report.kept, ["new.tar.gz", "20220210-101112-calm-otter.tar.gz", "rasa2.tar.gz"]);
    folder.touch("rasa2.tar.gz", 5);
    assert_eq!(folder.rotate(folder.settings()).published, None);
    assert_eq!(folder.latest(), day(20));
}

#[test]
fn a_slow_writer_is_waited_for() {
    let folder = Folder::new();
    folder.put("a.tar.gz", &day(1), 60);
    let mut rotator = Rotator::open(Settings { keep: 1, ..folder.settings() }).unwrap();
    let whole = day(2);
    let mut steady = Duration::ZERO;
    for length in (0..whole.len()).step_by(1_000) {
        // The writer never rests for the quiet time, whatever the clock on the wall says.
        fs::write(folder.path("b.tar.gz"), &whole[..length]).unwrap();
        steady += Duration::from_secs(1);
        let report = rotator.pass(Now { wall: Timestamp::now(), steady }, &Quiet, false).unwrap();
        assert_eq!(report.pending.len(), 1, "{report:?}");
        assert!(report.removed.is_empty());
        assert_eq!(folder.latest(), day(1));
    }
    // It died in the middle: quiet for long, and still not complete.
    folder.touch("b.tar.gz", 100);
    let report = rotator.pass(folder.now(), &Quiet, false).unwrap();
    assert!(report.pending[0].1.contains("not a complete"), "{report:?}");
    assert_eq!(folder.latest(), day(1));
    assert!(folder.path("a.tar.gz").exists());
    // The next one arrives whole, by a rename.
    folder.put("c.part", &day(3), 60);
    fs::rename(folder.path("c.part"), folder.path("c.tar.gz")).unwrap();
    let report = rotator.pass(folder.now(), &Quiet, false).unwrap();
    assert_eq!(report.published.as_deref(), Some("c.tar.gz"));
    assert_eq!(report.removed, ["a.tar.gz"]);
    // What never became whole goes into quarantine, not away.
    let later = Now { wall: Timestamp::now() + SignedDuration::from_hours(25), steady };
    let report = rotator.pass(later, &Quiet, false).unwrap();
    assert_eq!(report.quarantined, ["b.tar.gz"]);
    assert_eq!(fs::read_dir(folder.path(".intendant/quarantine")).unwrap().count(), 1);
}

#[test]
fn what_is_no_model_is_not_touched() {
    let folder = Folder::new();
    folder.put("a.tar.gz", &day(1), 60);
    folder.put("b.tar.gz", &day(2), 60);
    folder.put("notes.txt", b"mine", 60);
    folder.put(".hidden.tar.gz", &day(9), 60);
    folder.put("upload.tar.gz.part", &day(9), 60);
    folder.put("photos.tar.gz", &crate::archives::Maker::new().file("photo", b"x").bytes(), 60);
    fs::create_dir(folder.path("lost+found")).unwrap();
    fs::create_dir(folder.path("folder.tar.gz")).unwrap();
    let elsewhere = TempDir::new().unwrap();
    fs::write(elsewhere.path().join("real"), day(20)).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(elsewhere.path().join("real"), folder.path("link.tar.gz")).unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path("dangling.tar.gz")).unwrap();
    }
    let before = folder.names();
    let report = folder.rotate(Settings { keep: 1, ..folder.settings() });
    assert_eq!(report.refused.len(), 1, "{report:?}");
    let mut after = before.clone();
    after.retain(|name| name != "a.tar.gz");
    after.push("latest.tar.gz".to_owned());
    after.sort();
    assert_eq!(folder.names(), after);
    assert_eq!(folder.latest(), day(2));
    assert_eq!(fs::read(elsewhere.path().join("real")).unwrap(), day(20));
}

#[cfg(unix)]
#[test]
fn a_link_under_the_fixed_name_is_replaced_and_not_written_through() {
    let folder = Folder::new();
    folder.put("a.tar.gz", &day(1), 60);
    folder.put("b.tar.gz", &day(2), 60);
    std::os::unix::fs::symlink("a.tar.gz", folder.path("latest.tar.gz")).unwrap();
    folder.rotate(folder.settings());
    assert_eq!(fs::read(folder.path("a.tar.gz")).unwrap(), day(1));
    assert_eq!(folder.latest(), day(2));
    assert!(!fs::symlink_metadata(folder.path("latest.tar.gz")).unwrap().is_symlink());
}

#[test]
fn what_a_checksum_beside_it_says_must_be_so() {
    let folder = Folder::new();
    folder.put("a.tar.gz", &day(1), 60);
    folder.put("b.tar.gz", &day(2), 60);
    let Verdict::Complete(model) = inspect(&day(2)[..]).unwrap() else { panic!() };
    let mut said = model.digest.clone().into_bytes();
    said.rotate_left(1);
    folder.put("b.tar.gz.sha256", &[&said, &b"  b.tar.gz\n"[..]].concat(), 60);
    let report = folder.rotate(folder.settings());
    assert_eq!(report.published.as_deref(), Some("a.tar.gz"));
    assert!(report.pending[0].1.contains("its .sha256 says another"), "{report:?}");
    folder.put("b.tar.gz.sha256", format!("{}  b.tar.gz\n", model.digest.to_uppercase()).as_bytes(), 60);
    assert_eq!(folder.rotate(folder.settings()).published.as_deref(), Some("b.tar.gz"));
    // It goes where its archive goes.
    folder.put("c.tar.gz", &day(3), 60);
    folder.rotate(Settings { keep: 1, ..folder.settings() });
    assert_eq!(folder.names(), ["c.tar.gz", "latest.tar.gz"]);
}

#[test]
fn protected_models_stay() {
    let folder = Folder::new();
    for at in 1..=5 {
        folder.put(&format!("model-{at}.tar.gz"), &day(at), 60);
    }
    struct Tagged(String);
    impl Outside for Tagged {
        fn in_use(&self) -> Result<BTreeSet<String>, String> {
            Ok(BTreeSet::from([self.0.clone()]))
        }
        fn activate(&self, _latest: &Path) -> Result<(), String> {
            Ok(())
        }
    }
    let Verdict::Complete(tagged) = inspect(&day(2)[..]).unwrap() else { panic!() };
    let protected = vec![PathBuf::from("model-1.tar.gz"), PathBuf::from("lost+found")];
    let settings = Settings { keep: 1, protected, ..folder.settings() };
    let mut rotator = Rotator::open(settings).unwrap();
    let report = rotator.pass(folder.now(), &Tagged(tagged.digest), false).unwrap();
    assert_eq!(report.kept, ["model-5.tar.gz", "model-2.tar.gz", "model-1.tar.gz"]);
}

#[test]
fn copies_of_one_model_do_not_protect_each_other() {
    let folder = Folder::new();
    // Training an unchanged project again gives the same bytes under another name.
    for at in 1..=5 {
        folder.put(&format!("{at}.tar.gz"), &day(1), 600 - at);
    }
    let report = folder.rotate(Settings { keep: 2, ..folder.settings() });
    assert_eq!(report.kept, ["5.tar.gz", "4.tar.gz"], "{report:?}");
    assert_eq!(folder.names(), ["4.tar.gz", "5.tar.gz", "latest.tar.gz"]);
}

#[test]
fn young_models_and_a_byte_budget() {
    let folder = Folder::new();
    let now = Timestamp::now();
    for hours in [1, 2, 30, 40] {
        let trained_at = (now - SignedDuration::from_hours(hours)).to_string();
        folder.put(&format!("model-{hours}.tar.gz"), &rasa3(&trained_at), 60);
    }
    let settings = Settings { keep: 1, keep_younger: Duration::from_secs(24 * 3600), ..folder.settings() };
    assert_eq!(folder.rotate(settings).kept, ["model-1.tar.gz", "model-2.tar.gz"]);
    let settings = Settings { bytes_max: Some(10), ..folder.settings() };
    assert_eq!(folder.rotate(settings).kept, ["model-1.tar.gz"], "the newest stays in any case");
}

#[test]
fn a_clock_set_back_removes_nothing() {
    let folder = Folder::new();
    let tomorrow = (Timestamp::now() + SignedDuration::from_hours(24)).to_string();
    folder.put("before.tar.gz", &rasa3(&tomorrow), 60);
    for at in 1..=4 {
        folder.put(&format!("after-{at}.tar.gz"), &day(at), 60);
    }
    let report = folder.rotate(Settings { keep: 1, ..folder.settings() });
    assert!(report.suspended.unwrap().contains("before.tar.gz was trained later than now"));
    assert_eq!(folder.names().len(), 6);
}

#[test]
fn a_great_removal_must_be_meant() {
    let folder = Folder::new();
    for at in 1..=25 {
        folder.put(&format!("model-{at:02}.tar.gz"), &day(at), 60);
    }
    let settings = Settings { keep: 1, ..folder.settings() };
    let report = folder.rotate(settings.clone());
    assert!(report.suspended.unwrap().contains("24 of 25 models would be removed"));
    assert_eq!(folder.names().len(), 26);
    let mut rotator = Rotator::open(settings).unwrap();
    let report = rotator.pass(folder.now(), &Quiet, true).unwrap();
    assert_eq!((report.removed.len(), report.kept.len()), (24, 1));
}

#[test]
fn a_dry_run_writes_nothing() {
    let folder = Folder::new();
    folder.put("a.tar.gz", &day(1), 60);
    folder.put("b.tar.gz", &day(2), 60);
    let mut rotator = Rotator::look_at(Settings { keep: 1, ..folder.settings() }).unwrap();
    let report = rotator.pass(folder.now(), &Quiet, false).unwrap();
    assert_eq!((report.published.as_deref(), report.removed.len()), (Some("b.tar.gz"), 1));
    assert_eq!(folder.names(), ["a.tar.gz", "b.tar.gz"]);
    assert!(!folder.path(".intendant").exists());
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let folder = Folder::new();
    let check = |settings: Settings, kind: Kind, part: &str| {
        let error = Rotator::open(settings).err().expect(part);
        assert_eq!(error.kind, kind);
        assert!(error.to_string().contains(part), "{error}");
    };
    let settings = folder.settings();
    check(Settings { keep: 0, ..settings.clone() }, Kind::Settings, "at least one");
    check(Settings::of(folder.path("absent")), Kind::Settings, "absent");
    let outside = folder.path("../latest.tar.gz");
    check(Settings { latest: outside, ..settings.clone() }, Kind::Settings, "must lie in");
    let first = Rotator::open(settings.clone()).unwrap();
    check(settings.clone(), Kind::Owned, &format!("process {}", std::process::id()));
    drop(first);
    assert!(Rotator::open(settings).is_ok());
}

#[test]
fn a_model_that_no_server_loads_is_taken_back() {
    struct Picky;
    impl Outside for Picky {
        fn in_use(&self) -> Result<BTreeSet<String>, String> {
            Ok(BTreeSet::new())
        }
        fn activate(&self, latest: &Path) -> Result<(), String> {
            if fs::read(latest).unwrap() == day(2) { Err("it does not load".to_owned()) } else { Ok(()) }
        }
    }
    let folder = Folder::new();
    folder.put("a.tar.gz", &day(1), 60);
    let mut rotator = Rotator::open(Settings { keep: 1, ..folder.settings() }).unwrap();
    rotator.pass(folder.now(), &Picky, false).unwrap();
    folder.put("b.tar.gz", &day(2), 60);
    let report = rotator.pass(folder.now(), &Picky, false).unwrap();
    assert_eq!(report.bad, Some(("b.tar.gz".to_owned(), "it does not load".to_owned())));
    assert_eq!(folder.latest(), day(1));
    assert_eq!(report.kept, ["b.tar.gz", "a.tar.gz"], "both stay");
    // It is not tried again and again; a later one is.
    assert_eq!(rotator.pass(folder.now(), &Picky, false).unwrap().bad, None);
    folder.put("c.tar.gz", &day(3), 60);
    let report = rotator.pass(folder.now(), &Picky, false).unwrap();
    assert_eq!(report.published.as_deref(), Some("c.tar.gz"));
}

#[test]
fn a_published_model_that_is_nowhere_else_is_not_replaced_by_an_older_one() {
    let folder = Folder::new();
    folder.put("a.tar.gz", &day(1), 60);
    folder.put("b.tar.gz", &day(2), 60);
    folder.rotate(folder.settings());
    fs::remove_file(folder.path("b.tar.gz")).unwrap();
    assert_eq!(folder.rotate(folder.settings()).published, None);
    assert_eq!(folder.latest(), day(2));
    // A damaged one is.
    fs::write(folder.path("latest.tar.gz"), &day(2)[..800]).unwrap();
    assert_eq!(folder.rotate(folder.settings()).published.as_deref(), Some("a.tar.gz"));
}

#[test]
fn readers_never_see_half_a_model() {
    let folder = Folder::new();
    folder.put("0.tar.gz", &day(1), 60);
    let mut rotator = Rotator::open(folder.settings()).unwrap();
    rotator.pass(folder.now(), &Quiet, false).unwrap();
    let latest = folder.path("latest.tar.gz");
    let (opened, over) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let file = fs::File::open(&latest).expect("there is always one");
                    let found = inspect(file).unwrap();
                    assert!(matches!(found, Verdict::Complete(_)), "{found:?}");
                    opened.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let start = Timestamp::from_second(1_650_000_000).unwrap();
        for round in 1..=1_000_i64 {
            let trained_at = (start + SignedDuration::from_secs(round)).to_string();
            folder.put(&format!("{round}.tar.gz"), &rasa3(&trained_at), 60);
            let report = rotator.pass(folder.now(), &Quiet, false).unwrap();
            assert_eq!(report.published, Some(format!("{round}.tar.gz")));
            assert!(report.kept.len() <= 3);
        }
        over.store(true, Ordering::Relaxed);
    });
    assert!(opened.into_inner() > 0);
}

#[test]
fn ten_thousand_other_files_do_not_matter() {
    let folder = Folder::new();
    for at in 0..10_000 {
        fs::write(folder.path(&format!("log-{at}.txt")), b"").unwrap();
    }
    folder.put("a.tar.gz", &day(1), 60);
    assert_eq!(folder.rotate(folder.settings()).published.as_deref(), Some("a.tar.gz"));
    assert_eq!(folder.names().len(), 10_002);
}

#[test]
fn what_a_killed_process_left_is_cleared_away() {
    let folder = Folder::new();
    folder.put("a.tar.gz", &day(1), 60);
    folder.put(".latest.tar.gz.4711.part", &noise(100), 60);
    folder.put(".other.part", b"mine", 60);
    folder.rotate(folder.settings());
    assert_eq!(folder.names(), [".other.part", "a.tar.gz", "latest.tar.gz"]);
}
