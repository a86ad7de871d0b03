//! A request as a step of a trace: what its headers say, and what is told of it when it is answered.
//!
//! A client's `traceparent` is taken as it is spelt in the standard, or not at all; who may have spans for the asking is found out with its credential
//! ([`vouch`]). Probes and scrapes begin no trace: they would be most of all traces, and say nothing. **What matches no route is not told of**
//! (`what_matches_no_route_is_not_told_of`). Of a request only its method, the pattern of its route and its status are told.

use std::time::SystemTime;

use actix_web::{
    HttpMessage as _, HttpRequest,
    dev::ServiceRequest,
    http::{
        Method, StatusCode,
        header::{HeaderMap, HeaderName, HeaderValue},
    },
};

use super::observe::RequestId;
use crate::trace::{Kind, Origin, Span, TraceContext, TraceState, Tracer};

/// The step that a client is at.
pub(super) const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
/// What vendors of tracing tell each other beside it.
pub(super) const TRACE_STATE: HeaderName = HeaderName::from_static("tracestate");
/// The step that answered, if it is sampled.
pub(super) const TRACE_RESPONSE: HeaderName = HeaderName::from_static("traceresponse");

/// A request under way.
#[derive(Debug)]
pub(super) struct Traced {
    pub(super) id: RequestId,
    pub(super) origin: Origin,
    tracer: Tracer,
    route: Option<String>,
    method: Method,
    began: SystemTime,
}

impl Traced {
    /// `is_trusted`: whoever it is, it may have spans for the asking.
    pub(super) fn begin(request: &ServiceRequest, id: RequestId, route: Option<String>, tracer: Tracer, is_trusted: bool) -> Self {
        // what is nobody's is a step for the lines of the log alone
        let tracer = if route.is_some() { tracer } else { Tracer::default() };
        let headers = request.headers();
        let state = || TraceState::parse(headers.get_all(TRACE_STATE).map(HeaderValue::as_bytes));
        let origin = Origin::of(parent(headers), state, || !is_probe(request.path()), &tracer);
        if is_trusted {
            origin.vouch();
        }
        Self { id, origin, tracer, route, method: request.method().clone(), began: SystemTime::now() }
    }

    /// The part of the log in which every line about it stands.
    pub(super) fn log_span(&self) -> tracing::Span {
        // as loud as a line may be: what is said within must be found by it, however quiet the log is
        tracing::error_span!("request", request_id = self.id.as_str(), trace_id = %self.origin.context().trace)
    }

    /// The header by which a client finds the trace; none leads to what is not there.
    pub(super) fn response(&self) -> Option<HeaderValue> {
        let context = self.origin.context();
        context.is_sampled().then(|| HeaderValue::from_str(&context.to_string()).ok())?
    }

    /// Its method; one of a client's own making is not repeated.
    pub(super) fn method(&self) -> &str {
        const KNOWN: [Method; 7] = [Method::GET, Method::HEAD, Method::POST, Method::DELETE, Method::OPTIONS, Method::PUT, Method::PATCH];
        if KNOWN.contains(&self.method) { self.method.as_str() } else { "_OTHER" }
    }

    /// The pattern of its route, as the log has it.
    pub(super) fn route(&self) -> &str {
        self.route.as_deref().unwrap_or("-")
    }

    /// Tells of it.
    pub(super) fn finish(&self, status: StatusCode) {
        let Origin { parent, ref state, .. } = self.origin;
        let context = self.origin.context();
        if !context.is_sampled() {
            return;
        }
        self.tracer.finish(|| {
            let (method, route) = (self.method(), self.route.as_deref().unwrap_or_default());
            let name = format!("{method} {route}");
            let attributes = vec![
                ("http.request.method", method.to_owned().into()),
                ("http.response.status_code", u64::from(status.as_u16()).into()),
                ("http.route", route.to_owned().into()),
            ];
            Span {
                context,
                parent,
                state: state.clone(),
                name: name.into(),
                kind: Kind::Server,
                began: self.began,
                ended: SystemTime::now(),
                attributes,
                moments: Vec::new(),
                links: self.origin.commit().into_iter().collect(),
                failed: status.is_server_error(),
            }
        });
    }
}

/// It is known who sent a request.
pub(super) fn vouch(request: &HttpRequest) {
    if let Some(origin) = request.extensions().get::<Origin>() {
        origin.vouch();
    }
}

