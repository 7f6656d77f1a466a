//! `intendant budget …`: the ledger by hand.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use intendant_api::gateway::standings_body;
use intendant_budget::admin::{By, Deed};
use intendant_budget::standing::Standing;
use intendant_budget::till::Till;
use intendant_client::clock::SystemClock;
use intendant_config::Environment;
use intendant_port::clock::Clock;
use intendant_port::error::Error;
use intendant_port::ledger::{Entry, Wanted};
use intendant_port::money::MicroUsd;
use intendant_port::upstream::Usage;
use intendant_store::counted_queries;
use intendant_talk::time::Timestamp;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::terminal::say;
use crate::{gateway_wiring, wiring};

/// What `intendant budget` does.
#[derive(Debug, Args)]
pub struct BudgetArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: BudgetCommand,
}

/// The commands of the ledger.
#[derive(Debug, Subcommand)]
pub enum BudgetCommand {
    /// Shows what was spent, what is left, and where it is going.
    Status(StatusArgs),
    /// Lets what was spent in this period count no more; the history stays.
    Reset(ByHand),
    /// Lets so much more be spent in this period, once.
    Grant(GrantArgs),
    /// Changes a limit from now on, or goes back to that of the settings.
    Limit(LimitArgs),
    /// Shows the lines of the ledger, newest first.
    History(HistoryArgs),
    /// Makes all counters anew from the lines of the ledger.
    Rebuild(StatusArgs),
    /// Takes over what an older middleware counted in Redis: keys `queries` and `start_time`.
    Import(ImportArgs),
}

/// How something is shown.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Which account, who, and why.
#[derive(Debug, Args)]
pub struct ByHand {
    /// The account; may be left out where there is but one rule.
    #[arg(long, value_name = "ACCOUNT")]
    pub account: Option<String>,
    /// Why; it is kept in the history.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Who does it; the user of this terminal unless given.
    #[arg(long, value_name = "NAME")]
    pub actor: Option<String>,
    /// Print how the account stands then as JSON.
    #[arg(long)]
    pub json: bool,
}

/// What is granted.
#[derive(Debug, Args)]
pub struct GrantArgs {
    /// How many dollars.
    #[arg(value_name = "USD", value_parser = MicroUsd::parse)]
    pub amount: MicroUsd,
    #[command(flatten)]
    pub by: ByHand,
}

/// The new limit.
#[derive(Debug, Args)]
pub struct LimitArgs {
    /// How many dollars; that of the settings unless given.
    #[arg(value_name = "USD", value_parser = MicroUsd::parse)]
    pub amount: Option<MicroUsd>,
    #[command(flatten)]
    pub by: ByHand,
}

/// Which lines.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// Only those of this account.
    #[arg(long, value_name = "ACCOUNT")]
    pub account: Option<String>,
    /// Only those of these kinds, like `reset` or `settle`.
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    pub kind: Vec<String>,
    /// How many.
    #[arg(short = 'n', long, default_value_t = 20, value_name = "N")]
    pub lines: u32,
    /// Print one JSON object per line.
    #[arg(long)]
    pub json: bool,
}

/// Where the counter is.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The Redis: `redis://:password@host:6379/0`, or a host.
    #[arg(long, value_name = "URL", default_value = "localhost")]
    pub redis: String,
    /// Dollars per query; the price of a text of Dialogflow's edition `essentials` unless given.
    #[arg(long, value_name = "USD", value_parser = MicroUsd::parse)]
    pub price: Option<MicroUsd>,
    #[command(flatten)]
    pub by: ByHand,
}

