//! Scripted sessions on the command line: `tests/cli/*.md` in an empty folder, and the `console` blocks of `docs/` in a
//! copy of `examples/advisor`.
//!
//! A fenced block ```` ```file PATH ```` writes a file; a block ```` ```console ```` runs each line that starts with `$ ` and
//! compares what follows with standard output and standard error together. `…` stands for anything within a line, a
//! line of only `…` for any lines, `< FILE` at the end of a command gives it that file to read, `[exit N]` for the exit code when it is not 0. `UPDATE=1` rewrites the expectations
//! that contain no `…`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use fixtures::project::Sandbox;

use crate::{intendant_reading, repository};

#[test]
fn scripted_sessions() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli");
    let mut scripts: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    scripts.sort();
    assert!(!scripts.is_empty());
    let failures: Vec<String> =
        scripts.iter().filter_map(|script| play(script, &Sandbox::empty().unwrap())).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn documentation_examples() {
    let mut pages: Vec<PathBuf> =
        fs::read_dir(repository().join("docs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.retain(|page| page.extension().is_some_and(|ending| ending == "md"));
    pages.sort();
    let failures: Vec<String> = pages
        .iter()
        .filter(|page| fs::read_to_string(page).unwrap().contains("\n$ intendant"))
        .filter_map(|page| play(page, &Sandbox::copy_of(&repository().join("examples/advisor")).unwrap()))
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Plays a script; what differs is returned, or rewritten when asked to.
fn play(script: &Path, sandbox: &Sandbox) -> Option<String> {
    let text = fs::read_to_string(script).unwrap();
    let mut rewritten = String::new();
    let mut differences = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        rewritten.push_str(line);
        rewritten.push('\n');
        let Some(info) = line.strip_prefix("```").filter(|info| !info.is_empty()) else {
            continue;
        };
        let block: Vec<&str> = lines.by_ref().take_while(|line| !line.starts_with("```")).collect();
        match info.split_once(' ') {
            Some(("file", path)) => {
                sandbox.write(path, &format!("{}\n", block.join("\n"))).unwrap();
                rewritten.push_str(&joined(&block));
            }
            _ if info == "console" => {
                rewritten.push_str(&play_block(&block, script, sandbox, &mut differences))
            }
            _ => rewritten.push_str(&joined(&block)),
        }
        rewritten.push_str("```\n");
    }
    if differences.is_empty() {
        return None;
    }
    if std::env::var("UPDATE").is_ok_and(|update| update == "1") {
        fs::write(script, rewritten).unwrap();
        return None;
    }
    Some(differences)
}

fn joined(block: &[&str]) -> String {
    block.iter().map(|line| format!("{line}\n")).collect()
}

fn play_block(block: &[&str], script: &Path, sandbox: &Sandbox, differences: &mut String) -> String {
    let mut rewritten = String::new();
    let mut idx = 0;
    while idx < block.len() {
        let command = block[idx];
        let end = block[idx + 1..]
            .iter()
            .position(|line| line.starts_with("$ "))
            .map_or(block.len(), |end| idx + 1 + end);
        let expected = &block[idx + 1..end];
        idx = end;
        rewritten.push_str(&format!("{command}\n"));
        let Some(arguments) = command.strip_prefix("$ intendant") else {
            rewritten.push_str(&joined(expected));
            continue;
        };
        let (arguments, input) = match arguments.split_once(" < ") {
            Some((arguments, file)) => {
                (arguments, Stdio::from(fs::File::open(sandbox.at(file.trim())).unwrap()))
            }
            None => (arguments, Stdio::null()),
        };
        let arguments = split_words(arguments);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = intendant_reading(sandbox.path(), &arguments, input);
        let mut found =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if let Some(code) = output.status.code().filter(|code| *code != 0) {
            found.push_str(&format!("[exit {code}]\n"));
        }
        let found: Vec<&str> = found.lines().map(str::trim_end).collect();
        if matches(expected, &found) {
            rewritten.push_str(&joined(expected));
        } else {
            differences.push_str(&format!(
                "{}: {command}\n--- expected\n{}--- found\n{}",
                script.display(),
                joined(expected),
                joined(&found)
            ));
            let has_wildcard = expected.iter().any(|line| line.contains('…'));
            rewritten.push_str(&joined(if has_wildcard { expected } else { &found }));
        }
    }
    rewritten
}

/// Splits at spaces outside quotes.
fn split_words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    for c in text.trim().chars() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (None, ' ') if word.is_empty() => {}
            (None, ' ') => words.push(std::mem::take(&mut word)),
            (_, c) => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

fn matches(expected: &[&str], found: &[&str]) -> bool {
    match expected.split_first() {
        None => found.is_empty(),
        Some((&"…", rest)) => (0..=found.len()).any(|skipped| matches(rest, &found[skipped..])),
        Some((line, rest)) => found
            .split_first()
            .is_some_and(|(first, others)| line_matches(line, first) && matches(rest, others)),
    }
}

fn line_matches(expected: &str, found: &str) -> bool {
    let mut parts = expected.split('…');
    let Some(mut rest) = parts.next().and_then(|start| found.strip_prefix(start)) else {
        return false;
    };
    let mut is_exact = true;
    let mut last = "";
    for part in parts {
        is_exact = false;
        let Some(position) = rest.find(part) else {
            return false;
        };
        rest = &rest[position + part.len()..];
        last = part;
    }
    rest.is_empty() || (!is_exact && (last.is_empty() || found.ends_with(last)))
}
