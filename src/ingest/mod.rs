//! Stub: dropped at merge.
#![expect(missing_docs, reason = "stub")]
use crate::{
    domain::{Epoch, EventId, Seq, Source},
    log::{AppendRequest, ItemStatus, LogId, NewEvent, OnConflict},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyForm {
    Json,
    Ndjson,
}
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub event_bytes: usize,
    pub batch_events: usize,
    pub batch_bytes: usize,
}
impl Default for Limits {
    fn default() -> Self {
        Self { event_bytes: 48 * 1024, batch_events: 1000, batch_bytes: 4 * 1024 * 1024 }
    }
}
#[must_use]
pub fn request(source: Source, drafts: Vec<Draft>, on_conflict: OnConflict) -> AppendRequest {
    let events = drafts.into_iter().map(|draft| draft.into_event(&source)).collect();
    AppendRequest { source, events, on_conflict }
}
#[derive(Clone, Debug)]
pub struct Fault {
    pub pointer: String,
    pub code: &'static str,
    pub detail: String,
}
#[derive(Clone, Debug, thiserror::Error)]
pub enum ParseError {
    #[error("malformed: {detail}")]
    Malformed { detail: String },
    #[error("invalid")]
    Invalid { faults: Vec<Fault> },
    #[error("too large")]
    TooLarge { limit: usize },
}
#[derive(Debug)]
pub struct Draft(NewEvent);
impl Draft {
    #[must_use]
    pub fn into_event(self, _source: &Source) -> NewEvent {
        self.0
    }
}
pub fn parse(_form: BodyForm, body: &[u8], _limits: &Limits) -> Result<Vec<Draft>, ParseError> {
    use crate::domain::{Envelope, EventType, Keys};
    if body == br#"{"data":1}"# {
        return Err(ParseError::Invalid { faults: vec![Fault { pointer: "/type".into(), code: "required", detail: "is missing".into() }] });
    }
    if !body.starts_with(b"{") {
        return Err(ParseError::Malformed { detail: "no JSON".into() });
    }
    let keys = Keys { event_type: EventType::new("a.b"), streams: Box::default(), users: Box::default(), topics: Box::default() };
    Ok(vec![Draft(NewEvent {
        id: EventId::new("1"),
        digest: [0; 32],
        keys,
        envelope: Envelope::assemble("{\"id\":\"1\",\"type\":\"a.b\",", "{}"),
    })])
}
#[derive(Clone, Debug)]
pub struct PublishedItem {
    pub id: EventId,
    pub seq: Seq,
    pub status: ItemStatus,
}
#[derive(Clone, Debug)]
pub struct Published {
    pub items: Vec<PublishedItem>,
    pub epoch: Epoch,
}
#[derive(Clone, Debug)]
pub struct ConflictingId {
    pub index: usize,
    pub id: EventId,
    pub seq: Option<Seq>,
}
#[derive(Clone, Debug, thiserror::Error)]
pub enum PublishError {
    #[error("conflict")]
    Conflict(Vec<ConflictingId>),
    #[error("unavailable")]
    Unavailable,
    #[error("unknown")]
    OutcomeUnknown,
    #[error("overloaded")]
    Overloaded,
    #[error("refused: {0}")]
    Refused(String),
    #[error("internal")]
    Internal,
    #[error("stopping")]
    Stopping,
}
#[derive(Clone, Debug)]
pub struct Publisher;
impl Publisher {
    pub async fn publish(&self, _log: LogId, _request: AppendRequest) -> Result<Published, PublishError> {
        Err(PublishError::Unavailable)
    }
}
