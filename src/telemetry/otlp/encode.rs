//! Spans as bytes: `ExportTraceServiceRequest` of `opentelemetry/proto/collector/trace/v1`, in protobuf's wire format.
//!
//! Field numbers are of <https://github.com/open-telemetry/opentelemetry-proto>, where they never change. What is zero or empty is left out, as
//! protobuf does.

use std::time::{SystemTime, UNIX_EPOCH};

use super::endpoint::{EndpointError, pairs};
use crate::{
    config::Telemetry,
    trace::{Kind, Span, TraceContext, Value},
};

/// What the service is called where nobody says otherwise.
const SERVICE: &str = "chaincast";

/// Who tells of spans.
#[derive(Debug)]
pub(super) struct Resource(Vec<(String, String)>);

impl Resource {
    /// As it is set; whatever is not, is filled in.
    pub(super) fn of(settings: &Telemetry) -> Result<Self, EndpointError> {
        let mut attributes = pairs(settings.otel_resource_attributes.as_deref().unwrap_or_default()).ok_or(EndpointError::Attributes)?;
        if let Some(name) = settings.otel_service_name.as_ref().filter(|name| !name.is_empty()) {
            attributes.retain(|(known, _)| known != "service.name");
            attributes.insert(0, ("service.name".to_owned(), name.clone()));
        }
        for (name, value) in [
            ("service.name", SERVICE.to_owned()),
            ("service.version", env!("CARGO_PKG_VERSION").to_owned()),
            ("service.instance.id", uuid::Uuid::new_v4().to_string()),
        ] {
            if !attributes.iter().any(|(known, _)| known == name) {
                attributes.push((name.to_owned(), value));
            }
        }
        Ok(Self(attributes))
    }
}

/// One message.
pub(super) fn message(resource: &Resource, spans: &[Span]) -> Vec<u8> {
    let mut message = Message(Vec::with_capacity(spans.len() * 256));
    message.message(1, |resource_spans| {
        resource_spans.message(1, |attributes| {
            for (name, value) in &resource.0 {
                attributes.attribute(1, name, &Value::Text(value.clone().into()));
            }
        });
        resource_spans.message(2, |scope_spans| {
            scope_spans.message(1, |scope| {
                scope.text(1, SERVICE);
                scope.text(2, env!("CARGO_PKG_VERSION"));
            });
            for span in spans {
                scope_spans.message(2, |message| message.span(span));
            }
        });
    });
    message.0
}

