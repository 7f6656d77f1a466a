//! How a command fails: one clear message, exit code 1 unless a signal asked for the end.

use std::process::ExitCode;

/// A command's failure, printed as `<Class>: message` like Rasa's.
#[derive(Debug)]
pub struct Failure {
    class: &'static str,
    message: String,
    code: u8,
}

impl Failure {
    /// A failure of this class; an empty class prints the message alone.
    pub fn new(class: &'static str, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), code: 1 }
    }

    /// A failure of this class with the whole chain of causes.
    pub fn of(class: &'static str, error: &dyn std::error::Error) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            if !message.contains(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
            source = cause.source();
        }
        Self { class, message, code: 1 }
    }

    /// The same failure with another exit code.
    pub fn with_code(self, code: u8) -> Self {
        Self { code, ..self }
    }

    /// The message without its class.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Prints it and gives the exit code.
    pub fn report(&self) -> ExitCode {
        if self.class.is_empty() {
            eprintln!("{}", self.message);
        } else {
            eprintln!("{}: {}", self.class, self.message);
        }
        ExitCode::from(self.code)
    }
}
