//! Interactive learning: the page with the graph, the files that are written.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fixtures::http::Connection;

use crate::{binary, trained_starter};

/// How long a picture may take to show what was said.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn the_graph_follows_the_conversation_and_the_files_stay_as_they_were_written() {
    let sandbox = trained_starter();
    let read = |path: &str| std::fs::read_to_string(sandbox.at(path)).unwrap();
    let (stories, nlu) = (read("data/stories.yml"), read("data/nlu.yml"));
    let mut child = Command::new(binary())
        .args(["interactive", "-m", "models", "-p", "0", "--e2e"])
        .current_dir(sandbox.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    output.read_line(&mut first).unwrap();
    let port: u16 = first.trim().trim_end_matches('/').rsplit(':').next().unwrap().parse().unwrap();
    let picture = |path: &str| {
        let mut connection = Connection::open(port).unwrap();
        connection.send("GET", path, &[], &[]).unwrap()
    };
    let wait_for = |part: &str| {
        let start = Instant::now();
        loop {
            let svg = picture("/graph.svg").text();
            if svg.contains(part) {
                return svg;
            }
            assert!(start.elapsed() < PATIENCE, "no {part} in {svg}");
            std::thread::yield_now();
        }
    };
    let page = picture("/").text();
    assert!(page.contains("/graph.js") && !page.contains("<script>"), "{page}");
    writeln!(input, "hi, how do you do").unwrap();
    writeln!(input, "n\ngreet\n\n").unwrap();
    let svg = wait_for(">utter_greet<");
    assert!(svg.contains("current"), "{svg}");
    writeln!(input, "\n:save\n\n\n").unwrap();
    drop(input);
    let mut rest = String::new();
    for line in output.lines() {
        rest.push_str(&format!("{}\n", line.unwrap()));
    }
    assert!(child.wait().unwrap().success(), "{rest}");
    let added = "  - story: interactive_story_1\n    steps:\n    - intent: greet\n      user: |-\n        hi, how do you do\n    \
        - action: utter_greet\n";
    assert_eq!(
        read("data/stories.yml"),
        format!("{}\n{added}", stories.trim_end_matches('\n').to_owned() + "\n")
    );
    let example = "      - hi, how do you do\n";
    assert_eq!(read("data/nlu.yml").replacen(example, "", 1), nlu, "{rest}");
}
