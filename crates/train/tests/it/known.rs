use intendant_train::files::write_whole;
use intendant_train::known::Known;
use intendant_train::{models, plan};

use crate::{PROJECT, SEED, recipe, train, train_cold};

#[test]
fn parts_come_from_whichever_model_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| write_whole(&folder.path().join(name), bytes).unwrap();
    put("old.tar.gz", &train_cold(PROJECT, 1).archive);
    put("foreign.tar.gz", b"something else");
    let other =
        PROJECT.replace("- hello\n", "- hello\n      - howdy\n").replace("max_history: 5", "max_history: 4");
    put("new.tar.gz", &train_cold(&other, 1).archive);

    // The examples of the old model with the policies of the new one.
    let mixed = PROJECT.replace("max_history: 5", "max_history: 4");
    let recipe = recipe(&mixed);
    let known = Known::of(folder.path(), SEED).unwrap();
    assert_eq!(known.files.len(), 2);
    let plan = plan::plan(&recipe, recipe.trainable().unwrap(), Some(&known.metadata));
    assert_eq!(plan.trained().count(), 0);
    assert!(!plan.is_up_to_date);
    let parts = known.parts(&plan);
    assert_eq!(parts.len(), plan.parts.len());
    assert!(train(&recipe, &plan, Some(parts), 1).archive == train_cold(&mixed, 1).archive);

    // Models that vanish, break or are replaced after planning are no harm.
    std::fs::remove_file(folder.path().join("new.tar.gz")).unwrap();
    put("old.tar.gz", &train_cold(&other, 1).archive);
    let parts = known.parts(&plan);
    assert!(parts.len() < plan.parts.len());
    assert!(train(&recipe, &plan, Some(parts), 1).archive == train_cold(&mixed, 1).archive);
    put("old.tar.gz", b"cut off");
    assert!(known.parts(&plan).is_empty());
    assert!(Known::of(folder.path(), SEED + 1).unwrap().files.is_empty());
    assert!(Known::of(&folder.path().join("none"), SEED).unwrap().files.is_empty());
    assert_eq!(models::newest(&folder.path().join("none")).unwrap(), None);
}

#[test]
fn writers_at_once_leave_one_whole_file_and_no_scraps() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.tar.gz");
    let scrap = folder.path().join(".model.tar.gz.1-0.part");
    std::fs::write(&scrap, "half").unwrap();
    let two_hours_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(7_200);
    std::fs::File::open(&scrap).unwrap().set_modified(two_hours_ago).unwrap();
    std::thread::scope(|scope| {
        for writer in 0..8_u8 {
            let path = &path;
            scope.spawn(move || write_whole(path, &vec![writer; 300_000]).unwrap());
        }
    });
    let bytes = std::fs::read(&path).unwrap();
    assert!(bytes.len() == 300_000 && bytes.iter().all(|byte| *byte == bytes[0]));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
