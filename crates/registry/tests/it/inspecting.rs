//! What a file turns out to be.

use intendant_registry::inspect::{Origin, Verdict, inspect};

use crate::archives::{Maker, noise, ours, rasa2, rasa3};

fn verdict(bytes: &[u8]) -> Verdict {
    inspect(bytes).unwrap()
}

#[test]
fn models_of_all_trainers_are_known() {
    let check = |bytes: &[u8], origin: Origin, trained_at: Option<&str>| {
        let Verdict::Complete(model) = verdict(bytes) else { panic!("{:?}", verdict(bytes)) };
        assert_eq!(model.origin, origin);
        assert_eq!(model.trained_at.map(|moment| moment.to_string()).as_deref(), trained_at);
        assert_eq!(model.bytes, bytes.len() as u64);
        assert_eq!(model.digest.len(), 64);
    };
    check(&rasa3("2022-02-03T10:11:12.131415"), Origin::Rasa3, Some("2022-02-03T10:11:12.131415Z"));
    check(&rasa3("2022-02-03T10:11:12+02:00"), Origin::Rasa3, Some("2022-02-03T08:11:12Z"));
    check(&rasa3("some day"), Origin::Rasa3, None);
    check(&rasa2(1_643_883_072.5), Origin::Rasa2, Some("2022-02-03T10:11:12.5Z"));
    check(&ours("a"), Origin::Intendant, None);
}

#[test]
fn an_archive_cut_anywhere_is_incomplete() {
    let whole = rasa3("2022-02-03T10:11:12");
    for length in (0..whole.len()).step_by(64).chain(whole.len() - 12..whole.len()) {
        let found = verdict(&whole[..length]);
        assert!(matches!(found, Verdict::Incomplete(_)), "{length} of {}: {found:?}", whole.len());
    }
}

#[test]
fn a_changed_byte_is_found() {
    let whole = ours("a");
    for place in (20..whole.len()).step_by(37) {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x10;
        assert!(!matches!(verdict(&bytes), Verdict::Complete(_)), "byte {place}");
    }
    let mut longer = whole.clone();
    longer.extend(b"and more");
    assert!(matches!(verdict(&longer), Verdict::Incomplete(_)));
}

#[test]
fn what_no_careful_reader_unpacks_is_refused() {
    let metadata: &[u8] = b"{\"trained_at\": \"2022-02-03T10:11:12\"}";
    let model = || Maker::new().file("metadata.json", metadata);
    let check = |maker: Maker, why: &str| {
        let found = verdict(&maker.bytes());
        assert!(matches!(&found, Verdict::Refused(reason) if reason.contains(why)), "{why}: {found:?}");
    };
    check(Maker::new().file("notes.txt", b"hello"), "not a model");
    check(model().file("../../etc/cron.d/evil", b"x"), "outside");
    check(model().file("/etc/passwd", b"x"), "outside");
    check(model().member("link", tar::EntryType::Symlink, b""), "link");
    check(model().member("pipe", tar::EntryType::Fifo, b""), "link");
    check(Maker::new().file("metadata.json", b"{\"trained_at\""), "not JSON");
    check(model().file("zeros", &vec![0; 200 << 20]), "unpacks to far more");
    let many = (0..20_001).fold(model(), |maker, at| maker.file(&format!("{at}"), b""));
    check(many, "members");
    // A large member of ordinary content is fine.
    assert!(matches!(verdict(&model().file("weights", &noise(2 << 20)).bytes()), Verdict::Complete(_)));
}
