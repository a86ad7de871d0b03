//! Announcements that wait for this instance, its own and others': bounded by count, and in effect by bytes.

use tokio::sync::mpsc;

use crate::backplane::{Announcement, Local};

/// How many may wait: those of all peers come through here, each of them as busy as one process.
const MOST: usize = 1024;
/// When so many wait already, events of more bytes than [`SMALL`] are left out, and read from the log: what waits is at most so many of the
/// largest announcements, which of others have 64 KiB unless they are set up otherwise, and 4 MiB beside them.
const WHOLE: usize = Local::INBOX;
/// See [`WHOLE`].
const SMALL: usize = 4 * 1024;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Intake(mpsc::Sender<Announcement>);

impl Intake {
    pub(super) fn new() -> (Self, mpsc::Receiver<Announcement>) {
        let (sender, receiver) = mpsc::channel(MOST);
        (Self(sender), receiver)
    }

    /// Whether there was room. One that finds none is a hint lost: the sequencer sees the hole with the next, or when it looks at the head.
    pub(super) fn put(&self, mut announcement: Announcement) -> bool {
        let waiting = MOST - self.0.capacity();
        if waiting >= WHOLE && announcement.events.iter().map(|event| event.envelope.size()).sum::<usize>() > SMALL {
            announcement.events = Vec::new();
        }
        self.0.try_send(announcement).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{Epoch, Event, Seq, Timestamp},
        log::LogId,
    };

    fn announcement(size: usize) -> Announcement {
        let envelope = format!(r#"{{"id":"1","type":"a.b","streams":["1"],"data":"{}"}}"#, "x".repeat(size));
        let (head, now) = (Seq::new(1), Timestamp::from_micros(1));
        let events = vec![Event::from_row(head, now, envelope).expect("well formed")];
        Announcement { log: LogId::new(1), store: None, epoch: Epoch::new(1), head, events, trace: None }
    }

    #[tokio::test]
    async fn what_waits_is_bounded_and_beyond_some_large_ones_are_hints_alone() {
        let (intake, mut waiting) = Intake::new();
        assert!((0..WHOLE + 1).all(|_| intake.put(announcement(SMALL))));
        assert!((0..MOST - WHOLE - 1).all(|_| intake.put(announcement(1))));
        assert!(!intake.put(announcement(1)));
        let mut with_events = 0;
        while let Ok(announcement) = waiting.try_recv() {
            with_events += announcement.events.len();
        }
        assert_eq!(with_events, MOST - 1);
    }
}
