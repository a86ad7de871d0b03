//! The OpenAPI document: of the same handlers, types and error codes that serve, so that it cannot drift from them.
//!
//! What has no type of ours is described here: events, which are kept as text from publisher to subscriber, and the event stream. Which error
//! each operation may answer stands in `ERRORS`; what an error looks like, in [`Code`].

use utoipa::{
    IntoParams, Modify, OpenApi, ToSchema,
    openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder, path::Operation},
};

use super::{code::Code, health, history, problem, publish, query::OnGap, state, stats};
use crate::sse::{Names, Shape};

/// Which errors an operation may answer, by its `operationId`; every operation may also answer those of `COMMON`.
const ERRORS: &[(&str, &[Code])] = &[
    ("publish", PUBLISH),
    ("history", &[Code::InvalidParameter, Code::Gap, Code::Unavailable]),
    ("subscribe", &[Code::InvalidParameter, Code::Gap, Code::Limited, Code::Overloaded, Code::Unavailable, Code::Draining]),
];

const PUBLISH: &[Code] = &[
    Code::BadRequest,
    Code::RequestTimeout,
    Code::InvalidParameter,
    Code::Malformed,
    Code::IdConflict,
    Code::TooLarge,
    Code::UnsupportedMediaType,
    Code::Invalid,
    Code::Refused,
    Code::Overloaded,
    Code::Unavailable,
    Code::OutcomeUnknown,
    Code::Draining,
];

const COMMON: &[Code] = &[Code::HeadTooLarge, Code::OriginRefused, Code::ForwardedRefused, Code::HostRefused, Code::Internal];

#[derive(OpenApi)]
#[openapi(
    info(
        title = "chaincast",
        description = "Blockchain events over Server-Sent Events: a durable ordered log, live fan-out and gap-free replay.\n\n\
            Every path is also served under `/v1`. Errors are RFC 9457 problems with a `code` to rely on."
    ),
    paths(publish::publish, history::history, subscribe, stats::stats, health::health, health::live, health::ready),
    components(schemas(Event, NewEvent, problem::Body<'_>, state::Health)),
    tags(
        (name = "events", description = "Publish, follow, read"),
        (name = "operation", description = "Health and numbers")
    ),
    modifiers(&ErrorsFromTheTable)
)]
struct Document;

/// The document as indented JSON, with a newline at its end.
#[must_use]
pub fn to_json() -> String {
    let mut text = Document::openapi().to_pretty_json().expect("strings, numbers and maps with string keys always serialise");
    text.push('\n');
    text
}

struct ErrorsFromTheTable;

impl Modify for ErrorsFromTheTable {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for item in document.paths.paths.values_mut() {
            for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
                let id = operation.operation_id.as_deref().unwrap_or_default();
                let own = ERRORS.iter().find(|(known, _)| *known == id).map_or(&[][..], |(_, codes)| codes);
                add(operation, &[own, COMMON].concat());
            }
        }
    }
}

/// Adds one response a status, which lists its codes.
fn add(operation: &mut Operation, codes: &[Code]) {
    for code in codes {
        let status = code.status();
        let of_status = codes.iter().filter(|other| other.status() == status);
        let lines: Vec<String> = of_status.map(|code| format!("`{}`: {}", code.as_str(), code.title())).collect();
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let response = ResponseBuilder::new().description(lines.join("; ")).content(problem::PROBLEM_JSON, content).build();
        // what a handler itself documents under this status stays
        operation.responses.responses.entry(status.as_str().to_owned()).or_insert(RefOr::T(response));
    }
}

/// Which events, and from where on. At least one of `streams`, `users`, `topics`, `types`, `all`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what `http::query` reads")]
pub(super) struct FilterParameters {
    /// Streams to follow; repeatable or comma-separated.
    #[param(example = "1,2")]
    streams: Option<String>,
    /// Users to follow; repeatable or comma-separated.
    users: Option<String>,
    /// Topics to follow; repeatable or comma-separated. `*` stands for one segment, a last `**` for the rest.
    #[param(example = "market.**")]
    topics: Option<String>,
    /// Narrows what the others chose; alone, it chooses. Patterns as for topics.
    #[param(example = "stream.*")]
    types: Option<String>,
    /// `true`: every event.
    all: Option<bool>,
    /// Where to resume: a cursor, `earliest`, `now`, or a bare seq. The header `Last-Event-ID` wins over it. Also taken as `lastEventId`.
    #[param(example = "7c1f9a02-17")]
    last_event_id: Option<String>,
    /// Resume with what was received at or after this time (RFC 3339), unless a cursor says otherwise.
    since: Option<String>,
    /// `resume` (default): tell of events that are gone, and go on. `fail`: 410.
    #[param(inline)]
    on_gap: Option<OnGap>,
}

