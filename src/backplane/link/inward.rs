//! What comes from other instances: believed, counted, and handed to whoever waits for it.

use std::{collections::HashSet, sync::Arc};

use tokio::sync::{mpsc, oneshot, watch};

use super::{
    asks::{self, Part},
    shared::{Count, Shared},
};
use crate::{
    backplane::{
        Announcement, Question,
        message::{Refusal, Said},
    },
    log::LogId,
};

/// See the module.
#[derive(Debug)]
pub(super) struct Inward {
    pub(super) shared: Arc<Shared>,
    pub(super) announcements: mpsc::Sender<Announcement>,
    pub(super) questions: mpsc::Sender<Question>,
    pub(super) followed: watch::Receiver<Option<HashSet<LogId>>>,
}

impl Inward {
    /// Takes one message, whoever sent it.
    pub(super) fn take(&self, message: &[u8]) {
        match self.shared.codec.open(message) {
            // its own comes back
            Ok((sender, _)) if sender == self.shared.me => {}
            Ok((sender, said)) => match self.hear(sender, said) {
                Ok(()) => self.shared.count(Count::Received, 1),
                Err(refusal) => self.shared.refuse(refusal),
            },
            Err(refusal) => self.shared.refuse(refusal),
        }
    }

    fn hear(&self, sender: u64, said: Said<'_>) -> Result<(), Refusal> {
        let shared = &self.shared;
        match said {
            Said::Grew(grown) => {
                // one that was under way when the log was let go of
                if self.followed.borrow().as_ref().is_some_and(|logs| logs.contains(&grown.log())) {
                    let announcement = grown.announcement().ok_or(Refusal::Unclear)?;
                    // a full inbox is a hint lost: the sequencer sees the hole with the next announcement, or when it looks at the head
                    let _ = self.announcements.try_send(announcement);
                }
            }
            Said::Gone => {
                shared.peers.gone(sender);
                return Ok(());
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
        Ok(())
    }
}
