//! The append: arrays in, one row out. What is decided is decided in `append_events`, under the head's lock.

use sqlx::postgres::PgRow;

use super::{PostgresLog, column, first};
use crate::{
    domain::{Epoch, Seq, Timestamp},
    log::{
        AppendRequest, Appended, LogError, LogId, OnConflict, StoreIdentity,
        outcome::{Verdict, outcomes},
    },
};

const APPEND: &str = "
    SELECT epoch, before, head, received_at, statuses, seqs, store_identity()
    FROM append_events($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

/// The arguments of `append_events`, which the migration describes.
#[derive(Default)]
struct Columns<'a> {
    request: Vec<i32>,
    keep: Vec<bool>,
    source: Vec<&'a str>,
    id: Vec<&'a str>,
    digest: Vec<&'a [u8]>,
    envelope: Vec<&'a str>,
    posting_event: Vec<i32>,
    posting_selector: Vec<i64>,
}

impl<'a> Columns<'a> {
    /// `None` when there are more than an array of Postgres can count.
    fn of(requests: &'a [AppendRequest]) -> Option<Self> {
        let mut columns = Self::default();
        for (number, request) in requests.iter().enumerate() {
            let number = i32::try_from(number).ok()?;
            for event in &request.events {
                columns.request.push(number);
                columns.keep.push(request.on_conflict == OnConflict::Keep);
                columns.source.push(request.source.as_str());
                columns.id.push(event.id.as_str());
                columns.digest.push(&event.digest);
                columns.envelope.push(event.envelope.as_str());
                let index = i32::try_from(columns.request.len()).ok()?;
                for key in event.keys.postings() {
                    columns.posting_event.push(index);
                    columns.posting_selector.push(key.to_column());
                }
            }
        }
        Some(columns)
    }
}

pub(super) async fn append(store: &PostgresLog, log: LogId, requests: &[AppendRequest]) -> Result<Appended, LogError> {
    let columns = Columns::of(requests).ok_or_else(|| LogError::Content("too many events".into()))?;
    let statement = sqlx::query(APPEND)
        .bind(log.to_column())
        .bind(i64::from(fastrand::u32(..)))
        .bind(columns.request)
        .bind(columns.keep)
        .bind(columns.source)
        .bind(columns.id)
        .bind(columns.digest)
        .bind(columns.envelope)
        .bind(columns.posting_event)
        .bind(columns.posting_selector);
    let rows = store.write_rows(statement).await?;
    appended(requests, first(&rows, log)?)
}

fn appended(requests: &[AppendRequest], row: &PgRow) -> Result<Appended, LogError> {
    let (statuses, seqs): (Vec<i16>, Vec<i64>) = (column(row, 4)?, column(row, 5)?);
    let verdicts: Vec<Verdict> = statuses.iter().zip(seqs).map(|(&status, seq)| verdict(status, Seq::from_column(seq))).collect();
    Ok(Appended {
        outcomes: outcomes(requests, &verdicts).ok_or_else(|| LogError::Internal("append_events does not fit its request".into()))?,
        epoch: Epoch::from_column(column(row, 0)?),
        before: Seq::from_column(column(row, 1)?),
        head: Seq::from_column(column(row, 2)?),
        received_at: Timestamp::from_micros(column(row, 3)?),
        store: Some(StoreIdentity::of(column(row, 6)?)),
    })
}

fn verdict(status: i16, seq: Seq) -> Verdict {
    match status {
        0 => Verdict::Stored(seq),
        1 if seq > Seq::ZERO => Verdict::Duplicate(seq),
        2 => Verdict::Conflict((seq > Seq::ZERO).then_some(seq)),
        _ => Verdict::Withheld,
    }
}
