//! The ledger's tables: SQL that SQLite and PostgreSQL both understand, and the form of rows.
//!
//! Over a network rows go in as one JSON text per table, so that a statement is prepared once for any
//! number of rows and a transaction is a few trips whatever it holds.

use intendant_port::ledger::{Counter, Entry, Needs, Request, Sheet, Slot, State, Wanted};
use intendant_port::money::MicroUsd;
use intendant_talk::time::Timestamp;
use serde_json::{Value, json};

/// Requests that should have ended, looked at in one transaction.
const OVERDUE_MAX: u32 = 100;

/// What the databases say differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Dialect {
    Sqlite,
    Postgres,
}

/// How many lines there are, as a row without account and slot: the number of the newest.
macro_rules! lines {
    () => {
        "SELECT '', NULL, coalesce((SELECT id FROM budget_entries ORDER BY id DESC LIMIT 1), 0), 0, 0, 0, 0, 0, 0"
    };
}

/// Columns of `budget_entries` after `id`, in the order of [`EntryRow`].
const ENTRY_COLUMNS: &str = "at, kind, request, slots, spent, reserved, granted, saved, uncertain, units, \
                             purpose, actor, reason";
const REQUEST_COLUMNS: &str = "id, state, estimate, paid, slots, purpose, reserved_at, expires_at, answer";
const COUNTER_COLUMNS: &str = "account, slot, spent, reserved, granted, saved, uncertain, requests, warned";

/// A counter; with no slot the limit of an account in the place of `spent`, or without an account how
/// many lines there are.
pub type CounterRow = (String, Option<i64>, i64, i64, i64, i64, i64, i64, i64);
/// A request.
pub type RequestRow = (String, String, i64, i64, String, String, i64, i64, Option<String>);
/// A line of the ledger.
pub type EntryRow = (i64, String, String, String, i64, i64, i64, i64, i64, i64, String, String, String);

