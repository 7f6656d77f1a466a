//! Checks and chores of the repository: `cargo xtask ci | tidy | gen [--check]`.

mod secrets;
mod tidy;

use std::process::{Command, ExitCode};

use anyhow::{Result, bail};

const USAGE: &str = "usage: cargo xtask ci | tidy | gen [--check]

  ci     formatting, clippy without warnings, generated pages up to date, tidy
  tidy   crate layers, file lengths, words that must not be in the tree
  gen    rewrite the generated reference pages under docs/reference";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["ci"] => ci(),
        ["tidy"] => tidy::check(),
        ["gen"] => reference_pages("1"),
        ["gen", "--check"] => reference_pages("0"),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn ci() -> Result<()> {
    cargo(&["fmt", "--all", "--check"], &[])?;
    cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], &[])?;
    reference_pages("0")?;
    tidy::check()
}

/// The pages are written, or compared, by a test of the binary, which is where all tables meet. It is
/// named by the workspace, as one package alone has other features of libraries and builds them anew.
fn reference_pages(update: &str) -> Result<()> {
    cargo(&["test", "--quiet", "--workspace", "--test", "it", "reference_pages"], &[("UPDATE", update)])
}

fn cargo(arguments: &[&str], variables: &[(&str, &str)]) -> Result<()> {
    eprintln!("cargo {}", arguments.join(" "));
    let status = Command::new(env!("CARGO")).args(arguments).envs(variables.iter().copied()).status()?;
    if !status.success() {
        bail!("cargo {} failed", arguments.join(" "));
    }
    Ok(())
}