/// The client's step; more than one is none.
fn parent(headers: &HeaderMap) -> Option<TraceContext> {
    let mut said = headers.get_all(TRACE_PARENT);
    let parent = TraceContext::parse(said.next()?.as_bytes());
    parent.filter(|_| said.next().is_none())
}

fn is_probe(path: &str) -> bool {
    let path = path.strip_prefix("/v1").unwrap_or(path);
    path == "/metrics" || path == "/health" || path.starts_with("/health/")
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;
    use crate::trace::{Ratio, Spans, Value};

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn all() -> (Tracer, Spans) {
        Tracer::new(Ratio::ALL, 10)
    }

    fn begin(tracer: &Tracer, path: &str, headers: &[(&'static str, &'static str)]) -> Traced {
        let request = headers.iter().fold(TestRequest::with_uri(path), |request, header| request.append_header(*header));
        let request = request.to_srv_request();
        Traced::begin(&request, RequestId::of(request.headers()), Some(path.to_owned()), tracer.clone(), true)
    }

    #[test]
    fn a_client_s_trace_is_continued_and_its_state_passed_on() {
        let (tracer, spans) = all();
        let traced = begin(&tracer, "/events", &[("traceparent", PARENT), ("tracestate", "a=1"), ("tracestate", "b=2")]);
        traced.finish(StatusCode::CREATED);
        let span = spans.try_recv().expect("told");
        assert_eq!((&span.context.trace.to_string()[..], &*span.name), (&PARENT[3..35], "GET /events"));
        assert_eq!(span.parent.expect("the client").to_string(), PARENT[36..52]);
        assert_eq!(span.state.as_ref().map(TraceState::as_str), Some("a=1,b=2"));
        assert_eq!(traced.response().expect("sampled"), span.context.to_string());
    }

    #[test]
    fn what_is_no_parent_begins_a_trace_and_so_do_two() {
        let (tracer, _spans) = all();
        for headers in [&[("traceparent", "00-x")][..], &[("traceparent", PARENT), ("traceparent", PARENT)], &[("tracestate", "a=1")]] {
            let traced = begin(&tracer, "/events", headers);
            let origin = &traced.origin;
            assert!(origin.parent.is_none() && origin.state.is_none() && origin.context().is_sampled(), "{headers:?}");
            assert_ne!(origin.context().trace.to_string(), PARENT[3..35]);
        }
    }

    #[test]
    fn probes_begin_no_trace_but_continue_one() {
        let (tracer, spans) = all();
        for probe in ["/health", "/health/ready", "/v1/health/live", "/metrics"] {
            let traced = begin(&tracer, probe, &[]);
            traced.finish(StatusCode::OK);
            assert_eq!(traced.response(), None, "{probe}");
            assert!(begin(&tracer, probe, &[("traceparent", PARENT)]).origin.context().is_sampled(), "{probe}");
        }
        assert_eq!(spans.try_iter().count(), 0);
    }

    #[test]
    fn what_matches_no_route_is_not_told_of() {
        let (tracer, spans) = all();
        let request = TestRequest::with_uri("/nothing").append_header(("traceparent", PARENT)).to_srv_request();
        let traced = Traced::begin(&request, RequestId::of(request.headers()), None, tracer, true);
        traced.finish(StatusCode::NOT_FOUND);
        assert!(traced.response().is_none() && spans.try_recv().is_err());
        assert!(begin(&Tracer::default(), "/events", &[("traceparent", PARENT)]).response().is_none(), "nor of what nobody wants");
        assert_eq!(traced.origin.context().trace.to_string(), PARENT[3..35], "but the log has its id");
    }

    #[test]
    fn of_a_request_nothing_is_told_that_its_client_made_up() {
        let (tracer, spans) = all();
        let request = TestRequest::with_uri("/secret?token=secret").method("SECRET".parse().expect("a token")).to_srv_request();
        let traced = Traced::begin(&request, RequestId::of(request.headers()), Some("/{page}".to_owned()), tracer, true);
        traced.finish(StatusCode::INTERNAL_SERVER_ERROR);
        let span = spans.try_recv().expect("told");
        assert!(span.failed && !format!("{span:?}").to_lowercase().contains("secret"), "{span:?}");
        assert!(span.attributes.contains(&("http.request.method", Value::from("_OTHER".to_owned()))));
    }
}
