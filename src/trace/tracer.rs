//! Where spans go: a queue that is bounded, so that whoever exports them can be slow or gone without anyone here noticing.

use std::{
    fmt,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
};

use governor::{DefaultDirectRateLimiter, Quota};

use super::{Ratio, Span, TraceId};

/// How many requests a second get spans for the asking, beside those that are taken anyway.
const GRANTED_PER_SECOND: NonZeroU32 = NonZeroU32::new(100).expect("not zero");

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
    grants: DefaultDirectRateLimiter,
    queue: SyncSender<Span>,
    made: AtomicU64,
    exported: AtomicU64,
    dropped: AtomicU64,
}

impl Tracer {
    /// One that samples this share of new traces, and keeps so many spans for whoever exports them.
    #[must_use]
    pub fn new(ratio: Ratio, max_queued: usize) -> (Self, Spans) {
        let (queue, spans) = sync_channel(max_queued);
        let grants = DefaultDirectRateLimiter::direct(Quota::per_second(GRANTED_PER_SECOND));
        let [made, exported, dropped] = Default::default();
        let open = Open { ratio, grants, queue, made, exported, dropped };
        (Self(Some(Arc::new(open))), spans)
    }

    /// Whether any span can be wanted: somebody exports them, and the share is not nothing.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.as_ref().is_some_and(|open| open.ratio != Ratio::NONE)
    }

    /// Whether a new trace is sampled.
    #[must_use]
    pub fn takes(&self, trace: TraceId) -> bool {
        self.0.as_ref().is_some_and(|open| open.ratio.takes(trace))
    }

    /// The same of one that is not new, and whose id may have been chosen so that it is.
    pub(super) fn takes_another(&self) -> bool {
        self.takes(TraceId::made())
    }

    /// Whether one more may be sampled because its client asks.
    pub(super) fn grants(&self) -> bool {
        self.0.as_ref().is_some_and(|open| open.ratio != Ratio::NONE && open.grants.check().is_ok())
    }

    /// Takes a span, which is made only if somebody wants it; never waits.
    pub fn finish(&self, span: impl FnOnce() -> Span) {
        let Some(open) = &self.0 else { return };
        open.made.fetch_add(1, Ordering::Relaxed);
        if open.queue.try_send(span()).is_err() {
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

    /// Spans of which neither is known: they wait for a collector.
    #[must_use]
    pub fn held(&self) -> u64 {
        let count = |open: &Arc<Open>| {
            let over = open.exported.load(Ordering::Relaxed) + open.dropped.load(Ordering::Relaxed);
            open.made.load(Ordering::Relaxed).saturating_sub(over)
        };
        self.0.as_ref().map_or(0, count)
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
        assert_eq!(tracer.held(), 2);
        tracer.count_exported(1);
        assert_eq!(tracer.held(), 1);
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
            assert!(!tracer.is_on());
            for parent in [None, Some(TraceContext::begin(|_| true))] {
                let origin = Origin::of(parent, || panic!("not passed on"), || panic!("not asked"), tracer);
                origin.vouch();
                assert!(!origin.context().is_sampled(), "{tracer:?} {parent:?}");
                origin.goes_on_in(TraceContext::begin(|_| true));
                assert_eq!(origin.commit(), None, "nothing was allocated");
            }
        }
        let all = Tracer::new(Ratio::ALL, 1).0;
        assert!(Origin::of(None, || None, || true, &all).context().is_sampled());
        assert!(!Origin::of(None, || None, || false, &all).context().is_sampled(), "a probe");
    }

    /// One that takes next to nothing by itself.
    fn few() -> Tracer {
        Tracer::new("0.000000001".parse().expect("a share"), 1).0
    }

    #[test]
    fn a_client_gets_its_spans_once_somebody_vouches_for_it() {
        let (all, few) = (Tracer::new(Ratio::ALL, 1).0, few());
        let (sampled, not) = (TraceContext::begin(|_| true), TraceContext::begin(|_| false));
        let of = |parent, tracer| Origin::of(Some(parent), || None, || true, tracer);
        // an id that every share takes, if it is asked
        let greedy = TraceContext::from_parts(u128::MAX, 1, sampled.flags()).expect("not zero");
        for parent in [sampled, greedy] {
            let origin = of(parent, &few);
            assert!(!origin.context().is_sampled());
            let elsewhere = origin.clone();
            origin.vouch();
            assert!(elsewhere.context().is_sampled() && elsewhere.context().span == origin.context().span);
        }
        let unasked = of(not, &all);
        unasked.vouch();
        assert!(!unasked.context().is_sampled(), "it says that it wants none");
        let origin = of(sampled, &all);
        assert_eq!((origin.context().trace, origin.parent), (sampled.trace, Some(sampled.span)));
        assert!(origin.context().is_sampled(), "as any request is");
    }

    #[test]
    fn who_asks_without_end_gets_spans_at_a_rate() {
        let few = few();
        let sampled = TraceContext::begin(|_| true);
        let granted = (0..100_000).filter(|_| {
            let origin = Origin::of(Some(sampled), || None, || true, &few);
            origin.vouch();
            origin.context().is_sampled()
        });
        let granted = granted.count();
        assert!((100..50_000).contains(&granted), "{granted}");
    }
}
