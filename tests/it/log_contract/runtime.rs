//! A log that is called from other runtimes, and one that is trimmed for as long as the service runs.

use std::{sync::Arc, time::Duration};

use chaincast::{
    domain::Seq,
    log::{EventLog, OnRuntime, Retention, run_retention},
};
use tokio::{sync::oneshot, time::timeout};

use super::place::{Place, plains, publish, request};

#[test]
fn a_caller_that_goes_away_with_its_runtime_does_not_cancel_its_write() {
    let home = tokio::runtime::Runtime::new().expect("a runtime");
    let place = Place::sqlite();
    let (log, id) = home.block_on(place.open());
    let log: Arc<dyn EventLog> = Arc::new(OnRuntime::new(log, home.handle().clone()));

    let worker = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let caller = Arc::clone(&log);
    worker.block_on(async {
        let requests = [request(plains(0, 100))];
        let mut append = std::pin::pin!(caller.append(id, &requests));
        // polled once, so that it is under way, and then abandoned
        let _ = futures::poll!(append.as_mut());
    });
    drop(worker);

    let stored = async {
        while log.positions().await.expect("reads")[0].head != Seq::new(100) {
            tokio::task::yield_now().await;
        }
    };
    home.block_on(async { timeout(Duration::from_secs(10), stored).await.expect("the write runs to its end") });
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_trims_at_once_and_ends_at_shutdown() {
    let place = Place::sqlite();
    let (log, id) = place.open().await;
    publish(&log, id, request(plains(0, 10))).await;
    let (stop, stopped) = oneshot::channel::<()>();
    let retention = Retention { max_events: Some(4), ..Retention::default() };
    let trimming = run_retention(Arc::clone(&log), move |_| Some(retention), Duration::from_secs(3600), async {
        let _ = stopped.await;
    });
    let trimming = tokio::spawn(trimming);
    let trimmed = async {
        while log.positions().await.expect("reads")[0].earliest != Seq::new(7) {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), trimmed).await.expect("it trims");
    stop.send(()).expect("it still runs");
    timeout(Duration::from_secs(10), trimming).await.expect("it ends").expect("without a panic");
}
