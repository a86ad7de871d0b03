//! `chaincast tail`: follows events, and shows them or hands them on as lines.
//!
//! The stream is read on a thread that blocks; signals are heard on the runtime. Both meet in [`Sink`], which is locked while an event is written: whoever
//! interrupts sees whole lines, and is told the cursor of the last one. The cursor is kept only once what stands before it has been written out.

mod cursor_file;
mod line;
mod sink;
mod words;

use std::{
    cell::Cell,
    ops::ControlFlow,
    process::ExitCode,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use tokio::task::spawn_blocking;

use self::{cursor_file::CursorFile, sink::Sink};
use super::{GIVE_TOKEN, INTERRUPTED, end, interrupted, say, visible};
use crate::{
    cli::{Beginning, Selection, Tail},
    client::{Client, Follow, News, Query, Settings, Stop},
};

/// How long an interruption waits for an event that is being written: its reader may have stopped reading.
const PATIENCE: Duration = Duration::from_secs(1);

/// Follows until it is over, or interrupted.
pub async fn tail(order: Tail) -> ExitCode {
    let prepared = match prepare(&order) {
        Ok(prepared) => prepared,
        Err(error) => return end(Err(error)),
    };
    let (sink, stopping) = (Arc::clone(&prepared.sink), Arc::clone(&prepared.stopping));
    // the listeners stand before the first event, so that none is cut in two
    let interrupted = interrupted();
    let following = spawn_blocking(move || prepared.follow(&order));
    tokio::select! {
        followed = following => end(followed.context("following ended").and_then(|followed| followed).map(|()| ExitCode::SUCCESS)),
        () = interrupted => {
            stopping.store(true, Ordering::Relaxed);
            // held to the end: the thread that blocks on the stream does not hear of it, and must write nothing behind the cursor that was told
            let _held = stopped_at(&sink);
            std::process::exit(INTERRUPTED.into())
        }
    }
}

/// Says where it stopped, once the event that is being written is whole. Nothing more is written while what it returns is held.
fn stopped_at(sink: &Mutex<Sink>) -> Option<MutexGuard<'_, Sink>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match sink.try_lock() {
            Ok(mut sink) => {
                say(&format!("chaincast: {}", visible(&sink.stop())));
                return Some(sink);
            }
            Err(_) if Instant::now() < deadline => thread::sleep(Duration::from_millis(10)),
            Err(_) => {
                say("chaincast: stopped while an event was being written, whose reader does not read");
                return None;
            }
        }
    }
}

struct Prepared {
    client: Client,
    sink: Arc<Mutex<Sink>>,
    /// It was interrupted: nothing more is to be written.
    stopping: Arc<AtomicBool>,
    cursor: Option<String>,
}

fn prepare(order: &Tail) -> anyhow::Result<Prepared> {
    let (target, token) = (order.service.target()?, order.service.token());
    if token.is_some() && !target.is_secure() && !target.is_loopback() {
        say(&format!("warning: the token travels to {target} unencrypted; use https:// where others could listen"));
    }
    let client = Client::new(Settings { target, token, idle: order.idle(), patience: order.patience() })?;
    let file = order.cursor_file.as_deref().map(CursorFile::at).transpose()?;
    let cursor = file.as_ref().map(CursorFile::read).transpose()?.flatten();
    if let (Some(cursor), Some(path), false) = (&cursor, &order.cursor_file, order.quiet) {
        say(&format!("going on at {cursor}, as {} says", path.display()));
    }
    let sink = Sink::new(order, file, cursor.clone());
    Ok(Prepared { client, sink: Arc::new(Mutex::new(sink)), stopping: Arc::default(), cursor })
}

impl Prepared {
    fn follow(self, order: &Tail) -> anyhow::Result<()> {
        let Self { client, sink, stopping, cursor } = self;
        let start = match &order.from {
            Beginning::Place(place) => Some(("last_event_id", place.clone())),
            Beginning::Since(at) => Some(("since", at.to_string())),
            Beginning::Now => None,
        };
        let mut follow = Follow::new(cursor);
        let mut failed = None;
        let connected = Cell::new(false);
        let take = |news: News| {
            connected.set(true);
            // otherwise the lock would be taken again before whoever interrupts gets it
            if stopping.load(Ordering::Relaxed) {
                return ControlFlow::Break(());
            }
            // a panic within would have ended the process
            let taken = sink.lock().unwrap_or_else(PoisonError::into_inner).take(news);
            taken.unwrap_or_else(|error| {
                failed = Some(error);
                ControlFlow::Break(())
            })
        };
        let mut tried = false;
        let retrying = |because: &str, after: Duration| {
            let because = visible(because);
            // told in any case: where it tries at all is what was named wrongly, most of the time
            if !std::mem::replace(&mut tried, true) && !connected.get() {
                say(&format!("cannot connect to {}: {because}; trying again", client.target()));
            } else if !order.quiet {
                let what = if connected.get() { "reconnecting" } else { "trying again" };
                say(&format!("{what} in {:.1} s: {because}", after.as_secs_f64()));
            }
        };
        let start = start.as_ref().map(|(name, value)| (*name, value.as_str()));
        let followed = client.follow(&query(order), start, &mut follow, take, retrying);
        if let Some(error) = failed {
            return Err(error);
        }
        followed.map_err(|stop| {
            let stop = match stop {
                Stop::Hopeless(why) => format!("cannot connect to {}: {why}", client.target()),
                Stop::Refused(refusal) if refusal.status == 401 => format!("{refusal}. Give a token {GIVE_TOKEN}"),
                Stop::Refused(refusal) if refusal.status == 403 => format!("{refusal}. Give a token that may follow this {GIVE_TOKEN}"),
                Stop::Expired => format!("{stop}, {GIVE_TOKEN}"),
                stop => stop.to_string(),
            };
            let at = sink.lock().unwrap_or_else(PoisonError::into_inner).cursor().map(|at| format!("; it stopped at {at}"));
            anyhow::anyhow!("{}{}", visible(&stop), at.unwrap_or_default())
        })
    }
}

fn query(order: &Tail) -> Query {
    let Selection { stream, user, topic, types, all } = &order.filter;
    let mut query = Query::default();
    for (name, values) in [("streams", stream), ("users", user), ("topics", topic), ("types", types)] {
        for value in values {
            query = query.with(name, value);
        }
    }
    if *all || [stream, user, topic, types].iter().all(|values| values.is_empty()) {
        query = query.with("all", "true");
    }
    if order.fail_on_gap {
        query = query.with("on_gap", "fail");
    }
    query
}
