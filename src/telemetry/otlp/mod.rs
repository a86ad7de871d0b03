//! Spans to a collector: OTLP over HTTP with protobuf, which every collector takes on port 4318.
//!
//! The bytes are made here (in `encode`), of a schema that is stable and small, rather than by OpenTelemetry's own crates: a dozen of them would bring a
//! second model of spans, with queues and timers of their own, for the four kinds that the service tells of.
//! `tests/it/traces` holds the bytes to the schema as OpenTelemetry publishes it.
//!
//! **A collector that is away never slows or ends the service** (`a_collector_that_is_away_delays_nothing`): what waits is bounded, a thread of its own
//! sends it, what finds no room is counted and dropped, and its absence is said once a minute.

mod encode;
mod endpoint;
mod export;

use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

pub use self::endpoint::EndpointError;
use self::{
    encode::Resource,
    endpoint::Target,
    export::{Exporter, Stop},
};
use crate::{config::Telemetry, trace::Tracer};

/// Spans that may wait to be sent: a few seconds of a busy instance, and a megabyte or two.
const MAX_QUEUED: usize = 8192;
/// How long the last spans may take at the end.
pub const FLUSH_ENDS_WITHIN: Duration = Duration::from_secs(2);

/// The thread that sends spans, if a collector is set.
#[derive(Debug)]
pub struct Exporting {
    tracer: Tracer,
    running: Option<(Arc<Stop>, mpsc::Receiver<()>)>,
}

/// Starts to export what the returned [`Exporting::tracer`] takes. Without a collector that is nothing.
///
/// # Errors
/// [`EndpointError`]: a setting that cannot be used.
pub fn start(settings: &Telemetry) -> Result<Exporting, EndpointError> {
    let Some(target) = Target::of(settings)? else { return Ok(Exporting { tracer: Tracer::default(), running: None }) };
    let (tracer, spans) = Tracer::new(settings.trace_ratio, MAX_QUEUED);
    let resource = Resource::of(settings)?;
    tracing::info!(collector = target.shown(), ratio = %settings.trace_ratio, "traces are sent to a collector");
    let stop = Arc::new(Stop::default());
    let (ended, ends) = mpsc::channel();
    let exporter = Exporter::new(target, resource, tracer.clone(), stop.clone());
    let thread = thread::Builder::new().name("otlp".to_owned()).spawn(move || {
        exporter.run(&spans);
        // whoever waits is told by its end, a panic's too
        drop(ended);
    });
    thread.map_err(EndpointError::NoThread)?;
    Ok(Exporting { tracer, running: Some((stop, ends)) })
}

/// Why [`start`] would not, whatever of it can be told without a collector's help; looks, and starts nothing.
#[must_use]
pub fn faults(settings: &Telemetry) -> Vec<EndpointError> {
    match Target::of(settings) {
        Ok(None) => Vec::new(),
        target => target.err().into_iter().chain(Resource::of(settings).err()).collect(),
    }
}

impl Exporting {
    /// What takes spans.
    #[must_use]
    pub fn tracer(&self) -> &Tracer {
        &self.tracer
    }

    /// Sends what waits, and ends; no later than after [`FLUSH_ENDS_WITHIN`]. Blocks.
    pub fn finish(mut self) {
        let Some((stop, ends)) = self.running.take() else { return };
        stop.ask();
        let in_time = !matches!(ends.recv_timeout(FLUSH_ENDS_WITHIN), Err(mpsc::RecvTimeoutError::Timeout));
        if let Some(counts) = self.tracer.counts() {
            tracing::info!(exported = counts.exported, dropped = counts.dropped, in_time, "no more traces are sent");
        }
    }
}

/// Whoever gives up without [`Exporting::finish`] waits for nothing, and leaves no thread behind.
impl Drop for Exporting {
    fn drop(&mut self) {
        if let Some((stop, _)) = &self.running {
            stop.ask();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn the_thread_ends_with_whoever_started_it() {
        let endpoint = Some("http://127.0.0.1:1".parse().expect("infallible"));
        let exporting = start(&Telemetry { otlp_endpoint: endpoint, ..Telemetry::default() }).expect("starts");
        let stop = Arc::downgrade(&exporting.running.as_ref().expect("a thread").0);
        assert_eq!(stop.strong_count(), 2, "its own, and the thread's");
        drop(exporting);
        let until = Instant::now() + Duration::from_secs(60);
        while stop.strong_count() > 0 {
            assert!(Instant::now() < until, "it goes on");
            thread::yield_now();
        }
    }
}
