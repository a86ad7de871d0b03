//! The composition root: the only place that picks adapters and joins the parts.
//!
//! Two kinds of threads. The runtime that [`App::build`] is called on owns the database, the committer, the sequencer and all timers; connections to
//! the store never leave it. actix's workers own HTTP and the shards; what they need of the log they ask for through [`OnRuntime`].
//!
//! **Drain, don't drop** (`drain_dont_drop_a_restart_is_told_and_resumed_without_loss`): on a stop the listener stays open while every stream is told
//! `hub.closing` over the drain window; then workers stop, what was accepted is committed, and the store is closed.

mod facts;
mod store;

use std::{
    future::{Future, ready},
    net::{SocketAddr, TcpListener},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use actix_http::HttpService;
use actix_service::{ServiceFactoryExt as _, fn_service, map_config};
use actix_web::{dev::AppConfig, web};
use anyhow::Context as _;
use tokio::{
    net::TcpStream,
    runtime::Handle,
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use self::facts::AppFacts;
use crate::{
    backplane::Local,
    config::Config,
    domain::LogName,
    http::{self, Following, Guard, InFlight, Openness, Origins, State},
    hub::{self, Hub, RingBounds},
    ingest::{self, Committer},
    log::{EventLog, OnRuntime, run_retention},
    sse::{DetachIo, Patience, SocketSettings, Terms, prepare_accepted},
    vital::vital,
};

/// Connections that the kernel may hold before they are accepted: a restart is followed by all clients at once.
const BACKLOG: i32 = 4096;
/// How long requests that are under way may take to end.
const REQUESTS_END_WITHIN: Duration = Duration::from_secs(10);
/// How long actix then waits for connections, all of which are idle.
const CONNECTIONS_END_WITHIN_SECONDS: u64 = 1;
/// How long what was accepted may take to be committed at the end.
const COMMITS_END_WITHIN: Duration = Duration::from_secs(15);
/// How often retention looks for what may go.
const RETENTION_INTERVAL: Duration = Duration::from_secs(15);
/// The most bytes of a request's head: room for tokens, cookies and a long filter.
const HEAD_BYTES: usize = 32 * 1024;
/// How long what is left of a refused body is read, so that the refusal is not lost to a reset.
const DISCONNECT_WITHIN: Duration = Duration::from_secs(2);
/// How long an idle connection is kept: longer than proxies and publishers keep theirs, so that they close first and lose no request.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How much longer our own patience with an idle connection is than actix's, which ends it more politely.
const KEEP_ALIVE_SLACK: Duration = Duration::from_secs(5);

/// The service, listening but not yet serving.
pub struct App {
    server: actix_server::Server,
    address: SocketAddr,
    hub: Arc<Hub>,
    in_flight: InFlight,
    log: Arc<dyn EventLog>,
    drain: Duration,
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
        let descriptors = rlimit::increase_nofile_limit(u64::MAX).context("raising the limit of open files")?;
        let listener = listen(config.server.listen)?;
        let address = listener.local_addr()?;
        let log: Arc<dyn EventLog> = Arc::new(OnRuntime::new(store::open(&config.log).await?, Handle::current()));
        let log_id = log.open(&LogName::new(LogName::DEFAULT)).await?;

        let (backplane, announcements) = Local::new();
        let hub = Arc::new(Hub::start(log.clone(), log_id, hub_settings(&config), announcements).await?);
        let (publisher, committer) = Committer::new(log.clone(), Arc::new(backplane), ingest::Settings::default());
        let stop = watch::Sender::new(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(vital("committer", committer.run(stopped(stop.subscribe()))));
        tasks.spawn(run_retention(log.clone(), log_id, config.log.retention(), RETENTION_INTERVAL, stopped(stop.subscribe())));
        let facts = AppFacts::new(hub.clone(), publisher.clone(), log.clone());
        tasks.spawn(facts.clone().sample(stopped(stop.subscribe())));

        let state = State {
            log: log.clone(),
            log_id,
            publisher: Arc::new(publisher),
            facts,
            ingest: config.ingest.limits(),
            max_selectors: config.hub.max_selectors,
        };
        let in_flight = InFlight::default();
        let server = serve(listener, &config, state, hub.clone(), in_flight.clone())?;
        announce_start(&config, address, &*log, descriptors);
        Ok(Self { server, address, hub, in_flight, log, drain: config.server.drain(), stop, tasks })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is over, then moves clients elsewhere and ends.
    ///
    /// # Errors
    /// When the accept loop fails.
    pub async fn run_until_stopped(self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let Self { server, hub, in_flight, log, drain, stop: stop_tasks, mut tasks, .. } = self;
        let handle = server.handle();
        let mut serving = tokio::spawn(server);
        tokio::select! {
            ended = &mut serving => {
                ended.context("the server's task died")??;
                anyhow::bail!("the server ended by itself");
            }
            () = stop => {}
        }
        tracing::info!(connections = hub.admission().now(), window_seconds = drain.as_secs(), "stopping: moving clients elsewhere");
        in_flight.close_connections();
        hub.drain(drain);
        // a little beyond the window, for the last ones to be let go of
        wait_until(drain + Duration::from_secs(1), || hub.admission().now() == 0).await;
        handle.pause().await;
        wait_until(REQUESTS_END_WITHIN, || in_flight.now() == 0).await;
        handle.stop(true).await;
        serving.await.context("the server's task died")??;
        stop_tasks.send_replace(true);
        let committed = timeout(COMMITS_END_WITHIN, async { while tasks.join_next().await.is_some() {} }).await;
        if committed.is_err() {
            tracing::error!("the store does not answer: stopping with publishers that were not told their outcome");
        }
        log.close().await;
        tracing::info!("stopped");
        Ok(())
    }
}

fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let open = || -> std::io::Result<TcpListener> {
        let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
        // a restart must not wait for connections of the last run to be forgotten
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(socket.into())
    };
    open().with_context(|| format!("cannot listen on {address}"))
}

fn hub_settings(config: &Config) -> hub::Settings {
    let settings = &config.hub;
    hub::Settings {
        ring: RingBounds { frames: settings.ring_events, bytes: settings.ring_bytes },
        max_connections: settings.max_connections,
        heartbeat: settings.heartbeat(),
        retry: settings.retry(),
        no_progress: settings.no_progress(),
        lifetime: settings.lifetime(),
        ..hub::Settings::default()
    }
}

/// What clients are held to until they follow a stream.
fn terms(config: &Config) -> Terms {
    let patience = Patience {
        head: config.server.request_head(),
        body: config.server.request_body(),
        idle: KEEP_ALIVE + KEEP_ALIVE_SLACK,
        unread: DISCONNECT_WITHIN,
        answer: config.server.answer(),
    };
    Terms { patience, head_bytes: HEAD_BYTES, refusals: http::refusals(HEAD_BYTES) }
}

fn serve(listener: TcpListener, config: &Config, state: State, hub: Arc<Hub>, in_flight: InFlight) -> anyhow::Result<actix_server::Server> {
    let openness = if config.access.insecure_open { Openness::Network } else { Openness::Loopback };
    let guard = Guard::new(openness, &config.access.hosts(), Origins::new(&config.access.origins()));
    let state = web::Data::new(state);
    // the shard looks at a blocked connection once a heartbeat, and has the first word
    let socket = SocketSettings::patient_for(config.hub.no_progress() + config.hub.heartbeat());
    let terms = terms(config);
    let server = actix_server::Server::build()
        .workers(config.server.workers)
        // streams are counted by the hub; this bounds what has not become one
        .max_concurrent_connections(config.hub.max_connections)
        .shutdown_timeout(CONNECTIONS_END_WITHIN_SECONDS)
        .disable_signals()
        .listen("http", listener, move || {
            // this runs once on each worker's thread
            let following = Following { hub: hub.clone(), shard: hub.attach(), socket };
            let app = http::app(state.clone(), guard.clone(), in_flight.clone()).app_data(following);
            let terms = Rc::new(terms.clone());
            fn_service(move |stream: TcpStream| {
                prepare_accepted(&stream, terms.patience);
                let peer = stream.peer_addr().ok();
                ready(Ok::<_, actix_http::error::DispatchError>((DetachIo::new(stream, terms.clone()), peer)))
            })
            .and_then(
                HttpService::build()
                    // the socket's own patience answers late heads, and not only the first
                    .client_request_timeout(Duration::ZERO)
                    .client_disconnect_timeout(DISCONNECT_WITHIN)
                    .keep_alive(KEEP_ALIVE)
                    .on_connect_ext(|io: &DetachIo, connection: &mut actix_http::Extensions| {
                        connection.insert(io.handle());
                    })
                    .h1(map_config(app, |_| AppConfig::default())),
            )
        })
        .context("cannot start the workers")?;
    Ok(server.run())
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // an error means that the app is gone, which is a stop as well
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Waits for `condition`, but no longer than `patience`.
async fn wait_until(patience: Duration, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + patience;
    while !condition() && Instant::now() < deadline {
        sleep(Duration::from_millis(20)).await;
    }
}

fn announce_start(config: &Config, address: SocketAddr, log: &dyn EventLog, descriptors: u64) {
    if config.access.insecure_open {
        tracing::warn!("CHAINCAST_INSECURE_OPEN is set: whoever reaches this port can publish and read");
    } else {
        tracing::info!("open mode: no credentials are configured, so only this machine is served");
    }
    let spare = 512 + config.server.workers as u64 * 8;
    if (config.hub.max_connections as u64).saturating_add(spare) > descriptors {
        tracing::warn!(
            descriptors,
            max_connections = config.hub.max_connections,
            "fewer files may be open than connections are allowed: raise `ulimit -n`"
        );
    }
    tracing::info!(workers = config.server.workers, store = log.kind(), "listening on http://{address}");
}

/// Starts a new numbering of the log that the settings name, which must exist: what a restore from a backup has to end with. Says what it did.
///
/// # Errors
/// When the store can't be opened or written.
pub async fn new_epoch(config: &Config, cause: &str) -> anyhow::Result<String> {
    let log = store::open_existing(&config.log).await?;
    let id = log.open(&LogName::new(LogName::DEFAULT)).await?;
    let epoch = log.new_epoch(id, cause).await?;
    let position = log.position(id).await?;
    log.close().await;
    let store = config.log.database()?;
    Ok(format!(
        "the log in {store} is numbered in epoch {epoch} from {} on; cursors beyond that are told that they are rewound",
        position.head.next()
    ))
}
