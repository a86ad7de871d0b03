//! The AsyncAPI document: what comes over a stream, as OpenAPI cannot say it. [AsyncAPI 3.0](https://www.asyncapi.com/docs/reference/specification/v3.0.0).
//!
//! Written from the service's side: it *sends* what clients follow, and *receives* what is published. Schemas that the OpenAPI document has are
//! taken from there, and the reasons of an end from where they are defined, so that neither is said twice. That what the service sends is what
//! stands here is tested with real streams (`tests/clients/asyncapi.test.mjs`).

use serde_json::{Map, Value, json};

use super::openapi;
use crate::hub::CloseReason;

/// A notice of the service: its name, what it says, and whether its block has an `id`.
struct Notice {
    name: &'static str,
    key: &'static str,
    summary: &'static str,
    has_id: bool,
    payload: Value,
}

/// The document as indented JSON, with a newline at its end.
#[must_use]
pub fn to_json() -> String {
    let mut text = serde_json::to_string_pretty(&document()).expect("values always serialise");
    text.push('\n');
    text
}

fn document() -> Value {
    let openapi: Value = serde_json::from_str(&openapi::to_json()).expect("our own document is JSON");
    let mut schemas = Map::new();
    for name in ["Event", "NewEvent", "Gap"] {
        schemas.insert(name.to_owned(), openapi["components"]["schemas"][name].clone());
    }
    schemas.insert("Cursor".to_owned(), cursor());

    let (mut messages, mut sent) = (Map::new(), Map::new());
    messages.insert("event".to_owned(), event());
    for notice in notices() {
        messages.insert(notice.key.to_owned(), message(&notice));
    }
    for key in messages.keys() {
        sent.insert(key.clone(), json!({"$ref": format!("#/components/messages/{key}")}));
    }
    messages.insert("publication".to_owned(), json!({
        "name": "publication", "title": "An event to publish", "contentType": "application/json", "payload": {"$ref": "#/components/schemas/NewEvent"},
        "summary": "One event. A request may hold several, as an array or as NDJSON, and is then stored whole or not at all."
    }));

    let security = ["bearer", "cookie", "ticket", "token"].map(|name| json!({"$ref": format!("#/components/securitySchemes/{name}")}));
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": openapi["info"]["title"], "version": openapi["info"]["version"],
            "description": "What comes over a stream of Server-Sent Events, and what is published. The routes around it are in the OpenAPI document.\n\n\
                A message's `headers` are the fields of its block: `event`, `id`, `retry`; its payload is what `data` holds. With `names=off` there is no \
                `event` field, and notices carry their name as `type` in their data; with `shape=data` an event's payload is the member `data` of \
                what is described here. A lone `:` is a heartbeat.\n\n\
                The first message is `hub.open`. Keep the last `id` that was handled, and send it as `Last-Event-ID`.",
            "license": {"name": "MIT OR Apache-2.0"}
        },
        "defaultContentType": "application/json",
        "servers": {"local": {
            "host": "localhost:3001", "protocol": "http", "description": "As it runs without settings. Every path is also served under `/v1`.",
            "security": security
        }},
        "channels": {
            "stream": {
                "address": "/events/subscribe", "title": "Events, as they come, after those that were missed", "messages": sent
            },
            "events": {
                "address": "/events", "title": "Events to publish", "messages": {"publication": {"$ref": "#/components/messages/publication"}}
            }
        },
        "operations": {
            "follow": {
                "action": "send", "channel": {"$ref": "#/channels/stream"}, "summary": "Sends a client what it asked for",
                "bindings": {"http": {"method": "GET", "query": parameters(&openapi), "bindingVersion": "0.3.0"}}
            },
            "publish": {
                "action": "receive", "channel": {"$ref": "#/channels/events"}, "summary": "Takes events, and answers once they are stored",
                "bindings": {"http": {"method": "POST", "bindingVersion": "0.3.0"}}
            }
        },
        "components": {"messages": messages, "schemas": schemas, "securitySchemes": credentials(&openapi)}
    })
}

/// What `GET /events/subscribe` takes in its query, as the OpenAPI document has it.
fn parameters(openapi: &Value) -> Value {
    let listed = openapi["paths"]["/events/subscribe"]["get"]["parameters"].as_array().into_iter().flatten();
    let mut properties = Map::new();
    for parameter in listed.filter(|parameter| parameter["in"] == "query") {
        let mut schema = parameter["schema"].as_object().cloned().unwrap_or_default();
        if let Some(description) = parameter.get("description") {
            schema.insert("description".to_owned(), description.clone());
        }
        properties.insert(parameter["name"].as_str().unwrap_or_default().to_owned(), schema.into());
    }
    json!({"type": "object", "properties": properties, "additionalProperties": false})
}

