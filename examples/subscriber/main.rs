//! Follows a subscription for as long as it runs, across restarts of the service and of itself.
//!
//! ```text
//! cargo run --example subscriber -- 'http://127.0.0.1:3001/events/subscribe?all=true' cursor.txt
//! ```
//!
//! Every event is one line of JSON on stdout; what happens to the connection is told on stderr. The cursor stands in the file from one run
//! to the next. It is written after the event was: a power cut between the two shows that one event again, so a consumer for which that
//! matters stores the cursor in the transaction that stores the event's effect. A credential (a JWT, or an API key) is taken from
//! `CHAINCAST_TOKEN`. Ends with 0 on SIGTERM or Ctrl-C, and with 1 when the service will not have it back: a refusal that says so, or a
//! credential that ended.

mod cursor_file;
mod follower;

use std::{io::Write as _, process::ExitCode};

use anyhow::{Context as _, bail};
use tokio::signal::unix::{SignalKind, signal};

use cursor_file::CursorFile;
use follower::{Follower, Item};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, path] = arguments.as_slice() else { bail!("usage: subscriber URL CURSOR_FILE") };
    let file = CursorFile::new(path);
    let mut follower = Follower::new(url, std::env::var("CHAINCAST_TOKEN").ok(), file.read()?)?;
    let mut terminated = signal(SignalKind::terminate())?;
    loop {
        // an event that was handed on is always finished: a signal is looked at between two of them
        let item = tokio::select! {
            item = follower.next() => item?,
            _ = terminated.recv() => return Ok(()),
            done = tokio::signal::ctrl_c() => return Ok(done?),
        };
        match item {
            Item::Event(event) => writeln!(std::io::stdout(), "{event}").context("nobody reads the events")?,
            // whoever builds a state from events takes a snapshot of it here, from `GET /events` or elsewhere, before going on
            Item::Gap(gap) => eprintln!("events are gone: {gap}"),
            Item::Live => eprintln!("live"),
            Item::Moved => {}
        }
        if let Some(cursor) = follower.cursor() {
            file.write(cursor)?;
        }
    }
}
