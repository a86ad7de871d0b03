//! One process: what is announced comes back to it, and nobody else is there.

use std::{sync::Arc, time::Duration};

use chaincast::backplane::{Answers, Local};

use super::instance::{Instance, events, grown};

#[tokio::test]
async fn what_is_announced_arrives_in_order_and_more_than_fits_is_lost() {
    let (local, inbox) = Local::new();
    let mut alone = Instance { backplane: Arc::new(local), inbox };
    alone.follow(&[]);
    for seq in 1..=Local::INBOX as u64 + 10 {
        alone.announce(grown(1, events(seq..=seq, 10)));
    }
    for seq in 1..=Local::INBOX as u64 {
        assert_eq!(alone.hears().await.events, events(seq..=seq, 10));
    }
    assert!(alone.inbox.announcements.try_recv().is_err());
    assert_eq!(alone.backplane.ask(b"?".to_vec(), Duration::from_secs(60)).await, Answers::default());
    assert!(alone.status().is_connected);
}
