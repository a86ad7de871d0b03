//! Streams over a real socket: the right that a stream has, and what a refusal looks like to an EventSource.

use std::{
    future::ready,
    net::{SocketAddr, TcpListener},
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use actix_http::HttpService;
use actix_service::{ServiceFactoryExt as _, fn_service, map_config};
use actix_web::{dev::AppConfig, web};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::mpsc,
    time::timeout,
};

use super::{authority::FakeAuthority, fake::Fakes};
use crate::{
    backplane::Announcement,
    http::{Following, Guard, InFlight, Openness, Origins, app, refusals},
    hub::{Hubs, Settings},
    sse::{DetachIo, Patience, SocketSettings, Terms},
};

/// How long anything may take here before the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A service that listens.
struct Served {
    address: SocketAddr,
    server: actix_server::ServerHandle,
    hubs: Arc<Hubs>,
    /// Nobody announces anything.
    _announcements: mpsc::Sender<Announcement>,
}

impl Served {
    async fn start(fakes: &Fakes) -> Self {
        let (announcements, heard) = mpsc::channel(1);
        let hubs = Hubs::start(Arc::new(fakes.clone()), Settings::default(), heard, 4).await.expect("hubs");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        listener.set_nonblocking(true).expect("non-blocking");
        let (state, of_workers) = (web::Data::new(fakes.state()), hubs.clone());
        let server = actix_server::Server::build()
            .workers(1)
            .disable_signals()
            .listen("http", listener, move || {
                let socket = SocketSettings::patient_for(PATIENCE);
                let following = Following::new(of_workers.clone(), socket);
                let guard = Guard::new::<&str>(Openness::Loopback, &[], Origins::new::<&str>(&[]));
                let app = app(state.clone(), None, guard, InFlight::default()).app_data(following);
                let patience = Patience { head: PATIENCE, body: PATIENCE, idle: PATIENCE, unread: PATIENCE, answer: PATIENCE };
                let terms = Rc::new(Terms { patience, head_bytes: 8192, refusals: refusals(8192) });
                fn_service(move |stream: TcpStream| {
                    let peer = stream.peer_addr().ok();
                    ready(Ok::<_, actix_http::error::DispatchError>((DetachIo::new(stream, terms.clone()), peer)))
                })
                .and_then(
                    HttpService::build()
                        .on_connect_ext(|io: &DetachIo, connection: &mut actix_http::Extensions| {
                            connection.insert(io.handle());
                        })
                        .h1(map_config(app, |_| AppConfig::default())),
                )
            })
            .expect("workers")
            .run();
        let handle = server.handle();
        tokio::spawn(server);
        Self { address, server: handle, hubs, _announcements: announcements }
    }

    async fn ask(&self, uri: &str, headers: &str) -> TcpStream {
        let mut socket = TcpStream::connect(self.address).await.expect("a connection");
        let request = format!("GET {uri} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        socket.write_all(request.as_bytes()).await.expect("sent");
        socket
    }

    async fn stop(self) {
        self.server.stop(false).await;
    }
}

/// What arrives until it has `text` in it, or the end.
async fn read_until(socket: &mut TcpStream, text: &str) -> String {
    let mut read = Vec::new();
    let reading =
        async { while !String::from_utf8_lossy(&read).contains(text) && socket.read_buf(&mut read).await.expect("readable") > 0 {} };
    timeout(PATIENCE, reading).await.unwrap_or_else(|_| panic!("no {text}"));
    String::from_utf8(read).expect("UTF-8")
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("{what}"));
}

fn closed(authority: FakeAuthority) -> Fakes {
    Fakes { authority: Arc::new(authority), ..Fakes::default() }
}

#[actix_web::test]
async fn a_stream_holds_its_right_and_its_place_in_the_registry_until_it_ends() {
    let fakes = closed(FakeAuthority::default());
    let served = Served::start(&fakes).await;
    let streams = || fakes.authority.streams.load(Ordering::Acquire);
    for uri in ["/events/subscribe?all=true&token=secret.alice", "/events/subscribe?all=true&ticket=secret.alice"] {
        let mut socket = served.ask(uri, "").await;
        let opened = read_until(&mut socket, "hub.live").await;
        // what was asked for is everything; what is followed is what may be seen
        assert!(opened.contains("GALICE") && opened.contains("market.**") && !opened.contains("secret"), "{opened}");
        assert_eq!(streams(), 1);
        let right = fakes.authority.registered.lock().expect("lock").pop().expect("registered");
        drop(socket);
        until("the place is given up", || streams() == 0).await;
        until("the right is let go of", || right.upgrade().is_none()).await;
        until("the room is given back", || served.hubs.admission().now() == 0).await;
    }
    served.stop().await;
}

#[actix_web::test]
async fn an_open_service_registers_no_stream() {
    let fakes = Fakes::default();
    let served = Served::start(&fakes).await;
    let mut socket = served.ask("/events/subscribe?all=true", "").await;
    read_until(&mut socket, "hub.live").await;
    assert_eq!(fakes.authority.streams.load(Ordering::Acquire), 0);
    served.stop().await;
}

#[actix_web::test]
async fn a_credential_that_is_revoked_meanwhile_opens_nothing() {
    let fakes = closed(FakeAuthority { revoked: true, ..FakeAuthority::default() });
    let served = Served::start(&fakes).await;
    let mut socket = served.ask("/events/subscribe?all=true&token=secret.alice", "Accept: text/event-stream\r\n").await;
    let refusal = read_until(&mut socket, "requestId").await;
    assert!(refusal.starts_with("HTTP/1.1 401") && refusal.contains("revoked"), "{refusal}");
    until("the room is given back", || served.hubs.admission().now() == 0).await;
    served.stop().await;
}

#[actix_web::test]
async fn an_event_source_is_told_to_come_back_when_credentials_cannot_be_checked() {
    let away = closed(FakeAuthority { away: true, ..FakeAuthority::default() });
    let unrecordable = closed(FakeAuthority { unrecordable: true, ..FakeAuthority::default() });
    let other = "/events/subscribe?all=true&token=secret.ops&tenant=default&reason=why";
    for (fakes, uri) in [(away, "/events/subscribe?all=true&token=secret.alice"), (unrecordable, other)] {
        let served = Served::start(&fakes).await;
        let mut stream = served.ask(uri, "Accept: text/event-stream\r\n").await;
        let told = read_until(&mut stream, "unavailable").await;
        assert!(told.starts_with("HTTP/1.1 200") && told.contains("retry: ") && told.contains("hub.closing"), "{told}");
        let mut plain = served.ask(uri, "").await;
        let refused = read_until(&mut plain, "requestId").await;
        assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("unavailable\""), "{refused}");
        for answer in [told, refused] {
            assert!(!answer.contains("secret") && !answer.contains("10.0.0.9"), "{answer}");
        }
        assert_eq!((served.hubs.admission().now(), fakes.authority.streams.load(Ordering::Acquire)), (0, 0));
        served.stop().await;
    }
}

#[actix_web::test]
async fn a_stream_of_another_tenants_log_is_recorded_once() {
    let fakes = closed(FakeAuthority::default());
    let served = Served::start(&fakes).await;
    let mut socket = served.ask("/events/subscribe?all=true&token=secret.ops&tenant=default&reason=why", "").await;
    read_until(&mut socket, "hub.live").await;
    assert_eq!(*fakes.authority.recorded.lock().expect("lock"), ["token:GALICE default GET /events/subscribe why"]);
    served.stop().await;
}
