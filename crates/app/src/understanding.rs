//! Understanding as it is served: the pipeline, and the Duckling server it may name.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use intendant_client::clock::SystemClock;
use intendant_client::duckling::{self, Question};
use intendant_client::http::HttpClient;
use intendant_config::Environment;
use intendant_nlu::{Outside, OutsideExtractor, Pipeline};
use intendant_port::BoxFuture;
use intendant_port::clock::Clock;
use intendant_port::error::Error;
use intendant_serve::assistant::Understand;
use intendant_talk::message::Parse;
use serde_json::Value;

/// A server's answer takes no longer than this, whatever is configured.
const TIMEOUT_SECS_MAX: f64 = 600.0;

/// A pipeline with what it needs from outside.
pub struct Understanding {
    pipeline: Arc<Pipeline>,
    /// The Duckling server that the environment names; it wins over the pipeline's.
    duckling_url: Option<String>,
    /// Made when first needed: most pipelines ask nobody.
    client: OnceLock<Result<HttpClient, Error>>,
}

impl Understanding {
    /// Understanding by a pipeline.
    pub fn new(pipeline: Arc<Pipeline>) -> Self {
        let duckling_url = Environment::read().duckling_url().map(str::to_owned);
        Self { pipeline, duckling_url, client: OnceLock::new() }
    }

    /// What has to be asked, with where.
    fn questions(&self, text: &str) -> Vec<(usize, String, OutsideExtractor)> {
        let questions = self.pipeline.questions(text).into_iter();
        let with_url = questions.filter_map(|(position, question)| {
            let url = self.duckling_url.clone().or_else(|| question.url.clone())?;
            Some((position, url, question))
        });
        with_url.collect()
    }

    async fn ask(
        &self,
        text: &str,
        now_ms: i64,
        questions: Vec<(usize, String, OutsideExtractor)>,
    ) -> Vec<(usize, Vec<Value>)> {
        let mut told = Vec::with_capacity(questions.len());
        for (position, url, extractor) in questions {
            let question = Question {
                url: &url,
                text,
                locale: &extractor.locale,
                timezone: extractor.timezone.as_deref(),
                dimensions: &extractor.dimensions,
                reference_ms: now_ms,
                timeout: Duration::from_secs_f64(extractor.timeout_secs.clamp(0.0, TIMEOUT_SECS_MAX)),
            };
            let answer = match self.client.get_or_init(HttpClient::new) {
                Ok(client) => duckling::ask(client, &question).await,
                Err(error) => Err(Error::new(error.kind, error.message.clone())),
            };
            let found = match answer {
                Ok(Value::Array(found)) => found,
                Ok(_) => Vec::new(),
                Err(error) => {
                    let error = error.chain();
                    tracing::error!(url, error, "the Duckling server found nothing; going on without it");
                    Vec::new()
                }
            };
            told.push((position, found));
        }
        told
    }

    fn parse_with(&self, text: &str, now_ms: i64, told: &[(usize, Vec<Value>)]) -> Parse {
        let (parse, warnings) = self.pipeline.parse_with(text, Outside { now_ms: Some(now_ms), told });
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        parse
    }
}

fn now_ms() -> i64 {
    SystemClock.now().micros / 1000
}

impl Understand for Understanding {
    fn parse(&self, text: &str) -> Parse {
        let (now_ms, questions) = (now_ms(), self.questions(text));
        if questions.is_empty() {
            return self.parse_with(text, now_ms, &[]);
        }
        // A thread of its own, because the caller's may belong to a runtime that must not wait.
        let told = std::thread::scope(|scope| {
            let asking = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.map(|runtime| runtime.block_on(self.ask(text, now_ms, questions)))
            });
            asking.join()
        });
        match told {
            Ok(Ok(told)) => self.parse_with(text, now_ms, &told),
            _ => {
                tracing::error!("the Duckling server cannot be asked; going on without it");
                self.parse_with(text, now_ms, &[])
            }
        }
    }

    fn understand<'a>(&'a self, text: &'a str) -> BoxFuture<'a, Parse> {
        Box::pin(async move {
            let (now_ms, questions) = (now_ms(), self.questions(text));
            let told = self.ask(text, now_ms, questions).await;
            if !self.pipeline.is_slow() {
                return self.parse_with(text, now_ms, &told);
            }
            let (pipeline, owned) = (Arc::clone(&self.pipeline), text.to_owned());
            let parsed = tokio::task::spawn_blocking(move || {
                pipeline.parse_with(&owned, Outside { now_ms: Some(now_ms), told: &told })
            });
            match parsed.await {
                Ok((parse, warnings)) => {
                    warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
                    parse
                }
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            }
        })
    }
}
