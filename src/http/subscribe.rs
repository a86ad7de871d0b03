//! `GET /events/subscribe`: places the client in the log and hands its socket to the worker's shard.
//!
//! Everything that can be refused is refused here, while there is still a status line to do it with. A refusal that will pass is 200 with
//! `hub.closing` to whoever accepts `text/event-stream`: an EventSource gives up for good on any other status (HTML Standard §9.2.3).

use std::{convert::Infallible, sync::Arc};

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
    code::Code,
    problem::Problem,
    query::{FollowQuery, OnGap},
    state::State,
};
use crate::{
    hub::{self, CloseReason, Hub, Request, ShardHandle},
    log::LogError,
    sse::{self, Connection, DetachHandle, Handover, SocketSettings, Style, Transport},
};

/// What subscribing needs beside the state that all workers share.
#[derive(Clone)]
pub struct Following {
    /// The fan-out.
    pub hub: Arc<Hub>,
    /// This worker's part of it.
    pub shard: ShardHandle<Connection>,
    /// Options of sockets that become streams.
    pub socket: SocketSettings,
}

/// Follows events.
pub(super) async fn subscribe(request: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let query = FollowQuery::parse(request.query_string(), request.headers(), state.max_selectors)?;
    if request.method() == Method::HEAD {
        // of no length, as the stream itself
        return Ok(stream_head().streaming(stream::empty::<Result<web::Bytes, Infallible>>()));
    }
    let (Some(following), Some(socket)) = (request.app_data::<Following>(), request.conn_data::<DetachHandle>()) else {
        return Err(Problem::new(Code::Internal).caused_by(&"the service was assembled without its hub"));
    };
    let hub = &following.hub;
    let permit = match hub.admission().admit() {
        Ok(permit) => permit,
        Err(reason) => return refuse(&request, hub, reason, query.style),
    };
    let beginning = match hub::resolve(query.start, hub.view(), &*state.log, state.log_id).await {
        Ok(beginning) => beginning,
        Err(LogError::Unavailable(cause) | LogError::Unknown(cause)) => {
            tracing::debug!(%cause, "a subscriber's cursor could not be placed");
            return refuse(&request, hub, CloseReason::Unavailable, query.style);
        }
        Err(error) => return Err(error.into()),
    };
    if let (OnGap::Fail, Some(gap)) = (query.on_gap, beginning.gap(hub.view().earliest())) {
        return Err(Problem::gap(gap.into()));
    }
    let chunked = request.version() >= Version::HTTP_11;
    let transport = Transport { style: query.style, chunked, socket: following.socket };
    let subscription = Request { filter: Arc::new(query.filter), beginning, permit, right: None, deliver_per_second: None };
    let body = Handover::new(socket.clone(), transport, following.shard.clone(), subscription);
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

/// A refusal that will pass.
fn refuse(request: &HttpRequest, hub: &Hub, reason: CloseReason, style: Style) -> Result<HttpResponse, Problem> {
    let accepts =
        request.headers().get_all(header::ACCEPT).any(|accept| accept.as_bytes().windows(17).any(|part| part == b"text/event-stream"));
    if accepts {
        return Ok(stream_head().force_close().body(sse::refusal(reason, hub.settings().jittered_retry(), style)));
    }
    Err(Problem::new(match reason {
        CloseReason::Limited => Code::Limited,
        CloseReason::Draining => Code::Draining,
        CloseReason::Unavailable => Code::Unavailable,
        CloseReason::Expired | CloseReason::Revoked | CloseReason::Superseded => Code::Unauthorized,
        CloseReason::Overloaded | CloseReason::Lagging | CloseReason::Lifetime => Code::Overloaded,
    }))
}
