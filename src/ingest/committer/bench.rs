//! A running committer on a fake log, and the words in which its tests speak.

use std::{sync::Arc, time::Duration};

use tokio::{sync::oneshot, task::JoinHandle, time::timeout};

use super::{
    Committer, PublishError, Published, Publisher, Settings,
    fake::{Fake, Turn},
};
use crate::{
    domain::Source,
    ingest::{BodyForm, Limits, parse, request},
    log::{AppendRequest, ItemStatus, LogError, LogId, OnConflict},
};

pub(super) const LOG: LogId = LogId::new(1);
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

pub(super) type Answer = Result<Published, PublishError>;

/// A running committer on a fake log.
pub(super) struct Bench {
    pub(super) fake: Arc<Fake>,
    pub(super) publisher: Publisher,
    pub(super) stop: oneshot::Sender<()>,
    pub(super) task: JoinHandle<()>,
}

impl Bench {
    pub(super) fn start(fake: Fake) -> Self {
        Self::start_with(fake, Settings { repeat_pause: Duration::from_millis(1), ..Settings::default() })
    }

    pub(super) fn start_with(fake: Fake, settings: Settings) -> Self {
        let fake = Arc::new(fake);
        let (publisher, committer) = Committer::new(fake.clone(), fake.clone(), settings);
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(committer.run(async {
            let _ = stopped.await;
        }));
        Self { fake, publisher, stop, task }
    }

    pub(super) async fn publish(&self, request: AppendRequest) -> Answer {
        timeout(PATIENCE, self.publisher.publish(LOG, request, None)).await.expect("answered")
    }

    /// Publishes without waiting for the answer, though until it is queued.
    pub(super) async fn queue(&self, request: AppendRequest) -> JoinHandle<Answer> {
        self.queue_in(LOG, request).await
    }

    pub(super) async fn queue_in(&self, log: LogId, request: AppendRequest) -> JoinHandle<Answer> {
        let queued = self.publisher.queued().requests;
        let publisher = self.publisher.clone();
        let handle = tokio::spawn(async move { publisher.publish(log, request, None).await });
        until(|| self.publisher.queued().requests > queued).await;
        handle
    }

    /// A request that the log is busy with, so that what comes next has to queue.
    pub(super) async fn occupy(&self) -> JoinHandle<Answer> {
        let busy = self.queue(ids(&["busy"])).await;
        until(|| self.fake.begun() > 0).await;
        busy
    }
}

pub(super) async fn until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, wait).await.expect("the condition comes true");
}

pub(super) async fn answer(handle: JoinHandle<Answer>) -> Answer {
    timeout(PATIENCE, handle).await.expect("answered").expect("no panic")
}

pub(super) fn content(ids: &[&str], data: &str) -> AppendRequest {
    let events: Vec<String> = ids.iter().map(|id| format!(r#"{{"id":"{id}","type":"t","data":"{data}"}}"#)).collect();
    let drafts = parse(BodyForm::Ndjson, events.join("\n").as_bytes(), &Limits::default()).expect("valid");
    request(Source::new("default"), drafts, OnConflict::Refuse)
}

pub(super) fn ids(ids: &[&str]) -> AppendRequest {
    content(ids, "")
}

/// Seq and status of each item.
pub(super) fn items(answer: Answer) -> Vec<(u64, ItemStatus)> {
    answer.expect("published").items.iter().map(|item| (item.seq.get(), item.status)).collect()
}

pub(super) fn unavailable() -> Turn {
    Turn::Fail(LogError::Unavailable("as told".into()))
}

pub(super) fn unknown() -> Turn {
    Turn::Fail(LogError::Unknown("as told".into()))
}
