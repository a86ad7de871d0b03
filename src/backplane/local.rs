//! The backplane of one process: straight into the inbox.

use tokio::sync::mpsc;

use super::{Announcement, Backplane, Inbox, Status};

/// Announces to this process alone.
#[derive(Debug)]
pub struct Local {
    announcements: mpsc::Sender<Announcement>,
    /// Nobody asks; kept so that whoever waits for questions goes on waiting.
    _questions: mpsc::Sender<super::Question>,
}

impl Local {
    /// How many announcements may wait for the sequencer: each is one commit.
    pub const INBOX: usize = 64;

    /// The backplane, and what reaches this instance through it.
    #[must_use]
    pub fn new() -> (Self, Inbox) {
        let (announcements, inbox) = mpsc::channel(Self::INBOX);
        let (questions, asked) = mpsc::channel(1);
        (Self { announcements, _questions: questions }, Inbox { announcements: inbox, questions: asked })
    }
}

impl Backplane for Local {
    fn announce(&self, announcement: Announcement) {
        // a full inbox is a hint lost: the sequencer sees the hole with the next announcement, or when it looks at the head
        let _ = self.announcements.try_send(announcement);
    }

    fn status(&self) -> Status {
        Status { kind: "local", is_connected: true, ..Status::default() }
    }
}
