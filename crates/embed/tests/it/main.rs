//! Tiny models with random weights, against arithmetic written out in double precision.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use fixtures::language_model::{HEADS, LAYERS, POSITIONS, Tensor, Tiny, WIDTH, layer_names};
use intendant_embed::{Encoder, Files};

const WORDS: [&[&str]; 4] = [&["hello", "hi"], &["bye"], &["table"], &["!"]];
const TINY: Tiny<'static> = Tiny { architecture: "bert", number_type: "F32", words: &WORDS, seed: 7 };

fn encoder(files: &Files) -> Encoder {
    Encoder::read(files).unwrap()
}

/// The encoder by the book: every sum written out, vectors of all pieces.
struct Reference {
    tensors: BTreeMap<String, Tensor>,
    is_bert: bool,
}

type Rows = Vec<Vec<f64>>;

impl Reference {
    fn get(&self, name: &str) -> Vec<f64> {
        self.tensors[name].1.iter().map(|value| f64::from(*value)).collect()
    }

    fn row(&self, name: &str, row: usize) -> Vec<f64> {
        self.get(name)[row * WIDTH..(row + 1) * WIDTH].to_vec()
    }

    fn linear(&self, name: &str, rows: &Rows) -> Rows {
        let (weights, bias) = (self.get(&format!("{name}.weight")), self.get(&format!("{name}.bias")));
        let product = |row: &Vec<f64>| {
            let sum = |(out, bias): (usize, &f64)| {
                bias + row
                    .iter()
                    .enumerate()
                    .map(|(at, value)| value * weights[out * row.len() + at])
                    .sum::<f64>()
            };
            bias.iter().enumerate().map(sum).collect()
        };
        rows.iter().map(product).collect()
    }

    fn norm(&self, name: &str, rows: &Rows, more: &Rows) -> Rows {
        let (scale, shift) = (self.get(&format!("{name}.weight")), self.get(&format!("{name}.bias")));
        let one = |(row, more): (&Vec<f64>, &Vec<f64>)| {
            let sum: Vec<f64> = row.iter().zip(more).map(|(a, b)| a + b).collect();
            let mean = sum.iter().sum::<f64>() / sum.len() as f64;
            let variance = sum.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / sum.len() as f64;
            (0..sum.len())
                .map(|at| (sum[at] - mean) / (variance + 1e-12).sqrt() * scale[at] + shift[at])
                .collect()
        };
        rows.iter().zip(more).map(one).collect()
    }

    fn attend(&self, names: &[String; 8], rows: &Rows) -> Rows {
        let [query, key, value] = [0, 1, 2].map(|part| self.linear(&names[part], rows));
        let size = WIDTH / HEADS;
        let mut seen = vec![vec![0.0; WIDTH]; rows.len()];
        for head in 0..HEADS {
            let part = head * size..(head + 1) * size;
            for (token, seen) in seen.iter_mut().enumerate() {
                let score = |other: usize| -> f64 {
                    part.clone().map(|at| query[token][at] * key[other][at]).sum::<f64>()
                        / (size as f64).sqrt()
                };
                let scores: Vec<f64> = (0..rows.len()).map(|other| score(other).exp()).collect();
                let total: f64 = scores.iter().sum();
                for at in part.clone() {
                    seen[at] = (0..rows.len()).map(|other| scores[other] / total * value[other][at]).sum();
                }
            }
        }
        self.linear(&names[3], &seen)
    }

