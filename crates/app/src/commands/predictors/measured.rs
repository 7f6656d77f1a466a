//! Versions of predictors before gates: their figures on a dataset, and the gates of their own declaration.

use std::collections::BTreeMap;

use intendant_predictor::archive;
use intendant_predictor::files;
use intendant_predictor::measure::measure;
use intendant_registry::catalog::{Catalog, Measured, Version};
use intendant_registry::gates::Gate;
use sha2::{Digest, Sha256};

use super::train::{self, HELD_OUT};
use super::{failed, model, table_file};
use crate::failure::Failure;

/// Whether a version is of a predictor.
pub fn is_predictor(version: &Version) -> bool {
    intendant_predictor::spec::Kind::of(&version.kind).is_some()
}

/// The figures of a version on the rows of a file, or on what its training held out; those on record if the rows are
/// still the same.
///
/// # Errors
/// When the file or the archive cannot be read.
pub async fn measured(
    catalog: &Catalog,
    version: &Version,
    dataset: &str,
) -> Result<BTreeMap<String, f64>, Failure> {
    let known = version.metrics.get(dataset);
    if dataset == HELD_OUT {
        return Ok(known.map(|known| known.values.clone()).unwrap_or_default());
    }
    let content = std::fs::read(dataset)
        .map_err(|error| Failure::new("", format!("the dataset {dataset}: {error}")))?;
    let data: String = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
    if let Some(known) = known.filter(|known| known.data == data) {
        return Ok(known.values.clone());
    }
    let Some(file) = catalog.file(version) else {
        let message = format!("{} cannot be measured: its archive is removed", version.reference());
        return Err(Failure::new("", message));
    };
    let model = model::read(&file)?;
    let rows = table_file(dataset, &content, None, &files::options(&model.spec, model.spec.data.as_ref()))?;
    let values = measure(&model.spec, model.predictor.as_ref(), &rows).map_err(|error| failed(&error))?;
    let measured = Measured { data, values: values.clone() };
    catalog.measured(&version.digest, dataset, measured).await.map_err(|error| failed(&error))?;
    Ok(values)
}

/// The gates that a version's own declaration sets.
///
/// # Errors
/// When its archive cannot be read.
pub fn own_gates(catalog: &Catalog, version: &Version) -> Result<Vec<Gate>, Failure> {
    let Some(file) = catalog.file(version) else { return Ok(Vec::new()) };
    let opened = std::fs::File::open(&file)
        .map_err(|error| Failure::new("", format!("cannot read {}: {error}", file.display())))?;
    let metadata = intendant_bundle::read_metadata_from(std::io::BufReader::new(opened))
        .map_err(|error| failed(&error))?;
    let spec = archive::spec_of(&metadata).map_err(|error| failed(&error))?;
    Ok(train::gates(&spec))
}
