//! The task of a link: connects, listens and sends, and begins again when the connection is lost.

use std::{collections::HashSet, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt as _;
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};

use super::{
    inward::Inward,
    outbox::Parcel,
    shared::{Count, Shared},
};
use crate::{
    backplane::{
        Announcement,
        carrier::{Carrier, Channel, Connection, Lost},
        message::{Grown, Said},
    },
    log::LogId,
};

/// How often an instance says that it is there.
pub(super) const PRESENCE: Duration = Duration::from_secs(1);
/// After how long a silence the connection is asked for.
const SUSPICIOUS_SILENCE: Duration = Duration::from_secs(2);
/// It is asked for this often even if something came: that proves one of several ways at most.
const PING_EVERY: Duration = Duration::from_secs(5);
/// The first and the longest pause before it is tried again.
const RETRY: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];
/// A connection that lived so long was a good one.
const GOOD_AFTER: Duration = Duration::from_secs(5);
/// Messages that are taken in one turn, if they are there.
const TAKEN_AT_ONCE: usize = 256;
/// Batches that are sent before goodbye: as many as an outbox holds by default.
const LAST_BATCHES: usize = 16;
/// How long goodbye may take.
const GOODBYE: Duration = Duration::from_millis(500);
/// Distinct reasons that are told of one outage.
const MAX_REASONS: usize = 4;

/// `None` when the instance leaves.
type Followed = watch::Receiver<Option<HashSet<LogId>>>;

/// Runs until the instance leaves, or the link is dropped.
pub(super) async fn run(carrier: Box<dyn Carrier>, shared: Arc<Shared>, inward: Inward, mut followed: Followed) {
    let mut pause = RETRY[0];
    let mut outage = Outage::new(shared.kind);
    let _over = Over(&shared);
    loop {
        let connected = tokio::select! {
            connected = unless_it_panics(carrier.connect()) => connected,
            () = gone(followed.clone()) => return,
        };
        let since = Instant::now();
        let ended = match connected {
            Ok(connection) => unless_it_panics(session(connection, &shared, &inward, &mut followed, &mut outage)).await,
            Err(lost) => Err(lost),
        };
        shared.disconnect();
        let Err(lost) = ended else { return };
        outage.tell(lost);
        pause = if since.elapsed() >= GOOD_AFTER { RETRY[0] } else { pause };
        tokio::select! {
            () = sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)) => {}
            () = gone(followed.clone()) => return,
        }
        pause = (pause * 2).min(RETRY[1]);
    }
}

/// A fault of ours is a connection lost: without this task there would be no backplane until a restart, and nobody would notice; to end the
/// process is too much for a hint, and a message that makes one panic would end them all.
async fn unless_it_panics<T>(what: impl Future<Output = Result<T, Lost>>) -> Result<T, Lost> {
    AssertUnwindSafe(what).catch_unwind().await.unwrap_or_else(|_| Err(Lost("a fault of this service's own: it panicked".to_owned())))
}

/// However the task ends, nobody is told that the link still works.
struct Over<'a>(&'a Shared);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.disconnect();
    }
}

/// Over when the instance leaves, or the link is dropped.
async fn gone(mut followed: Followed) {
    let _ = followed.wait_for(Option::is_none).await;
}

/// What to listen to, unless the instance leaves.
fn channels(followed: &mut Followed) -> Option<HashSet<Channel>> {
    let logs = followed.borrow_and_update();
    Some(logs.as_ref()?.iter().copied().map(Channel::Log).chain([Channel::Instances]).collect())
}

