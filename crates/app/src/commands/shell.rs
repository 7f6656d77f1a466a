//! `intendant shell` and `shell nlu`: talking to a model on the terminal.

use std::io::{BufRead, IsTerminal};
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use intendant_client::http::HttpClient;
use intendant_config::Environment;
use intendant_port::BoxFuture;
use intendant_port::outlet::Outlet;
use intendant_rasa_format::wire;
use intendant_serve::assistant::Understand;
use intendant_serve::server::{Incoming, Server};
use intendant_talk::message::Object;
use intendant_train::assistant::Assistant;
use serde_json::Value;

use crate::cli::{ShellArgs, ShellPart};
use crate::failure::Failure;
use crate::terminal;
use crate::terminal::say;
use crate::understanding::Understanding;
use crate::wiring::{self, Wiring};
use crate::{model, remote};

/// Ends the conversation.
const STOP: &str = "/stop";
/// The channel's name, as Rasa's console.
const CHANNEL: &str = "cmdline";

/// Runs `intendant shell [nlu]`.
pub fn run(arguments: ShellArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    if let Some(ShellPart::Nlu { model, model_as_positional }) = &arguments.part {
        return shell_nlu(&model::load(model_as_positional.as_ref().unwrap_or(model))?);
    }
    let assistant = match &arguments.server.remote_storage {
        Some(storage) => fetched(storage, &arguments.model.path(), environment)?,
        None => model::load(&arguments.model.path())?,
    };
    if assistant.mind.ensemble.is_none() {
        say!("This model only understands; showing what it understands.");
        return shell_nlu(&assistant);
    }
    let runtime = wiring::runtime()?;
    runtime.block_on(talk(assistant, &arguments, environment))
}

fn fetched(storage: &str, model: &Path, environment: &Environment) -> Result<Assistant, Failure> {
    let client = HttpClient::new().map_err(|error| Failure::of("", &error))?;
    let (assistant, _) = wiring::runtime()?.block_on(remote::load(storage, model, environment, &client))?;
    Ok(assistant)
}

fn shell_nlu(assistant: &Assistant) -> Result<ExitCode, Failure> {
    let Some(pipeline) = &assistant.pipeline else {
        return Err(Failure::new(
            "",
            "this model has no language understanding; train one with `intendant train nlu`",
        ));
    };
    say!("NLU model loaded. Type a message and press enter to parse it; {STOP} ends.");
    let understanding = Understanding::new(Arc::clone(pipeline));
    for text in Lines::new("Next message:\n") {
        let parse = understanding.parse(text.trim());
        let json = serde_json::to_string_pretty(&wire::parse_to_json(&parse));
        say!("{}", json.map_err(|error| Failure::of("", &error))?);
    }
    Ok(ExitCode::SUCCESS)
}

async fn talk(
    assistant: Assistant,
    arguments: &ShellArgs,
    environment: &Environment,
) -> Result<ExitCode, Failure> {
    let Wiring { server, .. } =
        wiring::server(arguments.model.endpoints.as_deref(), arguments.server.request_timeout(), environment)
            .await?;
    let model_path = arguments.model.path();
    server.put_model(Arc::new(model::serving(assistant, Path::new(&model_path))));
    let sender_id =
        arguments.conversation_id.clone().unwrap_or_else(|| uuid::Uuid::new_v4().simple().to_string());
    say!("Bot loaded. Type a message and press enter; {STOP} ends.");
    let outlet = Arc::new(Terminal::default());
    for text in Lines::new("Your input ->  ") {
        let text = outlet.chosen(&text);
        say(&server, &sender_id, text, Arc::<Terminal>::clone(&outlet)).await?;
    }
    server.stop().await;
    Ok(ExitCode::SUCCESS)
}

async fn say(server: &Server, sender_id: &str, text: String, outlet: Arc<Terminal>) -> Result<(), Failure> {
    let incoming = Incoming {
        text,
        sender_id: sender_id.to_owned(),
        input_channel: Some(CHANNEL.to_owned()),
        metadata: Object::new(),
        parse: None,
    };
    server.handle(incoming, outlet).await.map_err(|error| Failure::of("", &error))
}

/// Messages typed until `/stop` or the end of input.
struct Lines {
    prompt: &'static str,
    is_terminal: bool,
}

impl Lines {
    fn new(prompt: &'static str) -> Self {
        Self { prompt, is_terminal: std::io::stdin().is_terminal() }
    }
}

impl Iterator for Lines {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        loop {
            if self.is_terminal {
                terminal::part(format_args!("{}", self.prompt));
            }
            let mut line = String::new();
            match std::io::stdin().lock().read_line(&mut line) {
                Ok(0) | Err(_) => return None,
                Ok(_) if line.trim() == STOP => return None,
                Ok(_) if line.trim().is_empty() => {}
                Ok(_) => return Some(line.trim().to_owned()),
            }
        }
    }
}

/// Prints what the bot says, and remembers its buttons so that a number chooses one.
#[derive(Default)]
struct Terminal {
    payloads: Mutex<Vec<String>>,
}

impl Terminal {
    /// The payload of the button with the number that was typed, else the text itself.
    fn chosen(&self, text: &str) -> String {
        let payloads = std::mem::take(&mut *self.payloads.lock().unwrap_or_else(PoisonError::into_inner));
        let number = text.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        number.and_then(|idx| payloads.get(idx).cloned()).unwrap_or_else(|| text.to_owned())
    }

    fn print(&self, message: &Object) {
        let text = |key: &str| message.get(key).and_then(Value::as_str);
        if let Some(text) = text("text") {
            say!("{text}");
        }
        if let Some(image) = text("image") {
            say!("Image: {image}");
        }
        for key in ["attachment", "custom", "elements"] {
            match message.get(key) {
                None | Some(Value::Null) => {}
                Some(value) => say!("{key}: {value}"),
            }
        }
        for key in ["buttons", "quick_replies"] {
            for choice in message.get(key).and_then(Value::as_array).into_iter().flatten() {
                self.print_choice(choice);
            }
        }
    }

    fn print_choice(&self, choice: &Value) {
        let title = choice.get("title").and_then(Value::as_str).unwrap_or("");
        let payload = choice.get("payload").and_then(Value::as_str).unwrap_or(title);
        let mut payloads = self.payloads.lock().unwrap_or_else(PoisonError::into_inner);
        payloads.push(payload.to_owned());
        say!("  {}: {title} ({payload})", payloads.len());
    }
}

impl Outlet for Terminal {
    fn name(&self) -> &str {
        CHANNEL
    }

    fn send<'a>(
        &'a self,
        _recipient_id: &'a str,
        message: &'a Object,
    ) -> BoxFuture<'a, intendant_port::error::Result<()>> {
        self.print(message);
        Box::pin(std::future::ready(Ok(())))
    }
}
