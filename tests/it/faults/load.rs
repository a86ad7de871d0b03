//! Publishers that do what a good indexer does with several instances: a batch that is refused or not answered is repeated, under the same ids,
//! at another.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use super::ledger::Told;
use crate::support::{
    http::{Answer, Http},
    publisher::EventMaker,
    wait::{PATIENCE, eventually},
};

/// After which an answer is not waited for: the batch goes elsewhere.
const ATTEMPT: Duration = Duration::from_secs(3);
/// How a refused publisher paces its repetitions; nothing is inferred from it.
const REPEAT_AFTER: Duration = Duration::from_millis(20);

/// Some publishers, each on an instance of its own as long as that takes what it is given.
pub(super) struct Load {
    publishers: Vec<JoinHandle<Told>>,
    progress: Arc<Progress>,
    stop: watch::Sender<bool>,
}

/// What they have come to, for those who wait for it.
struct Progress {
    acknowledged: AtomicUsize,
    refused: AtomicUsize,
    /// When the last answer came, and the longest time without one.
    silence: Mutex<(Instant, Duration)>,
}

impl Load {
    /// Starts `n` publishers of small batches, paced, each of whose events carries `padding` bytes more.
    pub(super) fn start(addrs: &[SocketAddr], n: usize, pace: Duration, padding: usize) -> Self {
        let silence = Mutex::new((Instant::now(), Duration::ZERO));
        let progress = Arc::new(Progress { acknowledged: AtomicUsize::new(0), refused: AtomicUsize::new(0), silence });
        let (stop, stopped) = watch::channel(false);
        let publishers = (0..n).map(|nr| {
            let publisher = Publisher {
                instances: addrs.iter().map(|&addr| Http::new(addr)).collect(),
                at: nr % addrs.len(),
                maker: EventMaker::new(&format!("publisher-{nr}")),
                random: fastrand::Rng::with_seed(nr as u64),
                padding: "x".repeat(padding),
                progress: Arc::clone(&progress),
                told: Told::default(),
            };
            tokio::spawn(publisher.run(pace, stopped.clone()))
        });
        Self { publishers: publishers.collect(), progress, stop }
    }

    /// Waits until `n` more events are acknowledged.
    pub(super) async fn acknowledged_more(&self, n: usize) {
        until_more(&self.progress.acknowledged, n, "acknowledged").await;
    }

    /// Waits until publishers were refused `n` times more, or not answered.
    pub(super) async fn refused_more(&self, n: usize) {
        until_more(&self.progress.refused, n, "refused").await;
    }

    /// Lets the batches in hand be acknowledged; returns what was, and the longest time without an answer to anyone.
    pub(super) async fn stop(self) -> (Told, Duration) {
        self.stop.send_replace(true);
        let mut told = Told::default();
        for publisher in self.publishers {
            told.merge(
                timeout(PATIENCE, publisher).await.expect("the last batch is acknowledged in time").expect("publishers do not panic"),
            );
        }
        let (_, longest) = *self.progress.silence.lock().expect("no one panics under it");
        (told, longest)
    }
}

async fn until_more(count: &AtomicUsize, n: usize, what: &str) {
    let wanted = count.load(Ordering::Relaxed) + n;
    eventually(&format!("{n} more {what}"), async || {
        let now = count.load(Ordering::Relaxed);
        if now >= wanted { Ok(()) } else { Err(format!("{} more", n + now - wanted)) }
    })
    .await;
}

struct Publisher {
    instances: Vec<Http>,
    at: usize,
    maker: EventMaker,
    random: fastrand::Rng,
    padding: String,
    progress: Arc<Progress>,
    told: Told,
}

impl Publisher {
    async fn run(mut self, pace: Duration, stopped: watch::Receiver<bool>) -> Told {
        while !*stopped.borrow() {
            let size = self.random.usize(1..=5);
            let mut batch = self.maker.events(size);
            for event in batch.iter_mut().filter(|_| !self.padding.is_empty()) {
                event["data"]["padding"] = Value::from(self.padding.as_str());
            }
            self.publish(&batch).await;
            sleep(pace).await;
        }
        self.told
    }

    async fn publish(&mut self, batch: &[Value]) {
        note_publishing(&mut self.told, batch);
        let body = Value::from(batch).to_string();
        while !attempt(&self.instances[self.at], batch, &body, &mut self.told).await {
            self.progress.refused.fetch_add(1, Ordering::Relaxed);
            self.at = self.random.usize(..self.instances.len());
            sleep(REPEAT_AFTER).await;
        }
        self.progress.acknowledged.fetch_add(batch.len(), Ordering::Relaxed);
        let mut silence = self.progress.silence.lock().expect("no one panics under it");
        let now = Instant::now();
        *silence = (now, silence.1.max(now - silence.0));
    }
}

/// Publishes an event that every subscriber of the crowd asks for, until it is acknowledged; returns its cursor.
pub(super) async fn light_beacon(http: &Http, id: &str, told: &Mutex<Told>) -> String {
    let batch = [json!({"id": id, "type": "beacon.lit", "topics": ["beacon"], "data": null})];
    let body = Value::from(&batch[..]).to_string();
    note_publishing(&mut told.lock().expect("no one panics under it"), &batch);
    eventually("a beacon is acknowledged", async || {
        let mut own = Told::default();
        let is_acknowledged = attempt(http, &batch, &body, &mut own).await;
        let cursor = own.acknowledged.get(id).cloned();
        told.lock().expect("no one panics under it").merge(own);
        if is_acknowledged { cursor.ok_or_else(|| "no cursor".to_owned()) } else { Err("refused".to_owned()) }
    })
    .await
}

fn note_publishing(told: &mut Told, batch: &[Value]) {
    for event in batch {
        told.published.insert(event["id"].as_str().expect("events of the tests have ids").to_owned(), event.clone());
    }
}

/// One attempt. A refusal must be one that passes, and say when to come back.
async fn attempt(http: &Http, batch: &[Value], body: &str, told: &mut Told) -> bool {
    match timeout(ATTEMPT, http.try_post("/events", "application/json", body.to_owned())).await {
        Ok(Ok(answer)) if matches!(answer.status, 200 | 201) => {
            note_acknowledged(told, batch, &answer);
            true
        }
        Ok(Ok(answer)) => {
            let code = answer.problem(503);
            assert!(matches!(&code[..], "unavailable" | "outcome_unknown" | "overloaded"), "{answer:?}");
            assert!(answer.retry_after.is_some(), "{answer:?}");
            told.refused += 1;
            false
        }
        Ok(Err(_)) | Err(_) => false,
    }
}

fn note_acknowledged(told: &mut Told, batch: &[Value], answer: &Answer) {
    let items = answer.items();
    assert_eq!(items.len(), batch.len(), "one item an event: {answer:?}");
    for (event, item) in batch.iter().zip(&items) {
        assert_eq!(event["id"], item["id"], "items are in request order: {answer:?}");
        assert!(matches!(item["status"].as_str(), Some("stored" | "duplicate")), "{answer:?}");
        let (id, cursor) = (item["id"].as_str().expect("an id"), item["cursor"].as_str().expect("a cursor"));
        told.acknowledged.insert(id.to_owned(), cursor.to_owned());
    }
}
