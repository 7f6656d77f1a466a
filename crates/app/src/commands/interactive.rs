//! `intendant interactive [core]`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use intendant_bundle::TrainingType;
use intendant_config::Environment;
use intendant_rasa_format::project::Project;
use intendant_rasa_format::write::Form;
use intendant_serve::server::Server;

use super::train::{self, Order, Outcome};
use super::visualize;
use crate::cli::tools::{InteractiveArgs, InteractiveOptions, InteractivePart};
use crate::failure::Failure;
use crate::interactive::ask::{self, Unanswered, Word};
use crate::interactive::{Destinations, Ending, GraphPage, Session, learn, save};
use crate::project::{self, Paths};
use crate::terminal::say;
use crate::{model, report, wiring};

/// Seconds an action server may take, as in Rasa.
const ACTION_TIMEOUT: Duration = Duration::from_secs(300);

/// What the flags ask for.
struct Wish {
    paths: Paths,
    options: InteractiveOptions,
    form: Form,
    is_core_only: bool,
    force: bool,
}

/// Runs `intendant interactive [core]`.
pub fn run(arguments: InteractiveArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let form = if arguments.e2e { Form::Test } else { Form::Training };
    let (data, options, is_core_only) = match arguments.part {
        Some(InteractivePart::Core { stories, options }) => (stories, options, true),
        None => (arguments.data, arguments.options, false),
    };
    let paths = Paths { config: Some(options.config.clone()), domain: options.domain.clone(), data };
    let wish = Wish { paths, options, form, is_core_only, force: arguments.force };
    let (project, findings) = project::read(&wish.paths, environment)?;
    if project::has_errors(&findings) {
        report::print(&findings);
        return Err(Failure::new("", "the project cannot be read; mend it first"));
    }
    let model = model_path(&wish, &project, environment)?;
    let assistant = model::load(&model)?;
    if assistant.mind.ensemble.is_none() {
        let message = "this model only understands; interactive learning needs one with policies";
        return Err(Failure::new("", message));
    }
    let runtime = wiring::runtime()?;
    let serving = model::serving(assistant, &model);
    runtime.block_on(async {
        // Once somebody listens for it, control-C no longer ends the process: prompts report it.
        tokio::spawn(async { while tokio::signal::ctrl_c().await.is_ok() {} });
        let wiring =
            wiring::rehearsal(wish.options.endpoints.as_deref(), ACTION_TIMEOUT, environment).await?;
        let server = wiring.server;
        let assistant = Arc::new(serving);
        server.put_model(Arc::clone(&assistant));
        converse(server, assistant, &wish, (&project, environment)).await
    })
}

/// The model that was named, or one that is trained now.
fn model_path(wish: &Wish, project: &Project, environment: &Environment) -> Result<PathBuf, Failure> {
    let options = &wish.options;
    if let Some(path) = options.model.as_ref().or(options.model_as_positional.as_ref()) {
        return Ok(path.clone());
    }
    if project.stories.is_empty() {
        let message =
            "interactive learning needs stories or rules to train from, or a model named with --model";
        return Err(Failure::new("", message));
    }
    let order = Order {
        paths: wish.paths.clone(),
        only: wish.is_core_only.then_some(TrainingType::Core),
        out: options.out.clone(),
        augmentation: options.augmentation,
        draws_stories: options.debug_plots,
        force: wish.force,
        validation: None,
        ..Order::of_folder(std::path::Path::new("."))
    };
    match train::execute(&order, environment)? {
        Outcome::Unchanged(path) | Outcome::Trained(path) => Ok(path),
        Outcome::Planned(_) => Err(Failure::new("", "nothing was trained")),
    }
}

async fn converse(
    server: Server,
    assistant: Arc<intendant_serve::assistant::Assistant>,
    wish: &Wish,
    (project, environment): (&Project, &Environment),
) -> Result<ExitCode, Failure> {
    let options = &wish.options;
    let graph = match options.skip_visualization {
        true => None,
        false => Some(GraphPage::start(options.port).await?),
    };
    if let Some(graph) = &graph {
        say!("The story graph is at {}", graph.url);
    }
    say!("Talk to the bot and confirm or correct what it does. :menu (or control-C) shows what else");
    say!("there is: :undo, :fork, :restart, :history, :save, :quit.");
    let mut ask = ask::open();
    let sender_id = options.conversation_id.clone();
    let mut session = Session {
        ask: ask.as_mut(),
        server: server.clone(),
        mind: Arc::clone(&assistant.mind),
        sender_id: sender_id.unwrap_or_else(|| uuid::Uuid::new_v4().simple().to_string()),
        is_core_only: wish.is_core_only,
        graph,
        stories: visualize::sequences(project),
        examples: visualize::examples(project),
        finished: Vec::new(),
        responses: Vec::new(),
        past: Vec::new(),
    };
    let ended = loop {
        let ending = session.run().await?;
        if ending != Ending::Save {
            break ending;
        }
        let conversations = session.conversations().await?;
        let learnt = learn(&conversations, project, assistant.domain(), &session.responses);
        let destinations = Destinations::of(project, &wish.paths.data, &wish.paths.domain);
        match save(session.ask, &learnt, &destinations, wish.form, environment) {
            Ok(true) => break ending,
            Ok(false) => say!("Nothing was written."),
            Err(Unanswered::Word(Word::Quit)) => break Ending::Quit,
            Err(Unanswered::Word(_)) => say!("Nothing was written; the conversation goes on."),
            Err(Unanswered::End) => break Ending::End,
            Err(Unanswered::Failure(failure)) => return Err(failure),
        }
    };
    server.stop().await;
    match ended {
        Ending::Save => Ok(ExitCode::SUCCESS),
        Ending::Quit => {
            say!("Nothing was saved.");
            Ok(ExitCode::SUCCESS)
        }
        Ending::End => Err(Failure::new("", "the input ended before the session was saved; :save saves it")),
    }
}
