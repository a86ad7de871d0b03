//! The outermost middleware: gives a request its id, every error its body, and every answer the headers that all have.
//!
//! At `debug`, one line a request goes to the log, with the route's pattern in place of the path and without the query string, so that neither tokens nor
//! ids end up there. What failed inside is logged here, with the id that the client was told and as often as `Failures` lets it be seen; the
//! rest is at `debug`. Every line that is said about a request while it is handled has its id and its trace's (`Traced`).

use std::time::Instant;

use actix_http::ConnectionType;
use actix_web::{
    Error, HttpMessage as _, HttpResponse,
    body::{BoxBody, EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        StatusCode,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
    middleware::Next,
    web,
};
use tracing::Instrument as _;
use uuid::Uuid;

use super::{
    code::Code,
    exchange::Exchange,
    failures::Failures,
    in_flight::Handled,
    problem::{PROBLEM_JSON, Problem},
    state::State,
    traced::{TRACE_RESPONSE, Traced},
};

/// The header that carries the id of a request, both ways.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What every answer has, unless it has something of its own. An answer that is opened as a page can do nothing and be framed nowhere. Other sites
/// get it through CORS, which resource policies do not touch, or not at all. HTTPS is the proxy's, and so is making browsers insist on it.
const COMMON_HEADERS: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CACHE_CONTROL, "no-store"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
];

/// The longest id that is taken from a client.
const MAX_ID_BYTES: usize = 64;

/// The id of a request, in its extensions.
#[derive(Clone, Debug)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The client's id if it is one that can go into a log line as it is; else a new one.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let sane = |value: &&HeaderValue| {
            let bytes = value.as_bytes();
            (1..=MAX_ID_BYTES).contains(&bytes.len()) && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(b))
        };
        Self(headers.get(REQUEST_ID).filter(sane).cloned().unwrap_or_else(Self::made))
    }

    fn made() -> HeaderValue {
        HeaderValue::from_str(&Uuid::new_v4().to_string()).expect("a UUID is visible ASCII")
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.to_str().expect("`of` takes visible ASCII only")
    }
}

/// The middleware; wrap it last, so that it is outermost.
pub(super) async fn observe<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
    handled: Handled,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let exchange = Exchange::begin(&mut request);
    let began = Instant::now();
    let id = RequestId::of(request.headers());
    let method = request.method().clone();
    let state = request.app_data::<web::Data<State>>();
    let tracer = state.map(|state| state.tracer.clone()).unwrap_or_default();
    let is_trusted = state.is_some_and(|state| state.authority.is_open());
    let traced = Traced::begin(&request, id, request.match_pattern(), tracer, is_trusted);
    request.extensions_mut().insert(traced.id.clone());
    request.extensions_mut().insert(traced.origin.clone());
    let log_span = traced.log_span();
    let outcome = next.call(request).instrument(log_span.clone()).await;
    let _about_the_request = log_span.enter();
    match outcome {
        Ok(answer) => {
            let route = answer.request().match_pattern();
            let (request, response) = answer.into_parts();
            let problem = problem_of(&response);
            let code = problem.as_ref().map(Problem::code);
            let mut response = match problem {
                Some(problem) => {
                    log_failure(&problem, &traced, handled.failures());
                    present(response, &problem, &traced).map_into_right_body()
                }
                None => with_common_headers(response, &traced).map_into_left_body(),
            };
            if handled.closes() || exchange.is_unread() {
                response.head_mut().set_connection_type(ConnectionType::Close);
            }
            handled.count(route.as_deref(), &method, response.status(), began.elapsed());
            log_request(&traced, response.status(), code, began);
            traced.finish(response.status());
            Ok(ServiceResponse::new(request, response))
        }
        // a middleware gave up, or a handler panicked: the request is gone, so the answer is made from the error later
        Err(mut error) => {
            let problem = Problem::of(&error);
            log_failure(&problem, &traced, handled.failures());
            handled.count(None, &method, problem.code().status(), began.elapsed());
            log_request(&traced, problem.code().status(), Some(problem.code()), began);
            traced.finish(problem.code().status());
            error.add_response_mapper(move |response| present(response, &problem, &traced));
            Err(error)
        }
    }
}

/// The problem that an answer stands for; `None` for one that already says what it has to.
fn problem_of<B>(response: &HttpResponse<B>) -> Option<Problem> {
    if let Some(error) = response.error() {
        return Some(Problem::of(error));
    }
    let status = response.status();
    let failed = status.is_client_error() || status.is_server_error();
    (failed && !response.headers().contains_key(header::CONTENT_TYPE)).then(|| Problem::new(Code::of_status(status)))
}

/// The same answer, its headers included, with the problem as its body.
fn present<B>(response: HttpResponse<B>, problem: &Problem, traced: &Traced) -> HttpResponse {
    let mut response =
        response.set_body(BoxBody::new(problem.body(Some((traced.id.as_str(), &traced.origin.context().trace.to_string())))));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    with_common_headers(response, traced)
}

fn with_common_headers<B>(mut response: HttpResponse<B>, traced: &Traced) -> HttpResponse<B> {
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, traced.id.0.clone());
    if let Some(context) = traced.response() {
        headers.insert(TRACE_RESPONSE, context);
    }
    for (name, value) in COMMON_HEADERS {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    response
}

fn log_failure(problem: &Problem, traced: &Traced, failures: &Failures) {
    let (code, cause, status) = (problem.code().as_str(), problem.cause(), problem.code().status());
    let (method, route) = (traced.method(), traced.route());
    let said = if status.is_server_error() { failures.say(problem.code(), Instant::now()) } else { None };
    let left_out = said.filter(|left_out| *left_out > 0);
    match (said, status) {
        (Some(_), StatusCode::INTERNAL_SERVER_ERROR) => {
            tracing::error!(method, route, status = status.as_u16(), code, cause, left_out, "request failed");
        }
        (Some(_), _) => tracing::warn!(method, route, status = status.as_u16(), code, cause, left_out, "request not served"),
        _ if status.is_server_error() || cause.is_some() => tracing::debug!(code, cause, "request not served"),
        _ => {}
    }
}

fn log_request(traced: &Traced, status: StatusCode, code: Option<Code>, began: Instant) {
    let (method, route, status, code) = (traced.method(), traced.route(), status.as_u16(), code.map(Code::as_str));
    let microseconds = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    // not louder: an indexer sends thousands a second, and what failed is logged above
    tracing::debug!(method, route, status, code, microseconds, "request");
}
