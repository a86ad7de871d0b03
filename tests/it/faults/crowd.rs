//! Subscribers with mixed filters who come back to whichever instance chance gives them, and keep every frame that they were sent.
//!
//! Some leave after a while of their own, some when it has been silent for too long, some stay for as long as they are let; some read slowly.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout},
};

use crate::{
    resume::QUERIES,
    support::{
        sse_connection::{Connection, Manner},
        sse_parser::{Frame, Item},
        wait::{PATIENCE, eventually},
    },
};

/// After which nobody waits for the head of an answer.
const ANSWER: Duration = Duration::from_secs(3);
/// After which those who watch for it take a stream as dead; heartbeats come every second.
const SILENCE: Duration = Duration::from_secs(3);

/// Everyone who subscribes in a scenario.
pub(super) struct Crowd {
    tasks: Vec<JoinHandle<Transcript>>,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
}

/// What one subscriber was sent.
pub(super) struct Transcript {
    pub(super) query: String,
    pub(super) frames: Vec<Frame>,
}

struct Shared {
    addrs: Vec<SocketAddr>,
    /// The last id of each.
    cursors: Vec<Mutex<String>>,
    connections: AtomicUsize,
    /// Whether those who read slowly read nothing at all.
    asleep: watch::Sender<bool>,
}

struct Subscriber {
    nr: usize,
    query: String,
    is_slow: bool,
    random: fastrand::Rng,
    shared: Arc<Shared>,
    frames: Vec<Frame>,
}

impl Crowd {
    /// Subscribes `n`, of whom the first `slow` read slowly, and waits until each has a cursor.
    pub(super) async fn gather(addrs: &[SocketAddr], n: usize, slow: usize) -> Self {
        let (stop, stopped) = watch::channel(false);
        let cursors = (0..n).map(|_| Mutex::default()).collect();
        let shared = Arc::new(Shared { addrs: addrs.to_vec(), cursors, connections: AtomicUsize::new(0), asleep: watch::channel(false).0 });
        let subscribe = |nr: usize| {
            let mut random = fastrand::Rng::with_seed(nr as u64);
            let is_slow = nr < slow;
            let query = if is_slow { "all=true".to_owned() } else { query(nr, &mut random) };
            let subscriber = Subscriber { nr, query, is_slow, random, shared: Arc::clone(&shared), frames: Vec::new() };
            tokio::spawn(subscriber.run(stopped.clone()))
        };
        let tasks = (0..n).map(subscribe).collect();
        let crowd = Self { tasks, shared, stop };
        crowd.until_all("subscribed", |cursor| !cursor.is_empty()).await;
        crowd
    }

    /// Waits until everyone has been sent the event at this cursor, or one behind it of the same numbering.
    pub(super) async fn reached(&self, cursor: &str) {
        let (epoch, seq) = split(cursor);
        self.until_all(&format!("at {cursor}"), |at| !at.is_empty() && split(at).0 == epoch && split(at).1 >= seq).await;
    }

    /// Puts those who read slowly to sleep, or wakes them.
    pub(super) fn sleep(&self, asleep: bool) {
        self.shared.asleep.send_replace(asleep);
    }

    /// How many connections were opened.
    pub(super) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Ends it, and returns what each was sent.
    pub(super) async fn disperse(self) -> Vec<Transcript> {
        self.stop.send_replace(true);
        let mut transcripts = Vec::with_capacity(self.tasks.len());
        for task in self.tasks {
            transcripts.push(timeout(PATIENCE, task).await.expect("ends in time").expect("subscribers do not panic"));
        }
        transcripts
    }

