//! What a predictor is trained with, read from files and databases.

use intendant_config::Environment;
use intendant_predictor::files::{self, Format};
use intendant_predictor::kinds::Material;
use intendant_predictor::spec::{Data, Kind, Spec};
use intendant_score::database::Database;
use intendant_table::{Table, csv, ndjson};

use super::failed;
use crate::failure::Failure;
use crate::wiring;

/// Rejected lines that are named one by one.
const REJECTED_SHOWN: usize = 5;

/// The material of a training, with the bytes it was made of, for the fingerprint.
pub struct Gathered {
    /// To train with.
    pub material: Material,
    /// Rows of `split.file`.
    pub test: Option<Table>,
    /// Content of all files, in order.
    pub bytes: Vec<Vec<u8>>,
}

/// Reads everything that a training needs.
///
/// # Errors
/// When a file cannot be read, or is not what it should be.
pub fn material(spec: &Spec, environment: &Environment) -> Result<Gathered, Failure> {
    let mut gathered = Gathered { material: Material::default(), test: None, bytes: Vec::new() };
    if let Some(data) = &spec.data {
        gathered.material.rows = rows(spec, data, &mut gathered.bytes)?;
    }
    if let Some(path) = spec.split.as_ref().and_then(|split| split.file.as_ref()) {
        let options = files::options(spec, spec.data.as_ref());
        gathered.test = Some(keep(path, None, &options, &mut gathered.bytes)?);
    }
    if let Some(catalogue) = &spec.catalogue {
        let texts = [Some(&catalogue.item), catalogue.title.as_ref(), catalogue.author.as_ref()];
        let kinds =
            texts.into_iter().flatten().map(|name| (name.clone(), intendant_table::Kind::Text)).collect();
        let options = csv::Options { kinds, ..csv::Options::default() };
        gathered.material.catalogue = Some(keep(&catalogue.file, None, &options, &mut gathered.bytes)?);
    }
    if let Some(path) = spec.gazetteer.as_ref().and_then(|gazetteer| gazetteer.file.as_ref()) {
        gathered.material.gazetteer = Some(content(path, &mut gathered.bytes)?);
    }
    if spec.kind == Kind::Foreign {
        let file = super::fetched::model_file(&spec.model, environment)?;
        gathered.bytes.push(file.clone());
        gathered.material.file = Some(file);
    }
    Ok(gathered)
}

fn rows(spec: &Spec, data: &Data, bytes: &mut Vec<Vec<u8>>) -> Result<Table, Failure> {
    if let Some(sql) = &data.sql {
        let selected = wiring::runtime()?.block_on(async {
            let database = Database::at(&sql.database)?;
            database.select(&database.selecting(&sql.query), &[]).await
        });
        let selected = selected.map_err(|error| failed(&error))?;
        bytes.push(serde_json::to_vec(&selected).unwrap_or_default());
        let (table, misfits) = ndjson::from_objects(&selected, &files::kinds(spec));
        if let Some((row, column)) = misfits.first() {
            let message =
                format!("row {} of the query: column `{column}` does not fit its declared type", row + 1);
            return Err(Failure::new("", message));
        }
        return Ok(table);
    }
    let format = data.format.as_deref().and_then(Format::named);
    let options = files::options(spec, Some(data));
    let path = data.file.as_deref().unwrap_or_default();
    let mut table = keep(path, format, &options, bytes)?;
    for join in &data.join {
        let other = keep(&join.file, None, &options, bytes)?;
        table = files::join(&table, &other, &join.on)
            .map_err(|error| Failure::new("", format!("{path}, {}: {error}", join.file)))?;
    }
    Ok(table)
}

fn keep(
    path: &str,
    format: Option<Format>,
    options: &csv::Options,
    bytes: &mut Vec<Vec<u8>>,
) -> Result<Table, Failure> {
    let content = content(path, bytes)?;
    table_file(path, &content, format, options)
}

fn content(path: &str, bytes: &mut Vec<Vec<u8>>) -> Result<Vec<u8>, Failure> {
    let content =
        std::fs::read(path).map_err(|error| Failure::new("", format!("cannot read {path}: {error}")))?;
    bytes.push(content.clone());
    Ok(content)
}

/// Reads a table; lines that are left out are told.
///
/// # Errors
/// When it is not of the format.
pub fn table_file(
    path: &str,
    content: &[u8],
    format: Option<Format>,
    options: &csv::Options,
) -> Result<Table, Failure> {
    let format = format.unwrap_or_else(|| Format::of_path(path));
    let read = files::read(content, format, options)
        .map_err(|error| Failure::new("", format!("{path}: {error}")))?;
    let mut left_out = LeftOut::default();
    left_out.tell(path, &read.rejected);
    left_out.sum_up(path);
    Ok(read.table)
}

/// Rows that are left out: the first ones are named, all are counted.
#[derive(Default)]
pub struct LeftOut {
    count: usize,
}

impl LeftOut {
    /// Names rows with the reason, as long as there are few.
    pub fn tell(&mut self, path: &str, rejected: &[(u64, String)]) {
        for (line, reason) in rejected.iter().take(REJECTED_SHOWN.saturating_sub(self.count)) {
            eprintln!("{path}:{line}: warning: this row is left out: {reason}");
        }
        self.count += rejected.len();
    }

    /// Tells how many there were, when not all were named.
    pub fn sum_up(&self, path: &str) {
        if self.count > REJECTED_SHOWN {
            eprintln!("{path}: warning: {} rows are left out in all", self.count);
        }
    }
}
