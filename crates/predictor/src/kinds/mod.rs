//! The kinds of predictors that there are, in one table: how each is trained and how it is loaded.

pub mod foreign;
pub mod recommender;
pub mod tabular;
pub mod text;

use std::sync::Arc;

use intendant_component::predictor::Predictor;
use intendant_component::stored::{Stored, Unreadable};
use intendant_component::training::TrainContext;
use intendant_table::Table;

use crate::Failed;
use crate::spec::{Kind, Spec};

/// What a predictor is trained with.
#[derive(Clone, Debug, Default)]
pub struct Material {
    /// Rows to learn from.
    pub rows: Table,
    /// What is known of items.
    pub catalogue: Option<Table>,
    /// A model trained elsewhere.
    pub file: Option<Vec<u8>>,
    /// The file of a gazetteer.
    pub gazetteer: Option<Vec<u8>>,
}

type Train = fn(&Spec, &Material, &TrainContext<'_>) -> Result<Arc<dyn Predictor>, Failed>;
type Load = fn(&Spec, Stored) -> Result<Arc<dyn Predictor>, Unreadable>;

/// Every kind with its trainer and its loader.
const ALL: &[(Kind, Train, Load)] = &[
    (Kind::Tabular, tabular::train, tabular::load),
    (Kind::Text, text::train, text::load),
    (Kind::Recommender, recommender::train, recommender::load),
    (Kind::Foreign, foreign::train, foreign::load),
];

/// Trains a predictor.
///
/// # Errors
/// When the material does not fit what is declared, or nothing can be learnt from it.
pub fn train(
    spec: &Spec,
    material: &Material,
    context: &TrainContext<'_>,
) -> Result<Arc<dyn Predictor>, Failed> {
    let (_, train, _) = row(spec.kind)?;
    train(spec, material, context)
}

/// Loads what was learnt.
///
/// # Errors
/// When it is damaged or of another version.
pub fn load(spec: &Spec, stored: Stored) -> Result<Arc<dyn Predictor>, Failed> {
    let (_, _, load) = row(spec.kind)?;
    load(spec, stored).map_err(|error| Failed::new(error.to_string()))
}

fn row(kind: Kind) -> Result<&'static (Kind, Train, Load), Failed> {
    ALL.iter()
        .find(|(known, _, _)| *known == kind)
        .ok_or_else(|| Failed::new(format!("the kind `{}` is not in this build", kind.name())))
}
