//! The tables of articles: one row per article, per entity, per pair of them, per book, and per recommendation.

use crate::database::Database;

/// Columns of `article` that come from messages or are made of them, with their types in PostgreSQL.
pub(super) const ARTICLE: [(&str, &str); 15] = [
    ("uri", "text"),
    ("headline", "text"),
    ("abstract", "text"),
    ("lead_paragraph", "text"),
    ("web_url", "text"),
    ("pub_date", "timestamptz"),
    ("section_name", "text"),
    ("document_type", "text"),
    ("byline", "text[]"),
    ("keywords", "text[]"),
    ("election_id", "integer"),
    ("source", "text"),
    ("lang", "text"),
    ("content_hash", "bytea"),
    ("judged_by", "text"),
];

/// What is said of an entity in an article, as it is handed to the database.
pub(super) const PAIR: [(&str, &str); 9] = [
    ("uri", "text"),
    ("entity", "text"),
    ("mention_start", "integer"),
    ("mention_end", "integer"),
    ("surface", "text"),
    ("polarity", "smallint"),
    ("score", "real"),
    ("model_name", "text"),
    ("model_version", "integer"),
];

/// A book that is recommended with an article, as it is handed to the database.
pub(super) const BOOK: [(&str, &str); 8] = [
    ("uri", "text"),
    ("book_uri", "text"),
    ("title", "text"),
    ("author", "text"),
    ("publisher", "text"),
    ("genre", "text"),
    ("rank", "smallint"),
    ("score", "real"),
];

/// Numbers a lock that servers take which make the tables at the same time.
const LOCK: i64 = 7_305_801_512;

/// Statements that make the tables where they are not there.
pub(super) fn setup(database: &Database) -> Vec<String> {
    let (lock, id, list, moment, now, bytes) = match database {
        Database::Sqlite(_) => {
            (None, "integer primary key", "text", "text", "(strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))", "text")
        }
        Database::Postgres(_) => {
            let lock = format!("select pg_advisory_xact_lock({LOCK})");
            (Some(lock), "bigserial primary key", "text[]", "timestamptz", "now()", "bytea")
        }
    };
    let tables = [
        format!(
            "create table if not exists article (id {id}, uri text unique not null, headline text not null, \
             abstract text, lead_paragraph text, web_url text, pub_date {moment} not null, section_name text, \
             document_type text, byline {list}, keywords {list}, election_id integer, source text not null, \
             lang text not null, content_hash {bytes} not null, judged_by text not null, \
             ingested_at {moment} not null default {now})"
        ),
        format!(
            "create table if not exists entity (id {id}, canonical text unique not null, \
             kind text not null default 'candidate')"
        ),
        format!(
            "create table if not exists article_entity (article_id bigint not null references article on delete \
             cascade, entity_id bigint not null references entity, mention_start integer, mention_end integer, \
             surface text, polarity smallint not null check (polarity between -1 and 1), score real, \
             model_name text, model_version integer, scored_at {moment} not null default {now}, \
             primary key (article_id, entity_id))"
        ),
        format!(
            "create table if not exists book (id {id}, book_uri text unique not null, title text not null, \
             author text, publisher text, genre text)"
        ),
        "create table if not exists article_book (article_id bigint not null references article on delete cascade, \
         book_id bigint not null references book, rank smallint not null, score real, \
         primary key (article_id, book_id))"
            .to_owned(),
        "create index if not exists article_pub_date on article (pub_date)".to_owned(),
        "create index if not exists article_entity_entity on article_entity (entity_id)".to_owned(),
        "create index if not exists article_book_book on article_book (book_id)".to_owned(),
    ];
    lock.into_iter().chain(tables).collect()
}

/// The time of publication as text in UTC: `2024-05-01T08:30:00Z`.
pub(super) fn published(database: &Database) -> &'static str {
    match database {
        Database::Sqlite(_) => "article.pub_date",
        Database::Postgres(_) => {
            "to_char(article.pub_date at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
        }
    }
}

/// A parameter with a time as the column holds it.
pub(super) fn moment(database: &Database, position: usize) -> String {
    match database {
        Database::Sqlite(_) => database.placeholder(position),
        Database::Postgres(_) => format!("{}::timestamptz", database.placeholder(position)),
    }
}