impl Dialect {
    /// Statements that create what is missing.
    pub const fn create(self) -> &'static [&'static str] {
        match self {
            Self::Sqlite => &CREATE_SQLITE,
            Self::Postgres => &CREATE_POSTGRES,
        }
    }

    /// A table `k` whose column `value` holds the items of a JSON array.
    fn each(self, array: &str) -> String {
        match self {
            Self::Sqlite => format!("json_each({array}) AS k"),
            Self::Postgres => format!("jsonb_array_elements(CAST({array} AS JSONB)) AS k(value)"),
        }
    }

    /// Requests by id, and some that should have ended: `$1` ids, `$2` the time.
    pub fn select_requests(self) -> String {
        format!(
            "SELECT {REQUEST_COLUMNS} FROM budget_requests WHERE id IN (SELECT k.value->>0 FROM {}) \
             UNION ALL SELECT * FROM (SELECT {REQUEST_COLUMNS} FROM budget_requests \
             WHERE state = 'reserved' AND expires_at < $2 ORDER BY expires_at LIMIT {OVERDUE_MAX}) AS overdue",
            self.each("$1")
        )
    }

    /// Counters from slots on, limits, and how many lines there are: the parameter has accounts with slots.
    pub fn select_counters(self, parameter: &str) -> String {
        let each = self.each(parameter);
        format!(
            "SELECT c.account, c.slot, c.spent, c.reserved, c.granted, c.saved, c.uncertain, c.requests, c.warned \
             FROM {each} CROSS JOIN budget_counters AS c \
             WHERE c.account = k.value->>0 AND c.slot >= CAST(k.value->>1 AS BIGINT) \
             UNION ALL SELECT account, NULL, amount, 0, 0, 0, 0, 0, 0 FROM budget_limits \
             WHERE account IN (SELECT k.value->>0 FROM {each}) \
             UNION ALL {lines}",
            lines = lines!()
        )
    }

    /// Lines of the ledger: `$1`, or a row of them.
    pub fn insert_entries(self) -> String {
        let source = self.source("ntttnnnnnnttt", "$1");
        format!("INSERT INTO budget_entries ({ENTRY_COLUMNS}) {source}")
    }

    /// Counters: `$2`, or a row of them.
    pub fn upsert_counters(self) -> String {
        self.upsert("budget_counters", (COUNTER_COLUMNS, 2), self.source("tnnnnnnnn", "$2"))
    }

    /// Requests: `$3`, or a row of them.
    pub fn upsert_requests(self) -> String {
        self.upsert("budget_requests", (REQUEST_COLUMNS, 1), self.source("ttnnttnnt", "$3"))
    }

    /// What is inserted, by the kinds of columns: `t` text, `n` number. SQLite takes one row at a time, as
    /// one more costs it no trip.
    fn source(self, kinds: &str, parameter: &str) -> String {
        let column = |(idx, kind): (usize, char)| match (self, kind) {
            (Self::Sqlite, _) => "?".to_owned(),
            (Self::Postgres, 'n') => format!("CAST(k.value->>{idx} AS BIGINT)"),
            (Self::Postgres, _) => format!("k.value->>{idx}"),
        };
        let columns = kinds.chars().enumerate().map(column).collect::<Vec<_>>().join(", ");
        match self {
            Self::Sqlite => format!("VALUES ({columns})"),
            Self::Postgres => format!("SELECT {columns} FROM {}", self.each(parameter)),
        }
    }

    /// `keys`: so many columns from the left are the key.
    fn upsert(self, table: &str, (names, keys): (&str, usize), source: String) -> String {
        let all: Vec<&str> = names.split(", ").collect();
        let updates: Vec<String> =
            all[keys..].iter().map(|name| format!("{name} = excluded.{name}")).collect();
        format!(
            "INSERT INTO {table} ({names}) {source} ON CONFLICT ({}) DO UPDATE SET {}",
            all[..keys].join(", "),
            updates.join(", ")
        )
    }

    /// The counters that lines make: `account, slot` and the sums.
    fn made(self) -> String {
        format!(
            "SELECT k.value->>0 AS account, CAST(k.value->>1 AS BIGINT) AS slot, \
             CAST(sum(e.spent) AS BIGINT) AS spent, CAST(sum(e.reserved) AS BIGINT) AS reserved, \
             CAST(sum(CASE WHEN e.kind = 'limit' THEN 0 ELSE e.granted END) AS BIGINT) AS granted, \
             CAST(sum(e.saved) AS BIGINT) AS saved, CAST(sum(e.uncertain) AS BIGINT) AS uncertain, \
             CAST(sum(CASE WHEN e.kind IN ('settle', 'expire') THEN 1 WHEN e.kind = 'adjust' THEN e.units \
             ELSE 0 END) AS BIGINT) AS requests \
             FROM budget_entries AS e CROSS JOIN {} GROUP BY 1, 2",
            self.each("e.slots")
        )
    }

    /// Counters that are not what the lines make, with what they should be.
    pub fn select_wrong(self) -> String {
        format!(
            "WITH made AS ({made}), known AS (SELECT account, slot FROM budget_counters \
             UNION SELECT account, slot FROM made) \
             SELECT known.account, known.slot, coalesce(m.spent, 0), coalesce(m.reserved, 0), \
             coalesce(m.granted, 0), coalesce(m.saved, 0), coalesce(m.uncertain, 0), coalesce(m.requests, 0), \
             coalesce(c.warned, 0) \
             FROM known LEFT JOIN made AS m ON m.account = known.account AND m.slot = known.slot \
             LEFT JOIN budget_counters AS c ON c.account = known.account AND c.slot = known.slot \
             WHERE c.account IS NULL OR coalesce(m.spent, 0) <> c.spent OR coalesce(m.reserved, 0) <> c.reserved \
             OR coalesce(m.granted, 0) <> c.granted OR coalesce(m.saved, 0) <> c.saved \
             OR coalesce(m.uncertain, 0) <> c.uncertain OR coalesce(m.requests, 0) <> c.requests",
            made = self.made()
        )
    }
}

/// Counters since `$1`, at most `$2`, all limits, and how many lines there are.
pub const READ: &str = concat!(
    "SELECT * FROM (SELECT account, slot, spent, reserved, granted, saved, uncertain, \
                        requests, warned FROM budget_counters WHERE slot >= $1 ORDER BY slot DESC, account \
                        LIMIT $2) AS counted \
                        UNION ALL SELECT account, NULL, amount, 0, 0, 0, 0, 0, 0 FROM budget_limits \
                        UNION ALL ",
    lines!()
);

/// Lines: `$1` part of the slots' text or null, `$2` since, `$3` kinds with commas or null, `$4` how many.
pub const HISTORY: &str = "SELECT at, kind, request, slots, spent, reserved, granted, saved, uncertain, units, \
                           purpose, actor, reason FROM budget_entries \
                           WHERE ($1 IS NULL OR slots LIKE $1 ESCAPE '!') AND at >= $2 \
                           AND ($3 IS NULL OR $3 LIKE '%,' || kind || ',%') \
                           ORDER BY id DESC LIMIT $4";