/// The credentials of the OpenAPI document, in AsyncAPI's words.
fn credentials(openapi: &Value) -> Value {
    let mut schemes = Map::new();
    for (name, scheme) in openapi["components"]["securitySchemes"].as_object().into_iter().flatten() {
        let mut scheme = scheme.as_object().cloned().unwrap_or_default();
        if scheme.get("type").is_some_and(|kind| kind == "apiKey") {
            scheme.insert("type".to_owned(), "httpApiKey".into());
        }
        schemes.insert(name.clone(), scheme.into());
    }
    schemes.into()
}

fn cursor() -> Value {
    json!({"type": "string", "pattern": "^[0-9a-f]{8}-[0-9]+$", "examples": ["7c1f9a02-42"], "description": "A place in a log: `epoch-seq`."})
}

fn event() -> Value {
    json!({
        "name": "event", "title": "An event",
        "summary": "Exactly those that match, once each, in order of `seq`. `event` is the event's type.",
        "headers": {"type": "object", "required": ["id"], "properties": {
            "event": {"type": "string", "not": {"pattern": "^hub\\."}}, "id": {"$ref": "#/components/schemas/Cursor"}
        }},
        "payload": {"$ref": "#/components/schemas/Event"}
    })
}

fn message(notice: &Notice) -> Value {
    let mut fields = Map::from_iter([("event".to_owned(), json!({"const": notice.name}))]);
    let mut required = vec!["event"];
    if notice.has_id {
        fields.insert("id".to_owned(), json!({"$ref": "#/components/schemas/Cursor"}));
    }
    if ["hub.open", "hub.closing"].contains(&notice.name) {
        fields.insert(
            "retry".to_owned(),
            json!({"type": "integer", "minimum": 0, "description": "Milliseconds until a client that lost its connection comes back."}),
        );
        required.push("retry");
    }
    json!({
        "name": notice.name, "title": notice.name, "summary": notice.summary,
        "headers": {"type": "object", "required": required, "properties": fields, "additionalProperties": false}, "payload": notice.payload
    })
}

fn object(members: Value) -> Value {
    let required: Vec<&String> = members.as_object().into_iter().flat_map(Map::keys).collect();
    json!({"type": "object", "required": required, "properties": members})
}

/// What the service itself says on a stream.
fn notices() -> [Notice; 6] {
    let at = || json!({"$ref": "#/components/schemas/Cursor"});
    let reasons: Vec<&str> = CloseReason::ALL.iter().map(|reason| reason.as_str()).collect();
    [
        Notice {
            name: "hub.open",
            key: "open",
            has_id: true,
            summary: "The first message: where the stream begins. It has no `id` where a gap is told next, so that nobody who loses the connection in between misses that.",
            payload: object(json!({
                "connection": {"type": "string", "description": "Names this connection in the log of the service."},
                "cursor": at(), "head": at(), "filter": {"type": "object", "description": "What is followed, after rights were applied."}
            })),
        },
        Notice {
            name: "hub.live",
            key: "live",
            has_id: true,
            summary: "The replay is done; what comes now is live. Once a connection.",
            payload: object(
                json!({"cursor": at(), "replayed": {"type": "integer", "minimum": 0, "description": "Events that were replayed."}}),
            ),
        },
        Notice {
            name: "hub.gap",
            key: "gap",
            has_id: true,
            summary: "Events that were asked for and are gone: load the state anew, and go on.",
            payload: json!({"$ref": "#/components/schemas/Gap"}),
        },
        Notice {
            name: "hub.cursor",
            key: "cursor",
            has_id: true,
            summary: "A heartbeat that moves the cursor past events that did not match.",
            payload: object(json!({"cursor": at()})),
        },
        Notice {
            name: "hub.expiring",
            key: "expiring",
            has_id: false,
            summary: "The credential ends soon: get a new one, and open a new stream from the last `id`.",
            payload: object(json!({"expiresAt": {"type": "string", "format": "date-time"}, "seconds": {"type": "integer", "minimum": 0}})),
        },
        Notice {
            name: "hub.closing",
            key: "closing",
            has_id: false,
            summary: "The last message, and why. After `expired`, `revoked` and `superseded` what the client has is not enough to come back; after any other it comes back after `retry`.",
            payload: object(json!({"reason": {"type": "string", "enum": reasons}})),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_in_the_repository_is_the_one_that_is_served() {
        let kept = include_str!("../../openapi/asyncapi.json");
        assert!(kept == to_json(), "renew it: cargo run -- asyncapi > openapi/asyncapi.json");
    }

    #[test]
    fn what_it_refers_to_is_there() {
        let document = document();
        let mut references = Vec::new();
        collect(&document, &mut references);
        assert!(references.len() > 20);
        for reference in references {
            let pointer = reference.strip_prefix('#').expect("within the document");
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }

    fn collect(value: &Value, references: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                references.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|member| collect(member, references));
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
            _ => {}
        }
    }
}
