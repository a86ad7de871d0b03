//! The OpenAPI document: of the same handlers, types and error codes that serve, so that it cannot drift from them.
//!
//! What has no type of ours is described here: events, which are kept as text from publisher to subscriber, and the event stream. Which error
//! each operation may answer stands in `ERRORS`; what an error looks like, in [`Code`].

mod security;

use utoipa::{
    IntoParams, Modify, OpenApi, ToSchema,
    openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder, path::Operation},
};

use self::security::Schemes;
use super::{admin, code::Code, health, history, metrics, problem, publish, query::OnGap, session, state, stats, tickets};
use crate::sse::{Names, Shape};

/// Which errors an operation may answer, by its `operationId`; every operation may also answer those of `COMMON`.
const ERRORS: &[(&str, &[Code])] = &[
    ("publish", PUBLISH),
    ("history", HISTORY),
    ("subscribe", SUBSCRIBE),
    ("stats", STATS),
    ("issue_ticket", &[Code::InvalidParameter, Code::Unauthorized, Code::Forbidden, Code::Limited, Code::CredentialsUnavailable]),
    ("begin_session", SESSION),
    ("end_session", &[Code::InvalidParameter]),
    ("metrics", &[Code::Unauthorized, Code::Forbidden, Code::Limited, Code::CredentialsUnavailable]),
    ("createKey", ADMIN_WRITE),
    ("listKeys", ADMIN_READ),
    ("rotateKey", ADMIN_WRITE),
    ("revokeKey", ADMIN_DELETE),
    ("revoke", ADMIN_WRITE),
    ("listRevocations", ADMIN_READ),
    ("liftRevocation", ADMIN_DELETE),
    ("listTenants", ADMIN_READ),
    ("setTenant", ADMIN_WRITE),
    ("audit", ADMIN_READ),
];

const ADMIN_READ: &[Code] = &[
    Code::InvalidParameter,
    Code::Unauthorized,
    Code::Forbidden,
    Code::NotFound,
    Code::Limited,
    Code::Unavailable,
    Code::CredentialsUnavailable,
];

const ADMIN_DELETE: &[Code] = &[
    Code::InvalidParameter,
    Code::Unauthorized,
    Code::Forbidden,
    Code::NotFound,
    Code::Limited,
    Code::Unavailable,
    Code::CredentialsUnavailable,
];

const ADMIN_WRITE: &[Code] = &[
    Code::BadRequest,
    Code::RequestTimeout,
    Code::Malformed,
    Code::Unauthorized,
    Code::Forbidden,
    Code::NotFound,
    Code::TooLarge,
    Code::UnsupportedMediaType,
    Code::Invalid,
    Code::Limited,
    Code::Unavailable,
    Code::CredentialsUnavailable,
];

const HISTORY: &[Code] = &[
    Code::InvalidParameter,
    Code::ReasonRequired,
    Code::Unauthorized,
    Code::Forbidden,
    Code::NotFound,
    Code::Gap,
    Code::Limited,
    Code::Unavailable,
    Code::CredentialsUnavailable,
];

const SUBSCRIBE: &[Code] = &[
    Code::InvalidParameter,
    Code::ReasonRequired,
    Code::Unauthorized,
    Code::Forbidden,
    Code::NotFound,
    Code::Gap,
    Code::Limited,
    Code::Overloaded,
    Code::Unavailable,
    Code::CredentialsUnavailable,
    Code::Draining,
];

const STATS: &[Code] = &[
    Code::InvalidParameter,
    Code::ReasonRequired,
    Code::Unauthorized,
    Code::Forbidden,
    Code::NotFound,
    Code::Limited,
    Code::Unavailable,
    Code::CredentialsUnavailable,
];

const SESSION: &[Code] =
    &[Code::InvalidParameter, Code::Unauthorized, Code::Forbidden, Code::TooLarge, Code::Limited, Code::CredentialsUnavailable];

const PUBLISH: &[Code] = &[
    Code::BadRequest,
    Code::RequestTimeout,
    Code::InvalidParameter,
    Code::Malformed,
    Code::Unauthorized,
    Code::Forbidden,
    Code::IdConflict,
    Code::TooLarge,
    Code::UnsupportedMediaType,
    Code::Invalid,
    Code::Refused,
    Code::Limited,
    Code::Overloaded,
    Code::Unavailable,
    Code::CredentialsUnavailable,
    Code::OutcomeUnknown,
    Code::Draining,
];

const COMMON: &[Code] = &[Code::HeadTooLarge, Code::OriginRefused, Code::ForwardedRefused, Code::HostRefused, Code::Internal];

