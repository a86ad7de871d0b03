//! One request after the other, each repeated until its outcome is known.
//!
//! A request that is refused for what is in it is taken apart: what the service points at is told, or put aside, and the rest is sent, in order. Where
//! it points at nothing, halves are tried, so that one event that is too large does not stop the others.

use std::{
    collections::BTreeMap,
    process::ExitCode,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    super::{PARTLY, Progress, count, visible},
    prepare::{Entry, Ready},
    reject::{Reject, Rejects, Why},
    stop::{Stop, told},
    tally::Tally,
};
use crate::{
    cli::{OnConflict, Publish},
    client::{Backoff, Client, PublishFailure, Published, Refusal, Status},
};

/// The first wait after a failure, and the longest.
const WAITS: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// What a request gets of the time that is left, at least.
const LEAST_TRY: Duration = Duration::from_millis(100);
/// How many conflicts and rejects are told one by one.
const TOLD: u64 = 20;

/// Sends batches, and counts what became of them.
pub(super) struct Sender<'a> {
    client: &'a Client,
    keep: bool,
    patience: Option<Duration>,
    rejects: Option<Rejects>,
    progress: Progress,
    read: (Arc<AtomicU64>, Option<u64>),
    tally: &'a Mutex<Tally>,
}

/// What a request came to.
enum Outcome {
    Done(Vec<Published>),
    /// Some of its events are not taken; at least one.
    Bad(BTreeMap<usize, Vec<Why>>),
    /// Something in it is not taken.
    Unclear(Box<Refusal>),
}

impl<'a> Sender<'a> {
    pub(super) fn new(
        client: &'a Client,
        order: &Publish,
        tally: &'a Mutex<Tally>,
        progress: Progress,
        read: (Arc<AtomicU64>, Option<u64>),
    ) -> anyhow::Result<Self> {
        let rejects = order.skip_invalid.as_deref().map(|path| Rejects::new(path, &order.file)).transpose()?;
        let keep = order.on_conflict == OnConflict::Keep;
        Ok(Self { client, keep, patience: order.patience(), rejects, progress, read, tally })
    }

    /// Locked for moments only: whoever interrupts wants it.
    fn tally(&self) -> MutexGuard<'a, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends one batch, up to what cannot be sent.
    pub(super) fn send(&mut self, batch: Vec<Entry>) -> anyhow::Result<()> {
        let mut ready: Vec<Ready> = Vec::with_capacity(batch.len());
        for entry in batch {
            match entry {
                Entry::Ready(event) => ready.push(event),
                Entry::Bad(reject) if self.rejects.is_some() => self.put_aside(&reject)?,
                Entry::Bad(reject) => {
                    self.send_events(&ready)?;
                    return Err(Stop::Line(reject).into());
                }
                Entry::Broken(why) => {
                    self.send_events(&ready)?;
                    return Err(Stop::Input(why).into());
                }
            }
        }
        self.send_events(&ready)
    }

    fn send_events(&mut self, events: &[Ready]) -> anyhow::Result<()> {
        let (Some(first), Some(last)) = (events.first(), events.last()) else { return Ok(()) };
        match self.request(events)? {
            Outcome::Done(items) => self.count(events, items),
            Outcome::Bad(bad) => self.without(events, bad)?,
            Outcome::Unclear(refusal) if events.len() == 1 => {
                self.without(events, BTreeMap::from([(0, vec![Why::all(refusal.to_string())])]))?;
            }
            Outcome::Unclear(_) => {
                let (one, other) = events.split_at(events.len() / 2);
                tracing::debug!(first = first.line, last = last.line, "sending halves");
                self.send_events(one)?;
                self.send_events(other)?;
            }
        }
        let (read, of) = (self.read.0.load(Ordering::Relaxed), self.read.1);
        let (events, stored) = {
            let tally = self.tally();
            (tally.events(), tally.stored)
        };
        self.progress.at(events, read, of, &format!(", {} of them new", count(stored)));
        Ok(())
    }

    /// Sends what is good of a batch: all of it, or what stands before the first that is bad.
    fn without(&mut self, events: &[Ready], mut bad: BTreeMap<usize, Vec<Why>>) -> anyhow::Result<()> {
        let mut good = Vec::new();
        for (at, event) in events.iter().enumerate() {
            match bad.remove(&at) {
                None => good.push(event.clone()),
                Some(whys) => {
                    let reject = Reject { line: event.line, json: event.json.clone(), whys };
                    if self.rejects.is_none() {
                        self.send_events(&good)?;
                        return Err(Stop::Line(reject).into());
                    }
                    self.put_aside(&reject)?;
                }
            }
        }
        self.send_events(&good)
    }

    fn put_aside(&mut self, reject: &Reject) -> anyhow::Result<()> {
        let rejected = {
            let mut tally = self.tally();
            tally.rejected += 1;
            tally.rejected
        };
        if rejected <= TOLD {
            self.progress.say(&format!("put aside {reject}"));
        }
        self.rejects.as_mut().map_or(Ok(()), |rejects| rejects.add(reject))
    }

