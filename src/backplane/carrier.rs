//! What an adapter does for the common part: it carries messages.

use std::collections::HashSet;

use async_trait::async_trait;

use crate::log::LogId;

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Channel {
    /// Growth of one log.
    Log(LogId),
    /// Instances among themselves: who is there, questions, answers.
    Instances,
}

/// The connection is gone, or never was.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Lost(pub(super) String);

/// Names of channels that belong to one store alone.
pub(super) struct ChannelNames(String);

impl ChannelNames {
    /// Visible ASCII, at most 63 bytes, lower case.
    pub(super) fn name(&self, channel: Channel) -> String {
        format!("{}{channel:?}", self.0)
    }
}

/// A way to carry messages between instances. It may lose, repeat and reorder them.
#[async_trait]
pub(super) trait Carrier: Send + Sync + 'static {
    /// Which.
    fn kind(&self) -> &'static str;
    /// The most bytes of a message.
    fn max_message(&self) -> usize;
    /// Whether events travel with announcements, or ranges alone.
    fn carries_events(&self) -> bool;
    /// Under a deadline of its own (≤ 5 s).
    async fn connect(&self) -> Result<Box<dyn Connection>, Lost>;
}

/// One connection. Calls are never made at the same time; each has a deadline of its own (≤ 5 s) but `next`.
#[async_trait]
pub(super) trait Connection: Send {
    /// Hears exactly these channels from now on.
    async fn listen(&mut self, channels: &HashSet<Channel>, names: &ChannelNames) -> Result<(), Lost>;
    /// Sends all, in order, in as few round trips as can be.
    async fn send(&mut self, messages: Vec<(Channel, Vec<u8>)>, names: &ChannelNames) -> Result<(), Lost>;
    /// The next message. Cancel safe. Waiting messages are bounded: what does not fit is lost.
    async fn next(&mut self) -> Result<Vec<u8>, Lost>;
    /// Proves that messages could come through.
    async fn ping(&mut self) -> Result<(), Lost>;
}
