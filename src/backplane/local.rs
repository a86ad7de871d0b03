//! The backplane of one process: straight into the sequencer's inbox.

use tokio::sync::mpsc;

use super::{Announcement, Backplane};

/// Announces to the sequencer of this process.
#[derive(Clone, Debug)]
pub struct Local(mpsc::Sender<Announcement>);

impl Local {
    /// How many announcements may wait for the sequencer: each is one commit.
    pub const INBOX: usize = 64;

    /// The backplane and the inbox for the sequencer.
    #[must_use]
    pub fn new() -> (Self, mpsc::Receiver<Announcement>) {
        let (sender, inbox) = mpsc::channel(Self::INBOX);
        (Self(sender), inbox)
    }
}

impl Backplane for Local {
    fn announce(&self, announcement: Announcement) {
        // a full inbox is a hint lost: the sequencer sees the hole with the next announcement, or when it looks at the head
        let _ = self.0.try_send(announcement);
    }
}
