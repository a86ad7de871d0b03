//! The database connections of an adapter: a few, each used by one statement at a time, each statement under a deadline.
//!
//! sqlx's own pool pings a connection whenever it comes back, without a deadline: while the network is silent those pings hold every permit, and
//! otherwise they cost each statement a second round trip. Here a connection comes back only from a statement that succeeded; one that failed, was
//! cancelled or ran out of time is dropped at once, and if the store did not answer at all, so are the idle ones, which are as dead.
//!
//! **The database can vanish** (refused, reset or silent): no call waits longer than the two deadlines, and the first one that
//! reaches the store again works (`a_silent_store_costs_one_deadline_and_heals`).

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sqlx::{ConnectOptions, Error};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{error::Elapsed, timeout},
};

/// Connections to one store.
pub(super) struct Sessions<O: ConnectOptions>
where
    O::Connection: Sized,
{
    options: O,
    connect: Duration,
    statement: Duration,
    permits: Semaphore,
    // counts what was forgotten, so that a connection that was in use meanwhile is not kept either
    generation: AtomicU64,
    // last in, first out, so that what is not needed stays idle; held for a push or a pop only
    idle: Mutex<Vec<O::Connection>>,
}

/// One connection while it is in use. Dropping it drops the connection; only [`Session::settle`] may give it back.
pub(super) struct Session<'a, O: ConnectOptions>
where
    O::Connection: Sized,
{
    home: &'a Sessions<O>,
    connection: O::Connection,
    generation: u64,
    _permit: SemaphorePermit<'a>,
}

/// Why a statement has no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// No connection was to be had; nothing was sent.
    Unreached(String),
    /// The connection broke while the statement was under way.
    Lost(String),
    /// The deadline passed while the statement was under way.
    TimedOut,
    /// The store answered with an error, or with something that can't be decoded.
    Answered(Error),
}

impl<O: ConnectOptions> Sessions<O>
where
    O::Connection: Sized,
{
    /// At most `most` connections; each connect and each statement has its deadline.
    pub(super) fn new(options: O, most: usize, connect: Duration, statement: Duration) -> Self {
        Self { options, connect, statement, permits: Semaphore::new(most.max(1)), generation: AtomicU64::new(0), idle: Mutex::default() }
    }

    /// A connection: an idle one, or a new one.
    pub(super) async fn acquire(&self) -> Result<Session<'_, O>, Failure> {
        let acquired = timeout(self.connect, async {
            let permit = self.permits.acquire().await.map_err(|_| Failure::Unreached("closed".into()))?;
            let generation = self.generation.load(Ordering::Acquire);
            let idle = self.idle().pop();
            let connection = match idle {
                Some(connection) => connection,
                None => self.options.connect().await.map_err(|error| Failure::Unreached(error.to_string()))?,
            };
            Ok(Session { home: self, connection, generation, _permit: permit })
        });
        acquired.await.unwrap_or_else(|_| Err(Failure::Unreached(format!("no connection within {:?}", self.connect))))
    }

    /// Drops the idle connections, and those in use when they come back: whatever they were connected to is gone.
    pub(super) fn forget(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        let idle = std::mem::take(&mut *self.idle());
        drop(idle);
    }

    /// Refuses all further use and drops the idle connections.
    pub(super) fn close(&self) {
        self.permits.close();
        self.forget();
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<O::Connection>> {
        // a panic while pushing or popping leaves a whole vector
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<O: ConnectOptions> Session<'_, O>
where
    O::Connection: Sized,
{
    /// For the statements of one unit of work, to be awaited under [`Session::deadline`].
    pub(super) fn connection(&mut self) -> &mut O::Connection {
        &mut self.connection
    }

    /// How long one unit of work may take.
    pub(super) fn deadline(&self) -> Duration {
        self.home.statement
    }

    /// Ends the use: the connection is given back if the work succeeded, else dropped.
    pub(super) fn settle<T>(self, worked: Result<Result<T, Error>, Elapsed>) -> Result<T, Failure> {
        match worked {
            Ok(Ok(value)) => {
                let current = self.generation == self.home.generation.load(Ordering::Acquire);
                if current && !self.home.permits.is_closed() {
                    self.home.idle().push(self.connection);
                }
                Ok(value)
            }
            Ok(Err(error)) if has_answered(&error) => Err(Failure::Answered(error)),
            Ok(Err(error)) => {
                self.home.forget();
                Err(Failure::Lost(error.to_string()))
            }
            Err(_) => {
                self.home.forget();
                Err(Failure::TimedOut)
            }
        }
    }
}

/// Whether the store took the statement and said what became of it.
fn has_answered(error: &Error) -> bool {
    match error {
        Error::Io(_) | Error::Tls(_) | Error::Protocol(_) | Error::WorkerCrashed => false,
        // last words of a server that ends the session: it may have ended long before the statement, or between its commit and the answer
        Error::Database(error) => {
            let code = error.code().unwrap_or_default();
            !code.starts_with("08") && !matches!(&*code, "57P01" | "57P02" | "57P03" | "57P05")
        }
        _ => true,
    }
}
