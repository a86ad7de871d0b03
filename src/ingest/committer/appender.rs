//! One append, repeated until it is known what became of it.

use std::{collections::HashMap, sync::Arc};

use tokio::time::{Instant, sleep};

use super::Settings;
use crate::{
    domain::Seq,
    log::{AppendRequest, Appended, EventLog, LogError, LogId, RequestOutcome},
};

/// An append that the log has answered.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) appended: Appended,
    /// Set when an earlier try may have stored it unheard: the head from before that try. What is found behind it is this append's own.
    pub(super) ours_after: Option<Seq>,
}

pub(super) struct Appender {
    log: Arc<dyn EventLog>,
    settings: Settings,
    /// The newest head seen of each log: what lies behind it was not there when the next append began, or came from another instance.
    heads: HashMap<LogId, Seq>,
}

impl Appender {
    pub(super) fn new(log: Arc<dyn EventLog>, settings: Settings) -> Self {
        Self { log, settings, heads: HashMap::new() }
    }

    /// Appends, and repeats an append whose outcome is unknown, because repeating it is how to ask.
    ///
    /// # Errors
    /// The last try's, except that [`LogError::Unknown`] stays the answer once a try has ended so and no later one has settled it.
    pub(super) async fn append(&mut self, log: LogId, requests: &[AppendRequest]) -> Result<Done, LogError> {
        let before = match self.head_before(log).await {
            // a pooled connection may have died unnoticed while it lay idle, so one failure says little
            Err(LogError::Unavailable(_)) => self.head_before(log).await?,
            known => known?,
        };
        let mut is_first_failure = true;
        loop {
            match self.try_append(log, requests).await {
                Err(LogError::Unavailable(_)) if is_first_failure => is_first_failure = false,
                Err(LogError::Unknown(detail)) => return self.repeat(log, requests, before, detail).await,
                answer => return answer.map(|appended| Done { appended, ours_after: None }),
            }
        }
    }

    async fn repeat(&mut self, log: LogId, requests: &[AppendRequest], before: Seq, mut detail: String) -> Result<Done, LogError> {
        tracing::warn!(detail, "an append's outcome is unknown; repeating it until it is known");
        let deadline = Instant::now() + self.settings.repeat_for;
        let mut pause = self.settings.repeat_pause;
        while Instant::now() + pause < deadline {
            sleep(pause).await;
            pause = (pause * 2).min(self.settings.repeat_pause_max);
            match self.try_append(log, requests).await {
                Ok(appended) => return Ok(Done { appended, ours_after: Some(before) }),
                // refused as a whole, by a store that is there: nothing of it was stored before either
                Err(LogError::Content(detail)) => return Err(LogError::Content(detail)),
                Err(LogError::Unknown(again) | LogError::Unavailable(again) | LogError::Internal(again)) => detail = again,
            }
        }
        Err(LogError::Unknown(detail))
    }

    async fn try_append(&mut self, log: LogId, requests: &[AppendRequest]) -> Result<Appended, LogError> {
        let appended = self.log.append(log, requests).await?;
        check(&appended, requests)?;
        self.heads.insert(log, appended.head);
        Ok(appended)
    }

    /// The head as known before a first try; asked for once a log.
    async fn head_before(&mut self, log: LogId) -> Result<Seq, LogError> {
        if let Some(head) = self.heads.get(&log) {
            return Ok(*head);
        }
        match self.log.positions().await {
            Ok(positions) => self.heads.extend(positions.iter().map(|position| (position.log, position.head))),
            // a question leaves nothing unknown: nothing was changed
            Err(LogError::Unknown(detail)) => return Err(LogError::Unavailable(detail)),
            Err(error) => return Err(error),
        }
        Ok(self.heads.get(&log).copied().unwrap_or(Seq::ZERO))
    }
}

/// An answer that doesn't fit the question would be told to the wrong publishers.
fn check(appended: &Appended, requests: &[AppendRequest]) -> Result<(), LogError> {
    let fits = |(request, outcome): (&AppendRequest, &RequestOutcome)| match outcome {
        RequestOutcome::Accepted(items) => items.len() == request.events.len(),
        RequestOutcome::Refused(conflicts) => conflicts.iter().all(|conflict| conflict.index < request.events.len()),
    };
    if appended.outcomes.len() == requests.len() && requests.iter().zip(&appended.outcomes).all(fits) {
        Ok(())
    } else {
        Err(LogError::Internal("an append answered for other events than it was given".into()))
    }
}
