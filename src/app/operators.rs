//! Where operators are served: beside everything else, or on a listener of their own.
//!
//! That listener has a worker of its own, so that numbers can be read and keys revoked while every connection of the service is taken, and it is the
//! last to close: how a drain goes is read there.

use std::{net::TcpListener, sync::Arc, time::Duration};

use actix_web::{HttpServer, web};
use anyhow::Context as _;

use super::serve::{CONNECTIONS_END_WITHIN_SECONDS, DISCONNECT_WITHIN, KEEP_ALIVE};
use crate::{
    auth::Access,
    http::{self, Console, Guard, InFlight, State},
};

/// Connections at once on the listener for operators.
const MAX_CONNECTIONS: usize = 256;

/// What the operators' routes share.
pub(super) fn console(state: &State, access: Arc<Access>, guard: Guard) -> Console {
    Console { admin: Arc::new(access), guard, scrutiny: state.scrutiny.clone(), open_metrics: false }
}

/// Serves operators, and nobody else, on `listener`; the head of a request is waited for so long.
pub(super) fn serve(
    listener: TcpListener,
    state: State,
    console: Console,
    in_flight: InFlight,
    head: Duration,
) -> anyhow::Result<actix_server::Server> {
    let (state, console) = (web::Data::new(state), web::Data::new(Console { open_metrics: true, ..console }));
    let server = HttpServer::new(move || http::admin_app(state.clone(), console.clone(), in_flight.clone()))
        .workers(1)
        .max_connections(MAX_CONNECTIONS)
        .client_request_timeout(head)
        .client_disconnect_timeout(DISCONNECT_WITHIN)
        .keep_alive(KEEP_ALIVE)
        .shutdown_timeout(CONNECTIONS_END_WITHIN_SECONDS)
        .disable_signals()
        .listen(listener)
        .context("cannot start the worker for operators")?;
    Ok(server.run())
}
