//! When to stop: the first SIGTERM or SIGINT asks, the second insists.
//!
//! Signals are ours and not actix's, which would end its idle workers together with the sockets that they hand to the shards.

use std::{fmt, io, time::Duration};

use tokio::{
    signal::unix::{Signal as Listener, SignalKind, signal},
    time::timeout,
};

/// What the process ends with when it is told twice: as a shell reports a SIGINT.
const INSISTED: i32 = 130;

/// A second signal so soon after the first is its echo.
const ECHO: Duration = Duration::from_millis(250);

/// A wish to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// From whatever runs the service.
    Terminate,
    /// From a keyboard.
    Interrupt,
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
        })
    }
}

/// The signals of this process, heard from the moment this exists.
#[derive(Debug)]
pub struct Signals {
    terminate: Listener,
    interrupt: Listener,
}

impl Signals {
    /// Starts to listen. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the operating system refuses a handler.
    pub fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the first signal; from then on a second one ends the process at once.
    pub async fn requested(mut self) -> Signal {
        let first = self.next().await;
        tokio::spawn(async move {
            // whoever signals a whole group may be heard twice at once, and insists on nothing
            let _ = timeout(ECHO, async {
                loop {
                    self.next().await;
                }
            })
            .await;
            let second = self.next().await;
            tracing::warn!(signal = %second, "told to stop again: stopping without draining");
            std::process::exit(INSISTED);
        });
        first
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Terminate,
            _ = self.interrupt.recv() => Signal::Interrupt,
        }
    }
}
