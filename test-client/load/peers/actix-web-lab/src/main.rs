//! A broadcaster as actix-web services have it: `actix_web_lab::sse` with a channel per connection.
//!
//! Takes the port and the number of workers. A publish hands the event to every connection's channel before it is answered; each connection
//! then encodes the event for itself, which is how the library works. A client that is a whole channel behind is dropped.

use std::{
    io,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use actix_web::{App, HttpResponse, HttpServer, Responder, error::ErrorBadRequest, get, post, web};
use actix_web_lab::sse;
use serde::Deserialize;
use tokio::sync::mpsc;

/// Events that may wait for one connection. Room is taken as it is needed, 32 events at a time, so a high bound costs an idle one nothing.
const CHANNEL: usize = 4096;
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A publisher keeps its connection; the default of 5 s would close it in every pause.
const KEEP_ALIVE: Duration = Duration::from_hours(1);

/// One lock over both, so that ids and every client's events are in the same order.
#[derive(Default)]
struct Broadcaster {
    last_id: u64,
    clients: Vec<mpsc::Sender<sse::Event>>,
}

impl Broadcaster {
    /// Clones share the text. A channel that is closed or full is let go, which ends its connection.
    fn broadcast(&mut self, event_type: String, body: String) -> u64 {
        self.last_id += 1;
        let event = sse::Event::from(sse::Data::new(body).id(self.last_id.to_string()).event(event_type));
        self.clients.retain(|client| client.try_send(event.clone()).is_ok());
        self.last_id
    }
}

#[derive(Deserialize)]
struct Published {
    #[serde(rename = "type")]
    event_type: String,
}

#[get("/events/subscribe")]
async fn subscribe(broadcaster: web::Data<Mutex<Broadcaster>>) -> impl Responder {
    let (sender, receiver) = mpsc::channel(CHANNEL);
    broadcaster.lock().unwrap_or_else(PoisonError::into_inner).clients.push(sender);
    sse::Sse::from_infallible_receiver(receiver).with_keep_alive(HEARTBEAT)
}

#[post("/events")]
async fn publish(broadcaster: web::Data<Mutex<Broadcaster>>, body: String) -> actix_web::Result<impl Responder> {
    let Published { event_type } = serde_json::from_str(&body).map_err(ErrorBadRequest)?;
    let id = broadcaster.lock().unwrap_or_else(PoisonError::into_inner).broadcast(event_type, body);
    Ok(HttpResponse::Accepted().content_type("application/json").body(format!(r#"{{"id":{id}}}"#)))
}

fn number<T: std::str::FromStr>(argument: Option<String>) -> io::Result<T> {
    let usage = || io::Error::new(io::ErrorKind::InvalidInput, "usage: chaincast-peer-actix-web-lab PORT WORKERS");
    argument.and_then(|text| text.parse().ok()).ok_or_else(usage)
}

#[actix_web::main]
async fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = number(arguments.next())?;
    let workers: usize = number(arguments.next())?;
    let broadcaster = web::Data::new(Mutex::new(Broadcaster::default()));
    HttpServer::new(move || App::new().app_data(broadcaster.clone()).service(subscribe).service(publish))
        .workers(workers)
        // per worker; one worker must be able to hold all clients
        .max_connections(20_000)
        .backlog(4096)
        .tcp_nodelay(true)
        .keep_alive(KEEP_ALIVE)
        // a client that closes is noticed at once, not two heartbeats later
        .h1_allow_half_closed(false)
        // SIGTERM ends the process as it is: streams have no end to wait for
        .disable_signals()
        .bind(("127.0.0.1", port))?
        .run()
        .await
}
