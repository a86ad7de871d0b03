//! Stellar contract events, as `getEvents` returns them once decoded, become chaincast events.
//!
//! Pure: no IO, so that tests use it as well. Ids come from the chain, which makes publishing again harmless. Integers stay the decimal
//! strings that the decoder wrote, because an i128 does not survive a JSON number.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The account that most of the real events concern: it appears in 27 of them.
pub(crate) const BUSIEST_ACCOUNT: &str = "GCKXU5C7AMKKAPYTEX4LIHAL6JT4LAQOMVFI7T3VIG6TZNGPEHCYNPQB";

/// 718 real events of eleven ledgers of 2020; `../data/SOURCES.md` tells their origin.
pub(crate) const PUBNET: &str = include_str!("../data/pubnet_2020_events.ndjson");
/// The CAIP-2 id of Stellar's public network.
pub(crate) const PUBNET_CHAIN: &str = "stellar:pubnet";

/// 13 constructed events with the names and types of FlowFi's payment-stream contract.
pub(crate) const FLOWFI: &str = include_str!("../data/flowfi_events.ndjson");
/// No real network: the FlowFi events were never on one.
pub(crate) const FLOWFI_CHAIN: &str = "stellar:local";

/// One line of the data files: the members of a `getEvents` event, with `topic` and `value` decoded.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Decoded {
    id: String,
    ledger: u32,
    ledger_closed_at: String,
    contract_id: String,
    tx_hash: String,
    transaction_index: u32,
    operation_index: u32,
    in_successful_contract_call: bool,
    topic: Vec<String>,
    value: Value,
}

/// What is published: the members of a chaincast event that a Stellar event fills.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Event {
    pub(crate) id: String,
    #[serde(rename = "type")]
    pub(crate) event_type: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) streams: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) users: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) topics: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    time: String,
    chain: &'static str,
    contract: String,
    block: Value,
    tx: Value,
    index: Value,
    status: &'static str,
    pub(crate) data: Value,
}

/// A line of a data file that the mapping cannot place.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MappingError {
    /// Not one of [`Decoded`].
    #[error("line {line}: {source}")]
    NotAnEvent {
        /// Counted from 1.
        line: usize,
        /// What serde says.
        source: serde_json::Error,
    },
    /// An event of a contract that this example does not know.
    #[error("event {id}: no mapping for topics {topic:?}")]
    Unknown {
        /// The id on the chain.
        id: String,
        /// Its decoded topics.
        topic: Vec<String>,
    },
}

/// Every event of a data file, in the chain's order.
///
/// # Errors
/// [`MappingError`] names the first line that is none.
pub(crate) fn events(ndjson: &str, chain: &'static str) -> Result<Vec<Event>, MappingError> {
    let line = |(at, text)| {
        let decoded = serde_json::from_str(text).map_err(|source| MappingError::NotAnEvent { line: at + 1, source })?;
        map(decoded, chain)
    };
    ndjson.lines().enumerate().map(line).collect()
}

/// What differs from one kind of event to another.
#[derive(Default)]
struct Subject {
    event_type: &'static str,
    streams: Vec<String>,
    users: Vec<String>,
    topics: Vec<String>,
    data: Map<String, Value>,
}

fn map(event: Decoded, chain: &'static str) -> Result<Event, MappingError> {
    let topic: Vec<&str> = event.topic.iter().map(String::as_str).collect();
    let subject = match token(&topic, &event.value).or_else(|| flowfi(&topic, &event.value)) {
        Some(subject) => subject,
        None => return Err(MappingError::Unknown { id: event.id, topic: event.topic }),
    };
    let mut data = subject.data;
    data.insert("inSuccessfulContractCall".into(), event.in_successful_contract_call.into());
    Ok(Event {
        id: format!("{chain}:{}", event.id),
        event_type: subject.event_type.into(),
        key: subject.streams.first().map(|id| format!("stream/{id}")),
        streams: subject.streams,
        users: distinct(subject.users),
        topics: subject.topics,
        time: event.ledger_closed_at.clone(),
        chain,
        contract: event.contract_id,
        block: json!({"height": event.ledger, "time": event.ledger_closed_at}),
        tx: json!({"hash": event.tx_hash, "index": event.transaction_index}),
        index: json!({"op": event.operation_index, "event": position(&event.id)}),
        // a closed Stellar ledger is not reorganised
        status: "final",
        data: Value::Object(data),
    })
}

/// Events of the Stellar Asset Contract, which CAP-67 also derives from classic operations.
fn token(topic: &[&str], value: &Value) -> Option<Subject> {
    let asset = |name: &str| vec![format!("asset.{name}")];
    Some(match *topic {
        ["fee", account] => Subject {
            event_type: "token.fee",
            users: vec![account.into()],
            data: object(json!({"account": account, "amount": value})),
            ..Subject::default()
        },
        ["transfer", from, to, name] => {
            let mut data = object(json!({"from": from, "to": to, "asset": name}));
            match value {
                // to a muxed account: the amount and the id of the sub-account
                Value::Object(muxed) => data.extend(muxed.clone()),
                amount => drop(data.insert("amount".into(), amount.clone())),
            }
            Subject { event_type: "token.transfer", users: vec![from.into(), to.into()], topics: asset(name), data, ..Subject::default() }
        }
        ["set_authorized", account, name] => Subject {
            event_type: "token.set_authorized",
            users: vec![account.into()],
            topics: asset(name),
            data: object(json!({"account": account, "asset": name, "authorized": value})),
            ..Subject::default()
        },
        _ => return None,
    })
}

/// The members of FlowFi's values that hold an account.
const FLOWFI_ACCOUNTS: [&str; 8] =
    ["sender", "recipient", "admin", "previous_admin", "new_admin", "treasury", "old_treasury", "new_treasury"];

fn flowfi(topic: &[&str], value: &Value) -> Option<Subject> {
    let (event_type, streams) = match *topic {
        ["stream_created", id] => ("stream.created", vec![id.into()]),
        ["stream_topped_up", id] => ("stream.topped_up", vec![id.into()]),
        ["tokens_withdrawn", id] => ("stream.withdrawn", vec![id.into()]),
        ["stream_paused", id] => ("stream.paused", vec![id.into()]),
        ["stream_resumed", id] => ("stream.resumed", vec![id.into()]),
        ["stream_cancelled", id] => ("stream.cancelled", vec![id.into()]),
        ["stream_completed", id] => ("stream.completed", vec![id.into()]),
        ["fee_collected", id] => ("stream.fee_collected", vec![id.into()]),
        ["initialized"] => ("protocol.initialized", vec![]),
        ["fee_config_updated"] => ("protocol.fee_config_updated", vec![]),
        ["admin_transferred"] => ("protocol.admin_transferred", vec![]),
        _ => return None,
    };
    let users = FLOWFI_ACCOUNTS.iter().filter_map(|name| value.get(name)?.as_str().map(str::to_owned)).collect();
    Some(Subject { event_type, streams, users, topics: vec![], data: object(value.clone()) })
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        other => Map::from_iter([("value".to_owned(), other)]),
    }
}

/// An account that sends to itself concerns the event once.
fn distinct(users: Vec<String>) -> Vec<String> {
    let mut seen = Vec::with_capacity(users.len());
    for user in users {
        if !seen.contains(&user) {
            seen.push(user);
        }
    }
    seen
}

/// An event's place within its operation: the number behind the dash of its id.
fn position(id: &str) -> Option<u32> {
    id.rsplit_once('-')?.1.parse().ok()
}
