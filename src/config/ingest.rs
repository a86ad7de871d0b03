//! What a publish request may hold.

use super::positive;
use crate::ingest::Limits;

/// What a publish request may hold.
#[derive(clap::Args, Clone, Debug, PartialEq, Eq)]
#[command(next_help_heading = "Publishing [ingest]")]
pub struct Ingest {
    /// Bytes of one event; common clients break at 64 KiB
    #[arg(long, env = "CHAINCAST_EVENT_BYTES", value_name = "BYTES", value_parser = positive, default_value_t = Ingest::default().event_bytes)]
    pub event_bytes: usize,
    /// Events of one request
    #[arg(long, env = "CHAINCAST_BATCH_EVENTS", value_name = "N", value_parser = positive, default_value_t = Ingest::default().batch_events)]
    pub batch_events: usize,
    /// Bytes of one request
    #[arg(long, env = "CHAINCAST_BATCH_BYTES", value_name = "BYTES", value_parser = positive, default_value_t = Ingest::default().batch_bytes)]
    pub batch_bytes: usize,
}

impl Default for Ingest {
    fn default() -> Self {
        let Limits { event_bytes, batch_events, batch_bytes } = Limits::default();
        Self { event_bytes, batch_events, batch_bytes }
    }
}

impl Ingest {
    /// The same, as parsing takes it.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits { event_bytes: self.event_bytes, batch_events: self.batch_events, batch_bytes: self.batch_bytes }
    }
}
