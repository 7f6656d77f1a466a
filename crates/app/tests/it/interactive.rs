//! Interactive learning: the page with the graph, the files that are written.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use fixtures::browser::Browser;
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

/// A terminal of its own, as a person would sit at it: `script` gives one to the program.
struct Seat {
    child: Child,
    keys: ChildStdin,
    shown: Receiver<Vec<u8>>,
    text: String,
}

impl Seat {
    fn take(folder: &Path, arguments: &str) -> Self {
        let command = format!("stty rows 40 cols 120; exec '{}' {arguments}", binary().display());
        let mut child = Command::new("script")
            .args(["-qec", &command, "/dev/null"])
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let keys = child.stdin.take().unwrap();
        let mut output = child.stdout.take().unwrap();
        let (sender, shown) = channel();
        std::thread::spawn(move || {
            let mut bytes = vec![0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                if sender.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, keys, shown, text: String::new() }
    }

    /// Waits until this is shown, and forgets what came before; control sequences are left out.
    fn sees(&mut self, part: &str) -> String {
        loop {
            let plain = without_controls(&self.text);
            if let Some(start) = plain.find(part) {
                let before = plain[..start].to_owned();
                self.text = plain[start + part.len()..].to_owned();
                return before;
            }
            let bytes = self.shown.recv_timeout(PATIENCE);
            let bytes = bytes.unwrap_or_else(|_| panic!("never shown: {part}; shown: {plain}"));
            self.text.push_str(&String::from_utf8_lossy(&bytes));
        }
    }

    fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }
}

impl Drop for Seat {
    /// Without its terminal the program ends.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Text as it is read: without colours and movements of the cursor.
fn without_controls(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, sequence)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        let Some(end) = sequence.find(|c: char| c.is_ascii_alphabetic()) else {
            // The rest of it is still to come.
            return format!("{plain}\u{1b}[{sequence}");
        };
        rest = &sequence[end + 1..];
    }
    plain + rest
}

#[test]
fn a_person_at_a_terminal_confirms_corrects_undoes_and_saves() {
    if Command::new("script").arg("--version").output().is_err() {
        eprintln!("skipped: `script` of util-linux is not installed");
        return;
    }
    let sandbox = trained_starter();
    let mut seat = Seat::take(sandbox.path(), "interactive -m models -p 0");
    seat.sees("The story graph is at ");
    let graph = seat.sees("\r\n");
    seat.sees("Your input ->");
    seat.types("hello there my dear\r");
    seat.sees("'hello there my dear' means 'greet'");
    seat.types("y");
    seat.sees("The bot wants to run 'utter_greet'");
    seat.types("n");
    // A list is searched by typing.
    seat.sees("What should the bot do next?");
    seat.types("happy");
    seat.sees("› happy");
    seat.types("\r");
    seat.sees("Bot: Wonderful, keep it up!");
    seat.sees("correct?");
    let mut browser = Browser::open().unwrap();
    let mut draws = |part: &str| {
        let Some(browser) = &mut browser else { return eprintln!("skipped: chromedriver is not installed") };
        browser.go(&graph).unwrap();
        browser.wait_for(&format!("document.body.innerText.includes('{part}')")).unwrap();
    };
    draws("utter_happy");

    // Escape asks what else; one step back, the other action is right after all.
    seat.types("\u{1b}");
    seat.sees("What now?");
    seat.types("Undo\r");
    seat.sees("The last step is undone.");
    seat.sees("The bot wants to run 'utter_greet'");
    seat.types("y");
    seat.sees("Bot: Hello! How is your day going?");
    seat.sees("The bot wants to run 'action_listen'");
    seat.types("y");
    seat.sees("Your input ->");
    seat.types("splendid as ever\r");
    seat.sees("correct?");
    // Control-C does too, and nothing is lost by it.
    seat.types("\u{3}");
    seat.sees("What now?");
    seat.types("\r");
    seat.sees("Your input ->");
    seat.types(":save\r");
    seat.sees("stories.yml");
    seat.types("\r");
    seat.sees("nlu.yml");
    seat.types("\r");
    seat.sees("hello there my dear");
    seat.sees("(y/n)");
    seat.types("y");
    assert!(seat.child.wait().unwrap().success());
    let stories = std::fs::read_to_string(sandbox.at("data/stories.yml")).unwrap();
    let added =
        "  - story: interactive_story_1\n    steps:\n    - intent: greet\n    - action: utter_greet\n";
    assert!(stories.ends_with(added), "{stories}");
    let nlu = std::fs::read_to_string(sandbox.at("data/nlu.yml")).unwrap();
    assert!(nlu.contains("      - hello there my dear\n"), "{nlu}");
}
