//! From a configuration and examples to a pipeline.

use std::collections::BTreeMap;

use intendant_component::diagnostic::{Diagnostic, Severity};
use intendant_component::stored::Stored;
use intendant_component::training::TrainContext;
use intendant_talk::data::{ComponentSpec, Example, NluData};
use intendant_talk::domain::Domain;

use crate::component::{Annotator, ComponentInfo, Slot, StepInfo, Training};
use crate::error::Error;
use crate::ingredients::makes_features;
use crate::message::Message;
use crate::options::Options;
use crate::pipeline::{Pipeline, Step, node_name};
use crate::{checks, diet, registry, selector};

/// Trains a pipeline.
///
/// The result does not depend on the number of threads. Warnings come with it.
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
    let trained = train_again(specs, &Material { language, data, domain }, Vec::new(), context)?;
    Ok((trained.pipeline, trained.diagnostics))
}

/// What a pipeline is trained on.
#[derive(Clone, Copy, Debug)]
pub struct Material<'a> {
    /// `language` of the configuration.
    pub language: &'a str,
    /// Examples, synonyms, patterns, lists.
    pub data: &'a NluData,
    /// The merged domain.
    pub domain: &'a Domain,
}

/// A pipeline that was trained just now, wholly or in part.
pub struct Trained {
    /// The pipeline.
    pub pipeline: Pipeline,
    /// Warnings about the configuration, and about the data as far as it was learnt from.
    pub diagnostics: Vec<Diagnostic>,
}

/// Trains as [`train`] does, but takes components that `known` holds, by node name, from there.
///
/// It is the caller's business that they were trained from the same ingredients; see
/// [`crate::ingredients`]. One that cannot be read is trained. Messages are only shown to
/// featurizers while a component that has to be trained follows.
///
/// # Errors
/// As [`train`].
pub fn train_again(
    specs: &[ComponentSpec],
    material: &Material<'_>,
    known: Vec<(String, Stored)>,
    context: &TrainContext<'_>,
) -> Result<Trained, Error> {
    let Material { language, data, domain } = *material;
    let (plan, mut diagnostics) = plan(specs);
    checks::warn(&plan, data, &mut diagnostics);
    fail_on_errors(&diagnostics)?;
    let mut known = revive(&plan, known);
    let last_trained = known.iter().rposition(Option::is_none);
    let wants_vectors = wants_vectors(&plan);
    let examples: Vec<&Example> =
        data.examples.iter().filter(|example| !example.text.trim().is_empty()).collect();
    let mut messages: Vec<Message<'_>> =
        examples.iter().map(|example| Message::new(&example.text, wants_vectors)).collect();
    let infos: Vec<StepInfo> = plan.iter().map(Planned::step).collect();
    let mut steps = Vec::with_capacity(plan.len());
    for planned in &plan {
        let mut training = Training {
            slot: Slot { position: planned.position },
            data,
            domain,
            language,
            messages: &messages,
            examples: &examples,
            before: &infos[..planned.position],
            context,
            diagnostics: &mut diagnostics,
        };
        training.check_cancelled()?;
        let annotator = match known[planned.position].take() {
            Some(annotator) => annotator,
            None => (planned.info.train)(&planned.options, &mut training)?,
        };
        fail_on_errors(&diagnostics)?;
        if makes_features(planned.info.kind) && last_trained.is_some_and(|last| planned.position < last) {
            annotator.annotate_all(&mut messages, context)?;
        }
        steps.push(Step { node: node_name(planned.info.name, planned.position), annotator });
    }
    Ok(Trained { pipeline: Pipeline::new(domain, steps), diagnostics })
}

/// The components that need no training, by position.
fn revive(plan: &[Planned], mut known: Vec<(String, Stored)>) -> Vec<Option<Box<dyn Annotator>>> {
    let mut revive = |planned: &Planned| {
        let node = node_name(planned.info.name, planned.position);
        let at = known.iter().position(|(name, _)| *name == node)?;
        let slot = Slot { position: planned.position };
        (planned.info.load)(&planned.options, slot, known.swap_remove(at).1).ok()
    };
    plan.iter().map(&mut revive).collect()
}

/// Checks a configuration without training it.
pub fn check(specs: &[ComponentSpec]) -> Vec<Diagnostic> {
    plan(specs).1
}

/// A component of the configuration with its options.
pub(crate) struct Planned {
    pub(crate) position: usize,
    pub(crate) info: &'static ComponentInfo,
    pub(crate) options: Options,
}

impl Planned {
    fn step(&self) -> StepInfo {
        StepInfo { name: self.info.name, position: self.position, options: self.options.clone() }
    }
}

fn fail_on_errors(diagnostics: &[Diagnostic]) -> Result<(), Error> {
    if diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
        return Err(Error::input(diagnostics.to_vec()));
    }
    Ok(())
}

pub(crate) fn plan(specs: &[ComponentSpec]) -> (Vec<Planned>, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let mut plan: Vec<Planned> = Vec::new();
    for (position, spec) in specs.iter().enumerate() {
        match registry::find(spec) {
            Ok(info) => {
                let spec = without_bookkeeping(spec, info);
                let options = Options::read(&spec, info.name, info.options, &mut diagnostics);
                plan.push(Planned { position, info, options });
            }
            Err(diagnostic) => diagnostics.push(*diagnostic),
        }
    }
    // What stands before an unknown component cannot be judged.
    if plan.len() == specs.len() {
        checks::structure(&plan, &mut diagnostics);
    }
    (plan, diagnostics)
}

/// Drops options that only steer how Rasa reports on training its networks.
fn without_bookkeeping(spec: &ComponentSpec, info: &ComponentInfo) -> ComponentSpec {
    let mut spec = spec.clone();
    if info.name == diet::INFO.name || info.name == selector::INFO.name {
        spec.options.retain(|name, _| !diet::BOOKKEEPING.contains(&name.as_str()));
    }
    spec
}

/// Whether some component reads the vectors of featurizers.
pub(crate) fn wants_vectors(plan: &[Planned]) -> bool {
    let steps: Vec<StepInfo> = plan.iter().map(Planned::step).collect();
    plan.iter().any(|planned| match planned.info.name {
        "LogisticRegressionClassifier" => true,
        "DIETClassifier" | "ResponseSelector" => {
            diet::Sources::of(&planned.options, &steps[..planned.position]).reads_vectors
        }
        _ => false,
    })
}

/// Aliases by name, for checks.
pub(crate) fn aliases(plan: &[Planned]) -> BTreeMap<&str, Vec<&Planned>> {
    let mut aliases: BTreeMap<&str, Vec<&Planned>> = BTreeMap::new();
    for planned in plan {
        if let Some(alias) = planned.options.text("alias") {
            aliases.entry(alias).or_default().push(planned);
        }
    }
    aliases
}
