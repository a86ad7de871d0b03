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
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use sqlx::{ConnectOptions, Error, migrate::MigrateError};
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
    most: usize,
    // held for a push or a pop only
    idle: Mutex<Idle<O::Connection>>,
    waiting: AtomicUsize,
    connects: AtomicU64,
    unreached: AtomicU64,
}

/// How the connections of one kind are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionCounts {
    /// In use.
    pub busy: usize,
    /// Open and not in use.
    pub idle: usize,
    /// The most that may be open.
    pub max: usize,
    /// Calls that wait for one, or for the store to accept it.
    pub waiting: usize,
    /// Connections ever made.
    pub connects: u64,
    /// Calls that gave up since none was to be had in time.
    pub unreached: u64,
}

/// One call that waits for a connection, however its waiting ends.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Connections that nobody uses, under one lock with what tells whether they may be used: a connection to a file that was replaced works for ever.
struct Idle<C> {
    /// Counts what was forgotten, so that a connection that was in use meanwhile is not kept either.
    generation: u64,
    is_closed: bool,
    /// Last in, first out, so that what is not needed stays idle.
    connections: Vec<C>,
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
        Self {
            options,
            connect,
            statement,
            permits: Semaphore::new(most.max(1)),
            most: most.max(1),
            idle: Mutex::new(Idle { generation: 0, is_closed: false, connections: Vec::new() }),
            waiting: AtomicUsize::new(0),
            connects: AtomicU64::new(0),
            unreached: AtomicU64::new(0),
        }
    }

    /// How they are used now.
    pub(super) fn counts(&self) -> SessionCounts {
        SessionCounts {
            busy: self.most - self.permits.available_permits().min(self.most),
            idle: self.idle().connections.len(),
            max: self.most,
            waiting: self.waiting.load(Ordering::Relaxed),
            connects: self.connects.load(Ordering::Relaxed),
            unreached: self.unreached.load(Ordering::Relaxed),
        }
    }

    /// A connection: an idle one, or a new one.
    pub(super) async fn acquire(&self) -> Result<Session<'_, O>, Failure> {
        let _waiting = Waiting::begin(&self.waiting);
        let acquired = timeout(self.connect, async {
            let permit = self.permits.acquire().await.map_err(|_| Failure::Unreached("closed".into()))?;
            let (generation, idle) = {
                let mut idle = self.idle();
                (idle.generation, idle.connections.pop())
            };
            let connection = match idle {
                Some(connection) => connection,
                None => {
                    let connection = self.options.connect().await.map_err(|error| Failure::Unreached(words(&error)))?;
                    self.connects.fetch_add(1, Ordering::Relaxed);
                    connection
                }
            };
            Ok(Session { home: self, connection, generation, _permit: permit })
        });
        let acquired = acquired.await.unwrap_or_else(|_| Err(Failure::Unreached(format!("no connection within {:?}", self.connect))));
        if acquired.is_err() {
            self.unreached.fetch_add(1, Ordering::Relaxed);
        }
        acquired
    }

    /// Drops the idle connections, and those in use when they come back: whatever they were connected to is gone.
    pub(super) fn forget(&self) {
        let forgotten = {
            let mut idle = self.idle();
            idle.generation += 1;
            std::mem::take(&mut idle.connections)
        };
        drop(forgotten);
    }

    /// Refuses all further use and drops the idle connections.
    pub(super) fn close(&self) {
        self.permits.close();
        self.idle().is_closed = true;
        self.forget();
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Idle<O::Connection>> {
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
                let mut idle = self.home.idle();
                if self.generation == idle.generation && !idle.is_closed {
                    idle.connections.push(self.connection);
                }
                Ok(value)
            }
            Ok(Err(error)) if has_answered(&error) => Err(Failure::Answered(error)),
            Ok(Err(error)) => {
                self.home.forget();
                Err(Failure::Lost(words(&error)))
            }
            Err(_) => {
                self.home.forget();
                Err(Failure::TimedOut)
            }
        }
    }
}

impl Failure {
    /// What an error means that came from a statement.
    pub(super) fn of(error: Error) -> Self {
        if has_answered(&error) { Self::Answered(error) } else { Self::Lost(words(&error)) }
    }
}

/// What the store or the system said, without the words of the crate around it and without lines of anyone's source.
pub(super) fn words(error: &Error) -> String {
    match error {
        Error::Database(error) => error.message().to_owned(),
        Error::Io(error) => error.to_string(),
        Error::Configuration(error) | Error::Tls(error) => error.to_string(),
        Error::Migrate(error) => words_of_migration(error),
        error => error.to_string(),
    }
}

/// The same of a migration that failed.
pub(super) fn words_of_migration(error: &MigrateError) -> String {
    match error {
        MigrateError::Execute(error) => words(error),
        error => error.to_string(),
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
