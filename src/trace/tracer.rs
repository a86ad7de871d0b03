//! Where spans go: a queue that is bounded, so that whoever exports them can be slow or gone without anyone here noticing.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
};

use super::{Ratio, Span, TraceId};

/// Spans on their way to whoever exports them.
pub type Spans = Receiver<Span>;

/// What became of spans since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpanCounts {
    /// Taken by a collector.
    pub exported: u64,
    /// Lost, because too many waited, or the collector did not take them.
    pub dropped: u64,
}

/// Takes spans that are over. Cheap to clone; one that is off, the default, takes none.
#[derive(Clone, Default)]
pub struct Tracer(Option<Arc<Open>>);

struct Open {
    ratio: Ratio,
    queue: SyncSender<Span>,
    exported: AtomicU64,
    dropped: AtomicU64,
}

impl Tracer {
    /// One that samples this share of new traces, and keeps so many spans for whoever exports them.
    #[must_use]
    pub fn new(ratio: Ratio, max_queued: usize) -> (Self, Spans) {
        let (queue, spans) = sync_channel(max_queued);
        let open = Open { ratio, queue, exported: AtomicU64::new(0), dropped: AtomicU64::new(0) };
        (Self(Some(Arc::new(open))), spans)
    }

    /// Whether a new trace is sampled.
    #[must_use]
    pub fn takes(&self, trace: TraceId) -> bool {
        self.0.as_ref().is_some_and(|open| open.ratio.takes(trace))
    }

    /// Takes a span, which is made only if somebody wants it; never waits.
    pub fn finish(&self, span: impl FnOnce() -> Span) {
        if let Some(open) = &self.0
            && open.queue.try_send(span()).is_err()
        {
            self.count_dropped(1);
        }
    }

    /// A collector has taken some.
    pub fn count_exported(&self, spans: usize) {
        if let Some(open) = &self.0 {
            open.exported.fetch_add(spans as u64, Ordering::Relaxed);
        }
    }

    /// Some are lost.
    pub fn count_dropped(&self, spans: usize) {
        if let Some(open) = &self.0 {
            open.dropped.fetch_add(spans as u64, Ordering::Relaxed);
        }
    }

    /// What became of spans; `None` when nobody wants any.
    #[must_use]
    pub fn counts(&self) -> Option<SpanCounts> {
        let open = self.0.as_ref()?;
        Some(SpanCounts { exported: open.exported.load(Ordering::Relaxed), dropped: open.dropped.load(Ordering::Relaxed) })
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Tracer(on)" } else { "Tracer(off)" })
    }
}

impl PartialEq for Tracer {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_ref().map(Arc::as_ptr) == other.0.as_ref().map(Arc::as_ptr)
    }
}

impl Eq for Tracer {}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::trace::{Kind, Origin, TraceContext};

    fn span() -> Span {
        let (context, now) = (TraceContext::begin(|_| true), SystemTime::UNIX_EPOCH);
        let (attributes, moments, links) = Default::default();
        Span {
            context,
            parent: None,
            state: None,
            name: "a".into(),
            kind: Kind::Internal,
            began: now,
            ended: now,
            attributes,
            moments,
            links,
            failed: false,
        }
    }

    #[test]
    fn what_finds_no_room_is_counted_and_nobody_waits() {
        let (tracer, spans) = Tracer::new(Ratio::ALL, 2);
        (0..5).for_each(|_| tracer.finish(span));
        assert_eq!(tracer.counts(), Some(SpanCounts { exported: 0, dropped: 3 }));
        assert_eq!(spans.try_iter().count(), 2);
        drop(spans);
        tracer.finish(span);
        assert_eq!(tracer.counts().expect("on").dropped, 4);
    }

    #[test]
    fn what_is_not_sampled_makes_no_span() {
        let off = Tracer::default();
        off.finish(|| panic!("nobody wants it"));
        assert_eq!(off.counts(), None);
        let none = Tracer::new(Ratio::NONE, 1).0;
        for tracer in [&off, &none] {
            assert!(!Origin::of(None, || panic!("not passed on"), || panic!("not asked"), tracer).context.is_sampled());
        }
        let all = Tracer::new(Ratio::ALL, 1).0;
        assert!(Origin::of(None, || None, || true, &all).context.is_sampled());
        assert!(!Origin::of(None, || None, || false, &all).context.is_sampled(), "a probe");
    }

    #[test]
    fn a_client_decides_for_its_own_trace() {
        let (all, none) = (Tracer::new(Ratio::ALL, 1).0, Tracer::new(Ratio::NONE, 1).0);
        let (sampled, not) = (TraceContext::begin(|_| true), TraceContext::begin(|_| false));
        let of = |parent, tracer| Origin::of(Some(parent), || None, || true, tracer);
        assert!(of(sampled, &none).context.is_sampled() && !of(not, &all).context.is_sampled());
        let origin = of(sampled, &all);
        assert_eq!((origin.context.trace, origin.parent), (sampled.trace, Some(sampled.span)));
    }
}
