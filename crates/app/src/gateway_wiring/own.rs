//! Our own assistant or agent as an upstream that costs nothing.

use std::sync::Arc;

use intendant_agents::service::Service;
use intendant_api::agent;
use intendant_channel::collect::Keeper;
use intendant_client::dialogflow;
use intendant_port::BoxFuture;
use intendant_port::error::{Error, Kind};
use intendant_port::upstream::{Answer, Nearby, Question};
use intendant_serve::server::{Incoming, Server};
use intendant_talk::message::Object;

/// The channel that our own assistant sees.
const CHANNEL: &str = "gateway";

/// Who answers.
pub enum Own {
    /// An assistant, by the server that holds its model.
    Assistant(Server),
    /// An agent.
    Agent(Arc<Service>),
}

impl Nearby for Own {
    fn answer<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Result<Answer, Error>> {
        Box::pin(async move {
            match self {
                Self::Assistant(server) => ask_assistant(server, question).await,
                Self::Agent(service) => ask_agent(service, question).await,
            }
        })
    }
}

async fn ask_assistant(server: &Server, question: &Question) -> Result<Answer, Error> {
    let mut metadata = Object::new();
    metadata.insert("language".to_owned(), question.language.clone().into());
    let incoming = Incoming {
        text: question.input.as_intent(),
        sender_id: question.session.clone(),
        input_channel: Some(CHANNEL.to_owned()),
        metadata,
        parse: None,
    };
    let keeper = Arc::new(Keeper::new(CHANNEL));
    server
        .handle(incoming, Arc::<Keeper>::clone(&keeper))
        .await
        .map_err(|error| Error::new(Kind::Unavailable, "our own assistant cannot answer").because(error))?;
    Ok(Answer { messages: keeper.take_filled(), leaves_state: true, ..Answer::default() })
}

async fn ask_agent(service: &Arc<Service>, question: &Question) -> Result<Answer, Error> {
    let session = format!("projects/{CHANNEL}/agent/sessions/{}", question.session);
    match agent::detected(service, &session, &dialogflow::request(question)).await {
        Ok(detected) => Ok(dialogflow::answer_of(detected)),
        Err(why) => Err(Error::new(Kind::Unavailable, format!("our own agent cannot answer: {why}"))),
    }
}