    /// One request, until it is known what became of it.
    fn request(&mut self, events: &[Ready]) -> anyhow::Result<Outcome> {
        let body: String = events.iter().flat_map(|event| [event.json.as_str(), "\n"]).collect();
        let mut backoff = Backoff::new(WAITS.0, WAITS.1);
        let began = Instant::now();
        loop {
            // never nothing: a first try is made in any case
            let left = self.patience.map(|patience| patience.saturating_sub(began.elapsed()).max(LEAST_TRY));
            let (why, asked) = match self.client.publish(body.as_bytes(), self.keep, left) {
                Ok(items) if items.len() == events.len() => return Ok(Outcome::Done(items)),
                Ok(items) => {
                    let (told, sent) = (items.len(), events.len());
                    return Err(
                        Stop::Hopeless(format!("the service answered for {told} events of {sent}: is it a chaincast service?")).into()
                    );
                }
                Err(PublishFailure::Refused(refusal)) if refusal.will_pass() => (refusal.to_string(), refusal.retry_after),
                Err(PublishFailure::Refused(refusal)) => return explain(refusal),
                Err(error @ PublishFailure::Unreached(_)) => (error.to_string(), None),
                Err(PublishFailure::Hopeless(why)) => {
                    return Err(Stop::Hopeless(format!("cannot connect to {}: {why}", self.client.target())).into());
                }
            };
            let why = visible(&why).into_owned();
            // all at once is how a service that comes back is taken down again, so what it asks for is spread as well
            let after = asked.unwrap_or_default().mul_f64(1.0 + fastrand::f64() / 4.0).max(backoff.after_failure(fastrand::f64()));
            // the last wait is cut short, so that one try falls at the limit
            let after = match self.patience.map(|patience| (patience, patience.saturating_sub(began.elapsed()))) {
                Some((patience, Duration::ZERO)) => {
                    let limit = patience.as_secs();
                    return Err(Stop::Passing(format!("gave up after the {limit} s of --give-up-after: {why}")).into());
                }
                Some((_, left)) => after.min(left),
                None => after,
            };
            self.progress.say(&format!("trying again in {:.1} s: {why}", after.as_secs_f64()));
            thread::sleep(after);
        }
    }

    fn count(&mut self, events: &[Ready], items: Vec<Published>) {
        let mut tally = self.tally();
        for (event, item) in events.iter().zip(items) {
            match item.status {
                Status::Stored => tally.stored += 1,
                Status::Duplicate => tally.duplicates += 1,
                Status::Conflict => {
                    tally.conflicts += 1;
                    if tally.conflicts <= TOLD {
                        let line =
                            format!("line {}: id {} is known with other content, which stays ({})", event.line, item.id, item.cursor);
                        self.progress.say(&visible(&line));
                    }
                }
            }
            tally.last = Some(item.cursor);
        }
    }

    /// Says what was done, when everything was.
    pub(super) fn finish(mut self) -> anyhow::Result<ExitCode> {
        self.progress.clear();
        let tally = self.tally();
        println!("{}", tally.summary());
        let all = tally.conflicts == 0 && tally.rejected == 0;
        Ok(if all { ExitCode::SUCCESS } else { ExitCode::from(PARTLY) })
    }

    /// Says what was done before it stopped, and what to do now.
    pub(super) fn stopped(&mut self, error: &anyhow::Error) -> anyhow::Error {
        self.progress.clear();
        let tally = self.tally();
        println!("{}", tally.summary());
        anyhow::anyhow!("{}", told(error, &tally))
    }
}

/// What a refusal means for the events of its request.
fn explain(refusal: Box<Refusal>) -> anyhow::Result<Outcome> {
    let mut bad = BTreeMap::<usize, Vec<Why>>::new();
    for fault in &refusal.errors {
        if let Some(index) = Refusal::index_of(&fault.pointer) {
            let why = Why { pointer: Why::within(&fault.pointer).to_owned(), detail: fault.detail.clone() };
            bad.entry(index).or_default().push(why);
        }
    }
    for conflict in &refusal.conflicts {
        let stands = conflict.seq.map_or_else(|| "earlier in the same input".to_owned(), |seq| format!("as seq {seq}"));
        let detail = format!("id {} is known with other content, {stands}; --on-conflict keep leaves that and goes on", conflict.id);
        bad.entry(conflict.index).or_default().push(Why { pointer: "/id".into(), detail });
    }
    match refusal.status {
        _ if !bad.is_empty() => Ok(Outcome::Bad(bad)),
        400 | 413 | 422 => Ok(Outcome::Unclear(refusal)),
        401 | 403 => Err(Stop::Credential(refusal).into()),
        _ => Err(Stop::Hopeless(refusal.to_string()).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_which_events_are_meant() {
        let body = br#"{"errors":[{"pointer":"/2/type","code":"x","detail":"bad"},{"pointer":"/2/id","code":"x","detail":"too"}]}"#;
        let Ok(Outcome::Bad(bad)) = explain(Box::new(Refusal::of(422, None, body))) else { panic!("it points at one") };
        assert_eq!(bad.keys().copied().collect::<Vec<_>>(), [2]);
        assert_eq!(bad[&2][0], Why { pointer: "/type".into(), detail: "bad".into() });
        let body = br#"{"conflicts":[{"index":1,"id":"a","seq":5}]}"#;
        let Ok(Outcome::Bad(bad)) = explain(Box::new(Refusal::of(409, None, body))) else { panic!("it names one") };
        assert!(bad[&1][0].detail.contains("as seq 5"));
        assert!(matches!(explain(Box::new(Refusal::of(413, None, b""))), Ok(Outcome::Unclear(_))));
        assert!(explain(Box::new(Refusal::of(401, None, b""))).is_err(), "no half of it would be taken either");
    }
}
