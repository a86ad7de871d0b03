//! The door of `benches/` to the encoder: compiled with the feature `bench-internals` only.

use super::{
    Style,
    encode::{chunked, event_block, notice_block},
};
use crate::hub::{Encoded, Frame, Notice};

/// What a connection writes for an event that nobody has asked for in this style before.
#[must_use]
pub fn encode(frame: &Frame, style: Style) -> Encoded {
    chunked(&event_block(frame, style))
}

/// What a connection writes for a notice, made anew for each.
#[must_use]
pub fn encode_notice(notice: &Notice<'_>, style: Style) -> Encoded {
    chunked(&notice_block(notice, style, "0123456789abcdef"))
}
