//! What a client is held to until its connection is a stream: how long it may take for what, and what it is told when it takes longer.
//!
//! Kept by [`super::DetachIo`]. After that the hub's own patience holds.

use std::{
    cell::RefCell,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep_until};

/// The terms of every connection.
#[derive(Clone, Debug)]
pub struct Terms {
    /// How long what may take.
    pub patience: Patience,
    /// The most bytes of a request's head.
    pub head_bytes: usize,
    /// What is said to requests that never reach a handler.
    pub refusals: Refusals,
}

/// How long a client may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For the head of a request: the first from when the connection was accepted, a later one from its first byte.
    pub head: Duration,
    /// For the body of a request.
    pub body: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// To see an answer to a request of which not all was read, before the connection is closed: closing at once could lose the answer.
    pub unread: Duration,
    /// Without taking anything of an answer.
    pub answer: Duration,
}

/// Whole responses, each of which closes the connection.
#[derive(Clone, Debug)]
pub struct Refusals {
    /// To what is no HTTP.
    pub malformed: Bytes,
    /// To a head that is too long.
    pub too_large: Bytes,
    /// To a head that does not arrive in time.
    pub late: Bytes,
}

/// One timer for deadlines that move: set at the first that is waited for, and again only when it has rung, or when one comes before it.
///
/// Deadlines move with every request, and mostly away: setting a timer each time would take the lock of tokio's timers for nothing.
#[derive(Debug, Default)]
pub(super) struct Alarm(RefCell<Option<Pin<Box<Sleep>>>>);

impl Alarm {
    /// Whether `deadline` is over; if not, the task is woken then.
    pub(super) fn poll_until(&self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if Instant::now() >= deadline {
            return Poll::Ready(());
        }
        let mut sleep = self.0.borrow_mut();
        let sleep = sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if sleep.deadline() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn an_alarm_rings_at_the_deadline_that_was_asked_for_last() {
        let (alarm, began) = (Alarm::default(), Instant::now());
        for milliseconds in [30, 60, 20, 90] {
            let deadline = began + Duration::from_millis(milliseconds);
            // one far away is asked for first, as when a phase ends and a shorter one begins
            assert!(poll_fn(|cx| Poll::Ready(alarm.poll_until(deadline + Duration::from_secs(500), cx))).await.is_pending());
            poll_fn(|cx| alarm.poll_until(deadline, cx)).await;
            assert!(Instant::now() >= deadline, "{milliseconds}");
        }
    }
}
