//! What the instances of a suite meet at.

use std::sync::Arc;

use chaincast::backplane::{Backplane, Inbox, Link, LinkSettings, RedisUrl};

use crate::support::redis::{RedisCluster, RedisServer};

/// An adapter's server, of one test's own.
pub(super) trait Server: Sized {
    /// Whether events travel with announcements.
    const CARRIES_EVENTS: bool;

    async fn start() -> Self;
    /// Starts an instance's side.
    fn link(&self, settings: &LinkSettings) -> (Arc<dyn Backplane>, Inbox);
    /// Ends it and all connections with it.
    fn stop(&mut self);
    /// Starts it where it was.
    async fn start_again(&mut self);
    /// It takes no part any more, without closing anything.
    fn halt(&self);
    fn resume(&self);
}

/// One Redis, with a password.
pub(super) struct Redis(pub(super) RedisServer);

fn over_redis(url: &str, settings: &LinkSettings) -> (Arc<dyn Backplane>, Inbox) {
    let (link, inbox) = Link::over_redis(&RedisUrl::parse(url).expect("well formed"), settings);
    (link, inbox)
}

impl Server for Redis {
    const CARRIES_EVENTS: bool = true;

    async fn start() -> Self {
        Self(RedisServer::with_password("hunter2").await)
    }

    fn link(&self, settings: &LinkSettings) -> (Arc<dyn Backplane>, Inbox) {
        over_redis(&self.0.url(), settings)
    }

    fn stop(&mut self) {
        self.0.stop();
    }

    async fn start_again(&mut self) {
        self.0.start_again().await;
    }

    fn halt(&self) {
        self.0.halt();
    }

    fn resume(&self) {
        self.0.resume();
    }
}

/// A Redis cluster, of which instances are told one node.
pub(super) struct Cluster(pub(super) RedisCluster);

impl Server for Cluster {
    const CARRIES_EVENTS: bool = true;

    async fn start() -> Self {
        Self(RedisCluster::start().await)
    }

    fn link(&self, settings: &LinkSettings) -> (Arc<dyn Backplane>, Inbox) {
        over_redis(&self.0.url(), settings)
    }

    fn stop(&mut self) {
        self.0.nodes.iter_mut().for_each(RedisServer::stop);
    }

    async fn start_again(&mut self) {
        for node in &mut self.0.nodes {
            node.start_again().await;
        }
        self.0.is_whole().await;
    }

    fn halt(&self) {
        self.0.nodes.iter().for_each(RedisServer::halt);
    }

    fn resume(&self) {
        self.0.nodes.iter().for_each(RedisServer::resume);
    }
}
