//! What all instances together say of themselves: asked for when somebody wants to know, through the backplane, and summed up here.
//!
//! Whoever is asked answers from memory. Many who want to know at once share what was gathered ([`gather`]), so that no storm of dashboards
//! becomes one on the backplane. An instance that does not answer in time, or answers what this version does not understand ([`words`]), is
//! missing, and is said to be; one that is not known cannot be.

mod gather;
mod sum;
mod words;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::mpsc;

use self::{
    gather::Gatherings,
    sum::sum,
    words::{Question, Report},
};
use super::facts::Latencies;
use crate::{
    backplane::{self, Backplane},
    http::{self, Statistics},
    log::LogId,
};

/// What this instance knows of itself.
pub(super) struct Own {
    pub(super) statistics: Statistics,
    pub(super) latencies: Latencies,
    pub(super) is_draining: bool,
}

/// Tells of a log on this instance, of all it has if asked to; from memory.
type Here = dyn Fn(LogId, bool) -> Own + Send + Sync;

/// See the module.
pub(super) struct Cluster {
    /// Another one after each start.
    id: String,
    here: Box<Here>,
    backplane: Arc<dyn Backplane>,
    gatherings: Gatherings,
}

impl Cluster {
    /// Asks on the current runtime.
    pub(super) fn new(backplane: Arc<dyn Backplane>, here: impl Fn(LogId, bool) -> Own + Send + Sync + 'static) -> Arc<Self> {
        let (id, gatherings) = (format!("{:016x}", fastrand::u64(..)), Gatherings::new(backplane.clone()));
        Arc::new(Self { id, here: Box::new(here), backplane, gatherings })
    }

    /// Answers others, until there are no more questions.
    pub(super) async fn answer(self: Arc<Self>, mut questions: mpsc::Receiver<backplane::Question>) {
        while let Some(question) = questions.recv().await {
            // what is not understood is left unanswered, and whoever asks counts this instance as missing
            if let Some(Question { log, whole_instance }) = Question::read(&question.text) {
                let own = (self.here)(log, whole_instance);
                // whoever asked may have gone
                let _ = question.reply.send(Report::new(&self.id, &own).write());
            }
        }
    }
}

#[async_trait]
impl http::Cluster for Cluster {
    async fn statistics(&self, log: LogId, whole_instance: bool) -> Statistics {
        let others = self.gatherings.of(Question { log, whole_instance }).await;
        let own = (self.here)(log, whole_instance);
        let report = Report::new(&self.id, &own);
        let mut reports: Vec<&Report> = vec![&report];
        // one that answers twice, or is oneself, is counted once
        for other in &others.reports {
            if reports.iter().all(|known| known.id() != other.id()) {
                reports.push(other);
            }
        }
        reports[1..].sort_by_key(|report| report.id());
        let status = self.backplane.status();
        let complete = others.were_asked && others.missing == 0 && status.is_acquainted && status.kind != backplane::Local::KIND;
        Statistics { missing: Some(others.missing), complete: Some(complete), ..sum(own, &reports) }
    }
}