/// Runs a command of the ledger.
///
/// # Errors
/// What the command could not do.
pub fn run(arguments: &BudgetArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let runtime = wiring::runtime()?;
    runtime.block_on(async {
        let (section, _) = gateway_wiring::sections(environment)?;
        let till = gateway_wiring::till(&section, environment).await?;
        if till.budget().rules.is_empty() {
            let message = "intendant.yml has no limit: say `budget: {limit: 10 USD}` (docs/gateway.md)";
            return Err(Failure::new("", message));
        }
        let hand = Hand { till, environment };
        match &arguments.command {
            BudgetCommand::Status(arguments) => hand.status(arguments).await?,
            BudgetCommand::Reset(by) => hand.perform(by, Deed::Reset).await?,
            BudgetCommand::Grant(arguments) => {
                hand.perform(&arguments.by, Deed::Grant(arguments.amount)).await?;
            }
            BudgetCommand::Limit(arguments) => {
                hand.perform(&arguments.by, Deed::Limit(arguments.amount)).await?;
            }
            BudgetCommand::History(arguments) => hand.history(arguments).await?,
            BudgetCommand::Rebuild(arguments) => hand.rebuild(arguments).await?,
            BudgetCommand::Import(arguments) => {
                let prices =
                    section.prices().map_err(|why| Failure::new("", format!("intendant.yml: {why}")))?;
                let usage = [Usage { kind: "text", units: 1 }];
                let usual = prices.cost(("dialogflow", "essentials"), &usage, SystemClock.now());
                let price = match arguments.price {
                    Some(price) => price,
                    None => usual.map_err(|error| Failure::of("", &error))?.amount,
                };
                hand.import(arguments, price).await?;
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn failed(error: &Error) -> Failure {
    Failure::of("", error)
}

struct Hand<'a> {
    till: Till,
    environment: &'a Environment,
}

impl Hand<'_> {
    async fn status(&self, arguments: &StatusArgs) -> Result<(), Failure> {
        let now = SystemClock.now();
        let standings = self.till.standings(now).await.map_err(|error| failed(&error))?;
        show_all(&standings, arguments.json);
        Ok(())
    }

    async fn perform(&self, by: &ByHand, deed: Deed) -> Result<(), Failure> {
        let account = self.account(by)?;
        let actor = by.actor.clone().or_else(|| self.environment.text("USER"));
        let who = By { actor: actor.unwrap_or_else(|| "unknown".to_owned()), reason: by.reason.clone() };
        let now = SystemClock.now();
        let done =
            self.till.perform(account.clone(), deed, who, now).await.map_err(|error| failed(&error))?;
        done.map_err(|error| Failure::of("", &error))?;
        let mut standings = self.till.standings(now).await.map_err(|error| failed(&error))?;
        standings.retain(|standing| standing.account == account);
        show_all(&standings, by.json);
        Ok(())
    }

    /// The account that is meant.
    fn account(&self, by: &ByHand) -> Result<String, Failure> {
        if let Some(account) = &by.account {
            return Ok(account.clone());
        }
        match self.till.budget().rules.as_slice() {
            [only] if only.owns(&only.name) => Ok(only.name.clone()),
            rules => {
                let names: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
                let message = format!("which account? Say --account; the rules are {}", names.join(", "));
                Err(Failure::new("", message))
            }
        }
    }

    async fn history(&self, arguments: &HistoryArgs) -> Result<(), Failure> {
        let wanted = Wanted {
            account: arguments.account.clone(),
            kinds: arguments.kind.clone(),
            since: None,
            lines_max: arguments.lines,
        };
        for line in self.till.history(&wanted).await.map_err(|error| failed(&error))? {
            match arguments.json {
                true => say!("{}", line_json(&line)),
                false => say!("{}", line_text(&line)),
            }
        }
        Ok(())
    }

    async fn rebuild(&self, arguments: &StatusArgs) -> Result<(), Failure> {
        let wrong = self.till.rebuild().await.map_err(|error| failed(&error))?;
        let shown: Vec<String> =
            wrong.iter().map(|(account, slot)| format!("{account} since {}", time(*slot))).collect();
        match arguments.json {
            true => say!("{}", json!({"corrected": shown})),
            false if shown.is_empty() => say!("All counters are what the ledger says."),
            false => say!("Corrected: {}.", shown.join(", ")),
        }
        Ok(())
    }

    async fn import(&self, arguments: &ImportArgs, price: MicroUsd) -> Result<(), Failure> {
        let counted = counted_queries::read(&arguments.redis).await.map_err(|error| failed(&error))?;
        let started = match &counted.start_time {
            Some(text) => moment(text).ok_or_else(|| {
                Failure::new("", format!("`start_time` in redis {} is no time: '{text}'", counted.address))
            })?,
            None => SystemClock.now(),
        };
        let total = i128::from(counted.queries) * i128::from(price.micros);
        let (Ok(total), Ok(requests)) = (i64::try_from(total), i64::try_from(counted.queries)) else {
            return Err(Failure::new("", "the cost of all these queries is beyond counting"));
        };
        // Money spent in the future would keep every period before it from being counted.
        let at = started.min(SystemClock.now());
        let mark = format!("{} queries of redis {} since {}", counted.queries, counted.address, time(at));
        let account = self.account(&arguments.by)?;
        let wanted = Wanted {
            account: Some(account),
            kinds: vec!["adjust".to_owned()],
            since: None,
            lines_max: 1_000,
        };
        let before = self.till.history(&wanted).await.map_err(|error| failed(&error))?;
        if before.iter().any(|line| line.reason.starts_with(&mark)) {
            return Err(Failure::new("", format!("{mark} were taken over before; nothing is counted twice")));
        }
        let by = ByHand {
            account: arguments.by.account.clone(),
            reason: format!("{mark}: {}", arguments.by.reason),
            actor: arguments.by.actor.clone(),
            json: arguments.by.json,
        };
        let amount = MicroUsd::from_micros(total);
        if !by.json {
            say!("{mark}: {amount} USD.");
        }
        self.perform(&by, Deed::Adjust { amount, requests, at }).await
    }
}

fn show_all(standings: &[Standing], as_json: bool) {
    match as_json {
        true => say!("{}", standings_body(standings)),
        false => standings.iter().for_each(show),
    }
}

fn show(standing: &Standing) {
    let balance = &standing.balance;
    let Standing { account, rule, forecast, .. } = standing;
    let state = if standing.is_exhausted { ", used up" } else { "" };
    say!("{account}: {} of {} USD spent ({} %){state}", balance.spent, balance.limit, balance.percent());
    let until = balance.window.ends.filter(|_| standing.forecast.is_some() || is_calendar(standing));
    let until = until.map(|ends| format!(", until {}", time(ends))).unwrap_or_default();
    say!("  period     {}, since {}{until}", rule.period, time(balance.window.first));
    say!("  left       {} USD, {} USD held", balance.left(), balance.reserved);
    say!("  requests   {}", balance.requests);
    let zero = MicroUsd::ZERO;
    if balance.granted != zero {
        say!("  granted    {} USD in this period", balance.granted);
    }
    if balance.saved != zero {
        say!("  saved      {} USD by cached and own answers", balance.saved);
    }
    if balance.uncertain != zero {
        say!("  uncertain  {} USD paid for requests whose outcome is not known", balance.uncertain);
    }
    if let Some(forecast) = forecast {
        let end = match forecast.exhausted_at {
            Some(at) => format!("; used up at {}", time(at)),
            None => String::new(),
        };
        say!("  forecast   {} USD at the end of the period{end}", forecast.at_end);
    }
}

fn is_calendar(standing: &Standing) -> bool {
    matches!(standing.rule.period, intendant_budget::period::Period::Calendar(..))
}

fn time(at: Timestamp) -> String {
    match jiff::Timestamp::from_microsecond(at.micros) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        Err(_) => "a time out of range".to_owned(),
    }
}

/// Seconds since 1970, or a date and time as Python writes them.
fn moment(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return Some(Timestamp::from_secs_f64(seconds)).filter(|at| at.micros > 0);
    }
    let instant = text.parse::<jiff::Timestamp>().or_else(|_| {
        let civil: jiff::civil::DateTime = text.parse()?;
        civil.to_zoned(jiff::tz::TimeZone::UTC).map(|zoned| zoned.timestamp())
    });
    instant.ok().map(|instant| Timestamp::from_micros(instant.as_microsecond()))
}

fn line_text(line: &Entry) -> String {
    let mut parts = vec![time(line.at), format!("{:<7}", line.kind)];
    let amounts = [
        (line.spent, "spent"),
        (line.reserved, "held"),
        (line.granted, if line.kind == "limit" { "limit" } else { "granted" }),
        (line.saved, "saved"),
    ];
    for (amount, word) in amounts {
        if amount != MicroUsd::ZERO {
            parts.push(format!("{amount} {word}"));
        }
    }
    let accounts: Vec<&str> = line.slots.iter().map(|(account, _)| account.as_str()).collect();
    parts.push(accounts.join(", "));
    for (text, before) in [(&line.purpose, ""), (&line.actor, "by "), (&line.reason, "because ")] {
        if !text.is_empty() {
            parts.push(format!("{before}{text}"));
        }
    }
    parts.join("  ")
}

fn line_json(line: &Entry) -> Value {
    let accounts: Vec<Value> = line
        .slots
        .iter()
        .map(|(account, slot)| json!({"account": account, "period_begins_at_micros": slot.micros}))
        .collect();
    json!({
        "at_micros": line.at.micros,
        "kind": line.kind,
        "request": line.request,
        "accounts": accounts,
        "spent_micros": line.spent.micros,
        "reserved_micros": line.reserved.micros,
        "granted_micros": line.granted.micros,
        "saved_micros": line.saved.micros,
        "uncertain_micros": line.uncertain.micros,
        "units": line.units,
        "purpose": line.purpose,
        "actor": line.actor,
        "reason": line.reason,
    })
}
