//! `POST /events`: takes a body within its limit, and answers once what it holds is durable.
//!
//! The limit holds while the body is read, so that nobody can make the service hold more. **Publishing does not wait for subscribers**
//! (`publishing_does_not_wait_for_a_client_that_never_reads`). A client
//! that hangs up cancels nothing: what was handed to the publisher is committed all the same. Rules of events are `ingest`'s.
//!
//! Who may not publish at all is refused before the body is read; a signature is over the body, so its sender is known only after.

use std::sync::Arc;

use actix_web::{
    HttpMessage as _, HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{
        StatusCode,
        header::{self, HeaderMap},
    },
    web,
};
use async_trait::async_trait;
use futures::StreamExt as _;
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::ToSchema;

use super::{
    caller::{Caller, Judges, Sender},
    client::ClientNet,
    code::Code,
    exchange, media_type, params,
    params::Once,
    problem::Problem,
    state::State,
    traced,
};
use crate::{
    domain::Cursor,
    ingest::{self, MissingIds, PublishError, Published, Publisher},
    log::{AppendRequest, ItemStatus, LogId, OnConflict},
    trace::Origin,
};

/// Bodies above this many bytes are parsed on a thread of their own: a worker that parses 4 MiB delivers nothing meanwhile.
const PARSE_ELSEWHERE_BYTES: usize = 64 * 1024;

/// The most bytes that are set aside because a client announced them.
const MAX_PREPARED_BYTES: usize = 64 * 1024;

/// What the handler needs of a publisher; a fake one in tests.
#[async_trait]
pub trait Publish: Send + Sync + 'static {
    /// See [`Publisher::publish`].
    async fn publish(&self, log: LogId, request: AppendRequest, origin: Option<Origin>) -> Result<Published, PublishError>;
}

#[async_trait]
impl Publish for Publisher {
    async fn publish(&self, log: LogId, request: AppendRequest, origin: Option<Origin>) -> Result<Published, PublishError> {
        Self::publish(self, log, request, origin).await
    }
}

/// What became of a publish request.
#[derive(Serialize, ToSchema)]
#[schema(as = Published)]
pub(super) struct Answer {
    /// One an event, in the order of the request.
    events: Vec<AnswerItem>,
}

/// What became of one event.
#[derive(Serialize, ToSchema)]
#[schema(as = PublishedEvent)]
struct AnswerItem {
    /// The id it was given, or was given here.
    id: String,
    /// Where it, or the event that has its id, stands.
    #[schema(example = 18)]
    seq: u64,
    /// The same as `Last-Event-ID` takes it.
    #[schema(example = "7c1f9a02-18")]
    cursor: String,
    /// `conflict` only with `on_conflict=keep`: the id is known with other content, which stays.
    #[schema(value_type = String, pattern = "^(stored|duplicate|conflict)$")]
    status: &'static str,
}

impl From<Published> for Answer {
    fn from(published: Published) -> Self {
        let item = |item: ingest::PublishedItem| AnswerItem {
            id: item.id.as_str().to_owned(),
            seq: item.seq.get(),
            cursor: Cursor { epoch: published.epoch, seq: item.seq }.to_string(),
            status: match item.status {
                ItemStatus::Stored => "stored",
                ItemStatus::Duplicate => "duplicate",
                ItemStatus::Conflict => "conflict",
            },
        };
        Self { events: published.items.into_iter().map(item).collect() }
    }
}

/// Publishes events.
#[utoipa::path(
    post, path = "/events", tag = "events", operation_id = "publish",
    security((), ("bearer" = []), ("signature" = [])),
    params(("on_conflict" = inline(Option<String>), Query, pattern = "^(refuse|keep)$",
        description = "`refuse` (default): an id that is known with other content refuses the whole request. `keep`: such events stay as \
            stored, with item status `conflict`, and the rest is stored."),
        ("key" = inline(Option<String>), Query, description = "The id of the signing key of a signed request."),
        ("webhook-id" = inline(Option<String>), Header, description = "Of a signed request: signed with its timestamp and body. Events without an id get theirs from it."),
        ("webhook-timestamp" = inline(Option<String>), Header, description = "Of a signed request: seconds since 1970, at most five minutes off."),
    ),
    request_body(
        description = "One event, an array of events, or one event a line. A batch is stored whole or not at all.",
        content(
            (super::openapi::Publication = "application/json"),
            (String = "application/x-ndjson"),
        )
    ),
    responses(
        (status = 201, description = "Stored and durable; at least one event is new", body = Answer),
        (status = 200, description = "Nothing is new: every event was there already", body = Answer),
    )
)]
pub(super) async fn publish(request: HttpRequest, body: web::Payload, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let sender = Sender::of(&request, &state).await?;
    let on_conflict = parse_on_conflict(request.query_string())?;
    let form = body_form(request.headers())?;
    let is_signed = matches!(sender, Sender::Signed(_));
    let _room = if is_signed { Some(room_for_unverified(request.headers(), &state)?) } else { None };
    let body = read_within(body, request.headers(), state.ingest.batch_bytes).await?;
    let client = state.scrutiny.client(&request);
    let (caller, append) = understand(Arrived { sender, client, form, body, on_conflict }, &state).await?;
    if is_signed {
        traced::vouch(&request);
    }
    let log = state.log_of(caller.tenant()).await?;
    // the body may have been on its way for long
    state.authority.recheck(&caller.principal).map_err(|error| state.scrutiny.refuse(client, error))?;
    caller.may_publish_now(append.events.len(), log, &state)?;
    let origin = request.extensions().get::<Origin>().cloned();
    let published = state.publisher.publish(log, append, origin).await?;
    let news = published.items.iter().any(|item| item.status == ItemStatus::Stored);
    let status = if news { StatusCode::CREATED } else { StatusCode::OK };
    Ok(HttpResponseBuilder::new(status).json(Answer::from(published)))
}