/// One message of protobuf, as far as it is written.
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn number(&mut self, field: u64, number: u64) {
        if number != 0 {
            self.varint(field << 3);
            self.varint(number);
        }
    }

    fn time(&mut self, field: u64, time: SystemTime) {
        let nanoseconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64;
        self.varint(field << 3 | 1);
        self.0.extend_from_slice(&nanoseconds.to_le_bytes());
    }

    fn flags(&mut self, field: u64, context: TraceContext) {
        self.varint(field << 3 | 5);
        self.0.extend_from_slice(&u32::from(context.flags()).to_le_bytes());
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.varint(field << 3 | 2);
            self.varint(bytes.len() as u64);
            self.0.extend_from_slice(bytes);
        }
    }

    fn text(&mut self, field: u64, text: &str) {
        self.bytes(field, text.as_bytes());
    }

    fn message(&mut self, field: u64, write: impl FnOnce(&mut Self)) {
        let mut within = Self(Vec::new());
        write(&mut within);
        // one that is there and empty is not the same as none
        self.varint(field << 3 | 2);
        self.varint(within.0.len() as u64);
        self.0.append(&mut within.0);
    }

    fn attribute(&mut self, field: u64, name: &str, value: &Value) {
        self.message(field, |pair| {
            pair.text(1, name);
            pair.message(2, |any| match value {
                Value::Text(text) => any.text(1, text),
                Value::Number(number) => {
                    // zero is said: the kind of a value is the field that it stands in
                    any.varint(3 << 3);
                    any.varint(*number);
                }
            });
        });
    }

    fn context(&mut self, context: TraceContext) {
        self.bytes(1, &context.trace.to_bytes());
        self.bytes(2, &context.span.to_bytes());
    }

    fn span(&mut self, span: &Span) {
        self.context(span.context);
        if let Some(state) = &span.state {
            self.text(3, state.as_str());
        }
        if let Some(parent) = span.parent {
            self.bytes(4, &parent.to_bytes());
        }
        self.text(5, &span.name);
        self.number(
            6,
            match span.kind {
                Kind::Internal => 1,
                Kind::Server => 2,
                Kind::Consumer => 5,
            },
        );
        self.time(7, span.began);
        // a clock that was put back must not make a span end before it began
        self.time(8, span.ended.max(span.began));
        for (name, value) in &span.attributes {
            self.attribute(9, name, value);
        }
        for (name, at) in &span.moments {
            self.message(11, |event| {
                event.time(1, *at);
                event.text(2, name);
            });
        }
        for link in &span.links {
            self.message(13, |message| {
                message.context(*link);
                message.flags(6, *link);
            });
        }
        if span.failed {
            self.message(15, |status| status.number(3, 2));
        }
        self.flags(16, span.context);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use opentelemetry_proto::tonic::{
        collector::trace::v1::ExportTraceServiceRequest,
        common::v1::{KeyValue, any_value},
    };
    use prost::Message as _;

    use super::*;
    use crate::trace::TraceState;

    fn texts(attributes: &[KeyValue]) -> Vec<(String, String)> {
        let text = |pair: &KeyValue| {
            let value = match pair.value.as_ref().and_then(|value| value.value.as_ref()) {
                Some(any_value::Value::StringValue(text)) => text.clone(),
                Some(any_value::Value::IntValue(number)) => number.to_string(),
                other => panic!("{other:?}"),
            };
            (pair.key.clone(), value)
        };
        attributes.iter().map(text).collect()
    }

    fn settings(attributes: &str, name: Option<&str>) -> Telemetry {
        let (otel_resource_attributes, otel_service_name) = (Some(attributes.to_owned()), name.map(str::to_owned));
        Telemetry { otel_resource_attributes, otel_service_name, ..Telemetry::default() }
    }

    #[test]
    fn a_message_is_what_the_published_schema_says() {
        let (context, began) = (TraceContext::begin(|_| true), UNIX_EPOCH + Duration::from_nanos(1_700_000_000_123_456_789));
        let (link, ended) = (TraceContext::begin(|_| true), began + Duration::from_micros(7));
        let span = Span {
            context,
            parent: Some(link.span),
            state: TraceState::parse([&b"a=1"[..]]),
            name: "commit".into(),
            kind: Kind::Consumer,
            began,
            ended,
            attributes: vec![("word", "text".into()), ("none", 0_u64.into()), ("many", (1_u64 << 40).into())],
            moments: vec![("announced", ended)],
            links: vec![link],
            failed: true,
        };
        let plain = Span { parent: None, state: None, failed: false, links: Vec::new(), ended: UNIX_EPOCH, ..span.clone() };
        let resource = Resource::of(&settings("a=b%2Cc,service.name=other", Some("hub"))).expect("good");
        let read = ExportTraceServiceRequest::decode(&*message(&resource, &[span, plain])).expect("the schema");
        let told = texts(&read.resource_spans[0].resource.as_ref().expect("who").attributes);
        let is_told = |name: &str, value: &str| told.contains(&(name.to_owned(), value.to_owned()));
        assert!(is_told("service.name", "hub") && is_told("a", "b,c") && is_told("service.version", env!("CARGO_PKG_VERSION")), "{told:?}");
        assert_eq!(told.len(), 4, "{told:?}");
        let [first, second] = &read.resource_spans[0].scope_spans[0].spans[..] else { panic!("two spans") };
        assert_eq!((&first.trace_id[..], &first.span_id[..]), (&context.trace.to_bytes()[..], &context.span.to_bytes()[..]));
        assert_eq!((&first.parent_span_id[..], &*first.trace_state, &*first.name), (&link.span.to_bytes()[..], "a=1", "commit"));
        assert_eq!((first.kind, first.flags), (5, 3));
        assert_eq!((first.start_time_unix_nano, first.end_time_unix_nano), (1_700_000_000_123_456_789, 1_700_000_000_123_463_789));
        let attributes = [("word", "text"), ("none", "0"), ("many", "1099511627776")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(texts(&first.attributes), attributes);
        assert_eq!((&*first.events[0].name, first.events[0].time_unix_nano), ("announced", first.end_time_unix_nano));
        assert_eq!((&first.links[0].trace_id[..], first.links[0].flags), (&link.trace.to_bytes()[..], 3));
        assert_eq!(first.status.as_ref().expect("failed").code, 2);
        assert!(second.parent_span_id.is_empty() && second.status.is_none() && second.links.is_empty());
        assert_eq!(second.start_time_unix_nano, second.end_time_unix_nano);
    }

    #[test]
    fn attributes_that_are_none_are_refused() {
        assert!(Resource::of(&settings("oops", None)).is_err());
        assert!(Resource::of(&Telemetry::default()).expect("defaults").0.contains(&("service.name".into(), "chaincast".into())));
    }
}
