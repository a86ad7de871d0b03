//! Sends a batch until the service has answered for it.
//!
//! A batch is stored whole or not at all, and the ids of its events make it harmless to send it again. So an answer that says nothing of
//! the batch (none in time, 429, 503, `outcome_unknown` among them) has one reply: the same batch, later. What the service refuses for what
//! it says (400, 409, 413, 422, …) would be refused again, and is handed to a person.

use std::{
    ops::AddAssign,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use reqwest::{Client, StatusCode, header};
use serde::Deserialize;

use crate::blockchain::Event;

/// Longer than the service's own deadlines, so that it is the service that says what became of a batch.
const ANSWER: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// Then the indexer ends, for its supervisor to see.
const PATIENCE: Duration = Duration::from_secs(600);

/// What became of events.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) stored: usize,
    pub(crate) duplicates: usize,
}

impl AddAssign for Outcome {
    fn add_assign(&mut self, other: Self) {
        self.stored += other.stored;
        self.duplicates += other.duplicates;
    }
}

/// What became of one request.
enum Answer {
    Done(Outcome),
    /// Nothing that can be relied on; perhaps with the time after which to ask again.
    Later(String, Option<Duration>),
}

#[derive(Deserialize)]
struct Published {
    events: Vec<PublishedEvent>,
}

#[derive(Deserialize)]
struct PublishedEvent {
    id: String,
    status: String,
}

/// Publishes to one service.
pub(crate) struct Publisher {
    client: Client,
    url: String,
    token: Option<String>,
}

impl Publisher {
    pub(crate) fn new(service: &str, token: Option<String>) -> anyhow::Result<Self> {
        let url = format!("{}/events", service.trim_end_matches('/'));
        Ok(Self { client: Client::builder().timeout(ANSWER).build()?, url, token })
    }

    /// Returns once the batch is durable.
    ///
    /// # Errors
    /// The service refused it for what it says, or was out of reach for ten minutes.
    pub(crate) async fn publish(&self, batch: &[Event]) -> anyhow::Result<Outcome> {
        let begun = Instant::now();
        // encoded once: what is sent again is the same to the byte
        let body = serde_json::to_string(batch)?;
        let mut pause = FIRST_PAUSE;
        loop {
            let (why, after) = match self.send(&body, batch).await? {
                Answer::Done(outcome) => return Ok(outcome),
                Answer::Later(why, after) => (why, after),
            };
            ensure!(begun.elapsed() < PATIENCE, "gave up after ten minutes: {why}");
            // never sooner than asked, and not together with everyone who was refused at the same moment
            let wait = after.unwrap_or(pause).mul_f64(1.0 + fastrand::f64() / 2.0);
            eprintln!("{why}; sending it again in {wait:.1?}");
            tokio::time::sleep(wait).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn send(&self, body: &str, batch: &[Event]) -> anyhow::Result<Answer> {
        let mut request = self.client.post(&self.url).header(header::CONTENT_TYPE, "application/json").body(body.to_owned());
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Ok(Answer::Later(format!("{:#}", anyhow::Error::new(error)), None)),
        };
        let status = response.status();
        let after =
            response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok()).map(Duration::from_secs);
        let text = match response.text().await {
            Ok(text) => text,
            Err(error) => return Ok(Answer::Later(format!("half an answer: {error}"), None)),
        };
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT) || status.is_server_error() {
            return Ok(Answer::Later(format!("the service answered {status}: {text}"), after));
        }
        if !status.is_success() {
            bail!("the service refused a batch of {} events with {status}: {text}", batch.len());
        }
        let answer: Published = serde_json::from_str(&text).context("the answer is none of this service")?;
        ensure!(answer.events.iter().map(|item| &item.id).eq(batch.iter().map(|event| &event.id)), "the answer lists other events");
        let stored = answer.events.iter().filter(|item| item.status == "stored").count();
        Ok(Answer::Done(Outcome { stored, duplicates: batch.len() - stored }))
    }
}
