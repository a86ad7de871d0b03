//! What an adapter has to do: carry messages that it does not understand. Everything else is the [`Link`](super::Link)'s.

use std::collections::HashSet;

use async_trait::async_trait;
use aws_lc_rs::hmac;

use crate::log::LogId;

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Channel {
    /// Growth of one log.
    Log(LogId),
    /// Instances among themselves: who is there, questions, answers.
    Instances,
}

/// The connection is gone, or never was; why, in a text without credentials.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Lost(pub(super) String);

/// Names channels so that services on other stores neither hear nor disturb.
#[derive(Debug)]
pub(super) struct ChannelNames {
    prefix: String,
}

impl ChannelNames {
    /// The names of whoever has this secret, which they do not tell.
    pub(super) fn new(secret: &[u8; 32]) -> Self {
        let mark = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), b"chaincast backplane channels");
        let mark: String = mark.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self { prefix: format!("chaincast:{mark}") }
    }

    /// Visible ASCII, at most 63 bytes, lower case.
    pub(super) fn name(&self, channel: Channel) -> String {
        match channel {
            Channel::Log(log) => format!("{}:log:{}", self.prefix, log.to_column()),
            Channel::Instances => format!("{}:instances", self.prefix),
        }
    }
}

/// A way to carry messages between instances. It may lose, repeat and reorder them.
#[async_trait]
pub(super) trait Carrier: Send + Sync + 'static {
    /// As it is called in statistics and in the log.
    fn kind(&self) -> &'static str;

    /// The most bytes of a message.
    fn max_message(&self) -> usize;

    /// Whether events travel with announcements, or ranges alone.
    fn carries_events(&self) -> bool;

    /// A connection that listens to nothing yet; within a few seconds.
    async fn connect(&self) -> Result<Box<dyn Connection>, Lost>;
}

/// One connection. Calls are never made at the same time; each but `next` ends within a few seconds.
#[async_trait]
pub(super) trait Connection: Send {
    /// Hears exactly these channels from now on.
    async fn listen(&mut self, channels: &HashSet<Channel>, names: &ChannelNames) -> Result<(), Lost>;

    /// Sends all, in order, in as few round trips as can be.
    async fn send(&mut self, messages: Vec<(Channel, Vec<u8>)>, names: &ChannelNames) -> Result<(), Lost>;

    /// The next message. Cancel safe. Waiting messages are bounded: what does not fit is lost.
    async fn next(&mut self) -> Result<Vec<u8>, Lost>;

    /// Proves that messages could come through; asked when nothing came for a while, and now and then.
    async fn ping(&mut self) -> Result<(), Lost>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_suit_every_adapter_and_belong_to_one_secret() {
        let (names, others) = (ChannelNames::new(&[1; 32]), ChannelNames::new(&[2; 32]));
        for channel in [Channel::Instances, Channel::Log(LogId::new(i32::MIN)), Channel::Log(LogId::new(1))] {
            let name = names.name(channel);
            assert!(name.len() <= 63 && name.bytes().all(|b| b.is_ascii_graphic() && !b.is_ascii_uppercase()), "{name}");
            assert_ne!(name, others.name(channel));
        }
    }
}
