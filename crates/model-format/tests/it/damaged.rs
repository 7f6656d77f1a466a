//! Files that are cut, changed, or something else altogether.

use intendant_model_format::{ErrorKind, Foreign};
use intendant_numeric::random::Random;
use intendant_table::{Column, Table};

/// Cuts and changes a file in many ways; what is read nevertheless must be askable.
pub fn shake(bytes: &[u8], name: &str, times: usize) {
    let mut random = Random::new(7);
    for _ in 0..times {
        let mut changed = bytes.to_vec();
        if random.below(3) == 0 {
            changed.truncate(random.below(bytes.len()));
        }
        for _ in 0..random.below(6) {
            if !changed.is_empty() {
                let at = random.below(changed.len());
                changed[at] = random.next_u64() as u8;
            }
        }
        if let Ok(model) = Foreign::read(&changed, name) {
            let number = |name: String| (name, Column::Number(vec![1.0, f64::NAN, -3.5, 1e300]));
            let columns = model.signature().fields.iter().map(|field| number(field.name.clone())).collect();
            if let Ok(table) = Table::new(columns) {
                let _ = model.predict(&table);
                let _ = model.explain(&table);
            }
        }
    }
}

#[test]
fn programs_and_unknown_files_are_refused() {
    #[track_caller]
    fn check(bytes: &[u8], name: &str, kind: ErrorKind, expected: &str) {
        let error = Foreign::read(bytes, name).unwrap_err();
        assert!(error.kind == kind && error.to_string().contains(expected), "{name}: {error}");
    }
    check(b"\x80\x04\x95\x10", "model.bin", ErrorKind::Format, "skl2onnx.to_onnx");
    check(b"anything", "model.joblib", ErrorKind::Format, "is a pickle, a program that would be run");
    check(b"hello", "model.txt", ErrorKind::Format, "none of the formats");
    check(b"", "model.onnx", ErrorKind::Format, "none of the formats");
    check(b"{}", "model.json", ErrorKind::Damaged, "no `learner`");
    check(b"{\"learner\": [", "model.json", ErrorKind::Damaged, "broken at line 1");
    check(b"tree\nversion=v4\n", "model.txt", ErrorKind::Damaged, "`num_tree_per_iteration` is missing");
    check(b"{L\xff\xff\xff\xff\xff\xff\xff\xff", "model.ubj", ErrorKind::Damaged, "a length is no number");
    check(b"\x08\x07\x3a\x02\x0a\x00", "model.onnx", ErrorKind::Damaged, "no graph");
}
