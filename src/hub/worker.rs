//! A shard's task: one for each worker thread, which feeds the shard's state machine and yields between slices.
//!
//! It ends with its hub; whoever follows keeps the hub, so that nobody is left by then.
//!
//! It holds no borrow of the shard across an await, since handlers on the same thread subscribe in between.

use std::{
    cell::RefCell,
    rc::{Rc, Weak},
    sync::Arc,
    time::Instant,
};

use tokio::{
    sync::{mpsc, watch},
    task::yield_now,
    time::{MissedTickBehavior, interval},
};

use super::{
    Outlet, Request,
    orders::Orders,
    replay::{Answer, Answers, Replays},
    shard::{Shard, TICK, Update},
};
use crate::vital::{vital, vital_call};

/// Answers taken at once.
const ANSWERS: usize = 256;

/// A worker's shard, for the handlers of the same thread.
#[derive(Debug)]
pub struct ShardHandle<O: Outlet>(Rc<RefCell<Shard<O>>>);

impl<O: Outlet> Clone for ShardHandle<O> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<O: Outlet> ShardHandle<O> {
    /// Hands a connection over to the shard.
    pub fn subscribe(&self, request: Request, outlet: O) {
        // runs in the handler's task, whose panics are caught: a shard that broke here would live on
        vital_call("shard", || self.0.borrow_mut().subscribe(request, outlet, Instant::now()));
    }

    /// The same without keeping the shard.
    pub(super) fn downgrade(&self) -> WeakShard<O> {
        WeakShard(Rc::downgrade(&self.0))
    }
}

/// A shard for as long as its task runs.
#[derive(Debug)]
pub(super) struct WeakShard<O: Outlet>(Weak<RefCell<Shard<O>>>);

impl<O: Outlet> WeakShard<O> {
    /// The shard, if it is still there.
    pub(super) fn upgrade(&self) -> Option<ShardHandle<O>> {
        self.0.upgrade().map(ShardHandle)
    }
}

/// What a shard's task is fed with.
pub(super) struct Feeds {
    pub(super) updates: mpsc::Receiver<Update>,
    pub(super) answers: mpsc::UnboundedReceiver<Answer>,
    pub(super) answer_to: Answers,
    pub(super) replays: Replays,
    /// Closed when the hub is gone.
    pub(super) orders: watch::Receiver<Orders>,
}

/// Starts the task of `shard` on this thread.
pub(super) fn spawn<O: Outlet>(mut shard: Shard<O>, mut feeds: Feeds) -> ShardHandle<O> {
    // what was ordered before is no news to the task, and somebody may subscribe before it runs
    shard.heed(*feeds.orders.borrow_and_update(), Instant::now());
    let shard = Rc::new(RefCell::new(shard));
    tokio::task::spawn_local(vital("shard", run(shard.clone(), feeds)));
    ShardHandle(shard)
}

async fn run<O: Outlet>(shard: Rc<RefCell<Shard<O>>>, mut feeds: Feeds) {
    let ready = Arc::clone(shard.borrow().ready());
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let (busy, dispatching) = {
            let shard = shard.borrow();
            (shard.has_work(), shard.is_dispatching())
        };
        tokio::select! {
            biased;
            _ = ticks.tick() => shard.borrow_mut().tick(Instant::now()),
            changed = feeds.orders.changed() => {
                if changed.is_err() {
                    return;
                }
                let orders = *feeds.orders.borrow_and_update();
                shard.borrow_mut().heed(orders, Instant::now());
            }
            Some(answer) = feeds.answers.recv() => {
                let mut shard = shard.borrow_mut();
                // a turn takes both, or thousands of replays would keep news from those who are live
                if !dispatching && let Ok(update) = feeds.updates.try_recv() {
                    shard.on_update(update);
                }
                shard.on_answer(answer, Instant::now());
                // a page that thousands share comes to each of them
                for _ in 1..ANSWERS {
                    let Ok(answer) = feeds.answers.try_recv() else { break };
                    shard.on_answer(answer, Instant::now());
                }
            }
            Some(update) = feeds.updates.recv(), if !dispatching => shard.borrow_mut().on_update(update),
            () = ready.woken(), if !busy => {}
            () = yield_now(), if busy => {}
        }
        let asks = {
            let mut shard = shard.borrow_mut();
            shard.slice(Instant::now());
            shard.take_asks()
        };
        for ask in asks {
            feeds.replays.ask(ask, feeds.answer_to.clone());
        }
        // accepts and requests must not wait for a flood to end
        yield_now().await;
    }
}
