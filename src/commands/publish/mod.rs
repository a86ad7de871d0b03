//! `chaincast publish`: reads events, and has them stored once each, in order.
//!
//! Three threads with bounded queues between them, so that a file of any size takes the memory of a few batches: one reads and checks, one makes batches
//! ([`batch`]), and this one sends them, one request at a time ([`send`]); when the service is slow, all of them wait. What makes repeating safe is the
//! id: an event whose outcome is not known is sent again under the same one, and so is everything when the command is run again.

mod batch;
mod check;
mod prepare;
mod reject;
mod send;
mod stop;
mod tally;

use std::{
    io::{self, Write as _},
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError, mpsc::sync_channel},
    thread,
};

use anyhow::Context as _;
use tokio::task::spawn_blocking;

use self::{prepare::Rules, send::Sender, tally::Tally};
use super::{Documents, INTERRUPTED, Input, Progress, end, interrupted, say};
use crate::{
    cli::Publish,
    client::{Client, Settings},
};

/// The largest event that is read; the service takes far less unless it has other settings, and says so.
const MAX_EVENT_BYTES: usize = 8 * 1024 * 1024;
/// How many events the reader is ahead of the batches.
const AHEAD: usize = 64;

/// Publishes everything, or ends where it cannot go on, or is interrupted.
pub async fn publish(order: Publish) -> ExitCode {
    let tally = Arc::new(Mutex::new(Tally::new(&order)));
    let (counted, dry_run) = (Arc::clone(&tally), order.dry_run);
    // before the first request, so that none is on its way when there is nobody to tell
    let interrupted = interrupted();
    let publishing = spawn_blocking(move || run(&order, &counted));
    tokio::select! {
        done = publishing => end(done.context("publishing ended").and_then(|done| done)),
        () = interrupted => {
            // held to the end: what comes in now is told by the next run
            let tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
            if dry_run {
                say("\nchaincast: interrupted; nothing was sent");
            } else {
                // a bar, or what the terminal shows of the key, may stand in the line
                say("");
                // both are for whoever is there still
                let _ = writeln!(io::stdout(), "{}", tally.summary());
                say(&format!("chaincast: interrupted; what was on its way may be stored as well: {}", tally.again()));
            }
            std::process::exit(INTERRUPTED.into())
        }
    }
}

fn run(order: &Publish, tally: &Mutex<Tally>) -> anyhow::Result<ExitCode> {
    let input = Input::open(&order.file)?;
    let rules = Rules::new(order)?;
    if order.dry_run {
        return check::dry_run(order, input, &rules);
    }
    let (target, token) = (order.service.target()?, order.service.token());
    let client = Client::new(Settings { target, token, idle: MAX_SILENCE, patience: None })?;
    let Input { reader, size, read } = input;
    let mut sender = Sender::new(&client, order, tally, Progress::new(order.quiet), (read, size))?;
    thread::scope(|scope| {
        let (read, documents) = sync_channel(AHEAD);
        // one batch waits while one is on its way
        let (made, batches) = sync_channel(1);
        scope.spawn(move || prepare::run_reader(Documents::new(reader, MAX_EVENT_BYTES), &rules, &read));
        let bounds = batch::Bounds { events: order.batch as usize, bytes: order.batch_max_bytes as usize, linger: order.linger() };
        scope.spawn(move || batch::run_batcher(&documents, &made, bounds));
        let sent = batches.iter().try_for_each(|batch| sender.send(batch));
        match sent {
            Ok(()) => sender.finish(),
            // the reader may sit on an input that has no end
            Err(error) => {
                let code = end(Err(sender.stopped(&error)));
                drop(sender);
                std::process::exit(i32::from(code != ExitCode::SUCCESS))
            }
        }
    })
}

/// Streams are not what is asked for here.
const MAX_SILENCE: std::time::Duration = std::time::Duration::from_secs(60);
