//! The task of a link: connects, listens and sends, and begins again when the connection is lost.

use std::{collections::HashSet, sync::Arc, time::Duration};

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
const PRESENCE: Duration = Duration::from_secs(1);
/// After how long a silence the connection is asked for.
const SUSPICIOUS_SILENCE: Duration = Duration::from_secs(2);
/// It is asked for this often even if something came: that proves one of several ways at most.
const PING_EVERY: Duration = Duration::from_secs(5);
/// The first and the longest pause before it is tried again.
const RETRY: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];
/// A connection that lived so long was a good one.
const GOOD_AFTER: Duration = Duration::from_secs(5);
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
    loop {
        let connected = tokio::select! {
            connected = carrier.connect() => connected,
            () = gone(followed.clone()) => return,
        };
        let since = Instant::now();
        let ended = match connected {
            Ok(connection) => session(connection, &shared, &inward, &mut followed, &mut outage).await,
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
    outage.is_over();
    let mut presence = interval(PRESENCE);
    presence.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut heard, mut proved) = (Instant::now(), Instant::now());
    loop {
        tokio::select! {
            message = connection.next() => {
                inward.take(&message?);
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
            }
        }
    }
}

async fn leave(connection: &mut dyn Connection, shared: &Shared) -> Result<(), Lost> {
    // whatever is said later would be a sign of life
    send(connection, shared, None).await?;
    send(connection, shared, Some(&Said::Gone)).await
}

/// Sends what waits, and first of all `said` to all instances.
async fn send(connection: &mut dyn Connection, shared: &Shared, said: Option<&Said<'_>>) -> Result<(), Lost> {
    let mut first = said.map(|said| (Channel::Instances, shared.codec.seal(shared.codec.encode(said))));
    loop {
        let (parcels, heads) = shared.outbox.take();
        let heads = heads.into_iter().map(|head| head_alone(shared, head));
        let mut sent: Vec<Parcel> = parcels.into_iter().chain(heads).collect();
        let contents = sent.iter_mut().map(|parcel| (parcel.channel, shared.codec.seal(std::mem::take(&mut parcel.content))));
        let messages: Vec<_> = first.take().into_iter().chain(contents).collect();
        let count = messages.len();
        if count == 0 {
            return Ok(());
        }
        if let Err(lost) = connection.send(messages, &shared.names).await {
            shared.count(Count::Dropped, count);
            shared.outbox.give_back(sent);
            return Err(lost);
        }
        shared.count(Count::Sent, count);
        if sent.is_empty() {
            return Ok(());
        }
    }
}

fn head_alone(shared: &Shared, head: Announcement) -> Parcel {
    let content = shared.codec.encode(&Said::Grew(Grown::of(&head, false)));
    Parcel { channel: Channel::Log(head.log), content, head: Some(head) }
}

/// Tells once that the connection is lost, and once that it is there again.
struct Outage {
    kind: &'static str,
    reasons: Vec<String>,
    was_connected: bool,
}

impl Outage {
    fn new(kind: &'static str) -> Self {
        Self { kind, reasons: Vec::new(), was_connected: false }
    }

    fn tell(&mut self, Lost(reason): Lost) {
        if self.reasons.len() < MAX_REASONS && !self.reasons.contains(&reason) {
            let what = if self.was_connected { "lost" } else { "cannot be reached" };
            tracing::warn!(reason, "{} {what}: other instances hear of events a moment later until it is there", self.kind);
            self.reasons.push(reason);
        }
    }

    fn is_over(&mut self) {
        let (kind, again) = (self.kind, if self.was_connected { " again" } else { "" });
        tracing::info!("{kind} is there{again}: other instances hear of events at once");
        self.was_connected = true;
        self.reasons.clear();
    }
}
