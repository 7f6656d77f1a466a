//! Archives: what is written is read, the same values give the same bytes, damage is noticed.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use intendant_bundle::{ARCHIVE_FORMAT, Bundle, Kind, Metadata, TrainingType, read, read_metadata, write};
use intendant_component::stored::{Stored, Tensor, TensorData};
use serde_json::json;

fn bundle() -> Bundle {
    let tensors = BTreeMap::from([
        ("bytes".to_owned(), Tensor::flat(TensorData::U8(vec![1, 2, 255]))),
        (
            "matrix".to_owned(),
            Tensor { shape: vec![2, 2], data: TensorData::F32(vec![0.5, -1.0, 2.0, 1e-9]) },
        ),
        ("offsets".to_owned(), Tensor::flat(TensorData::U32(vec![0, 7, u32::MAX]))),
        ("small".to_owned(), Tensor::flat(TensorData::I8(vec![-128, 127]))),
        ("pairs".to_owned(), Tensor::flat(TensorData::I16(vec![-32768, 1]))),
    ]);
    Bundle {
        metadata: Metadata {
            format: ARCHIVE_FORMAT,
            kind: "assistant".to_owned(),
            model_id: "abc".to_owned(),
            assistant_id: "demo".to_owned(),
            training_type: TrainingType::Both,
            language: Some("de".to_owned()),
            product_version: "0.1.0".to_owned(),
            config: json!({"pipeline": [{"name": "WhitespaceTokenizer"}]}).as_object().cloned().unwrap(),
            fingerprints: BTreeMap::from([("nlu".to_owned(), "00ff".to_owned())]),
            metrics: Default::default(),
            nodes: vec!["classifier".to_owned(), "policy".to_owned()],
            checksums: BTreeMap::new(),
        },
        domain: json!({"intents": ["gruß"], "version": "3.1"}).as_object().cloned().unwrap(),
        components: vec![
            ("classifier".to_owned(), Stored { state: json!({"labels": ["a"]}), tensors }),
            ("policy".to_owned(), Stored { state: json!(null), tensors: BTreeMap::new() }),
        ],
    }
}

#[test]
fn what_is_written_is_read() {
    let bundle = bundle();
    let bytes = write(&bundle).unwrap();
    let mut found = read(&bytes).unwrap();
    assert_eq!(found.metadata.checksums.len(), 4);
    assert_eq!(read_metadata(&bytes).unwrap(), found.metadata);
    found.metadata.checksums.clear();
    assert_eq!(found, bundle);
    assert_eq!(write(&found).unwrap(), bytes, "the same values give the same bytes");
}

#[test]
fn damage_is_noticed_at_every_byte() {
    let bundle = bundle();
    let bytes = write(&bundle).unwrap();
    for cut in 0..bytes.len() {
        assert!(read(&bytes[..cut]).is_err(), "cut to {cut} bytes");
    }
    let whole = read(&bytes).unwrap();
    for idx in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[idx] ^= 0x55;
        // A flipped bit in the gzip header's free fields changes nothing that is read.
        if let Ok(found) = read(&damaged) {
            assert_eq!(found, whole, "byte {idx}");
        }
    }
}

#[test]
fn foreign_and_newer_archives_are_refused_by_name() {
    let error = read(b"not an archive").unwrap_err();
    assert_eq!(error.kind, Kind::Damaged);
    let mut bundle = bundle();
    bundle.metadata.format = ARCHIVE_FORMAT + 1;
    let bytes = write(&bundle).unwrap();
    let error = read(&bytes).unwrap_err();
    assert_eq!(error.kind, Kind::Unsupported);
    assert!(error.to_string().contains("archive format 2"), "{error}");
}
