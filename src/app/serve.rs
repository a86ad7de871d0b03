//! The port, and the workers behind it: the only place that puts actix together.
//!
//! Every socket is ours under actix ([`DetachIo`]), held to the [`Terms`] until its stream leaves for the worker's shard.

use std::{
    future::ready,
    net::{Shutdown, SocketAddr, TcpListener},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use actix_http::HttpService;
use actix_server::ServerHandle;
use actix_service::{ServiceFactoryExt as _, fn_service, map_config};
use actix_web::{dev::AppConfig, web};
use anyhow::Context as _;
use tokio::{net::TcpStream, time::sleep};

use crate::{
    config::Config,
    http::{self, Console, Following, Guard, InFlight, Openness, Origins, State},
    hub::Hubs,
    sse::{DetachIo, Patience, SocketSettings, Terms, prepare_accepted},
};

/// Connections that the kernel may hold before they are accepted: a restart is followed by all clients at once.
const BACKLOG: i32 = 4096;
/// How long the accept loop may take to see that it is to pause.
const ACCEPT_LOOP_TURN: Duration = Duration::from_millis(20);
/// How long actix then waits for connections, all of which are idle.
pub(super) const CONNECTIONS_END_WITHIN_SECONDS: u64 = 1;
/// The most bytes of a request's head: room for tokens, cookies and a long filter.
const HEAD_BYTES: usize = 32 * 1024;
/// How long what is left of a refused body is read, so that the refusal is not lost to a reset.
pub(super) const DISCONNECT_WITHIN: Duration = Duration::from_secs(2);
/// How long an idle connection is kept: longer than proxies and publishers keep theirs, so that they close first and lose no request.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How much longer our own patience with an idle connection is than actix's, which ends it more politely.
const KEEP_ALIVE_SLACK: Duration = Duration::from_secs(5);

/// Takes the port, before anything that may take long.
pub(super) fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
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

/// Closes the port before the server ends. A server that only pauses leaves those who come in the kernel's queue, where nobody serves them; a port that
/// is closed has a proxy go to another instance at once.
pub(super) async fn close(server: &ServerHandle, listener: TcpListener) {
    server.pause().await;
    // the accept loop is told and not waited for, and would log the end of its socket as a fault
    sleep(ACCEPT_LOOP_TURN).await;
    if let Err(error) = socket2::SockRef::from(&listener).shutdown(Shutdown::Both) {
        tracing::debug!(%error, "the port is closed only with the server");
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

/// Who may ask at all: an open service serves this machine only.
pub(super) fn guard(config: &Config, open: bool) -> Guard {
    let openness = if config.access.insecure_open || !open { Openness::Network } else { Openness::Loopback };
    Guard::new(openness, &config.access.hosts(), Origins::new(&config.access.origins()))
}

/// Starts the workers: actix accepts, reads and answers, until a connection becomes a stream.
pub(super) fn serve(
    listener: TcpListener,
    config: &Config,
    state: State,
    console: Option<Console>,
    guard: Guard,
    hubs: Arc<Hubs>,
    in_flight: InFlight,
) -> anyhow::Result<actix_server::Server> {
    let (state, console) = (web::Data::new(state), console.map(web::Data::new));
    // the shard looks at a blocked connection once a heartbeat, and has the first word
    let socket = SocketSettings::patient_for(config.hub.no_progress() + config.hub.heartbeat());
    let terms = terms(config);
    let server = actix_server::Server::build()
        .workers(config.server.workers())
        // streams are counted by the hubs; this bounds what has not become one
        .max_concurrent_connections(config.hub.max_connections)
        .shutdown_timeout(CONNECTIONS_END_WITHIN_SECONDS)
        .disable_signals()
        .listen("http", listener, move || {
            // this runs once on each worker's thread
            let following = Following::new(hubs.clone(), socket);
            let app = http::app(state.clone(), console.clone(), guard.clone(), in_flight.clone()).app_data(following);
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