/// One connection, from the first message to the last: `Ok` when the instance leaves.
async fn session(
    mut connection: Box<dyn Connection>,
    shared: &Shared,
    inward: &Inward,
    followed: &mut Followed,
    outage: &mut Outage,
) -> Result<(), Lost> {
    let Some(listened) = channels(followed) else { return Ok(()) };
    connection.listen(&listened, &shared.names).await?;
    shared.connect();
    let connected = Instant::now();
    outage.is_connected();
    let mut presence = interval(PRESENCE);
    presence.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut heard, mut proved) = (Instant::now(), Instant::now());
    loop {
        tokio::select! {
            message = connection.next() => {
                inward.take(&message?);
                // what has come already is taken with it: a turn may have to wait for a round trip
                for _ in 1..TAKEN_AT_ONCE {
                    let Some(message) = connection.next().now_or_never() else { break };
                    inward.take(&message?);
                }
                heard = Instant::now();
            }
            changed = followed.changed() => match changed.ok().and_then(|()| channels(followed)) {
                Some(channels) => connection.listen(&channels, &shared.names).await?,
                None => {
                    // best effort: who does not hear it forgets this instance a moment later
                    let _ = timeout(GOODBYE, leave(&mut *connection, shared)).await;
                    return Ok(());
                }
            },
            () = shared.outbox.filled() => send(&mut *connection, shared, None).await?,
            _ = presence.tick() => {
                send(&mut *connection, shared, Some(&Said::Here)).await?;
                if heard.elapsed() >= SUSPICIOUS_SILENCE || proved.elapsed() >= PING_EVERY {
                    connection.ping().await?;
                    (heard, proved) = (Instant::now(), Instant::now());
                }
                if connected.elapsed() >= GOOD_AFTER {
                    outage.is_over();
                }
            }
        }
    }
}

async fn leave(connection: &mut dyn Connection, shared: &Shared) -> Result<(), Lost> {
    // whatever is said after goodbye would be a sign of life; who never stops announcing is not waited for
    for _ in 0..LAST_BATCHES {
        send(connection, shared, None).await?;
        if shared.outbox.is_empty() {
            break;
        }
    }
    send(connection, shared, Some(&Said::Gone)).await
}

/// Sends a batch of what waits, and before it `said` to all instances. Others have their turn before the next batch.
async fn send(connection: &mut dyn Connection, shared: &Shared, said: Option<&Said<'_>>) -> Result<(), Lost> {
    let (parcels, heads) = shared.outbox.take();
    let heads = heads.into_iter().map(|head| head_alone(shared, head));
    let said = said.map(|said| Parcel { channel: Channel::Instances, content: shared.codec.encode(said), head: None });
    let (mut messages, mut sent) = (Vec::new(), Vec::new());
    for Parcel { channel, content, head } in said.into_iter().chain(parcels).chain(heads) {
        messages.push((channel, shared.codec.seal(content)));
        sent.extend(head);
    }
    let count = messages.len();
    if count == 0 {
        return Ok(());
    }
    let done = connection.send(messages, &shared.names).await;
    shared.count(if done.is_ok() { Count::Sent } else { Count::Dropped }, count);
    done.inspect_err(|_| shared.outbox.give_back(sent))
}

fn head_alone(shared: &Shared, head: Announcement) -> Parcel {
    let content = shared.codec.encode(&Said::Grew(Grown::of(&head, false)));
    Parcel { channel: Channel::Log(head.log), content, head: Some(head) }
}

/// Tells once that the connection is lost, and once that it is there again: when it has lasted, so that one which comes and goes fills no
/// log.
struct Outage {
    kind: &'static str,
    reasons: Vec<String>,
    was_connected: bool,
    /// It was said to be there, and not to be lost since.
    is_told: bool,
}

impl Outage {
    fn new(kind: &'static str) -> Self {
        Self { kind, reasons: Vec::new(), was_connected: false, is_told: false }
    }

    fn tell(&mut self, Lost(reason): Lost) {
        self.is_told = false;
        if self.reasons.len() < MAX_REASONS && !self.reasons.contains(&reason) {
            let what = if self.was_connected { "lost" } else { "cannot be reached" };
            tracing::warn!(reason, "{} {what}: other instances hear of events a moment later until it is there", self.kind);
            self.reasons.push(reason);
        }
    }

    /// The first of all is told at once.
    fn is_connected(&mut self) {
        if !self.was_connected && self.reasons.is_empty() {
            self.is_over();
        }
        self.was_connected = true;
    }

    fn is_over(&mut self) {
        self.reasons.clear();
        if !std::mem::replace(&mut self.is_told, true) {
            let (kind, again) = (self.kind, if self.was_connected { " again" } else { "" });
            tracing::info!("{kind} is there{again}: other instances hear of events at once");
        }
    }
}

#[cfg(test)]
mod tests;
