//! A subscriber of the few lines that a native client needs: read the response, cut it into frames, hand on what it got.
//!
//! It does not reconnect: the example watches one connection. A client that lives longer keeps the last `id` and sends it as `Last-Event-ID`.

use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::{Response, header};
use serde::Deserialize;

/// Longer than the service's heartbeat: a silence of this length is a broken connection.
const SILENCE: Duration = Duration::from_secs(60);

/// One frame of the stream.
pub(crate) struct Frame {
    /// The `event` field.
    pub(crate) name: String,
    /// The `data` field.
    pub(crate) data: String,
}

/// The members of an event that the example looks at.
#[derive(Deserialize)]
pub(crate) struct Received {
    pub(crate) seq: u64,
    pub(crate) id: String,
    #[serde(rename = "type")]
    pub(crate) event_type: String,
}

/// An open subscription.
pub(crate) struct Subscriber {
    response: Response,
    unread: Vec<u8>,
}

impl Subscriber {
    /// Opens the subscription; the service has answered when this returns.
    pub(crate) async fn open(client: &reqwest::Client, url: &str) -> anyhow::Result<Self> {
        let response = client.get(url).header(header::ACCEPT, "text/event-stream").send().await?;
        if !response.status().is_success() {
            bail!("{url} answered {}: {}", response.status(), response.text().await?);
        }
        Ok(Self { response, unread: Vec::new() })
    }

    /// The next frame; lone comments and `retry` are skipped.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Frame> {
        loop {
            while let Some(end) = self.unread.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.unread.drain(..end + 2).collect();
                if let Some(frame) = parse(std::str::from_utf8(&block)?) {
                    return Ok(frame);
                }
            }
            let chunk = tokio::time::timeout(SILENCE, self.response.chunk()).await.context("the stream fell silent")??;
            self.unread.extend_from_slice(&chunk.context("the stream ended")?);
        }
    }
}

/// A frame has data; the service writes each field on one line.
fn parse(block: &str) -> Option<Frame> {
    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    Some(Frame { name: field("event").unwrap_or("message").to_owned(), data: field("data")?.to_owned() })
}
