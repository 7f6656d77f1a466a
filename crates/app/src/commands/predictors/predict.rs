//! `intendant predict NAME`: predictions for the rows of a file.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use intendant_config::Environment;
use intendant_predictor::archive::Model;
use intendant_predictor::files::{self, Batches, Format};
use intendant_predictor::{output, spec};
use intendant_table::{Kind, Table, csv};
use intendant_train::files as disk;

use super::{LeftOut, failed, model};
use crate::failure::Failure;

/// Rows in memory at once.
const ROWS: usize = 10_000;

/// What `intendant predict` predicts from.
#[derive(Debug, Args)]
pub struct PredictArgs {
    /// The predictor: `churn` for predictors/churn.yml.
    #[arg(value_name = "NAME")]
    name: String,
    /// The rows: CSV, NDJSON or Parquet by the file's ending; `-` reads CSV from standard input.
    #[arg(short, long, default_value = "-", value_name = "FILE")]
    input: String,
    /// Where predictions go, in the format of the ending; `-` writes to standard output.
    #[arg(short, long, default_value = "-", value_name = "FILE")]
    output: String,
    /// The format of standard input and output.
    #[arg(long, value_parser = ["csv", "ndjson", "parquet"], value_name = "FORMAT")]
    format: Option<String>,
    /// Tell what speaks for and against each prediction.
    #[arg(long)]
    explain: bool,
    /// A model's file, or a folder of models of which the newest of this predictor is taken.
    #[arg(short, long, default_value = "models", value_name = "PATH")]
    model: PathBuf,
}

/// Runs `intendant predict`.
///
/// # Errors
/// When rows cannot be read or predicted, or predictions not be written.
pub fn run(arguments: &PredictArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let spec = super::spec(&arguments.name, environment)?;
    let model = model::load(&spec, &arguments.model, environment)?;
    let declared = arguments.format.as_deref().and_then(Format::named);
    let mut options = files::options(&spec, None);
    // Columns that the model knows are read as it knows them, whatever this file's rows look like.
    // Models from elsewhere make their numbers of words themselves.
    let is_foreign = spec.kind == spec::Kind::Foreign;
    for (name, kind) in model.predictor.signature().kinds() {
        if !is_foreign && !options.kinds.iter().any(|(known, _)| *known == name) {
            options.kinds.push((name, if kind == Kind::Category { Kind::Text } else { kind }));
        }
    }
    let told = declared.unwrap_or_else(|| Format::of_path(&arguments.output));
    let job = Job { spec: &spec, model: &model, input: &arguments.input, explain: arguments.explain };
    let mut batches = open(&arguments.input, declared, &options)?;
    if arguments.output == "-" {
        let pipe = Pipe::default();
        let mut writer = files::Writer::new(pipe.clone(), told);
        job.run(&mut batches, &mut writer, &|| pipe.is_closed.load(Ordering::Relaxed))?;
        writer.finish().map_err(|error| failed(&error))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut outcome = Ok(());
    let written = disk::write_parts(arguments.output.as_ref(), |file| {
        let mut writer = files::Writer::new(BufWriter::new(file), told);
        outcome = job
            .run(&mut batches, &mut writer, &|| false)
            .and_then(|()| writer.finish().map_err(|error| failed(&error)));
        // What went wrong is told below; the file is not left half written.
        if outcome.is_err() { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
    });
    outcome?;
    written.map_err(|error| failed(&error))?;
    Ok(ExitCode::SUCCESS)
}

/// Predictions of one file.
struct Job<'a> {
    spec: &'a spec::Spec,
    model: &'a Model,
    input: &'a str,
    explain: bool,
}

impl Job<'_> {
    /// Predicts rows as they are read and writes them as they are predicted.
    fn run<W: Write + Send>(
        &self,
        batches: &mut Batches<'_>,
        writer: &mut files::Writer<W>,
        is_closed: &dyn Fn() -> bool,
    ) -> Result<(), Failure> {
        let unreadable = |error: &dyn std::fmt::Display| Failure::new("", format!("{}: {error}", self.input));
        let mut left_out = LeftOut::default();
        while let Some(read) = batches.next(ROWS).map_err(|error| unreadable(&error))? {
            left_out.tell(self.input, &read.rejected);
            let predicted = self.predicted(&read.table)?;
            writer.write(&predicted).map_err(|error| failed(&error))?;
            if is_closed() {
                break;
            }
        }
        left_out.sum_up(self.input);
        Ok(())
    }

    fn predicted(&self, rows: &Table) -> Result<Table, Failure> {
        let predictor = self.model.predictor.as_ref();
        let checked = match self.spec.kind {
            spec::Kind::Foreign => Ok(rows.clone()),
            _ => predictor.signature().check(rows),
        };
        let checked = checked.map_err(|problems| {
            let shown: Vec<String> = problems.iter().take(5).map(ToString::to_string).collect();
            Failure::new("", format!("{}: {}", self.input, shown.join("\n")))
        })?;
        let predictions = predictor.predict(&checked).map_err(|error| failed(&error))?;
        let reasons = match self.explain {
            true => predictor.explain(&checked).map_err(|error| failed(&error))?,
            false => None,
        };
        if self.explain && reasons.is_none() {
            return Err(Failure::new("", format!("`{}` cannot tell its reasons", self.spec.name)));
        }
        output::table(self.spec, predictor, rows, (&predictions, reasons.as_deref()))
            .map_err(|error| failed(&error))
    }
}

/// Begins to read a file, or standard input.
fn open(path: &str, format: Option<Format>, options: &csv::Options) -> Result<Batches<'static>, Failure> {
    let unreadable = |error: &dyn std::fmt::Display| Failure::new("", format!("cannot read {path}: {error}"));
    let format = format.unwrap_or_else(|| Format::of_path(path));
    let opened = match (path, format) {
        // The end of a Parquet file tells what is in it.
        ("-", Format::Parquet) => {
            Batches::of_parquet(spooled(io::stdin().lock()).map_err(|error| unreadable(&error))?)
        }
        ("-", format) => Batches::of_lines(io::stdin().lock(), format, options),
        (path, Format::Parquet) => Batches::of_parquet(File::open(path).map_err(|error| unreadable(&error))?),
        (path, format) => {
            Batches::of_lines(File::open(path).map_err(|error| unreadable(&error))?, format, options)
        }
    };
    opened.map_err(|error| Failure::new("", format!("{path}: {error}")))
}

/// A pipe as a file that one can seek in; it goes away with the process.
fn spooled(mut pipe: impl Read) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    io::copy(&mut pipe, &mut file)?;
    file.rewind()?;
    Ok(file)
}

/// Standard output; a reader that went away, as `head` does, is no failure of ours.
#[derive(Clone, Default)]
struct Pipe {
    is_closed: Arc<AtomicBool>,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match io::stdout().lock().write_all(bytes) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.is_closed.store(true, Ordering::Relaxed);
                Ok(bytes.len())
            }
            written => written.map(|()| bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = io::stdout().lock().flush();
        Ok(())
    }
}