/// Sets a limit: account and amount.
pub const SET_LIMIT: &str = "INSERT INTO budget_limits (account, amount) VALUES ($1, $2) \
                             ON CONFLICT (account) DO UPDATE SET amount = excluded.amount";
/// Takes a limit away.
pub const DROP_LIMIT: &str = "DELETE FROM budget_limits WHERE account = $1";
/// Removes requests that ended: begun before `$1`.
pub const SWEEP: &str = "DELETE FROM budget_requests WHERE state <> 'reserved' AND reserved_at < $1";

const CREATE_SQLITE: [&str; 6] = [
    "CREATE TABLE IF NOT EXISTS budget_entries (id INTEGER PRIMARY KEY AUTOINCREMENT, at BIGINT NOT NULL,
        kind TEXT NOT NULL, request TEXT NOT NULL, slots TEXT NOT NULL, spent BIGINT NOT NULL,
        reserved BIGINT NOT NULL, granted BIGINT NOT NULL, saved BIGINT NOT NULL, uncertain BIGINT NOT NULL,
        units BIGINT NOT NULL, purpose TEXT NOT NULL, actor TEXT NOT NULL, reason TEXT NOT NULL)",
    CREATE_COUNTERS,
    CREATE_LIMITS,
    CREATE_REQUESTS,
    INDEX_EXPIRING,
    INDEX_RESERVED,
];
const CREATE_POSTGRES: [&str; 6] = [
    "CREATE TABLE IF NOT EXISTS budget_entries (id BIGSERIAL PRIMARY KEY, at BIGINT NOT NULL,
        kind TEXT NOT NULL, request TEXT NOT NULL, slots TEXT NOT NULL, spent BIGINT NOT NULL,
        reserved BIGINT NOT NULL, granted BIGINT NOT NULL, saved BIGINT NOT NULL, uncertain BIGINT NOT NULL,
        units BIGINT NOT NULL, purpose TEXT NOT NULL, actor TEXT NOT NULL, reason TEXT NOT NULL)",
    CREATE_COUNTERS,
    CREATE_LIMITS,
    CREATE_REQUESTS,
    INDEX_EXPIRING,
    INDEX_RESERVED,
];
const CREATE_COUNTERS: &str =
    "CREATE TABLE IF NOT EXISTS budget_counters (account TEXT NOT NULL, slot BIGINT NOT NULL,
        spent BIGINT NOT NULL, reserved BIGINT NOT NULL, granted BIGINT NOT NULL, saved BIGINT NOT NULL,
        uncertain BIGINT NOT NULL, requests BIGINT NOT NULL, warned BIGINT NOT NULL,
        PRIMARY KEY (account, slot))";
const CREATE_LIMITS: &str =
    "CREATE TABLE IF NOT EXISTS budget_limits (account TEXT PRIMARY KEY, amount BIGINT NOT NULL)";
const CREATE_REQUESTS: &str =
    "CREATE TABLE IF NOT EXISTS budget_requests (id TEXT PRIMARY KEY, state TEXT NOT NULL,
        estimate BIGINT NOT NULL, paid BIGINT NOT NULL, slots TEXT NOT NULL, purpose TEXT NOT NULL,
        reserved_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, answer TEXT)";
const INDEX_EXPIRING: &str =
    "CREATE INDEX IF NOT EXISTS ix_budget_requests_expiring ON budget_requests (expires_at)
        WHERE state = 'reserved'";
const INDEX_RESERVED: &str =
    "CREATE INDEX IF NOT EXISTS ix_budget_requests_reserved_at ON budget_requests (reserved_at)";

/// What a transaction stores.
pub struct Changes {
    /// Rows of `budget_entries`.
    pub entries: Vec<EntryRow>,
    /// Rows of `budget_counters`.
    pub counters: Vec<CounterRow>,
    /// Rows of `budget_requests`.
    pub requests: Vec<RequestRow>,
    /// Limits set or, without amount, taken away.
    pub limits: Vec<(String, Option<i64>)>,
    /// The time of the newest line.
    pub newest: Option<Timestamp>,
}

