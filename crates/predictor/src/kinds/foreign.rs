//! `kind: foreign`: a model trained elsewhere, in a format that holds no program.
//!
//! ```yaml
//! kind: foreign
//! model: {file: models/churn.onnx}
//! key: ID_CLIENT
//! ```

use std::sync::Arc;

use intendant_component::predictor::{Prediction, Predictor, Reasons, Refused};
use intendant_component::stored::{Stored, Tensor, TensorData, Unreadable};
use intendant_component::training::TrainContext;
use intendant_learn::tabular::Task;
use intendant_model_format::Foreign;
use intendant_table::{Field, Signature, Table};
use serde_json::json;

use super::{Material, tabular};
use crate::spec::Spec;
use crate::{Failed, files};

/// The tensor that holds the file.
const FILE: &str = "file";

struct Elsewhere {
    model: Foreign,
    signature: Signature,
    file: Vec<u8>,
    name: String,
}

/// Reads the file; nothing is trained.
pub fn train(
    spec: &Spec,
    material: &Material,
    _context: &TrainContext<'_>,
) -> Result<Arc<dyn Predictor>, Failed> {
    let name = spec.model.file.clone().unwrap_or_default();
    let file = material.file.clone().ok_or_else(|| Failed::new("`model.file` is missing"))?;
    open(spec, file, name).map(|model| Arc::new(model) as Arc<dyn Predictor>)
}

/// Loads what [`train`] gave.
pub fn load(spec: &Spec, mut stored: Stored) -> Result<Arc<dyn Predictor>, Unreadable> {
    let name = stored.state["name"].as_str().unwrap_or_default().to_owned();
    let file = stored.take_u8(FILE)?;
    let model = open(spec, file, name).map_err(|error| Unreadable::new(error.to_string()))?;
    Ok(Arc::new(model))
}

fn open(spec: &Spec, file: Vec<u8>, name: String) -> Result<Elsewhere, Failed> {
    let failed = |error: intendant_model_format::Error| Failed::new(error.to_string());
    let short = name.rsplit('/').next().unwrap_or(&name);
    let mut model = Foreign::read(&file, short).map_err(failed)?;
    if let Some(names) = names(spec, "features")
        && !model.is_named()
    {
        model = model.with_features(&names).map_err(failed)?;
    }
    if let Some(classes) = names(spec, "classes") {
        model = model.with_classes(&classes).map_err(failed)?;
    }
    if let Some(threshold) = spec.threshold {
        model = model.with_threshold(threshold);
    }
    let signature = signature(spec, &model);
    Ok(Elsewhere { model, signature, file, name })
}

/// The model's fields as the spec declares them: a number may come as the words `Yes` and `No`, and a declared column
/// `SEXE` stands for the model's `SEXE_F` and `SEXE_H`.
fn signature(spec: &Spec, model: &Foreign) -> Signature {
    let mut signature = model.signature();
    for (name, kind) in files::kinds(spec) {
        if let Some(field) = signature.fields.iter_mut().find(|field| field.name == name) {
            field.kind = kind;
            continue;
        }
        let is_part =
            |field: &Field| field.name.strip_prefix(&name).is_some_and(|rest| rest.starts_with('_'));
        if signature.fields.iter().any(is_part) {
            signature.fields.retain(|field| !is_part(field));
            signature.fields.push(Field { name, kind, is_optional: true, categories: Vec::new() });
        }
    }
    signature
}

fn names(spec: &Spec, option: &str) -> Option<Vec<String>> {
    let names = spec.model.options.get(option)?.as_array()?;
    names.iter().map(|name| name.as_str().map(str::to_owned)).collect()
}

impl Predictor for Elsewhere {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn classes(&self) -> &[String] {
        self.model.classes()
    }

    fn positive(&self) -> Option<usize> {
        (self.model.task() == Task::Binary).then_some(1)
    }

    fn threshold(&self) -> Option<f64> {
        (self.model.task() == Task::Binary).then(|| self.model.threshold())
    }

    fn predict(&self, rows: &Table) -> Result<Vec<Prediction>, Refused> {
        let predictions = self.model.predict(rows).map_err(|error| Refused::new(error.to_string()))?;
        Ok(tabular::by_row(&predictions))
    }

    fn explain(&self, rows: &Table) -> Result<Option<Vec<Reasons>>, Refused> {
        if !self.model.is_explainable() {
            return Ok(None);
        }
        let explained = self.model.explain(rows).map_err(|error| Refused::new(error.to_string()))?;
        Ok(Some(tabular::reasons(explained)))
    }

    fn stored(&self) -> Stored {
        let file = Tensor::flat(TensorData::U8(self.file.clone()));
        Stored { state: json!({"name": self.name}), tensors: [(FILE.to_owned(), file)].into() }
    }
}
