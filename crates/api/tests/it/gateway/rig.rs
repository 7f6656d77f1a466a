//! A gateway on a free port.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use intendant_api::gateway::{Door, Front, lone_router};
use intendant_api::listen;
use intendant_budget::decide::Budget;
use intendant_budget::period::{Period, Span};
use intendant_budget::price::{Price, Prices, Unknown};
use intendant_budget::rule::{Exhausted, Rule, Scope};
use intendant_budget::till::Till;
use intendant_client::completions::{Completions, Model};
use intendant_client::dialogflow::{Agent, Dialogflow};
use intendant_client::endpoint::Endpoint;
use intendant_client::http::{Answer, HttpClient, Outgoing};
use intendant_client::service_account::ServiceAccount;
use intendant_gateway::service::{Gateway, Outside, Settings};
use intendant_gateway::session::Sessions;
use intendant_port::BoxFuture;
use intendant_port::clock::Clock;
use intendant_port::error::{Error, Kind, Result};
use intendant_port::ledger::{Entry, Ledger, Needs, Sheet, Slot, Wanted, Work};
use intendant_port::money::MicroUsd;
use intendant_port::notify::{Message, Notifier};
use intendant_port::upstream::{Answer as Said, Free, Nearby, Question, Upstream};
use intendant_store::ledger;
use intendant_store::sql_settings::SqlEnvironment;
use intendant_store::sqlite_file::Durability;
use intendant_talk::time::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::stand_in::StandIn;

/// 31 January 2026, 23:00 UTC.
pub const START: i64 = 1_769_900_400;

/// A clock that goes where it is told.
#[derive(Clone)]
pub struct TestClock(Arc<Mutex<Timestamp>>);

impl TestClock {
    pub fn at(seconds: i64) -> Self {
        Self(Arc::new(Mutex::new(Timestamp::from_micros(seconds * 1_000_000))))
    }

    pub fn set(&self, seconds: i64) {
        *self.0.lock().unwrap() = Timestamp::from_micros(seconds * 1_000_000);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// Keeps what it is told.
#[derive(Default)]
pub struct Kept(pub Mutex<Vec<String>>);

impl Notifier for Kept {
    fn tell<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<()>> {
        self.0.lock().unwrap().push(message.subject.clone());
        Box::pin(std::future::ready(Ok(())))
    }
}

/// An assistant of our own.
struct Own;

impl Nearby for Own {
    fn answer<'a>(&'a self, _question: &'a Question) -> BoxFuture<'a, Result<Said>> {
        let message =
            json!({"text": "from nearby", "utter_action": "utter_it"}).as_object().cloned().unwrap();
        Box::pin(std::future::ready(Ok(Said { messages: vec![message], ..Said::default() })))
    }
}

/// A ledger whose database is away.
struct Away;

fn away<T: Send + 'static>() -> BoxFuture<'static, Result<T>> {
    Box::pin(std::future::ready(Err(Error::new(Kind::Unavailable, "the database is away"))))
}

impl Ledger for Away {
    fn transact(&self, _needs: Needs, _work: Work) -> BoxFuture<'_, Result<()>> {
        away()
    }

    fn read(&self, _since: Timestamp, _counters_max: u32) -> BoxFuture<'_, Result<Sheet>> {
        away()
    }

    fn history<'a>(&'a self, _wanted: &'a Wanted) -> BoxFuture<'a, Result<Vec<Entry>>> {
        away()
    }

    fn rebuild(&self) -> BoxFuture<'_, Result<Vec<Slot>>> {
        away()
    }
}

/// How the gateway of a test is; `Plan::default()` has 10 USD a month and Dialogflow's price.
pub struct Plan {
    pub rules: Vec<Rule>,
    pub settings: Settings,
    pub door: Door,
    pub has_fallback: bool,
    pub has_account: bool,
    pub model: Option<Model>,
    /// Whether the ledger can be written.
    pub has_ledger: bool,
}

pub fn rule(limit: &str, exhausted: Exhausted) -> Rule {
    Rule {
        name: "month".to_owned(),
        scope: Scope::Global,
        id: None,
        limit: MicroUsd::parse(limit).unwrap(),
        period: Period::Calendar(Span::Month, jiff::tz::TimeZone::UTC),
        thresholds: vec![50, 100],
        exhausted,
    }
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            rules: vec![rule("10", Exhausted::Block)],
            settings: Settings {
                message_chars_max: 256,
                per_address: 100_000,
                per_session: 100_000,
                cache_seconds: 0,
                cache_entries_max: 100,
                timeout: Duration::from_secs(60),
                unmetered_max: 0,
                canned: None,
                instead_of: None,
            },
            door: Door {
                origins: Vec::new(),
                keys: BTreeMap::new(),
                anonymous: true,
                trusted_proxies: Vec::new(),
                language: "en".to_owned(),
                show_amounts: false,
                project: "shop".to_owned(),
            },
            has_fallback: false,
            has_account: false,
            model: None,
            has_ledger: true,
        }
    }
}

