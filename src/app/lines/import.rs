//! Into a store, as a publisher would: ids are kept, numbers are new.
//!
//! An append that was lost is repeated under the same ids, and so is a whole import: what is there already is a duplicate. The lines are read and checked
//! on a thread of their own, bounded batches ahead of the store. Nobody waits for that thread: a pipe may stay open without saying anything.

use std::{
    collections::HashSet,
    path::Path,
    process::ExitCode,
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use tokio::{
    sync::{mpsc, oneshot},
    time::sleep,
};

use super::{from_hex, name};
use crate::{
    app::store,
    cli::Import,
    commands::{DIGEST, Document, Documents, Input, PARTLY, Progress, count, visible, without_the_logs_own},
    config::Config,
    domain::{EventId, Source},
    ingest::{self, BodyForm, Limits},
    log::{AppendRequest, EventLog, ItemStatus, LogError, LogId, NewEvent, OnConflict, RequestOutcome},
};

/// What is stored at once.
const BATCH_EVENTS: usize = 1000;
/// The same in bytes, but for the last event.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// The largest event that is read: what a store has was taken under limits that are not known here.
const MAX_EVENT_BYTES: usize = 16 * 1024 * 1024;
/// How long a store that does not answer is waited for, and how often it is asked.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_millis(500));

/// Appends the events that a file holds.
///
/// # Errors
/// The first line that holds none, or what is wrong with the store; what stands before it is stored.
pub async fn import(config: &Config, order: &Import) -> anyhow::Result<ExitCode> {
    let name = name(&order.tenant)?;
    let Input { reader, size, read } = Input::open(&order.file)?;
    let store = store::open(&config.log).await?;
    let log = store.open(&name).await?;
    let (sender, mut batches) = mpsc::channel(1);
    let (ended, reading) = oneshot::channel();
    // of no pool: a runtime waits for the threads of its pool, and a thread that reads standard input may never hear that nobody listens
    thread::spawn(move || {
        let read = read_batches(Documents::new(reader, MAX_EVENT_BYTES), &sender);
        // whoever went on without it has a reason of its own
        let _ = ended.send(read);
    });
    let (mut tally, mut progress) = (Tally::default(), Progress::new(order.quiet));
    let mut appended = Ok(());
    while let Some(batch) = batches.recv().await {
        appended = append(&*store, log, &batch.requests, &mut tally).await;
        if appended.is_err() {
            break;
        }
        progress.at(tally.events(), read.load(Ordering::Relaxed), size, &format!(", {} of them new", count(tally.stored)));
    }
    batches.close();
    store.close().await;
    progress.clear();
    println!("{}", tally.summary(progress.spent()));
    appended.context("stopped: everything before this is stored; run the same command again to go on")?;
    reading.await.context("reading ended")?.with_context(|| {
        let file = if order.file == Path::new("-") { "standard input".to_owned() } else { order.file.display().to_string() };
        format!("stopped in {file}: everything before this is stored; correct it and run the same command again")
    })?;
    Ok(if tally.conflicts == 0 { ExitCode::SUCCESS } else { ExitCode::from(PARTLY) })
}

#[derive(Default)]
struct Tally {
    stored: u64,
    duplicates: u64,
    conflicts: u64,
}

impl Tally {
    fn events(&self) -> u64 {
        self.stored + self.duplicates + self.conflicts
    }

    fn summary(&self, spent: Duration) -> String {
        let Self { stored, duplicates, conflicts } = self;
        let rate = count((self.events() as f64 / spent.as_secs_f64().max(0.001)) as u64);
        let counts = format!("{} stored, {} duplicates, {} conflicts", count(*stored), count(*duplicates), count(*conflicts));
        format!("{counts} in {:.1} s ({rate}/s)", spent.as_secs_f64())
    }
}

/// What is stored in one transaction: events of one source in a row are one request.
#[derive(Default)]
struct Batch {
    requests: Vec<AppendRequest>,
    ids: HashSet<(Source, EventId)>,
    events: usize,
    bytes: usize,
}

impl Batch {
    /// Whether this event is to be in the next one: it is full, or has the same id already, which two requests of one append must not share.
    fn is_closed_to(&self, source: &Source, event: &NewEvent) -> bool {
        let full = self.events >= BATCH_EVENTS || self.bytes >= BATCH_BYTES;
        full || self.ids.contains(&(source.clone(), event.id.clone()))
    }

    fn add(&mut self, source: Source, event: NewEvent, bytes: usize) {
        self.events += 1;
        self.bytes += bytes;
        self.ids.insert((source.clone(), event.id.clone()));
        match self.requests.last_mut() {
            Some(request) if request.source == source => request.events.push(event),
            _ => self.requests.push(AppendRequest { source, events: vec![event], on_conflict: OnConflict::Keep }),
        }
    }
}

/// Reads to the end, to the first line that is no event, or until nobody takes it.
fn read_batches(mut documents: Documents<impl std::io::BufRead>, batches: &mpsc::Sender<Batch>) -> anyhow::Result<()> {
    let mut batch = Batch::default();
    let ended = loop {
        let read = match documents.next() {
            Ok(Some(document)) => of_line(&document),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error.into()),
        };
        let (source, event, bytes) = match read {
            Ok(read) => read,
            Err(error) => break Err(error),
        };
        if batch.is_closed_to(&source, &event) && batches.blocking_send(std::mem::take(&mut batch)).is_err() {
            return Ok(());
        }
        batch.add(source, event, bytes);
    };
    if batch.events > 0 {
        // whoever does not take it has a reason of its own
        let _ = batches.blocking_send(batch);
    }
    ended
}