impl Changes {
    /// What a sheet became.
    pub fn between(before: &Sheet, after: Sheet) -> Self {
        let counters = after.counters.iter();
        let counters = counters.filter(|(slot, counter)| before.counters.get(slot) != Some(counter));
        let requests = after.requests.iter();
        let requests = requests.filter(|(id, request)| before.requests.get(*id) != Some(request));
        let set = after.limits.iter().filter(|(account, limit)| before.limits.get(*account) != Some(limit));
        let mut limits: Vec<_> = set.map(|(account, limit)| (account.clone(), Some(limit.micros))).collect();
        let gone = before.limits.keys().filter(|account| !after.limits.contains_key(*account));
        limits.extend(gone.map(|account| (account.clone(), None)));
        Self {
            counters: counters.map(|(slot, counter)| row_of(slot, counter)).collect(),
            requests: requests.map(|(id, request)| request_row(id, request)).collect(),
            limits,
            newest: after.entries.iter().map(|entry| entry.at).max(),
            entries: after.entries.into_iter().map(entry_row).collect(),
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        let Self { entries, counters, requests, limits, newest: _ } = self;
        entries.is_empty() && counters.is_empty() && requests.is_empty() && limits.is_empty()
    }
}

/// The methods of [`crate::ledger::Database`] that only read, with a pool of either database. `$failed`
/// makes an error of what was tried.
macro_rules! reading {
    ($failed:path) => {
        fn read(&self, since: Timestamp, counters_max: u32) -> BoxFuture<'_, Result<Sheet>> {
            Box::pin(async move {
                let query = sqlx::query_as($crate::ledger_sql::READ).bind(since.micros);
                let rows = query.bind(i64::from(counters_max)).fetch_all(&self.readers).await;
                let mut sheet = Sheet::default();
                let rows = rows.map_err(|error| $failed("read", error))?;
                $crate::ledger_sql::take_counters(&mut sheet, rows);
                Ok(sheet)
            })
        }

        fn history<'a>(&'a self, wanted: &'a Wanted) -> BoxFuture<'a, Result<Vec<Entry>>> {
            Box::pin(async move {
                let (pattern, kinds) = $crate::ledger_sql::filters(wanted);
                let since = wanted.since.map_or(i64::MIN, |since| since.micros);
                let query = sqlx::query_as($crate::ledger_sql::HISTORY).bind(pattern).bind(since).bind(kinds);
                let rows = query.bind(i64::from(wanted.lines_max)).fetch_all(&self.readers).await;
                let rows: Vec<_> = rows.map_err(|error| $failed("read", error))?;
                Ok(rows.into_iter().map($crate::ledger_sql::entry).collect())
            })
        }
    };
}
pub(crate) use reading;

/// The ids of needed requests as JSON.
pub fn request_ids(needs: &Needs) -> String {
    // One item per row, as `->>0` of it is the id.
    needs.requests.iter().map(|id| json!([id])).collect::<Value>().to_string()
}

/// The needed accounts as JSON.
pub fn accounts(needs: &Needs) -> String {
    let mut all: Vec<&Slot> = needs.accounts.iter().collect();
    // Of each account the earliest slot is enough.
    all.sort();
    all.dedup_by(|later, earlier| later.0 == earlier.0);
    all.into_iter().map(|(account, slot)| json!([account, slot.micros])).collect::<Value>().to_string()
}

/// The accounts in which loaded requests are counted and that are not needed anyway, or not from so
/// early on, as JSON; `None` as long as there are none.
pub fn further_accounts(needs: &Needs, sheet: &Sheet) -> Option<String> {
    let is_loaded = |slot: &&Slot| needs.accounts.iter().any(|known| known.0 == slot.0 && known.1 <= slot.1);
    let of_requests = sheet.requests.values().flat_map(|request| &request.slots);
    let further: Vec<Slot> = of_requests.filter(|slot| !is_loaded(slot)).cloned().collect();
    let needs = Needs { accounts: further, ..Needs::default() };
    (!needs.accounts.is_empty()).then(|| accounts(&needs))
}

/// Puts rows into the sheet.
pub fn take_requests(sheet: &mut Sheet, rows: Vec<RequestRow>) {
    for (id, state, estimate, paid, slots, purpose, reserved_at, expires_at, answer) in rows {
        // A word of a later version is none of ours to decide upon.
        let Some(state) = State::of_word(&state) else { continue };
        let request = Request {
            state,
            estimate: MicroUsd::from_micros(estimate),
            paid: MicroUsd::from_micros(paid),
            slots: slots_of(&slots),
            purpose,
            reserved_at: Timestamp::from_micros(reserved_at),
            expires_at: Timestamp::from_micros(expires_at),
            answer,
        };
        sheet.requests.insert(id, request);
    }
}

