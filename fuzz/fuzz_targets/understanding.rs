//! Any text, understood by a pipeline in which every kind of component answers.
#![no_main]

use std::sync::LazyLock;

use intendant_nlu::Pipeline;
use libfuzzer_sys::fuzz_target;

#[path = "../../crates/nlu/tests/it/soundness.rs"]
mod soundness;
#[path = "../../crates/nlu/tests/it/talkative.rs"]
mod talkative;

static PIPELINE: LazyLock<Pipeline> = LazyLock::new(talkative::pipeline);

fuzz_target!(|text: &str| {
    talkative::check(&PIPELINE, text);
});
