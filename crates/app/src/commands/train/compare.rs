//! `intendant train core --config A B …`: models of several configurations on parts of the stories, to be compared by
//! `intendant test core --evaluate-model-directory`.

use std::path::Path;
use std::process::ExitCode;

use intendant_bundle::TrainingType;
use intendant_config::Environment;
use intendant_numeric::random::Random;
use intendant_talk::story::{Story, StoryKind};
use intendant_train::plan;

use super::{SEED, recipe, train_quietly};
use crate::cli::{CoreComparison, TrainArgs, TrainPart};
use crate::commands::test::comparison::{PERCENTAGE_MARK, STORIES_FILE, stem};
use crate::commands::test::write_json;
use crate::failure::Failure;
use crate::progress::TerminalProgress;
use crate::project::{self, Paths};
use crate::report;
use crate::terminal::say;

/// Trains `run_N/<configuration>__percentage__<left out>.tar.gz` below the folder of `--out`.
pub fn run(arguments: TrainArgs, quiet: bool, environment: &Environment) -> Result<ExitCode, Failure> {
    let Some(TrainPart::Core { stories, config, domain, output, core, comparison, .. }) = arguments.part
    else {
        return Ok(ExitCode::SUCCESS);
    };
    let mut n_stories = 0;
    for path in &config {
        let paths = Paths { config: Some(path.clone()), domain: domain.clone(), data: stories.clone() };
        let (project, findings) = project::read(&paths, environment)?;
        report::print(&findings);
        if project::has_errors(&findings) {
            return Err(Failure::new("", format!("{} cannot be trained", path.display())));
        }
        let (whole, _) = recipe(project, core.augmentation, Some(TrainingType::Core))?;
        n_stories = whole.stories.iter().filter(|story| story.kind == StoryKind::Story).count();
        for run in 0..comparison.runs {
            for percentage in &comparison.percentages {
                let part = part_of(&whole.stories, *percentage, SEED.wrapping_add(run as u64));
                let part = intendant_train::recipe::Recipe { stories: part, ..whole.clone() };
                let plan = plan::plan(&part, TrainingType::Core, None);
                let progress = TerminalProgress::new(quiet);
                let trained = train_quietly(&part, &plan, None, output.num_threads, &progress);
                progress.clear();
                let name = format!("{}{PERCENTAGE_MARK}{percentage}.tar.gz", stem(path));
                let target = output.out.join(format!("run_{}", run + 1)).join(name);
                intendant_train::files::write_whole(&target, &trained?.archive)
                    .map_err(|error| Failure::of("", &error))?;
                if !quiet {
                    say!("{}", target.display());
                }
            }
        }
    }
    write_story_counts(&output.out, n_stories, &comparison)?;
    if !quiet {
        let folder = output.out.display();
        say!("Compare them with `intendant test core --evaluate-model-directory --model {folder}`.");
    }
    Ok(ExitCode::SUCCESS)
}

/// How many stories were trained with at each percentage, for the comparison's graph.
fn write_story_counts(out: &Path, n_stories: usize, comparison: &CoreComparison) -> Result<(), Failure> {
    let left_out =
        |percentage: &u8| (f64::from(*percentage) / 100.0 * n_stories as f64).round_ties_even() as usize;
    let counts: Vec<usize> = comparison.percentages.iter().map(|one| n_stories - left_out(one)).collect();
    write_json(&out.join(STORIES_FILE), &counts.into())
}

/// Leaves out a share of the stories, seeded. Rules stay, as policies contradict each other without them; Rasa leaves
/// out rules too.
fn part_of(stories: &[Story], percentage: u8, seed: u64) -> Vec<Story> {
    let mut positions: Vec<usize> =
        (0..stories.len()).filter(|idx| stories[*idx].kind == StoryKind::Story).collect();
    let n_left_out = (f64::from(percentage) / 100.0 * positions.len() as f64).round() as usize;
    Random::new(seed).shuffle(&mut positions);
    let left_out = &positions[..n_left_out];
    let kept = stories.iter().enumerate().filter(|(idx, _)| !left_out.contains(idx));
    kept.map(|(_, story)| story.clone()).collect()
}