#[derive(OpenApi)]
#[openapi(
    info(
        title = "chaincast",
        description = "Blockchain events over Server-Sent Events: a durable ordered log, live fan-out and gap-free replay.\n\n\
            Every path is also served under `/v1`. Errors are RFC 9457 problems with a `code` to rely on.\n\n\
            Of several credentials the first counts, in the order bearer, cookie, ticket, token: a bad one is 401, whatever else is there. \
            Without credentials configured, the service needs none and serves its own machine only."
    ),
    paths(publish::publish, history::history, subscribe, tickets::issue, session::begin, session::end, stats::stats, health::health, health::live, health::ready,
        metrics::metrics, admin::keys::create, admin::keys::list, admin::keys::rotate, admin::keys::revoke, admin::revocations::create,
        admin::revocations::list, admin::revocations::lift, admin::tenants::list, admin::tenants::set, admin::audit::trail),
    components(schemas(Event, Frame, NewEvent, problem::Body<'_>, state::Health)),
    tags(
        (name = "events", description = "Publish, follow, read"),
        (name = "access", description = "Tickets and cookies, for clients that cannot send headers"),
        (name = "operation", description = "Health and numbers"),
        (name = "admin", description = "Keys, revocations, tenants' settings and the audit trail. `Authorization: Bearer` only, and no pages of \
            other sites. An admin sees and changes its own tenant, a super admin all. With `CHAINCAST_ADMIN_LISTEN` these are served there only.")
    ),
    modifiers(&ErrorsFromTheTable, &Schemes)
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
            for operation in [&mut item.get, &mut item.put, &mut item.post, &mut item.delete].into_iter().flatten() {
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
    #[param(min_length = 20, format = DateTime)]
    since: Option<String>,
    /// `resume` (default): tell of events that are gone, and go on. `fail`: 410.
    #[param(inline)]
    on_gap: Option<OnGap>,
    /// Another tenant's events, for super-admins; needs a reason.
    #[param(pattern = "^[!-~]{1,64}$")]
    tenant: Option<String>,
    /// Why another tenant's are read, in at most 500 visible characters; or the header `Chaincast-Reason`.
    reason: Option<String>,
}

/// Follows events as they come, after those that were missed.
#[utoipa::path(
    get, path = "/events/subscribe", tag = "events", operation_id = "subscribe",
    description = "Server-Sent Events. The first frame is `hub.open` with a cursor; then everything missed; then `hub.live`; then what comes. \
        `hub.gap` tells of events that are gone, `hub.expiring` of a credential's end a minute before, `hub.closing` of the stream's end \
        and its reason. Reconnect with `Last-Event-ID`. `expired`, `revoked` and `superseded` end the stream for good.\n\n\
        A refusal that will pass is answered 200 with `hub.closing` to clients that accept `text/event-stream`, because an EventSource never \
        comes back from another status; other clients get the status.",
    security((), ("bearer" = []), ("cookie" = []), ("ticket" = []), ("token" = [])),
    params(
        FilterParameters,
        ("shape" = inline(Option<Shape>), Query, description = "`envelope` (default): `data:` holds the event. `data`: only its `data`."),
        ("names" = inline(Option<Names>), Query, description = "`off`: no `event:` field, so that everything reaches `onmessage`."),
        ("Last-Event-ID" = inline(Option<String>), Header, description = "Where to resume; wins over `last_event_id` and `since`."),
    ),
    responses((status = 200, description = "The stream: frames, each as `Frame` says", body = Frame, content_type = "text/event-stream",
        example = "retry: 2714\nevent: hub.open\ndata: {\"cursor\":\"7c1f9a02-17\"}\nid: 7c1f9a02-17\n\n"))
)]
#[expect(dead_code, reason = "describes the stream; its handler hands the socket on and has no body of its own")]
fn subscribe() {}

/// One frame of the stream, field by field; its text form is the HTML standard's.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `sse` writes")]
pub(super) struct Frame {
    /// `hub.open`, `hub.live`, `hub.cursor`, `hub.gap`, `hub.expiring`, `hub.closing`, or the event's type; absent with `names=off`.
    #[schema(example = "stream.withdrawn")]
    event: Option<String>,
    /// JSON: the event, only its `data` with `shape=data`, or what the service has to say.
    data: String,
    /// Where to resume behind this frame.
    #[schema(pattern = "^[0-9a-f]+-[0-9]+$", example = "7c1f9a02-18")]
    id: Option<String>,
    /// After how many milliseconds to come back.
    retry: Option<u64>,
}

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
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes what `ingest` parses")]
pub(super) struct NewEvent {
    /// Idempotency key within the source; made when absent.
    #[schema(min_length = 1, max_length = 255, example = "stellar:pubnet:0132-0000000001")]
    id: Option<String>,
    /// The event's kind; `open`, `error`, `message` and `hub.**` are reserved.
    #[schema(min_length = 1, max_length = 255, example = "stream.created")]
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
    #[schema(pattern = "^(pending|confirmed|final|reverted)$")]
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

    #[test]
    fn whatever_answers_401_names_the_credentials_it_takes_and_each_of_those_is_described() {
        let document: serde_json::Value = serde_json::from_str(&super::to_json()).expect("JSON");
        let schemes = document["components"]["securitySchemes"].as_object().expect("schemes");
        let operations = document["paths"].as_object().expect("paths").values().filter_map(serde_json::Value::as_object);
        for operation in operations.flat_map(serde_json::Map::values) {
            let (id, taken) = (&operation["operationId"], operation["security"].as_array().cloned().unwrap_or_default());
            let names: Vec<String> = taken.iter().filter_map(|one| one.as_object()?.keys().next().cloned()).collect();
            assert_eq!(operation["responses"]["401"].is_object(), !names.is_empty(), "{id}");
            for status in ["403", "429"] {
                assert!(names.is_empty() || operation["responses"][status].is_object(), "{id} {status}");
            }
            assert!(names.iter().all(|name| schemes.contains_key(name)), "{id}: {names:?}");
        }
        assert_eq!(schemes.len(), 5);
    }
}
