//! What is told of one commit: a step in the trace of the first sampled request in it, linked with all the others.
//!
//! A commit is one, however many requests it has, so it is one span, and one trace goes on from it to the connections. Requests of other traces are
//! linked both ways: the commit names them, and each names the commit ([`Origin::goes_on_in`]).

use std::{sync::Arc, time::SystemTime};

use crate::{
    domain::Seq,
    log::LogId,
    trace::{Kind, Origin, Passage, Span, SpanId, TraceContext, TraceState, Tracer},
};

/// Links of one span, and traces in one line of the log.
const MOST: usize = 32;

/// A commit of which a request is sampled.
#[derive(Debug)]
pub(super) struct CommitSpan {
    context: TraceContext,
    parent: SpanId,
    state: Option<TraceState>,
    links: Vec<TraceContext>,
    requests: usize,
    began: SystemTime,
    answered: Option<SystemTime>,
    announced: Option<SystemTime>,
}

impl CommitSpan {
    /// Begins when one of these is sampled.
    pub(super) fn begin<'a>(origins: impl Iterator<Item = &'a Origin> + Clone, requests: usize) -> Option<Self> {
        let mut sampled = origins.map(|origin| (origin, origin.context())).filter(|(_, context)| context.is_sampled());
        let (first, step) = sampled.clone().next()?;
        let (context, parent, state) = (step.next(), step.span, first.state.clone());
        sampled.clone().for_each(|(origin, _)| origin.goes_on_in(context));
        let links = sampled.by_ref().take(MOST).map(|(_, step)| step).collect();
        Some(Self { context, parent, state, links, requests, began: SystemTime::now(), answered: None, announced: None })
    }

    /// The log has answered.
    pub(super) fn answered(&mut self) {
        self.answered = Some(SystemTime::now());
    }

    /// What goes with the announcement of these events, which is about to be made.
    pub(super) fn passage(&mut self, before: Seq, head: Seq) -> Arc<Passage> {
        self.announced = Some(SystemTime::now());
        let (context, state) = (self.context, self.state.clone());
        Arc::new(Passage { context, state, first: before.next().get(), last: head.get() })
    }

    /// Tells of the commit, and of the append that it waited for.
    pub(super) fn finish(self, log: LogId, stored: u64, failed: bool, tracer: &Tracer) {
        let Self { context, parent, state, links, requests, began, answered, announced } = self;
        let ended = SystemTime::now();
        let log = ("chaincast.log", u64::try_from(log.to_column()).unwrap_or_default().into());
        let append = || Span {
            context: context.next(),
            parent: Some(context.span),
            state: state.clone(),
            name: "append".into(),
            kind: Kind::Internal,
            began,
            ended: answered.unwrap_or(ended),
            attributes: vec![log.clone()],
            moments: Vec::new(),
            links: Vec::new(),
            failed,
        };
        tracer.finish(append);
        tracer.finish(|| Span {
            context,
            parent: Some(parent),
            state: state.clone(),
            name: "commit".into(),
            kind: Kind::Internal,
            began,
            ended,
            attributes: vec![log.clone(), ("chaincast.requests", requests.into()), ("chaincast.events.stored", stored.into())],
            moments: announced.map(|at| ("announced", at)).into_iter().collect(),
            links,
            failed,
        });
    }
}

/// The traces of the first so many of these, as the log has them.
pub(super) fn trace_ids<'a>(origins: impl Iterator<Item = &'a Origin>, most: usize) -> String {
    let ids: Vec<String> = origins.take(most).map(|origin| origin.context().trace.to_string()).collect();
    ids.join(" ")
}

/// Says at `debug` which traces a commit is of.
pub(super) fn log_commit<'a>(origins: impl Iterator<Item = &'a Origin>, log: LogId, requests: usize, stored: u64, head: Option<Seq>) {
    if !tracing::enabled!(tracing::Level::DEBUG) {
        return;
    }
    let trace_ids = trace_ids(origins, MOST);
    let (log, head) = (log.to_column(), head.map(Seq::get));
    match head {
        Some(_) => tracing::debug!(log, requests, stored, head, trace_ids, "committed"),
        None => tracing::debug!(log, requests, trace_ids, "not committed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Ratio;

    const LOG: LogId = LogId::new(1);

    fn origin(sampled: bool) -> Origin {
        Origin::of(Some(TraceContext::begin(|_| sampled)), || None, || true, &Tracer::new(Ratio::ALL, 1).0)
    }

    #[test]
    fn a_commit_is_a_step_of_its_first_sampled_request_and_linked_with_all_both_ways() {
        let (tracer, spans) = Tracer::new(Ratio::ALL, 10);
        let origins = [origin(false), origin(true), origin(true)];
        let mut span = CommitSpan::begin(origins.iter(), 3).expect("sampled");
        span.answered();
        let passage = span.passage(Seq::new(4), Seq::new(6));
        assert_eq!((passage.first, passage.last), (5, 6));
        span.finish(LOG, 2, false, &tracer);
        let [append, commit] = &spans.try_iter().collect::<Vec<_>>()[..] else { panic!("two spans") };
        assert_eq!((&*append.name, append.parent), ("append", Some(commit.context.span)));
        assert_eq!((commit.context, commit.parent), (passage.context, Some(origins[1].context().span)));
        assert_eq!(commit.context.trace, origins[1].context().trace);
        assert_eq!(commit.links, [origins[1].context(), origins[2].context()]);
        assert_eq!(origins.each_ref().map(Origin::commit), [None, Some(commit.context), Some(commit.context)]);
    }

    #[test]
    fn a_commit_of_what_is_not_sampled_is_no_step() {
        assert!(CommitSpan::begin([origin(false), origin(false)].iter(), 2).is_none());
        assert!(CommitSpan::begin([].iter(), 0).is_none());
    }

    #[test]
    fn links_are_bounded() {
        let origins: Vec<Origin> = (0..MOST + 5).map(|_| origin(true)).collect();
        let span = CommitSpan::begin(origins.iter(), origins.len()).expect("sampled");
        assert_eq!(span.links.len(), MOST);
        assert!(origins.iter().all(|origin| origin.commit() == Some(span.context)));
    }
}
