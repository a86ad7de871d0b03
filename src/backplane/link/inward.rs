//! What comes from other instances: believed, counted, and handed to whoever waits for it.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{mpsc, oneshot, watch};

use super::{
    asks::{self, Part},
    intake::Intake,
    shared::{Count, Shared},
};
use crate::{
    backplane::{
        Announcement, Question,
        message::{Refusal, Said},
    },
    log::LogId,
    trace::Passage,
};

/// See the module.
#[derive(Debug)]
pub(super) struct Inward {
    pub(super) shared: Arc<Shared>,
    pub(super) announcements: Intake,
    pub(super) questions: mpsc::Sender<Question>,
    pub(super) followed: watch::Receiver<Option<HashSet<LogId>>>,
    /// The step of a trace that was told last, who told it, and of which log.
    pub(super) traced: Mutex<Option<(u64, LogId, Passage)>>,
}

impl Inward {
    /// Takes one message, whoever sent it.
    pub(super) fn take(&self, message: &[u8]) {
        match self.shared.codec.open(message) {
            // its own comes back
            Ok((sender, _)) | Err(Refusal::Unclear { sender }) if sender == self.shared.me => {}
            Ok((sender, said)) => match self.hear(sender, said) {
                Some(()) => self.shared.count(Count::Received, 1),
                None => self.is_unclear(sender),
            },
            Err(Refusal::Unclear { sender }) => self.is_unclear(sender),
            Err(Refusal::Foreign) => self.shared.refuse(Refusal::Foreign),
        }
    }

    /// It is there, whatever it says: who is asked and does not answer is missing.
    fn is_unclear(&self, sender: u64) {
        self.shared.peers.heard(sender);
        self.shared.refuse(Refusal::Unclear { sender });
    }

    fn follows(&self, log: LogId) -> bool {
        self.followed.borrow().as_ref().is_some_and(|logs| logs.contains(&log))
    }

    /// `None`: what is said does not fit together.
    fn hear(&self, sender: u64, said: Said<'_>) -> Option<()> {
        let shared = &self.shared;
        match said {
            Said::Grew(grown) => {
                // one that was under way when the log was let go of
                if self.follows(grown.log()) {
                    let told = self.traced.lock().unwrap_or_else(PoisonError::into_inner).take();
                    let told = told.filter(|(by, log, passage)| (*by, *log) == (sender, grown.log()) && grown.is_of(passage));
                    let trace = told.map(|(_, _, passage)| Arc::new(passage));
                    if !self.announcements.put(Announcement { trace, ..grown.announcement()? }) {
                        shared.count(Count::Missed, 1);
                    }
                }
            }
            Said::Traced(traced) => {
                let (log, passage) = traced.passage()?;
                if self.follows(log) {
                    *self.traced.lock().unwrap_or_else(PoisonError::into_inner) = Some((sender, log, passage));
                }
            }
            Said::Gone => {
                shared.peers.gone(sender);
                return Some(());
            }
            Said::Here => {}
            Said::Ask { id, text } => {
                let (reply, replied) = oneshot::channel();
                if self.questions.try_send(Question { text: text.to_vec(), reply }).is_ok() {
                    asks::answer_later(shared, sender, id, replied);
                }
            }
            Said::Answer { to, id, part, parts, text } => {
                if to == shared.me {
                    shared.asks.answered(id, Part { from: sender, part, parts, text: text.to_vec() });
                }
            }
        }
        shared.peers.heard(sender);
        Some(())
    }
}