    fn pieces(&self, ids: &[usize]) -> Rows {
        let words = ids.iter().map(|id| self.row("embeddings.word_embeddings.weight", *id)).collect();
        let place = |position: usize| {
            let mut row = self.row("embeddings.position_embeddings.weight", position);
            if self.is_bert {
                let first_type = self.row("embeddings.token_type_embeddings.weight", 0);
                row.iter_mut().zip(first_type).for_each(|(at, more)| *at += more);
            }
            row
        };
        let mut rows = self.norm("embeddings.LayerNorm", &words, &(0..ids.len()).map(place).collect());
        for layer in 0..LAYERS {
            let names = layer_names(self.is_bert, layer);
            rows = self.norm(&names[6], &rows, &self.attend(&names, &rows));
            let mut inner = self.linear(&names[4], &rows);
            // The Gaussian's share below x, by summing up its density.
            let below = |x: f64| {
                let step = x / 2000.0;
                let density = |at: f64| (-at * at / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
                0.5 + (0..2000).map(|at| density((f64::from(at) + 0.5) * step) * step).sum::<f64>()
            };
            inner.iter_mut().flatten().for_each(|x| *x *= below(*x));
            rows = self.norm(&names[7], &rows, &self.linear(&names[5], &inner));
        }
        rows
    }
}

fn assert_close(found: &[f32], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        assert!((f64::from(*found) - expected).abs() < 2e-5, "{what}: {found} {expected}");
    }
}

#[test]
fn vectors_are_those_of_the_definition() {
    // The vocabulary: four marks, `##s`, then the words.
    let texts: [(&str, &[usize]); 4] = [
        ("Hello, tables!", &[2, 5, 1, 8, 4, 9, 3]),
        ("hi", &[2, 6, 3]),
        ("", &[2, 3]),
        ("bye bye xyz", &[2, 7, 7, 1, 3]),
    ];
    for architecture in ["bert", "distilbert"] {
        for number_type in ["F32", "F16", "BF16"] {
            let tiny = Tiny { architecture, number_type, ..TINY };
            let encoder = encoder(&tiny.files());
            let reference = Reference { tensors: tiny.tensors(), is_bert: architecture == "bert" };
            let encodings = encoder.encode(&texts.map(|(text, _)| text), 2);
            for ((text, ids), encoding) in texts.iter().zip(encodings) {
                let what = format!("{architecture} {number_type} `{text}`");
                let rows = reference.pieces(ids);
                let inner: Vec<f64> = rows[1..rows.len() - 1].iter().flatten().copied().collect();
                assert_close(&encoding.pieces, &inner, &what);
                let mean: Vec<f64> = (0..WIDTH)
                    .map(|at| rows.iter().map(|row| row[at]).sum::<f64>() / rows.len() as f64)
                    .collect();
                assert_close(&encoding.sentence, &mean, &what);
                assert_eq!(encoding.spans.len(), ids.len() - 2);
            }
        }
    }
}

