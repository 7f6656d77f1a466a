//! How commands are used, shown at the end of their help.

use clap::Command;
use clap::builder::styling::{AnsiColor, Styles};

/// Colours of help and of mistakes on the command line.
pub const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Words of a command, and command lines with what they do.
pub const ALL: &[(&str, &[(&str, &str)])] = &[
    (
        "",
        &[
            ("intendant init --no-prompt", "a new project, trained"),
            ("intendant up", "train what changed, serve, and talk on a page"),
            ("intendant run --enable-api", "what `rasa run --enable-api` was"),
        ],
    ),
    ("init", &[("intendant init --init-dir shop --no-prompt", "a new project in the folder shop, trained")]),
    (
        "train",
        &[
            ("intendant train", "train what changed since the newest model"),
            ("intendant train --dry-run", "say what would be trained"),
            ("intendant train --fixed-model-name shop", "models/shop.tar.gz"),
            ("intendant train --json", "where the model is, for a script"),
        ],
    ),
    ("models", &[("intendant models list", "every trained model, newest first")]),
    ("models list", &[("intendant models list --json", "all that is known, for a script")]),
    ("models show", &[("intendant models show production", "the model under a tag")]),
    ("models diff", &[("intendant models diff production latest", "what a new model changes")]),
    (
        "models tag",
        &[
            ("intendant models tag", "which tags there are"),
            ("intendant models tag latest staging", "the newest model under a tag, if it passes the gates"),
            (
                "intendant models tag shop:3 production --reason fewer_fallbacks",
                "with a word for the history",
            ),
        ],
    ),
    ("models rollback", &[("intendant models rollback production", "back to the model before")]),
    ("models untag", &[("intendant models untag staging", "the tag is no more")]),
    ("models history", &[("intendant models history production", "where the tag has been")]),
    ("models measure", &[("intendant models measure latest tests", "figures on test data, kept on record")]),
    ("models verify", &[("intendant models verify", "whether all archives are sound")]),
    ("models gc", &[("intendant models gc --keep 5 --dry-run", "what nothing needs")]),
    (
        "models rotate",
        &[
            ("intendant models rotate", "the newest under models/latest.tar.gz, three in all"),
            ("intendant models rotate /srv/models --keep 5 --watch", "as a service"),
        ],
    ),
    (
        "models push",
        &[
            ("intendant models push production s3://models/support", "to a bucket"),
            ("intendant models push latest https://models.example.com", "to another server"),
        ],
    ),
    (
        "models pull",
        &[("intendant models pull production https://models.example.com", "what the tag names there")],
    ),
    ("models serving", &[("intendant models serving", "which model answers, and what is tried beside it")]),
    ("models serving shadow", &[("intendant models serving shadow staging", "count what would differ")]),
    (
        "models serving canary",
        &[("intendant models serving canary staging --percent 10", "one conversation in ten")],
    ),
    ("models serving end", &[("intendant models serving end", "all conversations back to the model in use")]),
    ("models serving promote", &[("intendant models serving promote", "it stood the test")]),
    ("models serving rollback", &[("intendant models serving rollback", "back, without loading anything")]),
    (
        "predict",
        &[
            ("intendant predict churn --input customers.csv --output scores.csv", "a file"),
            ("intendant predict churn --explain", "rows from standard input, with reasons"),
        ],
    ),
    ("load", &[("intendant load churn customer=new.csv", "rows into the table `customer`")]),
    (
        "gateway",
        &[
            ("intendant gateway", "what intendant.yml says, on port 5006"),
            ("intendant gateway -i 0.0.0.0 -p 8080", "for a network"),
        ],
    ),
    ("budget", &[("intendant budget status", "what was spent and what is left")]),
    ("budget status", &[("intendant budget status --json", "for a script")]),
    ("budget reset", &[("intendant budget reset --reason load_test", "what was spent counts no more")]),
    ("budget grant", &[("intendant budget grant 2.50 --reason open_day", "more for this period, once")]),
    (
        "budget limit",
        &[
            ("intendant budget limit 20 --reason new_term", "from now on"),
            ("intendant budget limit --reason term_is_over", "that of the settings again"),
        ],
    ),
    (
        "budget history",
        &[
            ("intendant budget history --kind reset,grant,limit", "who changed what"),
            ("intendant budget history --account month --lines 1000 --json", "for a script"),
        ],
    ),
    ("budget rebuild", &[("intendant budget rebuild", "check the counters against the ledger")]),
    (
        "budget import",
        &[("intendant budget import --redis localhost:6379 --reason moved", "what was counted elsewhere")],
    ),
    (
        "import dialogflow",
        &[
            (
                "intendant import dialogflow agent.zip --out shop",
                "an agent as a project: then train and run it",
            ),
            ("intendant import dialogflow agent.zip --report report.json", "what was read, for a script"),
        ],
    ),
    (
        "import",
        &[("intendant import dialogflow agent.zip --out shop", "an agent exported from Dialogflow ES")],
    ),
    (
        "export dialogflow",
        &[("intendant export dialogflow shop --out agent.zip", "the agent for Dialogflow")],
    ),
    ("backup", &[("intendant backup create", "the agent of this folder as a new version")]),
    (
        "backup create",
        &[
            ("intendant backup create shop --store /srv/backups", "a new version, if something changed"),
            ("intendant backup create --every 6h", "as a service"),
        ],
    ),
    ("backup list", &[("intendant backup list --json", "all versions, for a script")]),
    (
        "backup diff",
        &[
            ("intendant backup diff", "what changed since the newest version"),
            ("intendant backup diff 3 5", "what changed between two versions"),
        ],
    ),
    ("backup verify", &[("intendant backup verify", "whether every version can be restored")]),
    (
        "backup restore",
        &[("intendant backup restore 3 --project shop", "version 3 in place of what is there")],
    ),
    ("train nlu", &[("intendant train nlu -u data/nlu.yml", "language understanding alone")]),
    ("train core", &[("intendant train core -s data/stories.yml data/rules.yml", "dialogue alone")]),
    (
        "run",
        &[
            ("intendant run", "serve the newest model of the folder models"),
            ("intendant run -m models/shop.tar.gz --enable-api -p 5010", "a model, with the HTTP API"),
            ("intendant run --enable-api --cors '*' --auth-token secret", "for browsers, with a token"),
        ],
    ),
    ("run actions", &[("intendant run actions --port 5055", "the Python actions, on rasa-sdk")]),
    ("up", &[("intendant up shop", "train and serve the project in the folder shop")]),
    ("shell", &[("intendant shell models/shop.tar.gz", "talk to a model")]),
    ("shell nlu", &[("intendant shell nlu -m models", "see what is understood")]),
    (
        "interactive",
        &[
            ("intendant interactive", "talk, correct, and save stories and examples"),
            (
                "intendant interactive -m models --e2e",
                "with a model that is there; stories with the user's words",
            ),
        ],
    ),
    ("interactive core", &[("intendant interactive core -s data", "messages are intents: /greet")]),
    ("test", &[("intendant test -s tests -u data --out results", "stories end to end, then messages")]),
    (
        "test core",
        &[("intendant test core --e2e -s tests --fail-on-prediction-errors", "for continuous integration")],
    ),
    (
        "test nlu",
        &[("intendant test nlu -u data --cross-validation -f 5", "how it does on what it has not seen")],
    ),
    (
        "visualize",
        &[
            ("intendant visualize --out graph.html", "the stories below data, as a page"),
            ("intendant visualize -s data/stories.yml --max-history 4", "merge less"),
        ],
    ),
    (
        "export",
        &[
            ("intendant export", "all conversations, to the broker of endpoints.yml"),
            (
                "intendant export --conversation-ids ann,bob --minimum-timestamp 1700000000",
                "some events of two",
            ),
        ],
    ),
    ("evaluate", &[("intendant evaluate markers all markers.csv", "find markers in all conversations")]),
    (
        "evaluate markers",
        &[
            ("intendant evaluate markers all markers.csv --config markers.yml", "in all conversations"),
            ("intendant evaluate markers sample_n 100 --seed 1 markers.csv", "in a hundred of them"),
        ],
    ),
    (
        "evaluate markers all",
        &[("intendant evaluate markers all markers.csv --no-stats", "the places alone")],
    ),
    (
        "evaluate markers first_n",
        &[("intendant evaluate markers first_n 50 markers.csv", "in the first fifty")],
    ),
    (
        "evaluate markers sample_n",
        &[(
            "intendant evaluate markers sample_n 50 --seed 7 markers.csv",
            "in fifty, the same ones each time",
        )],
    ),
    (
        "data split",
        &[("intendant data split nlu --training-fraction 0.9", "a tenth of the messages to test with")],
    ),
    (
        "data split nlu",
        &[("intendant data split nlu -u data/nlu.yml --random-seed 1", "the same parts each time")],
    ),
    ("data split stories", &[("intendant data split stories -u data", "stories to train and to test with")]),
    (
        "data convert",
        &[("intendant data convert nlu --data old --out nlu.yml -f yaml", "other tools' data to YAML")],
    ),
    (
        "data convert nlu",
        &[("intendant data convert nlu --data agent -f yaml --out nlu.yml", "an agent to YAML")],
    ),
    ("data migrate", &[("intendant data migrate -d domain.yml", "a domain of Rasa 2 to one of Rasa 3")]),
    ("data suggest", &[("intendant data suggest --out suggested.yml", "synonyms and lookup tables")]),
    (
        "parity",
        &[
            (
                "intendant parity --against http://localhost:5005 --conversations rasa.db",
                "replay what users said to a running Rasa and to the newest model",
            ),
            (
                "intendant parity --against http://rasa:5005 --conversations tests --json",
                "replay test stories, for a script",
            ),
        ],
    ),
    ("entities", &[("intendant entities --port 8000", "in the place of a Duckling server")]),
    ("data", &[("intendant data validate", "check the project")]),
    (
        "data validate",
        &[
            ("intendant data validate --fail-on-warnings", "for continuous integration"),
            ("intendant data validate --json", "what was found, for a script or an editor"),
        ],
    ),
    (
        "models note",
        &[("intendant models note production \"retrained with the questions of May\"", "say what it is")],
    ),
    ("jobs", &[("intendant jobs list", "the newest jobs")]),
    ("jobs list", &[("intendant jobs list --state failed", "what went wrong")]),
    ("jobs show", &[("intendant jobs show 7", "how far it is, or what came of it")]),
    ("jobs log", &[("intendant jobs log 7 --follow", "as it is written")]),
    ("jobs cancel", &[("intendant jobs cancel 7", "end it")]),
    ("jobs submit", &[("intendant jobs submit train", "train when a worker is free")]),
    (
        "jobs submit train",
        &[
            ("intendant jobs submit train --tag staging", "and tag the model if it passes the gates"),
            ("intendant jobs submit train --wait", "and print the log until it ends"),
            ("intendant jobs submit train churn --tag churn.production", "a predictor"),
        ],
    ),
    ("jobs submit evaluate", &[("intendant jobs submit evaluate tests", "figures of the newest model")]),
    ("worker", &[("intendant worker", "do jobs of the project in this folder")]),
    ("stream", &[("intendant stream list", "the streams of intendant.yml and what is in their books")]),
    (
        "stream produce",
        &[("intendant stream produce articles --port 8001", "send what is new, with /health on a port")],
    ),
    (
        "stream consume",
        &[
            ("intendant stream consume articles --port 8000", "score what comes, with /health on a port"),
            ("intendant stream consume articles --once", "score what waits, and end"),
        ],
    ),
    ("stream list", &[("intendant stream list --json", "for a script")]),
    ("stream dead", &[("intendant stream dead list articles", "messages that could not be scored")]),
    ("stream dead list", &[("intendant stream dead list articles --limit 10", "the newest ten")]),
    ("stream dead show", &[("intendant stream dead show articles 4f53", "why, and the message")]),
    ("stream dead replay", &[("intendant stream dead replay articles --all", "try all once more")]),
    ("stream dead drop", &[("intendant stream dead drop articles 4f53", "this one is no loss")]),
    (
        "completions",
        &[("intendant completions bash > ~/.local/share/bash-completion/completions/intendant", "for Bash")],
    ),
    ("telemetry", &[("intendant telemetry", "what is reported (nothing)")]),
    ("telemetry enable", &[("intendant telemetry enable", "there is nothing to enable")]),
    ("telemetry disable", &[("intendant telemetry disable", "there is nothing to disable")]),
];

