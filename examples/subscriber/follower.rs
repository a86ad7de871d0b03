//! One subscription over as many connections as it takes: resumes where the last one ended, and gives up only when the service says so.
//!
//! `sse-stream` cuts the body into blocks and does nothing else, which is what a follower that must not lose or repeat anything wants: a
//! block counts only once it is complete, a block's `id` is its own, and when to come back is decided here.

use std::{pin::Pin, time::Duration};

use anyhow::{Context as _, bail};
use futures::{Stream, StreamExt as _};
use reqwest::{Client, Response, StatusCode, header};
use serde::Deserialize;
use sse_stream::{Sse, SseByteStream};

/// Longer than the service's heartbeat of 15 s: a silence of this length is a broken connection.
const SILENCE: Duration = Duration::from_secs(45);
const CONNECT: Duration = Duration::from_secs(10);
/// However often it failed, it does not wait longer than this unless the service asks for it.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What a follower is told.
pub(crate) enum Item {
    /// An event, as JSON.
    Event(String),
    /// Events that were asked for and are gone: `reason`, `lost`, `resumed`.
    Gap(String),
    /// Everything missed has been told; what comes now is live.
    Live,
    /// Nothing to handle, but the cursor is another.
    Moved,
}

type Blocks = Pin<Box<dyn Stream<Item = Result<Sse, sse_stream::Error>> + Send>>;

/// A subscription and where it stands.
pub(crate) struct Follower {
    client: Client,
    url: String,
    token: Option<String>,
    cursor: Option<String>,
    blocks: Option<Blocks>,
    /// The service's wish, new with every connection.
    retry: Duration,
    failures: u32,
}

#[derive(Deserialize)]
struct Closing {
    reason: String,
}

impl Follower {
    /// Of the events after `cursor`; without one, of what comes from now on.
    pub(crate) fn new(url: &str, token: Option<String>, cursor: Option<String>) -> anyhow::Result<Self> {
        let client = Client::builder().connect_timeout(CONNECT).read_timeout(SILENCE).build()?;
        let retry = Duration::from_secs(2);
        Ok(Self { client, url: url.to_owned(), token, cursor, blocks: None, retry, failures: 0 })
    }

    /// Where to resume once all items so far have been handled.
    pub(crate) fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// The next item, from this connection or a later one; may be dropped and called again.
    ///
    /// # Errors
    /// The service refused, or ended the stream, for good.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Item> {
        loop {
            let Some(blocks) = &mut self.blocks else {
                self.connect().await?;
                continue;
            };
            match blocks.next().await {
                Some(Ok(block)) => {
                    if let Some(item) = self.take(block)? {
                        return Ok(item);
                    }
                }
                Some(Err(error)) => self.lost(&error.to_string()),
                None => self.lost("the stream ended"),
            }
        }
    }

    async fn connect(&mut self) -> anyhow::Result<()> {
        if self.failures > 0 {
            tokio::time::sleep(self.pause()).await;
        }
        let mut request = self.client.get(&self.url).header(header::ACCEPT, "text/event-stream");
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(cursor) = &self.cursor {
            request = request.header("Last-Event-ID", cursor);
        }
        match request.send().await {
            Ok(response) => self.accept(response).await,
            Err(error) => {
                self.lost(&format!("{:#}", anyhow::Error::new(error).context("no answer")));
                Ok(())
            }
        }
    }

    /// An answer that is a stream is followed; one that will be another later is waited for; every other is the end.
    async fn accept(&mut self, response: Response) -> anyhow::Result<()> {
        let status = response.status();
        if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
            let seconds = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            self.retry = seconds.map_or(self.retry, Duration::from_secs);
            self.lost(&format!("the service answered {status}"));
            return Ok(());
        }
        let kind = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if status != StatusCode::OK || !kind.starts_with("text/event-stream") {
            let body = response.text().await.unwrap_or_default();
            bail!("{} answered {status}: {body}", self.url);
        }
        self.blocks = Some(Box::pin(SseByteStream::new(Box::pin(response.bytes_stream()))));
        Ok(())
    }

    fn take(&mut self, block: Sse) -> anyhow::Result<Option<Item>> {
        if let Some(milliseconds) = block.retry {
            self.retry = Duration::from_millis(milliseconds);
        }
        let Some(data) = block.data else { return Ok(None) };
        let item = match block.event.as_deref() {
            Some("hub.gap") => Some(Item::Gap(data)),
            Some("hub.live") => {
                // a connection that came this far was a good one
                self.failures = 0;
                Some(Item::Live)
            }
            Some("hub.closing") => {
                self.closing(&data)?;
                None
            }
            Some(name) if name.starts_with("hub.") => block.id.is_some().then_some(Item::Moved),
            _ => Some(Item::Event(data)),
        };
        if let Some(id) = block.id {
            self.cursor = Some(id);
        }
        Ok(item)
    }

    /// The service ends the stream and says why; most reasons mean: come back.
    fn closing(&mut self, data: &str) -> anyhow::Result<()> {
        let Closing { reason } = serde_json::from_str(data).context("hub.closing")?;
        if ["expired", "revoked", "superseded"].contains(&reason.as_str()) {
            bail!("the service ended the stream: {reason}");
        }
        self.lost(&format!("the service closes: {reason}"));
        Ok(())
    }

    fn lost(&mut self, why: &str) {
        self.blocks = None;
        self.failures += 1;
        eprintln!("{why}; coming back in about {:?}", self.shortest());
    }

    /// What the service asked for, doubled with every failure after the first.
    fn shortest(&self) -> Duration {
        (self.retry * 2_u32.pow(self.failures.saturating_sub(1).min(6))).min(LONGEST_PAUSE.max(self.retry))
    }

    /// Never sooner, and up to half as long again: clients that were cut off together do not come back together.
    fn pause(&self) -> Duration {
        self.shortest().mul_f64(1.0 + fastrand::f64() / 2.0)
    }
}
