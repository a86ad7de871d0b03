//! The composition root: the only place that picks adapters and joins the parts.
//!
//! Two kinds of threads. The runtime that [`App::build`] is called on owns the database, the committer, the sequencers and all timers; connections to
//! the store never leave it. actix's workers own HTTP and the shards; what they need of the log they ask for through [`OnRuntime`].
//!
//! How a run ends is in `stop`.

mod access;
mod authority;
mod backplane;
mod cluster;
mod copy;
mod facts;
mod healthcheck;
mod keys;
mod lines;
mod operators;
mod serve;
mod settings;
mod stats;
mod stop;
mod store;
mod token;
mod words;

use std::{
    future::Future,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use tokio::{
    runtime::Handle,
    sync::{Semaphore, watch},
    task::JoinSet,
};

use self::{
    authority::Gate,
    backplane::Meeting,
    cluster::Cluster,
    facts::{AppFacts, Sources},
    serve::{guard, listen, serve},
};
pub use self::{
    copy::copy,
    healthcheck::healthcheck,
    keys::{Said, keys},
    lines::{export, import},
    settings::{Findings, check, faults},
    stats::stats,
    stop::STOP_ENDS_WITHIN,
    store::migrate,
    token::{show_token, token},
    words::words,
};
use crate::{
    backplane::Backplane,
    config::{Config, Database},
    domain::LogName,
    http::{Console, Guard, InFlight, Openness, Origins, State},
    hub::{self, Hubs, RingBounds},
    ingest::{self, Committer},
    log::{EventLog, OnRuntime, PostgresSettings, TrimCounts, run_retention, transfer::Source},
    telemetry::otlp::{self, Exporting},
    trace::Tracer,
    vital::vital,
};

/// How many of the largest publish requests may be read at once before it is known who signed them.
const UNVERIFIED_BODIES: usize = 12;
/// How often retention looks for what may go.
const RETENTION_INTERVAL: Duration = Duration::from_secs(15);

/// The service, listening but not yet serving.
pub struct App {
    server: actix_server::Server,
    operators: Option<actix_server::Server>,
    address: SocketAddr,
    /// The port, to close it before the server ends.
    listener: TcpListener,
    hubs: Arc<Hubs>,
    facts: Arc<AppFacts>,
    in_flight: InFlight,
    log: Arc<dyn EventLog>,
    backplane: Arc<dyn Backplane>,
    drain_delay: Duration,
    drain: Duration,
    exporting: Exporting,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl App {
    /// Opens the store, reads the log's tail, and listens.
    ///
    /// # Errors
    /// What is wrong with the settings, the store or the address, in words for whoever starts the service.
    pub async fn build(config: Config) -> anyhow::Result<Self> {
        config.check()?;
        let backplane = backplane::choose(&config)?;
        let exporting = otlp::start(&config.telemetry)?;
        let descriptors = rlimit::increase_nofile_limit(u64::MAX).context("raising the limit of open files")?;
        let listener = listen(config.server.listen)?;
        let address = listener.local_addr()?;
        let admin_listener = config.server.admin_listen.map(listen).transpose()?;
        let store = store::open(&config.log).await?;
        let on_runtime = Arc::new(OnRuntime::new(store.clone(), Handle::current()));
        let log: Arc<dyn EventLog> = on_runtime.clone();
        let (access, tokens) = access::start(on_runtime.clone(), &config).await?;
        config.check_openness(access.is_open())?;

        let Meeting { backplane, inbox, places } = backplane::meet(backplane, &*on_runtime).await?;
        let hubs = Hubs::start(log.clone(), hub_settings(&config, exporting.tracer()), inbox.announcements, config.hub.max_tenants).await?;
        hubs.hear_through(&backplane);
        let (publisher, committer) = Committer::new(log.clone(), backplane.clone(), ingest::Settings::default());
        let committer = committer.traced_by(exporting.tracer().clone());
        let stop = watch::Sender::new(false);
        let mut tasks = JoinSet::new();
        access::spawn(&mut tasks, &access, tokens, &hubs, &stop);
        tasks.spawn(vital("committer", committer.run(stopped(stop.subscribe()))));
        let retention = {
            let (hubs, default) = (hubs.clone(), config.log.retention());
            move |log| hubs.retention_of(log, default)
        };
        // the store itself: a trim that has had its turn must end, which a call on another runtime would not
        let trims = Arc::<TrimCounts>::default();
        tasks.spawn(run_retention(store, retention, RETENTION_INTERVAL, trims.clone(), stopped(stop.subscribe())));
        let facts = AppFacts::new(
            hubs.clone(),
            Sources {
                publisher: publisher.clone(),
                log: log.clone(),
                backplane: backplane.clone(),
                retention: config.log.retention(),
                trims,
            },
        );
        tasks.spawn(facts.clone().sample(stopped(stop.subscribe())));

        let cluster = {
            let here = facts.clone();
            Cluster::new(backplane.clone(), move |log, whole_instance| here.own(log, whole_instance))
        };
        tasks.spawn(unless_stopped(cluster.clone().answer(inbox.questions), stopped(stop.subscribe())));

        let state = State {
            log: log.clone(),
            authority: Arc::new(Gate(access.clone())),
            credentials: access::credential_settings(&config),
            scrutiny: access::scrutiny(&config, &access, places, &mut tasks, &stop),
            deliver_per_second: config.limits.deliver_per_second(),
            logs: hubs.clone(),
            publisher: Arc::new(publisher),
            facts: facts.clone(),
            cluster,
            ingest: config.ingest.limits(),
            // a dozen of the largest requests at once, whatever else the instance has to hold
            unverified: Arc::new(Semaphore::new((config.ingest.limits().batch_bytes / 1024 + 1) * UNVERIFIED_BODIES)),
            max_selectors: config.hub.max_selectors,
            tracer: exporting.tracer().clone(),
        };
        let in_flight = InFlight::default();
        let guard = guard(&config, access.is_open());
        let console = operators::console(&state, access.clone(), guard.clone());
        let (console, operators) = match admin_listener {
            None => (Some(console), None),
            Some(listener) => {
                let address = listener.local_addr()?;
                // metrics need no credential there: a page must not reach them by a name of its own
                let openness = if address.ip().is_loopback() { Openness::Loopback } else { Openness::Network };
                let guard = Guard::new(openness, &config.access.hosts(), Origins::new(&config.access.origins()));
                let console = Console { guard, ..console };
                let server = operators::serve(listener, state.clone(), console, in_flight.clone(), config.server.request_head())?;
                tracing::info!("operators are served on http://{address}, and nowhere else");
                (None, Some(server))
            }
        };
        let port = listener.try_clone()?;
        let server = serve(port, &config, state, console, guard, hubs.clone(), in_flight.clone())?;
        announce_start(&config, address, &*log, descriptors, access.is_open());
        let (drain_delay, drain) = (config.server.drain_delay(), config.server.drain());
        Ok(Self {
            server,
            operators,
            address,
            listener,
            hubs,
            facts,
            in_flight,
            log,
            backplane,
            drain_delay,
            drain,
            exporting,
            stop,
            tasks,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

fn hub_settings(config: &Config, tracer: &Tracer) -> hub::Settings {
    let settings = &config.hub;
    hub::Settings {
        ring: RingBounds { frames: settings.ring_events, bytes: settings.ring_bytes },
        max_connections: settings.max_connections,
        max_connections_per_log: config.limits.max_connections_per_tenant(),
        heartbeat: settings.heartbeat(),
        retry: settings.retry(),
        no_progress: settings.no_progress(),
        lifetime: settings.lifetime(),
        tracer: tracer.clone(),
        ..hub::Settings::default()
    }
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // an error means that the app is gone, which is a stop as well
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Works until it is done, or `stop` is over.
async fn unless_stopped(work: impl Future<Output = ()>, stop: impl Future<Output = ()>) {
    tokio::select! {
        () = work => {}
        () = stop => {}
    }
}

fn announce_start(config: &Config, address: SocketAddr, log: &dyn EventLog, descriptors: u64, open: bool) {
    if config.access.insecure_open {
        tracing::warn!("CHAINCAST_INSECURE_OPEN is set: whoever reaches this port can publish and read");
    } else if open {
        tracing::info!("open mode: no credentials are configured, so only this machine is served");
    } else {
        tracing::info!("credentials are asked for: tokens as they are configured, and the keys in the store");
    }
    let spare = 512 + config.server.workers() as u64 * 8;
    if (config.hub.max_connections as u64).saturating_add(spare) > descriptors {
        tracing::warn!(
            descriptors,
            max_connections = config.hub.max_connections,
            "fewer files may be open than connections are allowed: raise `ulimit -n`"
        );
    }
    tracing::info!(workers = config.server.workers(), store = log.kind(), "listening on http://{address}");
}

/// What a new numbering says besides, of a store that was not at rest.
const IN_USE: &str = "\n\
    the store is in use, most likely by a running service: whoever read from it between the restore and now may have skipped events without being told. \
    After a restore, stop every service, run this, and only then start them";

/// Starts a new numbering of every log in the store that the settings name, which must exist: what a restore from a backup has to end with. Says what
/// it did.
///
/// # Errors
/// When the store can't be opened or written.
pub async fn new_epoch(config: &Config, cause: &str) -> anyhow::Result<String> {
    // before it is opened here; what cannot be found out, opening it tells better
    let is_in_use = match config.log.database()? {
        Database::Sqlite(path) => path.exists() && Source::is_sqlite_in_use(&path).await.unwrap_or(false),
        Database::Postgres(url) => Source::is_postgres_in_use(&url, &PostgresSettings::default()).await.unwrap_or(false),
    };
    let log = store::open_existing(&config.log).await?;
    let default = log.open(&LogName::new(LogName::DEFAULT)).await?;
    let positions = log.positions().await?;
    for (done, position) in positions.iter().enumerate() {
        let numbered = log.new_epoch(position.log, cause).await;
        numbered.with_context(|| format!("{done} of {} logs are numbered anew; run this again", positions.len()))?;
    }
    let position = log.position(default).await?;
    log.close().await;
    let (store, logs) = (config.log.database()?, positions.len());
    Ok(format!(
        "{logs} {} in {store}, numbered anew; `default` in epoch {} from {} on; cursors beyond what is there are told that they are rewound{}",
        if logs == 1 { "log" } else { "logs" },
        position.epoch,
        position.head.next(),
        if is_in_use { IN_USE } else { "" }
    ))
}
