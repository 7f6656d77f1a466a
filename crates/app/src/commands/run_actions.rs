//! `intendant run actions`: the project's Python action server, run by `rasa-sdk`.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use crate::cli::RunPart;
use crate::failure::Failure;

/// Pythons to try, first a virtual environment's.
const PYTHONS: [&str; 3] = ["python", "python3", "python3.10"];

/// Starts `python -m rasa_sdk` and ends as it ends.
pub fn run(part: &RunPart) -> Result<ExitCode, Failure> {
    let RunPart::Actions { port, cors, actions, ssl_keyfile, ssl_certificate, ssl_password, auto_reload } =
        part;
    let Some(python) = PYTHONS.iter().find(|python| has_rasa_sdk(python)) else {
        return Err(Failure::new(
            "",
            "no Python with rasa-sdk was found. Actions are your own Python code and run on rasa-sdk: \
             activate an environment of Python 3.8 to 3.10 and `pip install rasa-sdk`, then try again",
        ));
    };
    let mut command = Command::new(python);
    command.args(["-m", "rasa_sdk", "--actions", actions, "--port", &port.to_string()]);
    if let Some(origins) = cors {
        command.arg("--cors").args(origins);
    }
    let paths: [(&str, &Option<PathBuf>); 2] =
        [("--ssl-keyfile", ssl_keyfile), ("--ssl-certificate", ssl_certificate)];
    for (flag, path) in paths {
        if let Some(path) = path {
            command.arg(flag).arg(path);
        }
    }
    if let Some(password) = ssl_password {
        command.args(["--ssl-password", password]);
    }
    if *auto_reload {
        command.arg("--auto-reload");
    }
    let status =
        command.status().map_err(|error| Failure::new("", format!("cannot start {python}: {error}")))?;
    Ok(match status.code() {
        Some(0) => ExitCode::SUCCESS,
        Some(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        None => ExitCode::FAILURE,
    })
}

fn has_rasa_sdk(python: &str) -> bool {
    let check = Command::new(python).args(["-c", "import rasa_sdk"]).output();
    check.is_ok_and(|output| output.status.success())
}
