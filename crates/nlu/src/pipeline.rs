//! A trained pipeline.

use intendant_component::diagnostic::Diagnostic;
use intendant_component::stored::{Stored, Unreadable};
use intendant_component::training::TrainContext;
use intendant_talk::data::{ComponentSpec, NluData, Source};
use intendant_talk::domain::Domain;
use intendant_talk::message::{Intent, Parse};

use crate::error::Error;
use crate::intent_message;
use crate::names::DomainNames;

/// The node that holds what belongs to no single component.
const NAMES_NODE: &str = "nlu";

/// A trained pipeline.
pub struct Pipeline {
    names: DomainNames,
}

/// Trains a pipeline.
///
/// # Errors
/// When the configuration or the data is wrong, or training was cancelled.
pub fn train(
    specs: &[ComponentSpec],
    language: &str,
    data: &NluData,
    domain: &Domain,
    context: &TrainContext<'_>,
) -> Result<(Pipeline, Vec<Diagnostic>), Error> {
    let _ = (language, data, context);
    match specs.first() {
        None => Ok((Pipeline { names: DomainNames::of(domain) }, Vec::new())),
        Some(spec) => Err(Error::input(vec![Diagnostic::error(
            Source::clone(&spec.source),
            format!("component `{}` cannot be trained yet", spec.name),
        )])),
    }
}

impl Pipeline {
    /// Understands one message.
    pub fn parse(&self, text: &str) -> Parse {
        intent_message::read(text, &self.names).parse.unwrap_or_else(|| Parse {
            text: Some(text.trim().to_owned()),
            intent: Intent::none(),
            ..Parse::default()
        })
    }

    /// Understands several messages.
    pub fn parse_batch(&self, texts: &[&str]) -> Vec<Parse> {
        texts.iter().map(|text| self.parse(text)).collect()
    }

    /// The trained components as values, by node name.
    pub fn store(&self) -> Vec<(String, Stored)> {
        vec![(NAMES_NODE.to_owned(), self.names.store())]
    }

    /// The pipeline of stored components; `specs` are those it was trained with.
    ///
    /// # Errors
    /// When a component is missing or damaged.
    pub fn load(specs: &[ComponentSpec], stored: Vec<(String, Stored)>) -> Result<Self, Unreadable> {
        let _ = specs;
        let names = stored.iter().find(|(node, _)| node == NAMES_NODE);
        let (_, names) = names.ok_or_else(|| Unreadable::new("the pipeline's names are missing"))?;
        Ok(Self { names: DomainNames::load(names)? })
    }
}
