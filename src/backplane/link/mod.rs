//! The backplane of several instances: whatever is the same for every carrier.
//!
//! A [`Link`] hands announcements to this instance at once, and sends them to others from a task of its own, which alone touches the
//! network ([`run`]). **Every queue, ring and list is bounded** (`announcing_never_waits_and_what_waits_is_bounded`): what waits to be sent
//! by the [`outbox`], what waits for this instance by the [`intake`], other instances by [`peers`], questions by [`asks`].
//!
//! It starts without waiting for the network and ends when it is dropped. While the connection is lost nothing waits; afterwards the newest
//! head of each log that grew meanwhile is announced, so that others look (`after_the_server_was_away_it_works_without_a_restart`).

mod asks;
mod intake;
mod inward;
mod outbox;
mod peers;
mod run;
mod shared;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

use self::{
    intake::Intake,
    outbox::Parcel,
    shared::{Count, Shared},
};
use super::{
    Announcement, Answers, Backplane, Inbox, Leases, Status,
    carrier::{Carrier, Channel},
    message::{Grown, Said, Traced},
};
use crate::log::LogId;

/// How long leaving may take.
const LEAVES_WITHIN: Duration = Duration::from_secs(1);

/// How instances recognise each other, and what they may hold.
#[derive(Clone)]
pub struct LinkSettings {
    /// The store's own secret: who has it is believed.
    pub secret: [u8; 32],
    /// Events travel with an announcement up to so many bytes of text; above, others read them from the log.
    pub inline_bytes: usize,
    /// Messages that may wait to be sent.
    pub max_queued: usize,
    /// Bytes of them.
    pub max_queued_bytes: usize,
}

impl LinkSettings {
    /// The defaults.
    #[must_use]
    pub fn new(secret: [u8; 32]) -> Self {
        Self { secret, inline_bytes: 64 * 1024, max_queued: 1024, max_queued_bytes: 4 * 1024 * 1024 }
    }
}

impl std::fmt::Debug for LinkSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { secret: _, inline_bytes, max_queued, max_queued_bytes } = self;
        write!(f, "LinkSettings {{ secret: …, inline_bytes: {inline_bytes}, queue: {max_queued} or {max_queued_bytes} bytes }}")
    }
}

/// Announces to this process at once, and to others through a carrier.
pub struct Link {
    shared: Arc<Shared>,
    leases: Option<Arc<dyn Leases>>,
    announcements: Intake,
    /// Its end is the end of the task, and so is `None`.
    follow: watch::Sender<Option<HashSet<LogId>>>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Link over {}", self.shared.kind)
    }
}

impl Link {
    /// How many questions of others may wait here; others are not answered.
    pub const QUESTIONS: usize = 16;

    /// Begins to connect, on the current runtime.
    pub(super) fn start(carrier: impl Carrier, settings: &LinkSettings) -> (Arc<Self>, Inbox) {
        let (announcements, announced) = Intake::new();
        let (questions, asked) = mpsc::channel(Self::QUESTIONS);
        let (follow, followed) = watch::channel(Some(HashSet::new()));
        let shared = Arc::new(Shared::new(&carrier, settings));
        let leases = carrier.leases(&shared.names);
        let inward = inward::Inward {
            shared: shared.clone(),
            announcements: announcements.clone(),
            questions,
            followed: followed.clone(),
            traced: Mutex::default(),
        };
        tokio::spawn(run::run(Box::new(carrier), shared.clone(), inward, followed));
        (Arc::new(Self { shared, leases, announcements, follow }), Inbox { announcements: announced, questions: asked })
    }

    fn parcel(&self, announcement: &Announcement) -> Parcel {
        let (shared, channel) = (&self.shared, Channel::Log(announcement.log));
        let head = Some(announcement.clone_without_events());
        let size: usize = announcement.events.iter().map(|event| event.envelope.size()).sum();
        if size <= shared.inline_bytes {
            let content = shared.codec.encode(&Said::Grew(Grown::of(announcement, true)));
            if content.len() <= shared.max_message {
                return Parcel { channel, content, head };
            }
        }
        Parcel { channel, content: shared.codec.encode(&Said::Grew(Grown::of(announcement, false))), head }
    }
}

#[async_trait]
impl Backplane for Link {
    fn announce(&self, announcement: Announcement) {
        let outbox = &self.shared.outbox;
        let is_put = if outbox.is_open() {
            if let Some(passage) = &announcement.trace {
                // first, and no more than it deserves: what follows is complete without it
                let content = self.shared.codec.encode(&Said::Traced(Traced::of(announcement.log, passage)));
                outbox.put(Parcel { channel: Channel::Log(announcement.log), content, head: None });
            }
            outbox.put(self.parcel(&announcement))
        } else {
            outbox.miss(announcement.clone_without_events());
            false
        };
        if !is_put {
            self.shared.count(Count::Dropped, 1);
        }
        if !self.announcements.put(announcement) {
            self.shared.count(Count::Missed, 1);
        }
    }

    fn follow(&self, logs: HashSet<LogId>) {
        self.follow.send_if_modified(|followed| {
            let changed = followed.as_ref().is_some_and(|followed| *followed != logs);
            if changed {
                *followed = Some(logs);
            }
            changed
        });
    }

    fn status(&self) -> Status {
        self.shared.status()
    }

    async fn leave(&self) {
        self.follow.send_replace(None);
        // the task and what it heard through are gone
        let _ = timeout(LEAVES_WITHIN, self.follow.closed()).await;
    }

    async fn ask(&self, text: Vec<u8>, patience: Duration) -> Answers {
        asks::ask(&self.shared, text, patience).await
    }

    fn leases(&self) -> Option<Arc<dyn Leases>> {
        self.leases.clone()
    }
}
