//! The copy itself: table by table, log by log, then the same way again to compare.

use std::{collections::BTreeMap, time::Duration};

use futures::{StreamExt as _, future::join, stream::BoxStream};
use tokio::time::timeout;

use super::{
    CHUNK_BYTES, CHUNK_ROWS, CopyError, End, Reads, Row, Source, Table, Target, Writes,
    renewal::Renewal,
    table::{ACCESS, EPOCHS, EVENTS, IDS, LOGS, POSTINGS},
    tally::Tally,
};
use crate::{
    domain::LogName,
    log::{LogError, access::calls::Value},
};

/// How long a store may take over one chunk: far longer than any takes that still answers.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is of one log, in the order in which it is written.
const OF_A_LOG: [&Table; 4] = [&EPOCHS, &EVENTS, &IDS, &POSTINGS];

/// What a copy is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Writing what it reads.
    Copying,
    /// Reading again what it wrote.
    Checking,
}

/// How far a copy is.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// What it is doing.
    pub stage: Stage,
    /// Of which table.
    pub table: &'static str,
    /// Of which log, unless it is of none.
    pub log: Option<&'a str>,
    /// How many rows of that are done.
    pub rows: u64,
    /// How many there are, when that is known.
    pub of: Option<u64>,
}

/// What was copied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    rows: BTreeMap<&'static str, u64>,
    renewed: Vec<(String, &'static str)>,
}

impl Copied {
    /// How many rows of this table.
    #[must_use]
    pub fn rows(&self, table: &str) -> u64 {
        self.rows.get(table).copied().unwrap_or_default()
    }

    /// The logs that are numbered anew behind their head, because the source had lost what clients may have seen; each with the cause.
    #[must_use]
    pub fn renewed(&self) -> &[(String, &'static str)] {
        &self.renewed
    }
}

/// A log with its numbers in both stores.
struct Log {
    name: String,
    from: i64,
    to: i64,
    head: i64,
    /// How many events readers see.
    events: u64,
    /// What it gets if the source had yet to start a numbering.
    renewal: Option<Renewal>,
}

/// One table, of one log if it is by log.
#[derive(Clone, Copy)]
struct Part<'a> {
    table: &'static Table,
    log: Option<&'a Log>,
}

/// Copies everything, compares, and commits.
///
/// # Errors
/// [`CopyError`]: nothing was copied then, but for [`CopyError::Unconfirmed`].
pub async fn copy(source: Source, target: Target, mut said: impl FnMut(Progress<'_>) + Send) -> Result<Copied, CopyError> {
    let (Source(mut source), Target(mut target)) = (source, target);
    let logs = logs(&mut *source, target.counts_logs()).await?;
    let mut tallies = Vec::new();
    for part in parts(&logs) {
        let tally = match part.table.name {
            "logs" => write_logs(&mut *source, &mut *target, &logs).await?,
            _ => copy_part(&mut *source, &mut *target, part, &mut said).await?,
        };
        tallies.push((part, tally));
    }
    let mut copied = Copied::default();
    for (part, tally) in tallies {
        let read = read_part(&mut *target, part, tally.rows, &mut said).await?;
        if read != tally {
            return Err(CopyError::Differs { table: part.table.name, copied: tally.rows, read: read.rows });
        }
        *copied.rows.entry(part.table.name).or_default() += tally.rows;
    }
    copied.renewed = logs.iter().filter_map(|log| Some((log.name.clone(), log.renewal.as_ref()?.cause))).collect();
    match timeout(PATIENCE, target.commit()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Err(CopyError::Unconfirmed(error)),
        Err(_) => return Err(CopyError::Unconfirmed(silent())),
    }
    source.release().await;
    Ok(copied)
}

/// Everything, in the order in which it is written: logs before what refers to them.
fn parts(logs: &[Log]) -> impl Iterator<Item = Part<'_>> {
    let of_none = |table| Part { table, log: None };
    let of_logs = logs.iter().flat_map(|log| OF_A_LOG.into_iter().map(move |table| Part { table, log: Some(log) }));
    const TABLES: &[Table] = &ACCESS;
    std::iter::once(of_none(&LOGS)).chain(of_logs).chain(TABLES.iter().map(of_none))
}

/// The logs of the source, with the numbers that they get.
async fn logs(source: &mut dyn Reads, counted: bool) -> Result<Vec<Log>, CopyError> {
    let unsettled = timeout(PATIENCE, source.unsettled()).await.unwrap_or_else(|_| Err(silent()));
    let unsettled = unsettled.map_err(|error| CopyError::Store(End::Source, error))?;
    let mut rows = source.rows(&LOGS, None);
    let mut logs = Vec::new();
    // one row a tenant
    while let Some(row) = rows.next().await {
        let row = row.map_err(|error| CopyError::Store(End::Source, error))?;
        let [Value::Number(Some(from)), Value::Text(Some(name)), Value::Number(Some(head)), Value::Number(Some(earliest)), ..] = &row[..]
        else {
            return Err(CopyError::Store(End::Source, LogError::Internal("a log without a number or a name".into())));
        };
        let renewal = unsettled.get(from).copied().map(Renewal::new);
        let events = (head + 1 - earliest).unsigned_abs();
        logs.push(Log { name: name.clone(), from: *from, to: *from, head: *head, events, renewal });
    }
    if counted {
        // the first number is `default`'s, as it is where logs are made
        let others = (2..).zip(logs.iter_mut().filter(|log| log.name != LogName::DEFAULT));
        others.for_each(|(number, log)| log.to = number);
        logs.iter_mut().filter(|log| log.name == LogName::DEFAULT).for_each(|log| log.to = 1);
    }
    Ok(logs)
}

