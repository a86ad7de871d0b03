//! From what a client presents to where it begins, before its connection leaves the handler.

use crate::{
    domain::{Cursor, Epoch, EpochChain, Seq, Start},
    log::{EventLog, LogError, LogId},
};

use super::{Beginning, View};

/// Places `start` in the log.
///
/// A cursor of a numbering that is known here, at or below the position, costs no query: that is every reconnect of a storm. One that
/// is beyond it may come from an instance that is ahead, so the log itself is asked.
///
/// # Errors
/// [`LogError`] when that was needed and failed.
pub async fn resolve(start: Start, view: &View, log: &dyn EventLog, id: LogId) -> Result<Beginning, LogError> {
    // the position first, and once: after a rewind a lower one beside the chain from before it would make good cursors void
    let position = view.position();
    let chain = view.chain();
    let cursor = match start {
        Start::Now => return Ok(Beginning::Now),
        Start::Earliest => return Ok(at(chain.current(), view.earliest().before())),
        Start::Since(time) => {
            let seq = log.seq_before(id, time).await?;
            return Ok(at(chain.current(), seq));
        }
        Start::Seq(seq) => Cursor { epoch: chain.current(), seq },
        Start::Cursor(cursor) => cursor,
    };
    if let Some(beginning) = recall(cursor, &chain, position) {
        return Ok(beginning);
    }
    let chain = log.epochs(id).await?;
    let position = log.position(id).await?;
    let cursor = match start {
        Start::Seq(seq) => Cursor { epoch: chain.current(), seq },
        _ => cursor,
    };
    Ok(place(cursor, &chain, position.head))
}

fn at(epoch: Epoch, seq: Seq) -> Beginning {
    Beginning::At { cursor: Cursor { epoch, seq }, presented: None, rewound: None }
}

/// Where a cursor is that can be placed by what is known here.
pub(super) fn recall(cursor: Cursor, chain: &EpochChain, position: Seq) -> Option<Beginning> {
    (chain.contains(cursor.epoch) && cursor.seq <= position).then(|| place(cursor, chain, position))
}

/// Where a cursor is in a log of these epochs that ends at `head`.
pub(super) fn place(presented: Cursor, chain: &EpochChain, head: Seq) -> Beginning {
    let (cursor, rewound) = chain.place(presented, head);
    Beginning::At { cursor, presented: Some(presented), rewound }
}