    async fn until_all(&self, what: &str, is_there: impl Fn(&str) -> bool) {
        eventually(&format!("everyone {what}"), async || {
            let cursors = self.shared.cursors.iter().map(|cursor| cursor.lock().expect("no one panics under it").clone());
            let behind: Vec<(usize, String)> = cursors.enumerate().filter(|(_, cursor)| !is_there(cursor)).collect();
            // one that failed says why
            assert!(!self.tasks.iter().any(JoinHandle::is_finished), "a subscriber ended: {behind:?}");
            if behind.is_empty() { Ok(()) } else { Err(format!("{} are not, {:?} …", behind.len(), &behind[..behind.len().min(5)])) }
        })
        .await;
    }
}

/// One of the queries, with the beacon, which everyone asks for; every third from the oldest event on.
fn query(nr: usize, random: &mut fastrand::Rng) -> String {
    let drawn = match random.u8(..4) {
        0 => format!("streams={}", random.u8(..10)),
        1 => format!("users=GUSER{},GUSER{}", random.u8(..10), random.u8(..10)),
        _ => random.choice(QUERIES).expect("some").to_owned(),
    };
    let (selects, narrows) = (["streams=", "users=", "topics="].iter().any(|name| drawn.contains(name)), drawn.contains("types="));
    let topic = if selects { "&topics=beacon" } else { "" };
    let kind = if narrows { "&types=beacon.lit" } else { "" };
    let start = if nr.is_multiple_of(3) { "&last_event_id=earliest" } else { "" };
    format!("{drawn}{topic}{kind}{start}")
}

/// Epoch and seq.
fn split(cursor: &str) -> (&str, u64) {
    let (epoch, seq) = cursor.split_once('-').unwrap_or_else(|| panic!("not a cursor: {cursor:?}"));
    (epoch, seq.parse().unwrap_or_else(|_| panic!("not a cursor: {cursor:?}")))
}

impl Subscriber {
    async fn run(mut self, mut stopped: watch::Receiver<bool>) -> Transcript {
        tokio::select! {
            biased;
            _ = stopped.wait_for(|stopped| *stopped) => {}
            () = self.follow() => {}
        }
        Transcript { query: self.query, frames: self.frames }
    }

    /// Connects for ever.
    async fn follow(&mut self) {
        let manner = if self.is_slow { Manner::SLOW } else { Manner::USUAL };
        loop {
            let addr = self.random.choice(self.shared.addrs.iter().copied()).expect("some");
            let last_id = self.shared.cursors[self.nr].lock().expect("no one panics under it").clone();
            let last_id = (!last_id.is_empty()).then_some(last_id);
            if let Ok(Ok(connection)) = timeout(ANSWER, Connection::open(addr, manner, &self.query, last_id.as_deref())).await {
                self.shared.connections.fetch_add(1, Ordering::Relaxed);
                self.read(connection).await;
            }
            // EventSource waits as well; nothing is inferred from it
            sleep(Duration::from_millis(self.random.u64(20..100))).await;
        }
    }

    /// Reads until the stream ends or this subscriber goes.
    async fn read(&mut self, mut connection: Connection) {
        let far = Duration::from_secs(3600);
        let stays = !self.is_slow && self.random.bool();
        let leaves = Instant::now() + if stays { Duration::from_millis(self.random.u64(300..4000)) } else { far };
        let patience = if self.random.bool() && !self.is_slow { SILENCE } else { far };
        let mut asleep = self.shared.asleep.subscribe();
        loop {
            if self.is_slow {
                // whoever sleeps does not notice that the stream ends either
                let _ = asleep.wait_for(|asleep| !asleep).await;
            }
            let silent = Instant::now() + patience;
            let item = tokio::select! {
                item = connection.next_item() => item.unwrap_or_else(|fault| panic!("{}: {fault}", self.query)),
                () = sleep_until(leaves.min(silent)) => return,
            };
            match item {
                Some(Item::Frame(frame)) => self.take(frame),
                Some(Item::Comment(_)) => {}
                None => return,
            }
        }
    }

    fn take(&mut self, frame: Frame) {
        if let Some(id) = &frame.id {
            self.shared.cursors[self.nr].lock().expect("no one panics under it").clone_from(id);
        }
        self.frames.push(frame);
    }
}
