//! The log as the store itself has it, read without the service.

use std::collections::BTreeMap;

use serde_json::Value;
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use time::OffsetDateTime;

/// An event of the log.
#[derive(Clone, Debug)]
pub(super) struct Logged {
    /// The bytes that a subscriber is to be sent.
    pub(super) text: String,
    /// The same, to look into.
    pub(super) value: Value,
}

/// What a store holds: its numberings and its events.
#[derive(Clone, Debug)]
pub(super) struct Record {
    /// The oldest seq that the log still vouches for.
    pub(super) earliest: u64,
    /// Epochs with their first seqs, oldest first.
    pub(super) numberings: Vec<(String, u64)>,
    /// The events by seq.
    pub(super) events: BTreeMap<u64, Logged>,
}

const HEAD: &str = "SELECT earliest FROM logs WHERE name = 'default'";
const NUMBERINGS: &str =
    "SELECT e.epoch, e.first_seq FROM epochs e JOIN logs l ON l.id = e.log WHERE l.name = 'default' ORDER BY e.ordinal";
const EVENTS: &str = "SELECT e.seq, e.received_at, e.envelope FROM events e JOIN logs l ON l.id = e.log WHERE l.name = 'default' AND e.seq > $1 ORDER BY e.seq";

/// The same statements for either kind of connection. They need not be one snapshot: nobody publishes while a verdict is prepared.
macro_rules! read_with {
    ($store:expr, $after:expr) => {{
        let mut store = $store;
        Self::of(
            sqlx::query_scalar(HEAD).fetch_one(&mut store).await.expect("reads"),
            sqlx::query_as(NUMBERINGS).fetch_all(&mut store).await.expect("reads"),
            sqlx::query_as(EVENTS).bind($after).fetch_all(&mut store).await.expect("reads"),
        )
    }};
}

impl Record {
    /// Reads the log `default` of the store behind a `DATABASE_URL`, and of its events those behind `after`.
    pub(super) async fn read(url: &str, after: u64) -> Self {
        let after = i64::try_from(after).expect("a seq");
        if url.starts_with("sqlite://") {
            read_with!(SqliteConnection::connect(url).await.expect("the file is there"), after)
        } else {
            read_with!(PgConnection::connect(url).await.expect("the server is there"), after)
        }
    }

    fn of(earliest: i64, numberings: Vec<(i64, i64)>, rows: Vec<(i64, i64, String)>) -> Self {
        Self {
            earliest: unsigned(earliest),
            numberings: numberings.into_iter().map(|(epoch, first)| (format!("{epoch:08x}"), unsigned(first))).collect(),
            events: rows.into_iter().map(|(seq, at, envelope)| (unsigned(seq), Logged::new(unsigned(seq), at, &envelope))).collect(),
        }
    }

    /// The newest seq, or zero.
    pub(super) fn head(&self) -> u64 {
        self.events.keys().next_back().copied().unwrap_or(0)
    }

    /// Adds what an earlier reading still had of the same numbering.
    pub(super) fn remember(&mut self, earlier: Self) {
        for (seq, event) in earlier.events {
            self.events.entry(seq).or_insert(event);
        }
    }
}

impl Logged {
    /// Puts an event together as the wire shows it (design.md §2.2): the stored envelope, `seq` before it and `receivedAt` behind.
    pub(super) fn new(seq: u64, received_at: i64, envelope: &str) -> Self {
        let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(received_at) * 1000).expect("a time of this century");
        let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
        let (hour, minute, second, micros) = (at.hour(), at.minute(), at.second(), at.microsecond());
        let members = &envelope[1..envelope.len() - 1];
        let text = format!(
            "{{\"seq\":{seq},{members},\"receivedAt\":\"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z\"}}"
        );
        let value = serde_json::from_str(&text).expect("envelopes are JSON objects");
        Self { text, value }
    }
}

fn unsigned(n: i64) -> u64 {
    u64::try_from(n).expect("seqs and times are never negative")
}
