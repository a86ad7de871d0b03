//! The publishers: keep-alive connections that post events at a fixed rate or as fast as they are answered.
//!
//! A fixed rate is an open loop: each request has its time from the start, and is measured from that time even when a stall of the server makes it
//! leave later. So a stall is not hidden by the requests that it kept from being sent.

use std::{
    net::SocketAddr,
    ops::Range,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;

use crate::{
    clock,
    http::Http,
    mark::{Schedule, event},
};

/// What is published, and how.
#[derive(Clone, Debug)]
pub(crate) struct Publishing {
    pub(crate) server: SocketAddr,
    /// Tells this run's ids from those of others.
    pub(crate) run: u32,
    pub(crate) events: Range<u64>,
    pub(crate) groups: u64,
    /// Events of one request; with one, the body is the event, else an array.
    pub(crate) batch: u64,
    /// Events a second; none: as fast as the answers come.
    pub(crate) rate: Option<f64>,
    /// Connections, each with one request under way.
    pub(crate) connections: usize,
}

/// What publishing took.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    /// When the first request was to be sent.
    pub(crate) first_at: u64,
    /// From the first request to the last answer.
    pub(crate) took: Duration,
    /// Nanoseconds from a request's time to its answer.
    pub(crate) acknowledged: Histogram<u64>,
}

impl Publishing {
    /// Publishes everything, and writes into `schedule` when each event was to be sent.
    pub(crate) fn run(&self, schedule: &Schedule) -> anyhow::Result<Published> {
        let clients = (0..self.connections).map(|_| Http::connect(self.server)).collect::<anyhow::Result<Vec<_>>>()?;
        let next = AtomicU64::new(self.events.start);
        let first_at = clock::now();
        let histograms = thread::scope(|scope| {
            let threads: Vec<_> =
                clients.into_iter().map(|client| scope.spawn(|| self.post_all(client, &next, first_at, schedule))).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().expect("a publisher's thread does not panic"))
                .collect::<anyhow::Result<Vec<_>>>()
        })?;
        let took = Duration::from_nanos(clock::now() - first_at);
        let mut acknowledged = crate::follow::histogram();
        for histogram in histograms {
            acknowledged.add(histogram)?;
        }
        Ok(Published { first_at, took, acknowledged })
    }

    fn post_all(&self, mut client: Http, next: &AtomicU64, first_at: u64, schedule: &Schedule) -> anyhow::Result<Histogram<u64>> {
        let mut acknowledged = crate::follow::histogram();
        let mut body = String::new();
        loop {
            let from = next.fetch_add(self.batch, Relaxed);
            if from >= self.events.end {
                return Ok(acknowledged);
            }
            let numbers = from..(from + self.batch).min(self.events.end);
            body.clear();
            self.write(numbers.clone(), &mut body);
            let at = match self.rate {
                Some(rate) => {
                    let at = first_at + ((from - self.events.start) as f64 / rate * 1e9) as u64;
                    thread::sleep(clock::instant(at).saturating_duration_since(Instant::now()));
                    at
                }
                None => clock::now(),
            };
            numbers.for_each(|n| schedule.set(n, at));
            client.post("/events", &body)?;
            acknowledged.saturating_record((clock::now() - at).max(1));
        }
    }

    fn write(&self, numbers: Range<u64>, body: &mut String) {
        if self.batch == 1 {
            return event(self.run, numbers.start, self.groups, body);
        }
        for n in numbers {
            body.push(if body.is_empty() { '[' } else { ',' });
            event(self.run, n, self.groups, body);
        }
        body.push(']');
    }
}
