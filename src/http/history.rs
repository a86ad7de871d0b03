//! `GET /events`: pages of the log by the same filter and cursor as a subscription; the poll fallback, and history.
//!
//! **No silent gap**: what the cursor misses stands in `gap`, and a page never spans a stretch that was trimmed while it was read.
//! Answers are put together from the events' own text, which is never parsed again.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, http::header::ContentType, web};
use utoipa::ToSchema;

use super::{
    caller::Caller,
    code::Code,
    gap::{self, Gap},
    problem::Problem,
    query::{HistoryQuery, OnGap},
    state::State,
};
use crate::{
    domain::{Cursor, Event, Filter, Seq, Start},
    log::{EventLog, LogId, PageRequest, Position},
};

/// How many pages of the log one request may read: a filter that matches little must not hold the log for long.
const MAX_PAGES: usize = 4;

/// How often the start is looked up again when the log is trimmed or renumbered between two questions.
const MAX_LOOKUPS: usize = 3;

/// The most bytes of events in an answer, though always at least one event.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// A page of history.
#[derive(ToSchema)]
#[schema(as = History, rename_all = "camelCase")]
#[expect(dead_code, reason = "describes what `Scan::to_json` writes")]
pub(super) struct Answer {
    /// In order; may be empty although there is more.
    events: Vec<super::openapi::Event>,
    /// Whether the log goes on behind `nextEventId`.
    has_more: bool,
    /// How far was looked: the next request's `last_event_id`, also when nothing matched.
    #[schema(example = "7c1f9a02-42")]
    next_event_id: String,
    /// What the cursor misses, or null.
    #[schema(required)]
    gap: Option<Gap>,
}

/// Reads events.
#[utoipa::path(
    get, path = "/events", tag = "events", operation_id = "history",
    description = "A page of the log. Starts at the earliest retained event unless told otherwise; poll with `last_event_id=<nextEventId>`.",
    params(super::openapi::FilterParameters, ("limit" = inline(Option<u32>), Query, minimum = 1, maximum = 1000,
        description = "The most events to answer, 100 unless given.")),
    security((), ("bearer" = []), ("cookie" = []), ("token" = [])),
    responses((status = 200, description = "A page", body = Answer))
)]
pub(super) async fn history(request: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let caller = Caller::reader(&request, &state).await?;
    // an answer may take megabytes of the store and of memory: what one client asks for at once is bounded as its streams are
    let _place = caller.hold(&request, &state)?;
    let mut query = HistoryQuery::parse(request.query_string(), request.headers(), state.max_selectors)?;
    let reading = caller.reading(std::mem::take(&mut query.tenancy))?;
    query.filter = caller.visible(query.filter)?;
    let tenant = reading.recorded(&caller.principal, "GET /events", &state).await?;
    let scan = scan(&*state.log, state.logs.log(&tenant).await?, query).await?;
    Ok(HttpResponse::Ok().content_type(ContentType::json()).body(scan.to_json()))
}

/// What was found, and how far was looked.
#[derive(Debug)]
struct Scan {
    events: Vec<Event>,
    next: Cursor,
    has_more: bool,
    gap: Option<Gap>,
}

async fn scan(log: &dyn EventLog, id: LogId, query: HistoryQuery) -> Result<Scan, Problem> {
    let filter = Arc::new(query.filter);
    for _ in 0..MAX_LOOKUPS {
        let Some((position, after, gap)) = locate(log, id, query.start).await? else { continue };
        if let (Some(gap), OnGap::Fail) = (gap, query.on_gap) {
            return Err(Problem::gap(gap));
        }
        if let Some((events, through, head)) = walk(log, &filter, &position, after, query.limit).await? {
            let next = Cursor { epoch: position.epoch, seq: through };
            return Ok(Scan { events, next, has_more: through < head, gap });
        }
    }
    Err(Problem::new(Code::Unavailable).caused_by(&"the log moved under every look at it"))
}

/// Where the log stands, after which seq to read, and what is missing before it; `None` when it was renumbered between two questions.
async fn locate(log: &dyn EventLog, id: LogId, start: Start) -> Result<Option<(Position, Seq, Option<Gap>)>, Problem> {
    let chain = log.epochs(id).await?;
    let position = log.position(id).await?;
    // a chain without the newest fork would call a cursor good that is not
    if chain.current() != position.epoch {
        return Ok(None);
    }
    let (after, gap) = match start {
        Start::Cursor(cursor) => gap::resume(cursor, &chain, &position),
        Start::Seq(seq) => gap::resume(Cursor { epoch: position.epoch, seq }, &chain, &position),
        Start::Earliest => (position.earliest.before(), None),
        Start::Since(at) => (log.seq_before(id, at).await?.max(position.earliest.before()), None),
        Start::Now => (position.head, None),
    };
    Ok(Some((position, after, gap)))
}

/// The matches after `after`, how far was looked, and the head; `None` when the log moved so that `after` has to be looked up again.
async fn walk(
    log: &dyn EventLog,
    filter: &Arc<Filter>,
    start: &Position,
    mut after: Seq,
    limit: usize,
) -> Result<Option<(Vec<Event>, Seq, Seq)>, Problem> {
    let mut events = Vec::new();
    let mut head = start.head;
    let mut bytes = 0;
    for read in 0..MAX_PAGES {
        let request = PageRequest { filter: Arc::clone(filter), after, limit: limit - events.len(), max_bytes: MAX_ANSWER_BYTES - bytes };
        let page = log.read(start.log, &request).await?;
        let moved = page.position.epoch != start.epoch || page.position.earliest > after.next();
        if moved && read == 0 {
            return Ok(None);
        }
        if moved {
            break; // the next request, with the cursor so far, is told of the gap
        }
        bytes += page.events.iter().map(|event| event.envelope.as_str().len()).sum::<usize>();
        events.extend(page.events);
        after = page.through.max(after);
        head = page.position.head;
        if after >= head || events.len() >= limit || bytes >= MAX_ANSWER_BYTES {
            break;
        }
    }
    Ok(Some((events, after, head)))
}

impl Scan {
    fn to_json(&self) -> String {
        let mut text = String::from("{\"events\":[");
        for (at, event) in self.events.iter().enumerate() {
            if at > 0 {
                text.push(',');
            }
            text.push_str(&event.to_json());
        }
        let gap = serde_json::to_string(&self.gap).expect("strings and numbers always serialise");
        text.push_str(&format!("],\"hasMore\":{},\"nextEventId\":\"{}\",\"gap\":{gap}}}", self.has_more, self.next));
        text
    }
}
