//! Parsing and training in process on made-up data: `cargo bench -p intendant-nlu`.
#![allow(missing_docs, clippy::unwrap_used)]

use std::cell::Cell;
use std::sync::LazyLock;

use divan::Bencher;
use intendant_component::training::{Silent, TrainContext};
use intendant_nlu::{Pipeline, recommended_pipeline};
use intendant_rasa_format::{Project, SourceFile};

const CONTEXT: TrainContext<'static> = TrainContext { seed: 42, threads: 2, progress: &Silent };

fn main() {
    divan::main();
}

fn project(examples: usize) -> Project {
    let yaml = fixtures::made::nlu_yaml(&fixtures::made::sentences(examples, 1));
    let file = SourceFile { path: "nlu.yml".to_owned(), bytes: yaml.into_bytes() };
    Project::read_document(&file, &|_| None).0
}

fn trained(project: &Project) -> Pipeline {
    let trained =
        intendant_nlu::train(&recommended_pipeline(), "en", &project.nlu, &project.domain, &CONTEXT);
    trained.unwrap().0
}

/// 10,000 examples of 150 intents.
static PIPELINE: LazyLock<Pipeline> = LazyLock::new(|| trained(&project(10_000)));

/// One message, one that was never seen in training.
#[divan::bench(sample_count = 5_000, sample_size = 1)]
fn parse(bencher: Bencher<'_, '_>) {
    let sentences = fixtures::made::sentences(1_000, 2);
    let texts: Vec<String> = sentences.iter().map(|(_, text)| fixtures::made::plain(text)).collect();
    LazyLock::force(&PIPELINE);
    let next = Cell::new(0);
    bencher.bench_local(|| {
        next.set((next.get() + 1) % texts.len());
        PIPELINE.parse(&texts[next.get()])
    });
}

#[divan::bench(args = [10_000, 20_000], sample_count = 3, sample_size = 1)]
fn train(bencher: Bencher<'_, '_>, examples: usize) {
    let project = project(examples);
    bencher.bench_local(|| trained(&project));
}