fn of_line(document: &Document) -> anyhow::Result<(Source, NewEvent, usize)> {
    let at = |what: String| anyhow::anyhow!("line {}: {}", document.line, visible(&what));
    if let Some(most) = document.longer_than {
        return Err(at(format!("has more than {most} bytes")));
    }
    let text = std::str::from_utf8(&document.bytes).map_err(|_| at("is not UTF-8".into()))?;
    let members = without_the_logs_own(text);
    let source = members.source.as_deref().unwrap_or(Source::DEFAULT);
    let source = Source::parse(source).map_err(|error| at(format!("/source {error}")))?;
    let limits = Limits { event_bytes: MAX_EVENT_BYTES, batch_events: 1, batch_bytes: MAX_EVENT_BYTES };
    let has_id = ingest::pairs(&members.event).is_ok_and(|pairs| pairs.iter().any(|(name, value)| name == "id" && *value != "null"));
    let drafts = ingest::parse(BodyForm::Json, members.event.as_bytes(), &limits).map_err(|error| match error {
        ingest::ParseError::Invalid { faults } => {
            at(faults.iter().map(|fault| format!("{} {}", fault.pointer, fault.detail)).collect::<Vec<_>>().join("; "))
        }
        other => at(other.to_string()),
    })?;
    let draft = drafts.into_iter().next().ok_or_else(|| at("holds no event".into()))?;
    if !has_id {
        return Err(
            at("/id is missing: an event of a log has one, and without it an import that is run again would store it twice".into()),
        );
    }
    let mut event = draft.into_event(&source);
    if let Some(digest) = members.digest {
        event.digest =
            from_hex(&digest).ok_or_else(|| at(format!("/{DIGEST} is not 64 hexadecimal digits; without it the event is new content")))?;
    }
    Ok((source, event, document.bytes.len()))
}

/// Stores a batch; waits for a store that is away for a while.
async fn append(store: &dyn EventLog, log: LogId, requests: &[AppendRequest], tally: &mut Tally) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE.0;
    let appended = loop {
        match store.append(log, requests).await {
            Ok(appended) => break appended,
            // repeated under the same ids, it stores what was not
            Err(LogError::Unavailable(_) | LogError::Unknown(_)) if Instant::now() < deadline => sleep(PATIENCE.1).await,
            Err(error) => return Err(error.into()),
        }
    };
    for outcome in appended.outcomes {
        let RequestOutcome::Accepted(items) = outcome else { anyhow::bail!("the store refused what it was to keep") };
        for item in items {
            match item.status {
                ItemStatus::Stored => tally.stored += 1,
                ItemStatus::Duplicate => tally.duplicates += 1,
                ItemStatus::Conflict => tally.conflicts += 1,
            }
        }
    }
    Ok(())
}
