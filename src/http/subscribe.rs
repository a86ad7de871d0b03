//! `GET /events/subscribe`: places the client in the log and hands its socket to the worker's shard.
//!
//! Everything that can be refused is refused here, while there is still a status line to do it with. A refusal that will pass is 200 with
//! `hub.closing` to whoever accepts `text/event-stream`: an EventSource gives up for good on any other status (HTML Standard §9.2.3).

use std::{convert::Infallible, rc::Rc, sync::Arc};

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{
        Method, Version,
        header::{self, HeaderName, HeaderValue},
    },
    web,
};

use futures::stream;

use super::{
    caller::Caller,
    code::Code,
    problem::Problem,
    query::{FollowQuery, OnGap},
    state::State,
};
use crate::{
    hub::{self, Attached, CloseReason, Hubs, Request},
    sse::{self, Connection, DetachHandle, Handover, SocketSettings, Style, Transport},
};

/// What subscribing needs beside the state that all workers share.
#[derive(Clone)]
pub struct Following {
    /// The fan-out of every log.
    hubs: Arc<Hubs>,
    /// This worker's part of it.
    shards: Rc<Attached<Connection>>,
    /// Options of sockets that become streams.
    socket: SocketSettings,
}

impl Following {
    /// What the worker on this thread needs.
    #[must_use]
    pub fn new(hubs: Arc<Hubs>, socket: SocketSettings) -> Self {
        let shards = Rc::<Attached<Connection>>::default();
        // before the first client comes, so that the ring is there by then; the handle is not needed yet
        if let Some(hub) = hubs.running(hubs.default_log()) {
            drop(shards.shard_of(&hub));
        }
        Self { hubs, shards, socket }
    }
}

/// Follows events.
pub(super) async fn subscribe(request: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let arrived = state.scrutiny.limits.arrive(state.scrutiny.client(&request));
    if let Err(limited) = arrived {
        return refuse(&request, limited.into(), Style::default());
    }
    let parse = || FollowQuery::parse(request.query_string(), request.headers(), state.max_selectors);
    let caller = match Caller::follower(&request, &state, || parse().map(|query| query.digest())).await {
        Ok(caller) => caller,
        Err(problem) => return refuse(&request, problem, parse().map(|query| query.style).unwrap_or_default()),
    };
    let query = parse()?;
    let reading = caller.reading(query.tenancy)?;
    let filter = Arc::new(caller.visible(query.filter)?);
    if request.method() == Method::HEAD {
        // of no length, as the stream itself
        return Ok(stream_head().streaming(stream::empty::<Result<web::Bytes, Infallible>>()));
    }
    let assembled = || Problem::new(Code::Internal).caused_by(&"the service was assembled without its hub");
    let following = request.app_data::<Following>().ok_or_else(assembled)?;
    let socket = request.conn_data::<DetachHandle>().ok_or_else(assembled)?;
    let admitted = async {
        caller.begin(&state)?;
        let mut place = caller.hold(&request, &state)?;
        let tenant = reading.recorded(&caller.principal, "GET /events/subscribe", &state).await?;
        let log = state.log_of(&tenant).await?;
        let hub = following.hubs.hub(log).await?;
        let mut permit = hub.admit().map_err(|reason| match reason {
            CloseReason::Limited => Problem::from(state.scrutiny.limits.tenant_is_full()),
            reason => reason.into(),
        })?;
        // after all counts of this instance: a storm that finds it full, or stopping, asks nobody else
        caller.share(&mut place, &state).await?;
        if place.counts() {
            permit.keep(Box::new(place));
        }
        let beginning = hub::resolve(query.start, hub.view(), &*state.log, log).await?;
        if let (OnGap::Fail, Some(gap)) = (query.on_gap, beginning.gap(hub.view().earliest())) {
            return Err(Problem::gap(gap.into()));
        }
        // last: what is revoked from here on ends the stream
        let right = caller.enrol(&state)?.map(|(right, registration)| {
            permit.keep(registration.into_guard());
            right
        });
        Ok((hub, Request { filter, beginning, permit, right, deliver_per_second: state.deliver_per_second(log) }))
    };
    let (hub, subscription) = match admitted.await {
        Ok(admitted) => admitted,
        Err(problem) => return refuse(&request, problem, query.style),
    };
    let chunked = request.version() >= Version::HTTP_11;
    let transport = Transport { style: query.style, chunked, socket: following.socket };
    let body = Handover::new(socket.clone(), transport, following.shards.shard_of(&hub), subscription);
    let mut response = stream_head().force_close().body(body);
    response.head_mut().no_chunking(!chunked);
    Ok(response.map_into_boxed_body())
}

fn stream_head() -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response
        .insert_header((header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")))
        .insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform")))
        .insert_header((HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")));
    response
}

/// A refusal; one that will pass is a stream that says so and ends, to whoever accepts one.
fn refuse(request: &HttpRequest, problem: Problem, style: Style) -> Result<HttpResponse, Problem> {
    let reason = match problem.code() {
        Code::Limited => CloseReason::Limited,
        Code::Draining => CloseReason::Draining,
        Code::Overloaded => CloseReason::Overloaded,
        Code::Unavailable | Code::CredentialsUnavailable => CloseReason::Unavailable,
        _ => return Err(problem),
    };
    let accepts =
        request.headers().get_all(header::ACCEPT).any(|accept| accept.as_bytes().windows(17).any(|part| part == b"text/event-stream"));
    let (true, Some(following)) = (accepts, request.app_data::<Following>()) else { return Err(problem) };
    // not before its limit lets it, and not in step with others; elsewhere the jitter alone is about as long as `Retry-After`
    let seconds = problem.retry_after_seconds().unwrap_or_default();
    let seconds = if reason == CloseReason::Limited { seconds } else { seconds.saturating_sub(1) };
    let wait = seconds.saturating_mul(1000);
    if let Some(cause) = problem.cause() {
        tracing::debug!(cause, reason = reason.as_str(), "a subscription was refused");
    }
    Ok(stream_head().force_close().body(sse::refusal(reason, following.hubs.settings().jittered_retry().saturating_add(wait), style)))
}