/// The head rows, under the numbers that the logs get.
async fn write_logs(source: &mut dyn Reads, target: &mut dyn Writes, logs: &[Log]) -> Result<Tally, CopyError> {
    let mut rows = source.rows(&LOGS, None);
    let mut tally = Tally::default();
    let mut chunk = next_chunk(&mut rows, End::Source).await?;
    let mut logs = logs.iter();
    while !chunk.is_empty() {
        for row in &mut chunk {
            // both in the order of the source's numbers
            let log = logs.next();
            renumber(row, log.map(|log| log.to));
            if let Some(renewal) = log.and_then(|log| log.renewal.as_ref()) {
                renewal.enter(row);
            }
            tally.add(row);
        }
        write(target, &LOGS, chunk).await?;
        chunk = next_chunk(&mut rows, End::Source).await?;
    }
    Ok(tally)
}

fn renumber(row: &mut Row, number: Option<i64>) {
    if let (Some(first), Some(number)) = (row.first_mut(), number) {
        *first = Value::Number(Some(number));
    }
}

async fn copy_part(
    source: &mut dyn Reads,
    target: &mut dyn Writes,
    part: Part<'_>,
    said: &mut (impl FnMut(Progress<'_>) + Send),
) -> Result<Tally, CopyError> {
    let of = part.log.filter(|_| part.table == &EVENTS).map(|log| log.events);
    let mut rows = source.rows(part.table, part.log.map(|log| log.from));
    let mut tally = Tally::default();
    let mut chunk = next_chunk(&mut rows, End::Source).await?;
    let mut last = None;
    while !chunk.is_empty() {
        last = chunk.last().filter(|_| part.table == &EPOCHS).cloned();
        for row in &mut chunk {
            renumber(row, part.log.map(|log| log.to));
            tally.add(row);
        }
        said(part.progress(Stage::Copying, tally.rows, of));
        let (next, written) = join(next_chunk(&mut rows, End::Source), write(target, part.table, chunk)).await;
        written?;
        chunk = next?;
    }
    if let Some(link) = part.new_link(last.as_ref()) {
        tally.add(&link);
        write(target, part.table, vec![link]).await?;
    }
    Ok(tally)
}

async fn read_part(
    target: &mut dyn Writes,
    part: Part<'_>,
    of: u64,
    said: &mut (impl FnMut(Progress<'_>) + Send),
) -> Result<Tally, CopyError> {
    let mut rows = target.rows(part.table, part.log.map(|log| log.to));
    let mut tally = Tally::default();
    loop {
        let chunk = next_chunk(&mut rows, End::Target).await?;
        if chunk.is_empty() {
            return Ok(tally);
        }
        chunk.iter().for_each(|row| tally.add(row));
        said(part.progress(Stage::Checking, tally.rows, Some(of)));
    }
}

impl<'a> Part<'a> {
    /// What comes behind the last row, if this is the chain of a log that is numbered anew.
    fn new_link(self, last: Option<&Row>) -> Option<Row> {
        let log = self.log.filter(|_| self.table == &EPOCHS)?;
        Some(log.renewal.as_ref()?.link(log.to, log.head, last))
    }

    fn progress(self, stage: Stage, rows: u64, of: Option<u64>) -> Progress<'a> {
        Progress { stage, table: self.table.name, log: self.log.map(|log| log.name.as_str()), rows, of }
    }
}

/// Rows until there are enough for once; none at the end.
async fn next_chunk(rows: &mut BoxStream<'_, Result<Row, LogError>>, end: End) -> Result<Vec<Row>, CopyError> {
    let read = async {
        let (mut chunk, mut bytes) = (Vec::new(), 0);
        while chunk.len() < CHUNK_ROWS && bytes < CHUNK_BYTES {
            let Some(row) = rows.next().await else { break };
            let row = row?;
            bytes += row.iter().map(size).sum::<usize>();
            chunk.push(row);
        }
        Ok(chunk)
    };
    timeout(PATIENCE, read).await.unwrap_or_else(|_| Err(silent())).map_err(|error| CopyError::Store(end, error))
}

async fn write(target: &mut dyn Writes, table: &'static Table, rows: Vec<Row>) -> Result<(), CopyError> {
    let written = timeout(PATIENCE, target.write(table, rows)).await.unwrap_or_else(|_| Err(silent()));
    written.map_err(|error| match error {
        LogError::Content(why) => CopyError::Store(End::Target, LogError::Content(format!("a row of `{}`: {why}", table.name))),
        error => CopyError::Store(End::Target, error),
    })
}

fn size(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.as_ref().map_or(0, String::len),
        Value::Bytes(bytes) => bytes.as_ref().map_or(0, Vec::len),
        Value::Number(_) => 8,
    }
}

fn silent() -> LogError {
    LogError::Unavailable(format!("no answer within {PATIENCE:?}"))
}
