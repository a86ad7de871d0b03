//! The scene of every fault: instances, each behind a proxy of its own to each server, publishers, and the crowd; and how it ends.

use std::{sync::Mutex, time::Duration};

use futures::future::join_all;
use serde_json::Value;
use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;
use tokio::{
    sync::MutexGuard,
    time::{Instant, sleep},
};

use super::{
    crowd::Crowd,
    ledger::{Log, Told, judge_log},
    load::{Load, light_beacon},
    record::Record,
    row::{self, Figures},
    setup::{Home, Room, Setup, Size, turn},
    transcript::judge_transcript,
    verdict::Verdict,
};
use crate::support::{
    fault_proxy::{FaultProxy, Mode},
    http::Http,
    lossy_redis::LossyRedis,
    postgres::Cluster,
    process::{Service, Settings},
    redis::RedisServer,
    store::Store,
    wait::eventually,
};

/// A running scenario.
pub(super) struct Scene {
    pub(super) size: Size,
    pub(super) setup: Setup,
    pub(super) instances: Vec<Instance>,
    pub(super) crowd: Crowd,
    pub(super) load: Load,
    pub(super) home: Home,
    /// Where instances meet; nothing where there is only one.
    pub(super) redis: Option<RedisServer>,
    /// What the log had of its present numbering before retention took it.
    pub(super) remembered: Option<Record>,
    /// The log of a primary that is gone with its last commits.
    pub(super) gone: Option<Record>,
    _turn: MutexGuard<'static, ()>,
}

/// One of the instances.
pub(super) struct Instance {
    pub(super) service: Service,
    pub(super) http: Http,
    /// Nothing where the store is a file.
    to_postgres: Option<FaultProxy>,
    to_redis: Option<ToRedis>,
}

/// An instance's way to Redis: what breaks connections, before what spoils messages.
pub(super) struct ToRedis {
    pub(super) proxy: FaultProxy,
    pub(super) lossy: LossyRedis,
}

impl Scene {
    /// On a database of the test server.
    pub(super) async fn start(setup: Setup) -> Self {
        let turn = turn().await;
        let store = Store::postgres().await;
        Self::start_on(setup, Home::Shared(store), turn).await
    }

    /// On a server of its own.
    pub(super) async fn start_with_server(setup: Setup) -> Self {
        let turn = turn().await;
        Self::start_on(setup, Home::Own(tokio::task::block_in_place(Cluster::start)), turn).await
    }

    /// One instance on a file, whose room ends by one of these means.
    pub(super) async fn start_on_disk(mut setup: Setup, room: Room) -> Self {
        let turn = turn().await;
        setup.instances = 1;
        let dir = TempDir::new().expect("a temporary directory");
        let settings = setup.settings(&format!("sqlite://{}/log.db", dir.path().display()));
        let settings = match room {
            Room::Disk { megabytes } => settings.on_a_disk_of_its_own(dir.path(), megabytes),
            Room::Limit => settings.that_survives_file_limits(),
        };
        let instance = Instance::start(settings, None, None).await;
        Self::with(setup, Home::Disk(dir), None, vec![instance], turn).await
    }

    async fn start_on(setup: Setup, home: Home, turn: MutexGuard<'static, ()>) -> Self {
        let redis = RedisServer::start().await;
        let mut instances = Vec::new();
        for nr in 0..setup.instances {
            let (to_postgres, to_redis) = (FaultProxy::before(&home.url()).await, ToRedis::start(&redis.url(), nr as u64).await);
            let settings = setup.settings(&to_postgres.url()).with("REDIS_URL", to_redis.proxy.url());
            instances.push(Instance::start(settings, Some(to_postgres), Some(to_redis)).await);
        }
        Self::with(setup, home, Some(redis), instances, turn).await
    }

    async fn with(setup: Setup, home: Home, redis: Option<RedisServer>, instances: Vec<Instance>, turn: MutexGuard<'static, ()>) -> Self {
        let size = Size::wanted();
        let addrs: Vec<_> = instances.iter().map(|instance| instance.service.addr()).collect();
        let crowd = Crowd::gather(&addrs, size.subscribers, setup.slow).await;
        let load = Load::start(&addrs, size.publishers, size.pace, setup.padding);
        load.acknowledged_more(size.events).await;
        Self { size, setup, instances, crowd, load, home, redis, remembered: None, gone: None, _turn: turn }
    }

    /// The server that is this scenario's own.
    pub(super) fn server(&self) -> &Cluster {
        match &self.home {
            Home::Own(cluster) => cluster,
            _ => panic!("a server that others use as well"),
        }
    }

