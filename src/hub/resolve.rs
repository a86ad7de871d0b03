//! From what a client presents to where it begins, before its connection leaves the handler.

use crate::{
    domain::{Cursor, EpochChain, Resolved, Seq, Start},
    log::{EventLog, LogError, LogId},
};

use super::{Beginning, Gap, GapReason, View};

/// Why a start can't be placed.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The log had to be asked, and could not be.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Places `start` in the log.
///
/// A cursor of a numbering that is known here, at or below the position, costs no query: that is every reconnect of a storm. One that
/// is beyond it may come from an instance that is ahead, so the log itself is asked.
///
/// # Errors
/// [`ResolveError::Log`] when that was needed and failed.
pub async fn resolve(start: Start, view: &View, log: &dyn EventLog, id: LogId) -> Result<Beginning, ResolveError> {
    let chain = view.chain();
    let cursor = match start {
        Start::Now => return Ok(Beginning::Now),
        Start::Earliest => return Ok(at(chain.current(), view.earliest().before(), None)),
        Start::Since(time) => {
            let seq = log.seq_before(id, time).await?;
            return Ok(at(chain.current(), seq, None));
        }
        Start::Seq(seq) => Cursor { epoch: chain.current(), seq },
        Start::Cursor(cursor) => cursor,
    };
    if chain.contains(cursor.epoch) && cursor.seq <= view.position() {
        return Ok(place(cursor, &chain, view.position(), view.earliest()));
    }
    let chain = log.epochs(id).await?;
    let position = log.positions().await?.into_iter().find(|position| position.log == id);
    let position = position.ok_or_else(|| LogError::Internal("the log is gone from its store".to_owned()))?;
    let cursor = match start {
        Start::Seq(seq) => Cursor { epoch: chain.current(), seq },
        _ => cursor,
    };
    Ok(place(cursor, &chain, position.head, position.earliest))
}

fn at(epoch: crate::domain::Epoch, seq: Seq, gap: Option<Gap>) -> Beginning {
    Beginning::At { cursor: Cursor { epoch, seq }, gap }
}

/// Where a cursor begins in a log that is known, with the gap that this leads to.
fn place(cursor: Cursor, chain: &EpochChain, head: Seq, earliest: Seq) -> Beginning {
    let epoch = chain.current();
    let last_gone = earliest.before();
    let (seq, rewound) = match chain.resolve(cursor, head) {
        Resolved::Good(seq) => (seq, None),
        Resolved::Rewound { resume } => (resume, Some(cursor.seq.since(resume))),
    };
    let resume = seq.max(last_gone);
    let trimmed = resume.since(seq);
    let gap = match (rewound, trimmed) {
        (None, 0) => None,
        (None, lost) => Some((GapReason::Trimmed, lost)),
        (Some(void), trimmed) => Some((GapReason::Rewound, void + trimmed)),
    };
    at(epoch, resume, gap.map(|(reason, lost)| Gap { reason, requested: cursor, resumed: Cursor { epoch, seq: resume }, lost }))
}