/// Follows events as they come, after those that were missed.
#[utoipa::path(
    get, path = "/events/subscribe", tag = "events", operation_id = "subscribe",
    description = "Server-Sent Events. The first frame is `hub.open` with a cursor; then everything missed; then `hub.live`; then what comes. \
        `hub.gap` tells of events that are gone, `hub.closing` of the end and its reason. Reconnect with `Last-Event-ID`.\n\n\
        A refusal that will pass is answered 200 with `hub.closing` to clients that accept `text/event-stream`, because an EventSource never \
        comes back from another status; other clients get the status.",
    params(
        FilterParameters,
        ("shape" = inline(Option<Shape>), Query, description = "`envelope` (default): `data:` holds the event. `data`: only its `data`."),
        ("names" = inline(Option<Names>), Query, description = "`off`: no `event:` field, so that everything reaches `onmessage`."),
        ("Last-Event-ID" = inline(Option<String>), Header, description = "Where to resume; wins over `last_event_id` and `since`."),
    ),
    responses((status = 200, description = "The stream", body = String, content_type = "text/event-stream",
        example = "retry: 2714\nevent: hub.open\ndata: {\"cursor\":\"7c1f9a02-17\"}\nid: 7c1f9a02-17\n\n"))
)]
#[expect(dead_code, reason = "describes the stream; its handler hands the socket on and has no body of its own")]
fn subscribe() {}

/// One event or several.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes what `ingest` parses")]
pub(super) enum Publication {
    /// One event.
    One(Box<NewEvent>),
    /// A batch, stored whole or not at all.
    Many(Vec<NewEvent>),
}

/// An event to publish. Unknown members are refused.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `ingest` parses")]
pub(super) struct NewEvent {
    /// Idempotency key within the source; made when absent.
    #[schema(max_length = 255, example = "stellar:pubnet:0132-0000000001")]
    id: Option<String>,
    /// The event's kind; `open`, `error`, `message` and `hub.**` are reserved.
    #[schema(max_length = 255, example = "stream.created")]
    r#type: String,
    /// Payment streams, pots, vaults, ticket events that it concerns.
    streams: Option<Vec<String>>,
    /// Accounts that it concerns.
    users: Option<Vec<String>>,
    /// Dotted names to file it under.
    topics: Option<Vec<String>>,
    /// What it is the latest state of.
    #[schema(example = "stream/1")]
    key: Option<String>,
    /// When it happened (RFC 3339).
    #[schema(format = DateTime)]
    time: Option<String>,
    /// CAIP-2 chain id.
    #[schema(example = "stellar:pubnet")]
    chain: Option<String>,
    /// The contract that emitted it.
    contract: Option<String>,
    /// `height`, `hash` and `time` of the block.
    #[schema(value_type = Option<Object>)]
    block: (),
    /// `hash` and `index` of the transaction.
    #[schema(value_type = Option<Object>)]
    tx: (),
    /// `op` and `event`: the place within the transaction.
    #[schema(value_type = Option<Object>)]
    index: (),
    /// How settled it is.
    #[schema(pattern = "pending|confirmed|final|reverted")]
    status: Option<String>,
    /// The id of the event whose status this one changes.
    r#ref: Option<String>,
    /// Anything; chain integers as decimal strings.
    #[schema(value_type = Value)]
    data: (),
}

/// An event as subscribers see it: as published, with its place in the log.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes what `domain::Event` writes as text")]
pub(super) struct Event {
    /// Its position: dense, in the order of commits.
    seq: u64,
    /// Its id.
    id: String,
    /// Who published it.
    source: String,
    /// Its kind.
    r#type: String,
    /// What it concerns; like all members of a published event, absent when none was given.
    streams: Option<Vec<String>>,
    /// Accounts that it concerns.
    users: Option<Vec<String>>,
    /// Names it is filed under.
    topics: Option<Vec<String>>,
    /// As published.
    #[schema(value_type = Value)]
    data: (),
    /// When the log took it; never runs backwards along `seq`.
    #[schema(format = DateTime)]
    received_at: String,
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_document_in_the_repository_is_the_one_that_is_served() {
        let kept = include_str!("../../openapi/openapi.json");
        assert!(kept == super::to_json(), "renew it: cargo run -- openapi > openapi/openapi.json");
    }
}