    /// Waits until every instance listens to Redis.
    pub(super) async fn is_met_through_redis(&self) {
        let Some(redis) = &self.redis else { return };
        eventually("every instance listens to Redis", async || {
            let subscribed = redis.subscribed()?;
            if subscribed >= self.instances.len() { Ok(()) } else { Err(format!("{subscribed} do")) }
        })
        .await;
    }

    /// How long a fault lasts, once it is felt.
    pub(super) async fn lasts(&self) {
        sleep(self.size.fault).await;
    }

    /// Waits until the fault has been met as often as there are publishers: it stops everyone.
    pub(super) async fn stops_publishing(&self) {
        self.load.refused_more(self.size.publishers).await;
    }

    /// Publishes some more on every instance, waits for everyone, and judges. `healed` is when the fault was over.
    pub(super) async fn verdict(mut self, healed: Instant) -> Verdict {
        let beacons = Mutex::new(Told::default());
        let lit = self.instances.iter().enumerate().map(|(nr, instance)| {
            let (http, told) = (&instance.http, &beacons);
            async move { light_beacon(http, &format!("beacon-{nr}"), told).await }
        });
        for cursor in join_all(lit).await {
            self.crowd.reached(&cursor).await;
        }
        let recovery = healed.elapsed();
        self.load.acknowledged_more(self.size.events).await;
        self.is_met_through_redis().await;
        let (mut told, unacknowledged) = self.load.stop().await;
        let last = light_beacon(&self.instances[0].http, "beacon-last", &beacons).await;
        self.crowd.reached(&last).await;
        for instance in &mut self.instances {
            assert!(instance.service.is_running(), "{}", self.setup.fault);
        }
        told.merge(beacons.into_inner().expect("no one panicked under it"));

        let copy = TempDir::new().expect("a temporary directory");
        let url = self.home.url_to_read(self.instances[0].service.pid(), copy.path());
        let mut now = Record::read(&url, 0).await;
        if let Some(earlier) = self.remembered {
            now.remember(earlier);
        }
        let log = Log { now, gone: self.gone };
        let mut verdict = judge_log(&log, &told);
        let (connections, subscribers) = (self.crowd.connections(), self.size.subscribers);
        for transcript in self.crowd.disperse().await {
            verdict.add(judge_transcript(&log, &transcript.query, &transcript.frames));
        }
        let (instances, refused, postgres) = (self.instances.len(), told.refused, version(&url).await);
        let redis = self.redis.as_ref().map(RedisServer::version);
        let figures = Figures { instances, subscribers, connections, refused, recovery, unacknowledged, postgres, redis };
        row::write(&self.setup, &figures, &verdict);
        assert!(verdict.is_clean(), "{}: {verdict:#?}", self.setup.fault);
        assert!(verdict.delivered > 0 && verdict.acknowledged > 2 * self.size.events, "nothing was under way: {verdict:?}");
        assert!(log.gone.is_some() || verdict.told_rewound + verdict.lost_by_store == 0, "nothing was rewound: {verdict:?}");
        verdict
    }
}

impl Instance {
    async fn start(settings: Settings, to_postgres: Option<FaultProxy>, to_redis: Option<ToRedis>) -> Self {
        let service = Service::start(settings).await;
        let http = Http::new(service.addr());
        Self { service, http, to_postgres, to_redis }
    }

    /// Its way to Postgres.
    pub(super) fn to_postgres(&self) -> &FaultProxy {
        self.to_postgres.as_ref().expect("the store is a server")
    }

    /// Its way to Redis.
    pub(super) fn to_redis(&self) -> &ToRedis {
        self.to_redis.as_ref().expect("instances meet through Redis")
    }

    /// Cuts it off from Postgres, and waits until it says so.
    pub(super) async fn cut_from_postgres(&self, mode: Mode) {
        self.to_postgres().set(mode);
        eventually("felt", async || {
            let health: Value = self.http.get("/health").await.json();
            if health["status"] == "healthy" { Err(health.to_string()) } else { Ok(()) }
        })
        .await;
    }
}

impl ToRedis {
    async fn start(url: &str, seed: u64) -> Self {
        let lossy = LossyRedis::before(url, seed).await;
        Self { proxy: FaultProxy::before(&lossy.url()).await, lossy }
    }
}

/// What the server calls its version; nothing for a file.
async fn version(url: &str) -> Option<String> {
    if url.starts_with("sqlite://") {
        return None;
    }
    let mut server = PgConnection::connect(url).await.expect("the server is there");
    Some(sqlx::query_scalar("SHOW server_version").fetch_one(&mut server).await.expect("servers know their version"))
}

/// How often a scenario looks at a condition of its own making.
pub(super) const LOOK: Duration = Duration::from_millis(20);