#[test]
fn sentences_are_pooled_as_the_folder_says() {
    let plain = encoder(&TINY.files()).encode(&["hello table"], 1).remove(0);
    let pooled = |mode: &str, modules: &str| {
        let mut files = TINY.files();
        files.insert("1_Pooling/config.json".into(), format!("{{\"{mode}\": true}}").into_bytes());
        files.insert("modules.json".into(), modules.as_bytes().to_vec());
        encoder(&files).encode(&["hello table"], 1).remove(0)
    };
    let reference = Reference { tensors: TINY.tensors(), is_bert: true };
    let rows = reference.pieces(&[2, 5, 8, 3]);
    let first = pooled("pooling_mode_cls_token", "[]");
    assert_close(&first.sentence, &rows[0], "first");
    let top: Vec<f64> =
        (0..WIDTH).map(|at| rows.iter().map(|row| row[at]).fold(f64::MIN, f64::max)).collect();
    assert_close(&pooled("pooling_mode_max_tokens", "[]").sentence, &top, "max");
    let normal =
        pooled("pooling_mode_mean_tokens", r#"[{"type": "sentence_transformers.models.Normalize"}]"#);
    let length = plain.sentence.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    let expected: Vec<f64> = plain.sentence.iter().map(|value| f64::from(*value) / length).collect();
    assert_close(&normal.sentence, &expected, "normalized");
}

#[test]
fn a_text_has_one_vector_whatever_it_is_encoded_with() {
    let encoder = encoder(&TINY.files());
    let texts: Vec<String> =
        (0..60).map(|n| "hello bye table! ".repeat(n % 7) + &"hi ".repeat(n % 5)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let alone: Vec<_> = texts.iter().flat_map(|text| encoder.encode(&[text], 1)).collect();
    for threads in [1, 2, 3] {
        assert_eq!(encoder.encode(&texts, threads), alone);
    }
    assert_eq!(alone[6].spans.len(), POSITIONS - 2, "long texts are cut off");
    assert!(encoder.encode(&[], 2).is_empty());
}

#[test]
fn spans_lie_on_characters_of_any_text() {
    let encoder = encoder(&TINY.files());
    for text in
        ["Ħëllo\u{301}ß 中文hi\u{0}!", "\u{202e}hi\u{feff}", "🙂hi🙂🙂", "İstanbul ǆ", "\u{1100}\u{1161}각"]
    {
        let mut end = 0;
        for (start, stop) in encoder.encode(&[text], 1).remove(0).spans {
            assert!(start >= end || stop == end, "{text}: in order");
            assert!(text.get(start..stop).is_some_and(|piece| !piece.is_empty()), "{text}: {start}..{stop}");
            end = stop;
        }
    }
}

#[test]
fn what_is_wrong_with_a_folder_is_named() {
    let check = |change: &dyn Fn(&mut Files), expected: &str| {
        let mut files = TINY.files();
        change(&mut files);
        let error = Encoder::read(&files).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(expected), "{error:?} lacks {expected:?}");
    };
    let replace = |files: &mut Files, name: &str, from: &str, to: &str| {
        let text = String::from_utf8(files[name].clone()).unwrap().replace(from, to);
        files.insert(name.to_owned(), text.into_bytes());
    };
    for name in ["config.json", "model.safetensors"] {
        check(&|files| drop(files.remove(name)), &format!("there is no {name}"));
    }
    check(&|files| drop(files.remove("tokenizer.json")), "neither tokenizer.json nor vocab.txt");
    check(&|files| drop(files.insert("config.json".into(), b"{".to_vec())), "config.json is not JSON");
    check(
        &|files| replace(files, "config.json", "\"bert\"", "\"gpt2\""),
        "the `model_type` gpt2; supported are bert",
    );
    check(
        &|files| replace(files, "config.json", "\"gelu\"", "\"mish\""),
        "the activation mish; supported are gelu",
    );
    check(&|files| replace(files, "config.json", ":32", ":-1"), "`hidden_size` is no number between");
    check(
        &|files| replace(files, "config.json", ":32", ":30"),
        "has the shape [10, 32]; by config.json it is [10, 30]",
    );
    check(&|files| replace(files, "config.json", ":2", ":3"), "no multiple of the number of heads");
    check(
        &|files| replace(files, "tokenizer.json", "WordPiece", "Unigram"),
        "a model of type Unigram; supported are",
    );
    check(
        &|files| drop(files.insert("model.safetensors".into(), vec![1; 64])),
        "model.safetensors is not readable",
    );
    check(
        &|files| {
            files.remove("model.safetensors");
            files.insert("pytorch_model.bin".into(), Vec::new());
        },
        "pytorch_model.bin may hold code and is not read",
    );
    let cut = |files: &mut Files| {
        let bytes = &files["model.safetensors"];
        let half = bytes[..bytes.len() / 2].to_vec();
        files.insert("model.safetensors".into(), half);
    };
    check(&cut, "model.safetensors is not readable");
}

#[test]
fn older_folders_with_a_list_of_pieces_work() {
    let mut files = TINY.files();
    let expected = encoder(&files).encode(&["Hello tables"], 1);
    files.remove("tokenizer.json");
    files.insert("vocab.txt".into(), TINY.vocabulary().join("\n").into_bytes());
    assert_eq!(encoder(&files).encode(&["Hello tables"], 1), expected);
    files.insert("tokenizer_config.json".into(), br#"{"do_lower_case": false}"#.to_vec());
    assert_ne!(encoder(&files).encode(&["Hello tables"], 1), expected);
}
