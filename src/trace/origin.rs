//! What starts a trace here, and what of it goes on with a commit.

use std::sync::{Arc, OnceLock};

use super::{SpanId, TraceContext, TraceState, Tracer};

/// A request, as a step of a trace: its client's, or a new one.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The step.
    pub context: TraceContext,
    /// The client's step.
    pub parent: Option<SpanId>,
    /// Passed on from the client; only of what is sampled, since nobody else sees it.
    pub state: Option<TraceState>,
    /// The commit that its events became part of.
    commit: Option<Arc<OnceLock<TraceContext>>>,
}

impl Origin {
    /// From what a client said of itself, or anew.
    #[must_use]
    pub fn of(
        parent: Option<TraceContext>,
        state: impl FnOnce() -> Option<TraceState>,
        samples: impl FnOnce() -> bool,
        tracer: &Tracer,
    ) -> Self {
        let context = parent.map_or_else(|| TraceContext::begin(|trace| tracer.takes(trace) && samples()), TraceContext::next);
        let is_sampled = context.is_sampled();
        Self {
            context,
            parent: parent.map(|parent| parent.span),
            state: if is_sampled && parent.is_some() { state() } else { None },
            commit: is_sampled.then(Arc::default),
        }
    }

    /// Its events became part of this commit; the first counts.
    pub fn goes_on_in(&self, commit: TraceContext) {
        if let Some(known) = &self.commit {
            let _ = known.set(commit);
        }
    }

    /// The commit that its events became part of.
    #[must_use]
    pub fn commit(&self) -> Option<TraceContext> {
        self.commit.as_ref()?.get().copied()
    }
}

/// A sampled commit on its way to connections, here and on other instances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// The commit.
    pub context: TraceContext,
    /// Passed on.
    pub state: Option<TraceState>,
    /// Its first event.
    pub first: u64,
    /// Its last event.
    pub last: u64,
}
