//! A numbering that a copy starts, because the source had yet to start one.
//!
//! A store that was put back from a backup, or a replica that was promoted without the last commits, has given out numbers that it no longer knows of.
//! It notices with the next append to a log, by what tells it from the store that wrote the head; a copy has nothing of that, and would give
//! those numbers out again under the same epoch. So each log that the source has not settled is numbered anew behind its head
//! (`a_promoted_replica_that_is_copied_at_once_does_not_give_lost_numbers_out_again`).

use super::Row;
use crate::{
    domain::{Epoch, Timestamp},
    log::access::calls::Value,
};

/// Where a head row, and a link of the chain, have what is looked at or changed here.
const EPOCH_OF_HEAD: usize = 4;
const ORDINAL_OF_LINK: usize = 1;

/// The numbering that a log gets.
pub(super) struct Renewal {
    epoch: Epoch,
    at: Timestamp,
    pub(super) cause: &'static str,
}

impl Renewal {
    pub(super) fn new(cause: &'static str) -> Self {
        Self { epoch: Epoch::new(fastrand::u32(..)), at: Timestamp::now(), cause }
    }

    /// Makes it the one in which the log goes on.
    pub(super) fn enter(&self, head: &mut Row) {
        if let Some(epoch) = head.get_mut(EPOCH_OF_HEAD) {
            *epoch = number(self.epoch.to_column());
        }
    }

    /// Its link in the chain of a log, behind the last that there is.
    pub(super) fn link(&self, log: i64, head: i64, last: Option<&Row>) -> Row {
        let ordinal = match last.and_then(|link| link.get(ORDINAL_OF_LINK)) {
            Some(Value::Number(Some(ordinal))) => ordinal + 1,
            _ => 0,
        };
        let cause = Value::Text(Some(self.cause.to_owned()));
        vec![number(log), number(ordinal), number(self.epoch.to_column()), number(head + 1), cause, number(self.at.as_micros())]
    }
}

fn number(number: i64) -> Value {
    Value::Number(Some(number))
}
