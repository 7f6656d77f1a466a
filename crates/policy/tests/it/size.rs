//! Training time grows with the stories, not with their square.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::support::{project, train};

fn time_of(count: usize) -> Duration {
    let mut yaml = String::from(
        "recipe: default.v1\nlanguage: en\nassistant_id: test\npipeline: []\npolicies: [{name: MemoizationPolicy}, {name: RulePolicy}, {name: UnexpecTEDIntentPolicy}, {name: TEDPolicy, max_history: 5}]\n",
    );
    let intents: Vec<String> = (0..30).map(|idx| format!("i{idx}")).collect();
    let _ = writeln!(yaml, "intents: [{}]\nresponses:", intents.join(", "));
    for idx in 0..30 {
        let _ = writeln!(yaml, "  utter_{idx}: [{{text: \"{idx}\"}}]");
    }
    yaml.push_str("rules:\n  - {rule: r, steps: [{intent: i29}, {action: utter_29}]}\nstories:\n");
    for idx in 0..count {
        let (a, b, c) = (idx % 29, (idx / 29) % 29, (idx / 841 + idx) % 29);
        let _ = writeln!(
            yaml,
            "  - {{story: s{idx}, steps: [{{intent: i{a}}}, {{action: utter_{a}}}, {{intent: i{b}}}, {{action: utter_{b}}}, {{intent: i{c}}}, {{action: utter_{c}}}]}}"
        );
    }
    let project = project(&yaml);
    let started = Instant::now();
    train(&project).expect("trains");
    started.elapsed()
}

#[test]
fn a_thousand_stories_train_in_time() {
    let (hundred, thousand) = (time_of(100), time_of(1_000));
    eprintln!("100 stories train in {hundred:?}, 1,000 in {thousand:?}");
    // Generous: other work may share the machine, and this build is not optimised throughout.
    assert!(thousand < hundred * 40 + Duration::from_secs(2), "{hundred:?} {thousand:?}");
}
