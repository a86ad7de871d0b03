//! Publishing, history, statistics and health, as an ordinary HTTP client sees them.

use std::{net::SocketAddr, time::Duration};

use reqwest::{Client, Response};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use tokio::time::timeout;

use super::wait::{PATIENCE, eventually};

/// A client of one service.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    base: String,
    client: Client,
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: u16,
    /// The `Content-Type`, or nothing.
    pub(crate) content_type: String,
    /// The `Retry-After`, if any.
    pub(crate) retry_after: Option<String>,
    /// The `WWW-Authenticate`, if any.
    pub(crate) challenge: Option<String>,
    /// The body; of an event stream, which has no end, nothing.
    pub(crate) body: String,
}

/// A page of `GET /events` with each event's bytes as they came.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Page {
    /// The events.
    pub(crate) events: Vec<Box<RawValue>>,
    /// Whether there is more.
    pub(crate) has_more: bool,
    /// Where to go on.
    pub(crate) next_event_id: String,
    /// What was asked for and is gone.
    pub(crate) gap: Option<Value>,
}

impl Http {
    /// A client of the service at `addr`.
    pub(crate) fn new(addr: SocketAddr) -> Self {
        let client = Client::builder().no_proxy().timeout(PATIENCE).build().expect("a client without TLS always builds");
        Self { base: format!("http://{addr}"), client }
    }

    /// Publishes an event or an array of them.
    pub(crate) async fn publish(&self, body: &Value) -> Answer {
        self.post("application/json", body.to_string()).await
    }

    /// Publishes events as NDJSON.
    pub(crate) async fn publish_ndjson(&self, events: &[Value]) -> Answer {
        self.post("application/x-ndjson", events.iter().map(|event| format!("{event}\n")).collect::<String>()).await
    }

    /// Publishes what must be accepted, and returns the items of the answer.
    pub(crate) async fn publish_ok(&self, body: &Value) -> Vec<Value> {
        let answer = self.publish(body).await;
        assert!(matches!(answer.status, 200 | 201), "{answer:?}");
        answer.items()
    }

    /// Posts any body to `/events`.
    pub(crate) async fn post(&self, content_type: &str, body: impl Into<reqwest::Body>) -> Answer {
        self.try_post("/events", content_type, body).await.unwrap_or_else(|e| panic!("POST /events: {e}"))
    }

    /// Posts any body and may fail to reach the service.
    ///
    /// # Errors
    /// What the client says about the connection.
    pub(crate) async fn try_post(&self, path: &str, content_type: &str, body: impl Into<reqwest::Body>) -> reqwest::Result<Answer> {
        let request = self.client.post(format!("{}{path}", self.base)).header("content-type", content_type).body(body);
        Answer::read(request.send().await?).await
    }

    /// Asks for anything, with a token or without.
    pub(crate) async fn bare(&self, method: &str, target: &str, token: Option<&str>, body: &str) -> Answer {
        let method = method.parse().expect("a method");
        let mut request = self.client.request(method, format!("{}{target}", self.base));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if !body.is_empty() {
            request = request.header("content-type", "application/json").body(body.to_owned());
        }
        let answer = request.send().await.unwrap_or_else(|e| panic!("{target}: {e}"));
        Answer::read(answer).await.unwrap_or_else(|e| panic!("{target}: {e}"))
    }

    /// Posts JSON with more headers.
    pub(crate) async fn post_with(&self, target: &str, headers: &[(&'static str, String)], body: &str) -> Answer {
        let mut request =
            self.client.post(format!("{}{target}", self.base)).header("content-type", "application/json").body(body.to_owned());
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let answer = request.send().await.unwrap_or_else(|e| panic!("{target}: {e}"));
        Answer::read(answer).await.unwrap_or_else(|e| panic!("{target}: {e}"))
    }

    /// The same client with a token for everything it asks.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        let value = format!("Bearer {token}").parse().expect("visible ASCII");
        let headers = [(reqwest::header::AUTHORIZATION, value)].into_iter().collect();
        let client =
            Client::builder().no_proxy().timeout(PATIENCE).default_headers(headers).build().expect("a client without TLS always builds");
        Self { base: self.base.clone(), client }
    }

    /// Gets any path with its query.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.try_get(path).await.unwrap_or_else(|e| panic!("GET {path}: {e}"))
    }

    /// Gets any path and may fail to reach the service.
    ///
    /// # Errors
    /// What the client says about the connection.
    pub(crate) async fn try_get(&self, path: &str) -> reqwest::Result<Answer> {
        Answer::read(self.client.get(format!("{}{path}", self.base)).send().await?).await
    }

    /// Gets any path, unless that takes longer than this.
    pub(crate) async fn get_within(&self, limit: Duration, path: &str) -> Option<Answer> {
        timeout(limit, self.try_get(path)).await.ok()?.ok()
    }

    /// One page of history.
    pub(crate) async fn history(&self, query: &str) -> Page {
        let answer = self.get(&format!("/events?{query}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        serde_json::from_str(&answer.body).unwrap_or_else(|e| panic!("{e}: {}", answer.body))
    }

    /// All of history behind `start`, page by page; the bytes of each event.
    pub(crate) async fn whole_history(&self, selection: &str, start: &str) -> Vec<String> {
        let (mut events, mut start) = (Vec::new(), start.to_owned());
        loop {
            let page = self.history(&format!("{selection}&limit=500&last_event_id={start}")).await;
            events.extend(page.events.iter().map(|event| event.get().to_owned()));
            if !page.has_more {
                return events;
            }
            assert_ne!(page.next_event_id, start, "a page that does not move");
            start = page.next_event_id;
        }
    }

    /// `GET /events/stats`.
    pub(crate) async fn stats(&self) -> Value {
        let answer = self.get("/events/stats").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// The number at a JSON Pointer of the statistics.
    pub(crate) async fn stat(&self, pointer: &str) -> u64 {
        let stats = self.stats().await;
        stats.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("no number at {pointer} of {stats}"))
    }

    /// Waits until the number at a JSON Pointer of the statistics is as wanted.
    pub(crate) async fn until_stat(&self, pointer: &str, wanted: impl Fn(u64) -> bool) -> u64 {
        eventually(&format!("{pointer} as wanted"), async || {
            let found = self.stat(pointer).await;
            if wanted(found) { Ok(found) } else { Err(found.to_string()) }
        })
        .await
    }
}

impl Answer {
    async fn read(response: Response) -> reqwest::Result<Self> {
        let header = |name: &str| response.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let (status, content_type, retry_after, challenge) =
            (response.status().as_u16(), header("content-type").unwrap_or_default(), header("retry-after"), header("www-authenticate"));
        let body = if content_type.starts_with("text/event-stream") { String::new() } else { response.text().await? };
        Ok(Self { status, content_type, retry_after, challenge, body })
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The items of a publish.
    pub(crate) fn items(&self) -> Vec<Value> {
        self.json()["events"].as_array().unwrap_or_else(|| panic!("no items: {self:?}")).clone()
    }

    /// Asserts that this is a problem (RFC 9457) with this status and a stable code, which is returned.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert!(self.content_type.starts_with("application/problem+json"), "{self:?}");
        let body = self.json();
        let code = body["code"].as_str().unwrap_or_else(|| panic!("no code: {self:?}"));
        assert!(!code.is_empty() && code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'), "{code:?}");
        assert_eq!(body["status"], status, "{self:?}");
        code.to_owned()
    }
}