fn parse_on_conflict(query: &str) -> Result<OnConflict, Problem> {
    let mut on_conflict = Once::new("on_conflict");
    let mut key = Once::new("key");
    for (name, value) in params::pairs(query)? {
        match name.as_str() {
            "on_conflict" => on_conflict.set(&value, params::either(("refuse", OnConflict::Refuse), ("keep", OnConflict::Keep)))?,
            // whose it is is found out elsewhere
            "key" => key.set(&value, |_| Ok(()))?,
            _ => return Err(params::unknown(&name)),
        }
    }
    Ok(on_conflict.get().unwrap_or_default())
}

fn body_form(headers: &HeaderMap) -> Result<ingest::BodyForm, Problem> {
    let refused = |detail: &'static str| Problem::new(Code::UnsupportedMediaType).detail(detail);
    if headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(refused("compressed bodies are not taken"));
    }
    let form = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).and_then(media_type::body_form);
    form.ok_or_else(|| refused("send application/json or application/x-ndjson, in UTF-8"))
}

/// Room for a body of which nobody knows yet whose it is: what anyone can have the service hold is bounded for all of them together.
fn room_for_unverified(headers: &HeaderMap, state: &State) -> Result<OwnedSemaphorePermit, Problem> {
    let bytes = announced(headers).unwrap_or(state.ingest.batch_bytes).min(state.ingest.batch_bytes);
    let permits = u32::try_from(bytes / 1024 + 1).unwrap_or(u32::MAX);
    Arc::clone(&state.unverified).try_acquire_many_owned(permits).map_err(|_| Problem::new(Code::Overloaded))
}

fn announced(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok())
}

/// Reads at most `limit` bytes.
async fn read_within(mut body: web::Payload, headers: &HeaderMap, limit: usize) -> Result<Vec<u8>, Problem> {
    let too_large = || Problem::new(Code::TooLarge).detail(format!("the body may have at most {limit} bytes"));
    let announced = announced(headers);
    if announced.is_some_and(|announced| announced > limit) {
        return Err(too_large());
    }
    let mut read = Vec::with_capacity(announced.unwrap_or_default().min(MAX_PREPARED_BYTES));
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| match exchange::is_late(&error) {
            true => Problem::new(Code::RequestTimeout),
            false => Problem::new(Code::BadRequest).detail("the body ended early, or its encoding is broken").caused_by(&error),
        })?;
        if read.len() + chunk.len() > limit {
            return Err(too_large());
        }
        read.extend_from_slice(&chunk);
    }
    Ok(read)
}

/// A request that has arrived whole.
struct Arrived {
    sender: Sender,
    client: Option<ClientNet>,
    form: ingest::BodyForm,
    body: Vec<u8>,
    on_conflict: OnConflict,
}

async fn understand(arrived: Arrived, state: &State) -> Result<(Caller, AppendRequest), Problem> {
    let (by, limits) = (Judges { authority: state.authority.clone(), scrutiny: state.scrutiny.clone() }, state.ingest);
    if arrived.body.len() <= PARSE_ELSEWHERE_BYTES {
        return arrived.understand(&by, &limits);
    }
    let understood = web::block(move || arrived.understand(&by, &limits)).await;
    understood.map_err(|error| Problem::new(Code::Overloaded).caused_by(&error))?
}

impl Arrived {
    /// What is to be appended, and for whom; nothing of an unsigned body is told to whoever sent it.
    fn understand(self, by: &Judges, limits: &ingest::Limits) -> Result<(Caller, AppendRequest), Problem> {
        let (caller, request) = match self.sender {
            Sender::Known(caller) => (caller, None),
            // the key's id in front: two senders that share a source need not agree on ids
            Sender::Signed(signature) => {
                (Caller::signed(&signature, &self.body, self.client, by)?, Some(format!("{}:{}", signature.key_id, signature.id)))
            }
        };
        // whoever sends a signed request again, its sender or a thief, publishes nothing new
        let missing = request.as_deref().map_or(Ok(MissingIds::MADE), MissingIds::numbered);
        let missing = missing.map_err(|error| Problem::parameter("webhook-id", error.to_string()))?;
        let drafts = ingest::parse_with(self.form, &self.body, limits, &missing)?;
        let faults = caller.not_its_own(&drafts);
        if !faults.is_empty() {
            return Err(Problem::not_yours(faults));
        }
        let append = ingest::request(caller.principal.rights.source(), drafts, self.on_conflict);
        Ok((caller, append))
    }
}