/// A running gateway.
pub struct Rig {
    pub port: u16,
    pub stand_in: StandIn,
    pub clock: TestClock,
    pub till: Till,
    pub told: Arc<Kept>,
    pub folder: TempDir,
    client: HttpClient,
}

fn price(upstream: &str, kind: &str, amount: &str, per: u64) -> Price {
    Price {
        upstream: upstream.to_owned(),
        kind: kind.to_owned(),
        edition: "*".to_owned(),
        amount: MicroUsd::parse(amount).unwrap(),
        per,
        from: None,
        until: None,
    }
}

const KEY: &str = include_str!("../../../../app/tests/channels/signing_key.pem");

fn upstream(plan: &Plan, client: &HttpClient, stand_in: &StandIn) -> Arc<dyn Upstream> {
    let url = format!("http://127.0.0.1:{}", stand_in.port);
    if let Some(model) = &plan.model {
        let endpoint = Endpoint::bare(&format!("{url}/v1/chat/completions")).unwrap();
        return Arc::new(Completions::new(client.clone(), endpoint, model.clone()));
    }
    let account = plan.has_account.then(|| {
        let file = json!({"client_email": "bot@example.org", "private_key": KEY, "private_key_id": "k1",
                          "token_uri": format!("{url}/token")});
        ServiceAccount::new(client.clone(), &file.to_string()).unwrap()
    });
    let agent = Agent {
        url,
        project: "agent".to_owned(),
        location: None,
        environment: None,
        edition: "essentials".to_owned(),
        timeout: plan.settings.timeout,
    };
    Arc::new(Dialogflow::new(client.clone(), agent, account))
}

impl Rig {
    pub async fn start(plan: Plan) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), plan).await
    }

    /// With a ledger that may be there from before.
    pub async fn start_in(folder: TempDir, plan: Plan) -> Self {
        let stand_in = StandIn::start().await;
        let client = HttpClient::new().unwrap();
        let clock = TestClock::at(START);
        let database = folder.path().join("budget.db").display().to_string();
        let ledger = ledger::open(Some(&database), &SqlEnvironment::default(), Durability::Process).await;
        let ledger: Arc<dyn Ledger> = if plan.has_ledger { ledger.unwrap() } else { Arc::new(Away) };
        let till = Till::new(ledger, Budget { rules: plan.rules.clone() });
        let told = Arc::new(Kept::default());
        let prices = vec![
            price("dialogflow", "text", "0.002", 1),
            price("openai", "input_tokens", "1", 1_000_000),
            price("openai", "output_tokens", "4", 1_000_000),
        ];
        let outside = Outside {
            till: till.clone(),
            prices: Prices::new(prices, Vec::new(), Unknown::Deny),
            upstream: upstream(&plan, &client, &stand_in),
            fallback: plan.has_fallback.then(|| Arc::new(Free(Own)) as Arc<dyn Upstream>),
            notifiers: vec![Arc::<Kept>::clone(&told)],
            clock: Arc::new(clock.clone()),
        };
        let front = Front {
            gateway: Gateway::new(outside, plan.settings),
            sessions: Sessions::new(b"a key for tests"),
            door: plan.door,
            clock: Arc::new(clock.clone()),
        };
        let listener = listen::bind("127.0.0.1", 0).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(listen::serve(
            listener,
            lone_router(Arc::new(front), |_: &mut String| {}),
            std::future::pending(),
        ));
        Self { port, stand_in, clock, till, told, folder, client }
    }

    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let endpoint = Endpoint::bare(&format!("http://127.0.0.1:{}{path}", self.port)).unwrap();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
        }
        let body = body.to_owned().into_bytes().into();
        let outgoing = Outgoing { method, headers: map, body, timeout: Duration::from_secs(120) };
        self.client.send(&endpoint, outgoing).await.unwrap()
    }

    pub async fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> (u16, Value) {
        let answer = self.send(Method::POST, path, headers, &body.to_string()).await;
        (answer.status.as_u16(), serde_json::from_slice(&answer.body).unwrap_or_default())
    }

    /// Says something in a new conversation: status, and `source: text` or the problem's code.
    pub async fn say(&self, text: &str) -> (u16, String) {
        let (status, body) = self.post("/api/gateway/message", &[], &json!({"text": text})).await;
        (status, outcome(&body))
    }

    /// `spent/reserved, uncertain` of the month.
    pub async fn stands(&self) -> String {
        let standings = self.till.standings(self.clock.now()).await.unwrap();
        let balance = standings[0].balance;
        format!("{}/{}, {}", balance.spent, balance.reserved, balance.uncertain)
    }
}

pub fn outcome(body: &Value) -> String {
    match body["code"].as_str() {
        Some(code) => code.to_owned(),
        None => {
            let text = body["messages"][0]["text"].as_str().unwrap_or_default();
            format!("{}: {text}", body["source"].as_str().unwrap_or_default())
        }
    }
}
