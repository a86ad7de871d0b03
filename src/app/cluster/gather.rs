//! Asking all others, once for all who want to know the same at the same time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{Semaphore, watch},
    time::{Instant, timeout},
};

use super::words::{Question, Report};
use crate::backplane::{Answers, Backplane};

/// How long others may take to answer.
const PATIENCE: Duration = Duration::from_millis(400);
/// How long an answer is good for those who ask the same.
const FRESH: Duration = Duration::from_millis(250);
/// Questions that are open at once; the next one waits for its turn no longer than for answers.
const AT_ONCE: usize = 4;

/// What others said.
#[derive(Debug, Default)]
pub(super) struct Others {
    pub(super) reports: Vec<Report>,
    /// Those that did not answer, or not what is understood.
    pub(super) missing: usize,
    /// Whether they were asked at all.
    pub(super) were_asked: bool,
}

type Gathered = Option<(Instant, Arc<Others>)>;

/// See the module.
pub(super) struct Gatherings {
    backplane: Arc<dyn Backplane>,
    /// Asking goes on when whoever began it has gone; others wait for it.
    runtime: Handle,
    turns: Arc<Semaphore>,
    /// Under way, or fresh.
    shared: Mutex<HashMap<Question, watch::Receiver<Gathered>>>,
}

impl Gatherings {
    pub(super) fn new(backplane: Arc<dyn Backplane>) -> Self {
        Self { backplane, runtime: Handle::current(), turns: Arc::new(Semaphore::new(AT_ONCE)), shared: Mutex::default() }
    }

    /// What others say to this.
    pub(super) async fn of(&self, question: Question) -> Arc<Others> {
        let mut gathered = self.join(question);
        let found = gathered.wait_for(Option::is_some).await.ok().and_then(|found| found.as_ref().map(|(_, others)| others.clone()));
        found.unwrap_or_default()
    }

    fn join(&self, question: Question) -> watch::Receiver<Gathered> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.retain(|_, gathered| is_of_use(gathered));
        let begin = || {
            let (tell, told) = watch::channel(None);
            let (backplane, turns) = (self.backplane.clone(), self.turns.clone());
            self.runtime.spawn(async move {
                let others = ask(&*backplane, &turns, question).await;
                tell.send_replace(Some((Instant::now(), Arc::new(others))));
            });
            told
        };
        shared.entry(question).or_insert_with(begin).clone()
    }
}

fn is_of_use(gathered: &watch::Receiver<Gathered>) -> bool {
    match &*gathered.borrow() {
        Some((at, _)) => at.elapsed() < FRESH,
        // under way, unless the task died
        None => gathered.has_changed().is_ok(),
    }
}

async fn ask(backplane: &dyn Backplane, turns: &Semaphore, question: Question) -> Others {
    let Ok(Ok(_turn)) = timeout(PATIENCE, turns.acquire()).await else { return Others::default() };
    let Answers { texts, missing } = backplane.ask(question.write(), PATIENCE).await;
    let reports: Vec<Report> = texts.iter().filter_map(|text| Report::read(text)).collect();
    Others { missing: missing + texts.len() - reports.len(), reports, were_asked: true }
}
