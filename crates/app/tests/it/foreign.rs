//! Models trained elsewhere whose files are elsewhere too.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::mpsc;

use fixtures::project::Sandbox;
use serde_json::json;

use crate::{intendant, succeed};

/// One split: rows below 40 are 1, others 2.
const MODEL: &str = "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nmax_feature_idx=0\nobjective=regression\n\
    feature_names=age\nfeature_infos=[18:80]\ntree_sizes=1\n\nTree=0\nnum_leaves=2\nnum_cat=0\nsplit_feature=0\n\
    threshold=40\ndecision_type=8\nleft_child=-1\nright_child=-2\nleaf_value=1 2\nleaf_count=10 30\ninternal_count=40\n\
    is_linear=0\nshrinkage=1\n\n\nend of trees\n";
/// What `sha256sum` says of it.
const DIGEST: &str = "3c7b299bed17e652bc5d10370cf83fe54367ab88cec89d67d4bc1efebe6ac655";

fn declared(place: &str, digest: Option<&str>) -> Sandbox {
    let sandbox = Sandbox::empty().unwrap();
    declare(&sandbox, place, digest);
    sandbox.write("rows.csv", "age\n30\n50\n").unwrap();
    sandbox
}

fn declare(sandbox: &Sandbox, place: &str, digest: Option<&str>) {
    let mut model = json!({"file": place});
    if let Some(digest) = digest {
        model["sha256"] = digest.into();
    }
    sandbox.write("predictors/old.yml", &json!({"kind": "foreign", "model": model}).to_string()).unwrap();
}

#[track_caller]
fn predicts(sandbox: &Sandbox) {
    let told = succeed(sandbox.path(), &["predict", "old", "--input", "rows.csv", "--output", "-"]);
    let predicted: Vec<&str> = told.lines().skip(1).filter_map(|line| line.rsplit(',').next()).collect();
    assert!(predicted.starts_with(&["1", "2"]) || predicted.starts_with(&["1.0", "2.0"]), "{told}");
}

#[track_caller]
fn refuses(sandbox: &Sandbox, expected: &str) {
    let output = intendant(sandbox.path(), &["predict", "old", "--input", "rows.csv", "--output", "-"]);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && message.contains(expected), "{expected}: {message}");
}

/// A file at an address, with a tag; tells with which tag it was asked for. It ends when the receiver is dropped.
fn address() -> (String, mpsc::Receiver<Option<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/old.txt", listener.local_addr().unwrap());
    let (sender, asked) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (mut reader, mut tag, mut line) = (BufReader::new(stream), None, String::new());
            while reader.read_line(&mut line).is_ok_and(|length| length > 2) {
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("if-none-match: ") {
                    tag = Some(value.trim().to_owned());
                }
                line.clear();
            }
            let answer = match tag {
                None => format!("200 OK\r\nETag: \"1\"\r\nContent-Length: {}\r\n\r\n{MODEL}", MODEL.len()),
                Some(_) => "304 Not Modified\r\n\r\n".to_owned(),
            };
            if sender.send(tag).is_err() {
                return;
            }
            let _ = write!(
                reader.get_mut(),
                "HTTP/1.1 {}",
                answer.replacen("\r\n", "\r\nConnection: close\r\n", 1)
            );
        }
    });
    (url, asked)
}

#[test]
fn a_model_is_fetched_once_and_its_copy_used_while_its_place_is_away() {
    let (url, asked) = address();
    let sandbox = declared(&url, None);
    predicts(&sandbox);
    predicts(&sandbox);
    assert_eq!([asked.recv().unwrap(), asked.recv().unwrap()], [None, Some("\"1\"".to_owned())]);
    // With a digest nothing is asked once the copy has it.
    declare(&sandbox, &url, Some(DIGEST));
    predicts(&sandbox);
    assert!(asked.try_recv().is_err());
    declare(&sandbox, &url, Some(&"0".repeat(64)));
    refuses(&sandbox, &format!("is not the file that `model.sha256` declares: it has {DIGEST}"));
    // Nobody answers any more: the next connection is the last.
    drop(asked);
    declare(&sandbox, &url, None);
    predicts(&sandbox);
    let nowhere = declared("http://127.0.0.1:1/old.txt", None);
    refuses(&nowhere, "cannot connect to http://127.0.0.1:1/old.txt");
}

#[test]
fn a_model_comes_from_an_object_store_and_a_pickle_from_nowhere() {
    let store = Sandbox::empty().unwrap();
    store.write("old.txt", MODEL).unwrap();
    let place = |name: &str| format!("file://{}/{name}", store.path().display());
    let sandbox = declared(&place("old.txt"), Some(DIGEST));
    predicts(&sandbox);
    declare(&sandbox, &place("other.txt"), None);
    refuses(&sandbox, "cannot read other.txt");
    store.write("old.pkl", "\u{80}\u{4}").unwrap();
    declare(&sandbox, &place("old.pkl"), None);
    refuses(
        &sandbox,
        "`old.pkl` is a pickle, a program that would be run: export the model where it was trained",
    );
}
