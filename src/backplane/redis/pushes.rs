//! Messages that were pushed and wait to be taken: bounded by count and by bytes, since the server sends as fast as it can.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use redis::{PushInfo, PushKind, Value, aio::SendError};
use tokio::sync::mpsc;

/// Messages that may wait.
const MAX_WAITING: usize = 1024;
/// Bytes of them.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// A place for what nodes push, and where it is taken from. Larger messages than `max_message` are dropped.
pub(super) fn pushes(max_message: usize) -> (PushSink, Pushes) {
    let (sender, waiting) = mpsc::channel(MAX_WAITING);
    let bytes = Arc::new(AtomicUsize::new(0));
    let state = State { sender: Some(sender), left: HashSet::new() };
    (PushSink { state: Arc::new(Mutex::new(state)), bytes: bytes.clone(), max_message }, Pushes { waiting, bytes })
}

struct State {
    /// None when one of the nodes is lost.
    sender: Option<mpsc::Sender<Vec<u8>>>,
    /// Channels that were given up; the server says of each that it is.
    left: HashSet<Vec<u8>>,
}

/// Where the connections of one carrier's connection put what they are pushed.
#[derive(Clone)]
pub(super) struct PushSink {
    state: Arc<Mutex<State>>,
    bytes: Arc<AtomicUsize>,
    max_message: usize,
}

impl PushSink {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This channel is about to be given up.
    pub(super) fn leave(&self, channel: &str) {
        self.state().left.insert(channel.as_bytes().to_vec());
    }

    /// Takes one push of a node; an error is not looked at by whoever calls.
    pub(super) fn take(&self, push: PushInfo) -> Result<(), SendError> {
        let mut state = self.state();
        match (push.kind, push.data.into_iter().map(bytes).collect::<Option<Vec<_>>>().as_deref_mut()) {
            (PushKind::Message | PushKind::SMessage, Some([_, message])) => {
                let size = message.len();
                let fits = size <= self.max_message && self.bytes.load(Ordering::Acquire) + size <= MAX_BYTES;
                if let Some(sender) = state.sender.as_ref().filter(|_| fits) {
                    self.bytes.fetch_add(size, Ordering::AcqRel);
                    if sender.try_send(std::mem::take(message)).is_err() {
                        self.bytes.fetch_sub(size, Ordering::AcqRel);
                    }
                }
            }
            // a channel that is taken away: its slot moved
            (PushKind::SUnsubscribe | PushKind::Unsubscribe, Some([channel, ..])) if state.left.remove(&*channel) => {}
            (PushKind::Disconnection | PushKind::SUnsubscribe | PushKind::Unsubscribe, _) => state.sender = None,
            _ => {}
        }
        Ok(())
    }
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.into_bytes()),
        Value::Int(n) => Some(n.to_string().into_bytes()),
        _ => None,
    }
}

/// What waits to be taken.
pub(super) struct Pushes {
    waiting: mpsc::Receiver<Vec<u8>>,
    bytes: Arc<AtomicUsize>,
}

impl Pushes {
    /// The next message; `None` when one of the nodes is lost.
    pub(super) async fn next(&mut self) -> Option<Vec<u8>> {
        let message = self.waiting.recv().await?;
        self.bytes.fetch_sub(message.len(), Ordering::AcqRel);
        Some(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(kind: PushKind, data: &[&[u8]]) -> PushInfo {
        PushInfo { kind, data: data.iter().map(|part| Value::BulkString(part.to_vec())).collect() }
    }

    #[tokio::test]
    async fn what_waits_is_bounded_by_count_and_by_bytes() {
        let (sink, mut pushes) = pushes(MAX_BYTES / 8);
        let large = vec![0; MAX_BYTES / 8];
        for _ in 0..20 {
            sink.take(push(PushKind::Message, &[b"c", &large])).expect("never an error");
        }
        sink.take(push(PushKind::Message, &[b"c", &vec![0; MAX_BYTES / 8 + 1]])).expect("never an error");
        assert_eq!(pushes.waiting.len(), 8);
        while !pushes.waiting.is_empty() {
            assert!(pushes.next().await.is_some());
        }
        for _ in 0..2 * MAX_WAITING {
            sink.take(push(PushKind::SMessage, &[b"c", b"x"])).expect("never an error");
        }
        assert_eq!(pushes.waiting.len(), MAX_WAITING);
        assert_eq!(sink.bytes.load(Ordering::Acquire), MAX_WAITING);
    }

    #[tokio::test]
    async fn a_channel_that_is_taken_away_ends_it_and_one_that_was_given_up_does_not() {
        let (sink, mut pushes) = pushes(10);
        sink.leave("old");
        sink.take(push(PushKind::SUnsubscribe, &[b"old", b"0"])).expect("never an error");
        sink.take(push(PushKind::SMessage, &[b"c", b"x"])).expect("never an error");
        assert_eq!(pushes.next().await.as_deref(), Some(&b"x"[..]));
        sink.take(push(PushKind::SUnsubscribe, &[b"c", b"0"])).expect("never an error");
        assert_eq!(pushes.next().await, None);
    }
}