/// Puts rows into the sheet.
pub fn take_counters(sheet: &mut Sheet, rows: Vec<CounterRow>) {
    for (account, slot, spent, reserved, granted, saved, uncertain, requests, warned) in rows {
        let Some(slot) = slot else {
            match account.is_empty() {
                true => sheet.lines = spent,
                false => drop(sheet.limits.insert(account, MicroUsd::from_micros(spent))),
            }
            continue;
        };
        let counter = Counter {
            spent: MicroUsd::from_micros(spent),
            reserved: MicroUsd::from_micros(reserved),
            granted: MicroUsd::from_micros(granted),
            saved: MicroUsd::from_micros(saved),
            uncertain: MicroUsd::from_micros(uncertain),
            requests,
            warned,
        };
        sheet.counters.insert((account, Timestamp::from_micros(slot)), counter);
    }
}

/// A line from its row.
pub fn entry(row: EntryRow) -> Entry {
    let (at, kind, request, slots, spent, reserved, granted, saved, uncertain, units, purpose, actor, reason) =
        row;
    Entry {
        at: Timestamp::from_micros(at),
        kind,
        request,
        slots: slots_of(&slots),
        spent: MicroUsd::from_micros(spent),
        reserved: MicroUsd::from_micros(reserved),
        granted: MicroUsd::from_micros(granted),
        saved: MicroUsd::from_micros(saved),
        uncertain: MicroUsd::from_micros(uncertain),
        units,
        purpose,
        actor,
        reason,
    }
}

/// The first two parameters of [`HISTORY`]: a pattern for the slots' text, and kinds.
pub fn filters(wanted: &Wanted) -> (Option<String>, Option<String>) {
    let pattern = wanted.account.as_ref().map(|account| {
        let quoted = Value::from(account.as_str()).to_string();
        let escaped = quoted.replace('!', "!!").replace('%', "!%").replace('_', "!_");
        format!("%[{escaped},%")
    });
    let kinds = (!wanted.kinds.is_empty()).then(|| format!(",{},", wanted.kinds.join(",")));
    (pattern, kinds)
}

/// What makes counters right, and the slots that were wrong.
pub fn mended(rows: Vec<CounterRow>) -> (Changes, Vec<Slot>) {
    let mut sheet = Sheet::default();
    take_counters(&mut sheet, rows);
    let wrong = sheet.counters.keys().cloned().collect();
    (Changes::between(&Sheet::default(), sheet), wrong)
}

/// The row of a counter.
pub fn row_of((account, slot): &Slot, counter: &Counter) -> CounterRow {
    let Counter { spent, reserved, granted, saved, uncertain, requests, warned } = counter;
    let [spent, reserved, granted, saved, uncertain] =
        [spent, reserved, granted, saved, uncertain].map(|amount| amount.micros);
    let slot = Some(slot.micros);
    (account.clone(), slot, spent, reserved, granted, saved, uncertain, *requests, *warned)
}

/// The row of a limit that was set by hand.
pub fn limit_row(account: &str, limit: MicroUsd) -> CounterRow {
    (account.to_owned(), None, limit.micros, 0, 0, 0, 0, 0, 0)
}

fn request_row(id: &str, request: &Request) -> RequestRow {
    (
        id.to_owned(),
        request.state.word().to_owned(),
        request.estimate.micros,
        request.paid.micros,
        slots_text(&request.slots),
        request.purpose.clone(),
        request.reserved_at.micros,
        request.expires_at.micros,
        request.answer.clone(),
    )
}

fn entry_row(entry: Entry) -> EntryRow {
    let Entry { at, spent, reserved, granted, saved, uncertain, .. } = entry;
    let [spent, reserved, granted, saved, uncertain] =
        [spent, reserved, granted, saved, uncertain].map(|amount| amount.micros);
    let Entry { kind, request, slots, units, purpose, actor, reason, .. } = entry;
    let slots = slots_text(&slots);
    (
        at.micros, kind, request, slots, spent, reserved, granted, saved, uncertain, units, purpose, actor,
        reason,
    )
}

fn slots_text(slots: &[Slot]) -> String {
    slots.iter().map(|(account, slot)| json!([account, slot.micros])).collect::<Value>().to_string()
}

fn slots_of(text: &str) -> Vec<Slot> {
    let Ok(Value::Array(items)) = serde_json::from_str(text) else { return Vec::new() };
    let slot = |item: &Value| Some((item[0].as_str()?.to_owned(), Timestamp::from_micros(item[1].as_i64()?)));
    items.iter().filter_map(slot).collect()
}
