//! What starts a trace here, and what of it goes on with a commit.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

use super::{SpanId, TraceContext, TraceState, Tracer};

/// A request, as a step of a trace: its client's, or a new one.
///
/// A client that asks for spans gets them once somebody has vouched for it, and as often as the tracer grants; else it is taken as one that asks for
/// nothing. **Who has no credential makes nobody work** (`a_client_gets_its_spans_once_somebody_vouches_for_it`).
#[derive(Clone, Debug)]
pub struct Origin {
    context: TraceContext,
    /// The client's step.
    pub parent: Option<SpanId>,
    /// Passed on from the client; only of what may be sampled, since nobody else sees it.
    pub state: Option<TraceState>,
    /// What is found out later; nothing is of what cannot be sampled.
    later: Option<Arc<Later>>,
}

#[derive(Debug)]
struct Later {
    tracer: Tracer,
    /// The client gets what it asked for.
    is_granted: AtomicBool,
    /// The commit that its events became part of.
    commit: OnceLock<TraceContext>,
}

impl Origin {
    /// From what a client said of itself, or anew; `samples` is asked whether it is of a kind that begins traces.
    #[must_use]
    pub fn of(
        parent: Option<TraceContext>,
        state: impl FnOnce() -> Option<TraceState>,
        samples: impl FnOnce() -> bool,
        tracer: &Tracer,
    ) -> Self {
        let asks = tracer.is_on() && parent.is_some_and(TraceContext::is_sampled);
        let context = match parent {
            None => TraceContext::begin(|trace| tracer.takes(trace) && samples()),
            // not by its id, which the client made up
            Some(parent) => parent.next().sampled_if(asks && tracer.takes_another() && samples()),
        };
        let may_be = asks || context.is_sampled();
        Self {
            context,
            parent: parent.map(|parent| parent.span),
            state: if asks { state() } else { None },
            later: may_be.then(|| Arc::new(Later { tracer: tracer.clone(), is_granted: AtomicBool::new(false), commit: OnceLock::new() })),
        }
    }

    /// Who asks is known, or everyone is trusted here: it gets the spans that it asks for, if it is not too much.
    pub fn vouch(&self) {
        if let Some(later) = &self.later
            && !self.context().is_sampled()
            && later.tracer.grants()
        {
            later.is_granted.store(true, Ordering::Relaxed);
        }
    }

    /// The step, as far as it is known whether it is sampled.
    #[must_use]
    pub fn context(&self) -> TraceContext {
        let is_granted = self.later.as_ref().is_some_and(|later| later.is_granted.load(Ordering::Relaxed));
        if is_granted { self.context.sampled_if(true) } else { self.context }
    }

    /// Its events became part of this commit; the first counts.
    pub fn goes_on_in(&self, commit: TraceContext) {
        if let Some(later) = &self.later {
            let _ = later.commit.set(commit);
        }
    }

    /// The commit that its events became part of.
    #[must_use]
    pub fn commit(&self) -> Option<TraceContext> {
        self.later.as_ref()?.commit.get().copied()
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
