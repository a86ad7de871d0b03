//! A publisher that does what a good indexer does: repeats a batch under the same ids until it is answered.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Duration, sleep, timeout},
};

use super::{http::Http, model::Model, wait::PATIENCE};

/// Makes events with ids of its own and keys drawn from small sets, so that every filter has some matches and misses some.
#[derive(Debug)]
pub(crate) struct EventMaker {
    prefix: String,
    made: u64,
    random: fastrand::Rng,
}

impl EventMaker {
    /// Events whose ids start with `prefix`; equal prefixes make equal events.
    pub(crate) fn new(prefix: &str) -> Self {
        let seed = prefix.bytes().fold(7, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
        Self { prefix: prefix.to_owned(), made: 0, random: fastrand::Rng::with_seed(seed) }
    }

    /// The next event.
    pub(crate) fn event(&mut self) -> Value {
        self.made += 1;
        let random = &mut self.random;
        let kind = random.choice(["stream.created", "stream.withdrawn", "pot.funded", "market.price.moved"]).expect("four");
        let streams: Vec<String> = sorted_subset(random).map(|n| n.to_string()).collect();
        let users: Vec<String> = sorted_subset(random).map(|n| format!("GUSER{n}")).collect();
        let topics: Vec<String> = sorted_subset(random).take(1).map(|n| format!("market.price.CF{n}")).collect();
        let amount = u128::from(random.u64(..)) * 1_000_000_007;
        json!({
            "id": format!("{}-{}", self.prefix, self.made), "type": kind, "streams": streams, "users": users, "topics": topics,
            "data": {"n": self.made, "amount": amount.to_string(), "memo": "line\nbreak \u{2028} é"},
        })
    }

    /// The next `n` events.
    pub(crate) fn events(&mut self, n: usize) -> Vec<Value> {
        (0..n).map(|_| self.event()).collect()
    }
}

/// Events so large that a few fill every buffer between the service and a client that does not read.
pub(crate) fn large_events(prefix: &str, n: usize) -> Vec<Value> {
    (1..=n).map(|n| json!({"id": format!("{prefix}-{n}"), "type": "a.b", "data": "x".repeat(40_000)})).collect()
}

/// One to two of ten, seldom none: an empty list is left out by the service, so it is never published here either.
fn sorted_subset(random: &mut fastrand::Rng) -> impl Iterator<Item = u8> + use<> {
    let (one, two) = (random.u8(..10), random.u8(..10));
    let mut chosen = vec![one.min(two), one.max(two)];
    chosen.dedup();
    chosen.into_iter()
}

/// Publishes in the background until stopped.
pub(crate) struct Publisher {
    model: Arc<Mutex<Model>>,
    acknowledged: watch::Receiver<usize>,
    refused: watch::Receiver<Vec<String>>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Publisher {
    /// Starts to publish batches of one to five events whose ids start with `prefix`.
    pub(crate) fn start(addr: SocketAddr, prefix: &str) -> Self {
        let mut maker = EventMaker::new(prefix);
        let mut sizes = fastrand::Rng::with_seed(1);
        Self::of_batches(addr, std::iter::repeat_with(move || maker.events(sizes.usize(1..=5))))
    }

    /// Starts to publish these batches, one after the other.
    pub(crate) fn of_batches(addr: SocketAddr, batches: impl Iterator<Item = Vec<Value>> + Send + 'static) -> Self {
        let model = Arc::new(Mutex::new(Model::default()));
        let (count, acknowledged) = watch::channel(0);
        let (refusal, refused) = watch::channel(Vec::new());
        let (stop, stopped) = watch::channel(false);
        let said = Said { model: Arc::clone(&model), count, refusal };
        let task = tokio::spawn(publish(Http::new(addr), batches, said, stopped));
        Self { model, acknowledged, refused, stop, task }
    }

    /// Waits until `n` events in all are acknowledged.
    pub(crate) async fn acknowledged(&mut self, n: usize) {
        let reached = timeout(PATIENCE, self.acknowledged.wait_for(|&count| count >= n)).await.map(|found| found.is_ok());
        let now = *self.acknowledged.borrow();
        assert!(reached == Ok(true) || now >= n, "only {now} of {n} events were acknowledged");
    }

    /// Waits until it is refused once more, and returns the codes of all refusals.
    pub(crate) async fn refused_again(&mut self) -> Vec<String> {
        let before = self.refused.borrow().len();
        let refused = timeout(PATIENCE, self.refused.wait_for(|codes| codes.len() > before)).await.expect("a refusal in time");
        refused.expect("the publisher does not panic").clone()
    }

    /// The codes of all refusals so far.
    pub(crate) fn refusals(&self) -> Vec<String> {
        self.refused.borrow().clone()
    }

    /// How many events are acknowledged.
    pub(crate) fn count(&self) -> usize {
        *self.acknowledged.borrow()
    }

    /// Lets the batch in hand be acknowledged, and returns what was.
    pub(crate) async fn stop(self) -> Model {
        self.stop.send_replace(true);
        self.finished().await
    }

    /// Waits until the last batch is acknowledged.
    pub(crate) async fn finished(self) -> Model {
        let task = timeout(PATIENCE, self.task).await.expect("the last batch is acknowledged in time");
        task.expect("the publisher does not panic");
        self.model.lock().expect("the publisher does not panic").clone()
    }
}

/// What the service said, for those who wait for it.
struct Said {
    model: Arc<Mutex<Model>>,
    count: watch::Sender<usize>,
    refusal: watch::Sender<Vec<String>>,
}

async fn publish(http: Http, batches: impl Iterator<Item = Vec<Value>>, said: Said, stopped: watch::Receiver<bool>) {
    let Said { model, count, refusal } = said;
    for batch in batches {
        if *stopped.borrow() {
            return;
        }
        model.lock().expect("no one panics under it").publishing(&batch);
        let body = Value::from(batch.clone()).to_string();
        let items = loop {
            match http.try_post("/events", "application/json", body.clone()).await {
                Ok(answer) if matches!(answer.status, 200 | 201) => break answer.items(),
                // by a proxy, which does not know what became of a request that it had passed on
                Ok(answer) if answer.status == 502 => refusal.send_modify(|codes| codes.push("bad_gateway".to_owned())),
                Ok(answer) => {
                    let code = answer.problem(503);
                    assert!(answer.retry_after.is_some(), "{answer:?}");
                    refusal.send_modify(|codes| codes.push(code));
                }
                Err(_) => {}
            }
            // an indexer paces its repetitions; nothing is inferred from this pause
            sleep(Duration::from_millis(20)).await;
        };
        let mut model = model.lock().expect("no one panics under it");
        model.acknowledged(&batch, &items);
        count.send_replace(model.len());
    }
}