/// The command with examples at the end of its help, and so all commands below it.
pub fn with_examples(command: Command) -> Command {
    with_examples_at(command, "")
}

fn with_examples_at(mut command: Command, words: &str) -> Command {
    if let Some((_, examples)) = ALL.iter().find(|(of, _)| *of == words) {
        let header = STYLES.get_header();
        let literal = STYLES.get_literal();
        let mut text = format!("{header}Examples:{header:#}");
        for (line, about) in *examples {
            text.push_str(&format!("\n  {literal}{line}{literal:#}\n      {about}"));
        }
        command = command.after_help(text);
    }
    let names: Vec<String> = command.get_subcommands().map(|below| below.get_name().to_owned()).collect();
    for name in names {
        let below = format!("{words} {name}").trim_start().to_owned();
        command = command.mut_subcommand(name, |command| with_examples_at(command, &below));
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::CommandFactory;

    #[test]
    fn examples_are_command_lines() {
        for (of, examples) in ALL {
            for (line, _) in *examples {
                let line = line.split(" > ").next().unwrap_or(line).replace('\'', "");
                // What stands in double quotes is one word, as to a shell.
                let pieces = line.split('"').enumerate().flat_map(|(at, piece)| match at % 2 {
                    0 => piece.split(' ').filter(|word| !word.is_empty()).collect(),
                    _ => vec![piece],
                });
                let words: Vec<&str> = pieces.collect();
                assert!(words.join(" ").starts_with(format!("intendant {of}").trim_end()), "{line}");
                let parsed = Cli::command().try_get_matches_from(&words);
                assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
            }
        }
    }

    #[test]
    fn every_command_has_examples() {
        fn walk(command: &Command, words: &str, missing: &mut Vec<String>) {
            if command.get_after_help().is_none() {
                missing.push(words.to_owned());
            }
            let shown =
                command.get_subcommands().filter(|below| !below.is_hide_set() && below.get_name() != "help");
            for below in shown {
                walk(below, format!("{words} {}", below.get_name()).trim_start(), missing);
            }
        }
        let mut missing = Vec::new();
        walk(&with_examples(Cli::command()), "", &mut missing);
        assert_eq!(missing, Vec::<String>::new(), "add examples to the table in cli/examples.rs");
    }
}
