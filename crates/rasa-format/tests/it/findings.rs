//! What is said about wrong files. Cases are data: `cases/*.txt` hold files and the findings they
//! give. `UPDATE=1` writes the findings anew; read the difference.

use std::fmt::Write as _;
use std::path::Path;

use intendant_component::diagnostic::Diagnostic;
use intendant_rasa_format::validate::{self, Strictness};
use intendant_rasa_format::{Files, Project, SourceFile, credentials, endpoints};

struct Case {
    title: String,
    files: Vec<SourceFile>,
    /// Findings by heading: `read`, `validate`, `amounts`.
    expected: Vec<(String, String)>,
}

/// Reads cases: `##### title`, then files as `--- path` with their lines, then `=== heading` with
/// the findings.
fn read_cases(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut into_expected = false;
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("##### ") {
            cases.push(Case { title: title.to_owned(), files: Vec::new(), expected: Vec::new() });
            into_expected = false;
            continue;
        }
        let Some(case) = cases.last_mut() else { continue };
        if let Some(path) = line.strip_prefix("--- ") {
            case.files.push(SourceFile::new(path, Vec::new()));
            into_expected = false;
        } else if let Some(heading) = line.strip_prefix("=== ") {
            case.expected.push((heading.to_owned(), String::new()));
            into_expected = true;
        } else if into_expected {
            writeln!(case.expected.last_mut().unwrap().1, "{line}").unwrap();
        } else if let Some(file) = case.files.last_mut() {
            file.bytes.extend(line.bytes().chain(*b"\n"));
        }
    }
    cases
}

fn environment(name: &str) -> Option<String> {
    (name == "HOST").then(|| "example.com".to_owned())
}

fn findings_of(case: &Case, heading: &str) -> String {
    let is_named = |file: &SourceFile, name: &str| Path::new(&file.path).file_name().unwrap() == name;
    let config = case.files.iter().find(|file| is_named(file, "config.yml"));
    let domain: Vec<SourceFile> =
        case.files.iter().filter(|file| file.path.starts_with("domain")).cloned().collect();
    let data: Vec<SourceFile> =
        case.files.iter().filter(|file| file.path.starts_with("data")).cloned().collect();
    let (project, mut findings) = Project::read(Files { config, domain: &domain, data: &data }, &environment);
    match heading {
        "read" => {
            for file in &case.files {
                if is_named(file, "endpoints.yml") {
                    endpoints::read(file, &environment, &mut findings);
                }
                if is_named(file, "credentials.yml") {
                    credentials::read(file, &environment, &mut findings);
                }
            }
        }
        "validate" => findings = validate::check(&project, Strictness::Errors),
        "validate strictly" => findings = validate::check(&project, Strictness::Warnings),
        "amounts" => findings = validate::check_amounts(&project),
        other => panic!("unknown heading {other}"),
    }
    render(&findings)
}

fn render(findings: &[Diagnostic]) -> String {
    findings.iter().map(|finding| format!("{finding}\n")).collect()
}

fn check(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/cases").join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    let update = std::env::var_os("UPDATE").is_some();
    let mut rewritten = String::new();
    for case in read_cases(&text) {
        writeln!(rewritten, "##### {}", case.title).unwrap();
        for file in &case.files {
            write!(rewritten, "--- {}\n{}", file.path, String::from_utf8_lossy(&file.bytes)).unwrap();
        }
        for (heading, expected) in &case.expected {
            let found = findings_of(&case, heading);
            if !update {
                assert_eq!(found, *expected, "{name}: {} ({heading})", case.title);
            }
            write!(rewritten, "=== {heading}\n{found}").unwrap();
        }
    }
    if update {
        std::fs::write(&path, rewritten).unwrap();
    }
}

#[test]
fn yaml_mistakes_are_explained() {
    check("yaml.txt");
}

#[test]
fn configuration_mistakes_are_explained() {
    check("config.txt");
}

#[test]
fn domain_mistakes_are_explained() {
    check("domain.txt");
}

#[test]
fn language_data_mistakes_are_explained() {
    check("nlu.txt");
}

#[test]
fn story_mistakes_are_explained() {
    check("stories.txt");
}

#[test]
fn parts_that_do_not_fit_are_found() {
    check("validate.txt");
}
