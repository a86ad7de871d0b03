//! A payment stream's events, from the chain's form to the one that is published.
//!
//! Pure: no IO. Integers stay the decimal strings that the decoder wrote, because an i128 does not survive a JSON number.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The chain of the example's data, which was never on a real one (CAIP-2).
const CHAIN: &str = "stellar:local";

/// What happened to a payment stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventType {
    Created,
    ToppedUp,
    Withdrawn,
    Cancelled,
    Completed,
}

/// One event of the contract, decoded.
#[derive(Clone, Debug)]
pub(crate) struct BlockchainEvent {
    pub(crate) event_type: EventType,
    pub(crate) stream_id: String,
    pub(crate) sender: Option<String>,
    pub(crate) recipient: Option<String>,
    /// The other members of the contract's event: amounts, times, the token.
    pub(crate) details: Map<String, Value>,
    pub(crate) contract: String,
    /// The event's own name on its chain: where it stands, and on a chain that reorganises in which block.
    pub(crate) place: String,
    pub(crate) ledger: u64,
    pub(crate) block_hash: Option<String>,
    pub(crate) closed_at: String,
    pub(crate) tx_hash: String,
    /// The chain has taken it back: a reorganisation dropped its block.
    pub(crate) reverted: bool,
}

/// What is published. <https://github.com/ChainAgnostic/CAIPs/blob/main/CAIPs/caip-2.md> says how chains are named.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Event {
    pub(crate) id: String,
    #[serde(rename = "type")]
    event_type: &'static str,
    streams: [String; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    users: Vec<String>,
    key: String,
    time: String,
    chain: &'static str,
    contract: String,
    block: Value,
    tx: Value,
    status: &'static str,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    data: Value,
}

/// What your indexer calls for each event of the contract.
pub(crate) fn handle_blockchain_event(event: BlockchainEvent) -> Event {
    let event_type = match event.event_type {
        EventType::Created => "stream.created",
        EventType::ToppedUp => "stream.topped_up",
        EventType::Withdrawn => "stream.withdrawn",
        EventType::Cancelled => "stream.cancelled",
        EventType::Completed => "stream.completed",
    };
    let first = match &event.block_hash {
        // the same place in another block is another event
        Some(hash) => format!("{CHAIN}:{hash}:{}", event.place),
        None => format!("{CHAIN}:{}", event.place),
    };
    // taking an event back is an event of its own, which points at the first: subscribers saw that one, and it stays in the log
    let (id, status, reference) = match (event.reverted, &event.block_hash) {
        (true, _) => (format!("{first}#reverted"), "reverted", Some(first)),
        (false, Some(_)) => (first, "confirmed", None),
        // a closed Stellar ledger is not reorganised
        (false, None) => (first, "final", None),
    };
    let mut users: Vec<String> = [event.sender, event.recipient].into_iter().flatten().collect();
    users.dedup();
    let mut block = json!({"height": event.ledger, "time": event.closed_at});
    if let Some(hash) = event.block_hash {
        block["hash"] = hash.into();
    }
    Event {
        id,
        event_type,
        key: format!("stream/{}", event.stream_id),
        streams: [event.stream_id],
        users,
        time: event.closed_at,
        chain: CHAIN,
        contract: event.contract,
        block,
        tx: json!({"hash": event.tx_hash}),
        status,
        reference,
        data: Value::Object(event.details),
    }
}

/// Why a line is not published.
#[derive(Debug)]
pub(crate) enum NotAnEvent {
    /// The contract has more kinds than the five.
    OfAnotherKind,
    /// Not one of [`Decoded`].
    Malformed(serde_json::Error),
}

/// A line of the chain's file: an event as `getEvents` of a Stellar RPC server answers it, with `topic` and `value` decoded. The last two
/// members are what an indexer of a chain that reorganises adds.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Decoded {
    id: String,
    ledger: u64,
    ledger_closed_at: String,
    contract_id: String,
    tx_hash: String,
    topic: Vec<String>,
    value: Map<String, Value>,
    block_hash: Option<String>,
    #[serde(default)]
    removed: bool,
}

impl BlockchainEvent {
    /// Reads a line of the chain's file.
    ///
    /// # Errors
    /// [`NotAnEvent`] for what is none of the five, and for what cannot be read.
    pub(crate) fn parse(line: &str) -> Result<Self, NotAnEvent> {
        let decoded: Decoded = serde_json::from_str(line).map_err(NotAnEvent::Malformed)?;
        let topic: Vec<&str> = decoded.topic.iter().map(String::as_str).collect();
        let (event_type, stream_id) = match *topic {
            ["stream_created", id] => (EventType::Created, id),
            ["stream_topped_up", id] => (EventType::ToppedUp, id),
            ["tokens_withdrawn", id] => (EventType::Withdrawn, id),
            ["stream_cancelled", id] => (EventType::Cancelled, id),
            ["stream_completed", id] => (EventType::Completed, id),
            _ => return Err(NotAnEvent::OfAnotherKind),
        };
        let account = |name: &str| decoded.value.get(name).and_then(Value::as_str).map(str::to_owned);
        Ok(Self {
            event_type,
            stream_id: stream_id.to_owned(),
            sender: account("sender"),
            recipient: account("recipient"),
            details: decoded.value.clone(),
            contract: decoded.contract_id,
            place: decoded.id,
            ledger: decoded.ledger,
            block_hash: decoded.block_hash,
            closed_at: decoded.ledger_closed_at,
            tx_hash: decoded.tx_hash,
            reverted: decoded.removed,
        })
    }
}
