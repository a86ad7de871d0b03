//! One instance of a suite: what it announces, and what it hears.

use std::{collections::HashSet, sync::Arc};

use chaincast::{
    backplane::{Announcement, Backplane, Inbox, LinkSettings, Status},
    domain::{Epoch, Event, Seq, Timestamp},
    log::{LogId, StoreIdentity},
};
use tokio::time::timeout;

use super::servers::Server;
use crate::support::wait::{PATIENCE, eventually};

/// The secret of the store that most instances are on.
pub(super) const SECRET: [u8; 32] = [42; 32];
/// What a probe says, which shows that the way is open.
const PROBE: Epoch = Epoch::new(0);
/// What else is announced.
pub(super) const EPOCH: Epoch = Epoch::new(7);

pub(super) const STORE: StoreIdentity = StoreIdentity::new(0xfeed);

/// The events of a range, each with `size` bytes of data or so.
pub(super) fn events(seqs: std::ops::RangeInclusive<u64>, size: usize) -> Vec<Event> {
    let row = |seq| {
        let envelope = format!(r#"{{"id":"{seq}","type":"a.b","streams":["{seq}"],"data":"{}"}}"#, "x".repeat(size));
        Event::from_row(Seq::new(seq), Timestamp::from_micros(1_000_000 + seq as i64), envelope).expect("well formed")
    };
    seqs.map(row).collect()
}

/// That `log` has these events.
pub(super) fn grown(log: i32, events: Vec<Event>) -> Announcement {
    let head = events.last().expect("events").seq;
    Announcement { log: LogId::new(log), store: Some(STORE), epoch: EPOCH, head, events, trace: None }
}

/// See the module.
pub(super) struct Instance {
    pub(super) backplane: Arc<dyn Backplane>,
    pub(super) inbox: Inbox,
}

impl Instance {
    /// One that follows these logs.
    pub(super) fn start(server: &impl Server, follows: &[i32]) -> Self {
        Self::of(server, &LinkSettings::new(SECRET), follows)
    }

    /// The same with settings of its own.
    pub(super) fn of(server: &impl Server, settings: &LinkSettings, follows: &[i32]) -> Self {
        let (backplane, inbox) = server.link(settings);
        let this = Self { backplane, inbox };
        this.follow(follows);
        this
    }

    pub(super) fn follow(&self, logs: &[i32]) {
        self.backplane.follow(logs.iter().copied().map(LogId::new).collect::<HashSet<_>>());
    }

    pub(super) fn announce(&self, announcement: Announcement) {
        self.backplane.announce(announcement);
    }

    pub(super) fn status(&self) -> Status {
        self.backplane.status()
    }

    /// Waits until it is as wanted.
    pub(super) async fn until(&self, what: &str, wanted: impl Fn(&Status) -> bool) -> Status {
        eventually(what, async || {
            let status = self.status();
            if wanted(&status) { Ok(status) } else { Err(format!("{status:?}")) }
        })
        .await
    }

    /// Waits until what this one announces of a log reaches `other`, which follows it.
    pub(super) async fn reaches(&self, other: &mut Self, log: i32) {
        let head = Seq::new(fastrand::u64(1..1 << 40));
        eventually("heard", async || {
            self.announce(Announcement { log: LogId::new(log), store: None, epoch: PROBE, head, events: Vec::new(), trace: None });
            while let Ok(heard) = other.inbox.announcements.try_recv() {
                if heard.head == head {
                    return Ok(());
                }
            }
            Err("nothing".to_owned())
        })
        .await;
    }

    /// The next announcement that is no probe.
    pub(super) async fn hears(&mut self) -> Announcement {
        loop {
            match timeout(PATIENCE, self.inbox.announcements.recv()).await {
                Ok(Some(probe)) if probe.epoch == PROBE => {}
                Ok(Some(heard)) => return heard,
                Ok(None) => panic!("its inbox has ended"),
                Err(_) => panic!("nothing was heard: {:?}", self.status()),
            }
        }
    }
}

/// Two that hear each other about log 1.
pub(super) async fn pair(server: &impl Server) -> [Instance; 2] {
    pair_of(server, &LinkSettings::new(SECRET)).await
}

/// The same with settings of their own.
pub(super) async fn pair_of(server: &impl Server, settings: &LinkSettings) -> [Instance; 2] {
    let [mut one, mut two] = [Instance::of(server, settings, &[1]), Instance::of(server, settings, &[1])];
    one.reaches(&mut two, 1).await;
    two.reaches(&mut one, 1).await;
    [one, two]
}
