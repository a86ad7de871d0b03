//! A TCP proxy before Postgres or Redis that breaks as networks and servers do, and heals, at a test's word.
//!
//! Silence keeps what was sent and delivers it after healing, as retransmission does: a statement whose sender has long given up can still
//! arrive and commit.

use std::{net::SocketAddr, time::Duration};

use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
    time::sleep,
};

use super::process::free_port;

/// What the proxy does with connections, old and new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Passes everything on.
    Pass,
    /// Nobody listens; what is open is closed.
    Refuse,
    /// Whatever is open or comes is reset.
    Reset,
    /// Connections are accepted and stay open, and nothing gets through.
    Silent,
    /// What clients send gets through, and no answer comes back.
    Unanswered,
    /// Everything gets through, late.
    Delay(Duration),
}

/// The proxy; gone when dropped.
pub(crate) struct FaultProxy {
    addr: SocketAddr,
    upstream_url: String,
    upstream: watch::Sender<String>,
    mode: watch::Sender<Mode>,
    task: JoinHandle<()>,
}

impl FaultProxy {
    /// Starts a proxy that passes everything on to the server of a URL.
    pub(crate) async fn before(upstream_url: &str) -> Self {
        let addr = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let listener = TcpListener::bind(addr).await.expect("the port is free");
        let (mode, modes) = watch::channel(Mode::Pass);
        let (upstream, led) = watch::channel(authority(upstream_url).to_owned());
        let task = tokio::spawn(run_proxy(listener, led, modes));
        Self { addr, upstream_url: upstream_url.to_owned(), upstream, mode, task }
    }

    /// The same URL by way of the proxy.
    pub(crate) fn url(&self) -> String {
        self.upstream_url.replacen(authority(&self.upstream_url), &self.addr.to_string(), 1)
    }

    /// Leads connections that come from now on to another server, as a failover does.
    pub(crate) fn lead_to(&self, upstream_url: &str) {
        self.upstream.send_replace(authority(upstream_url).to_owned());
    }

    /// Breaks or heals, at once.
    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The `host:port` of a URL.
pub(crate) fn authority(url: &str) -> &str {
    let (_, rest) = url.split_once("://").unwrap_or_else(|| panic!("no URL: {url:?}"));
    let authority = &rest[..rest.find(['/', '?']).unwrap_or(rest.len())];
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

async fn run_proxy(listener: TcpListener, upstream: watch::Receiver<String>, mut modes: watch::Receiver<Mode>) {
    let addr = listener.local_addr().expect("a bound listener");
    let mut listener = Some(listener);
    loop {
        if *modes.borrow_and_update() == Mode::Refuse {
            listener = None;
            if modes.changed().await.is_err() {
                return;
            }
            continue;
        }
        let open = match listener.take() {
            Some(open) => open,
            None => TcpListener::bind(addr).await.expect("the port is still free"),
        };
        tokio::select! {
            accepted = open.accept() => {
                let (client, _) = accepted.expect("loopback accepts");
                let upstream = upstream.borrow().clone();
                tokio::spawn(serve(client, upstream, modes.clone()));
            }
            changed = modes.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
        listener = Some(open);
    }
}

async fn serve(mut client: TcpStream, upstream: String, modes: watch::Receiver<Mode>) {
    let mut torn = modes.clone();
    let torn = torn.wait_for(|mode| matches!(mode, Mode::Refuse | Mode::Reset));
    let by_reset = tokio::select! {
        // the proxy itself going away closes as a refusal does
        mode = torn => mode.is_ok_and(|mode| *mode == Mode::Reset),
        () = relay(&mut client, &upstream, modes) => false,
    };
    if by_reset {
        SockRef::from(&client).set_linger(Some(Duration::ZERO)).expect("a TCP socket");
    }
}

async fn relay(client: &mut TcpStream, upstream: &str, modes: watch::Receiver<Mode>) {
    until_audible(&mut modes.clone(), &[Mode::Silent]).await;
    let Ok(mut server) = TcpStream::connect(upstream).await else { return };
    let ((client_reads, client_writes), (server_reads, server_writes)) = (client.split(), server.split());
    tokio::join!(
        pump(client_reads, server_writes, modes.clone(), &[Mode::Silent]),
        pump(server_reads, client_writes, modes, &[Mode::Silent, Mode::Unanswered])
    );
}

async fn pump(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut modes: watch::Receiver<Mode>,
    silent_in: &[Mode],
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let n = from.read(&mut buffer).await.unwrap_or(0);
        let delay = until_audible(&mut modes, silent_in).await;
        if !delay.is_zero() {
            sleep(delay).await;
        }
        if n == 0 || to.write_all(&buffer[..n]).await.is_err() {
            // the other side may already be gone, which is what it is to be told
            let _ = to.shutdown().await;
            return;
        }
    }
}

/// Waits while nothing gets through, and returns how late the rest is.
async fn until_audible(modes: &mut watch::Receiver<Mode>, silent_in: &[Mode]) -> Duration {
    match modes.wait_for(|mode| !silent_in.contains(mode)).await.as_deref() {
        Ok(Mode::Delay(by)) => *by,
        _ => Duration::ZERO,
    }
}

mod tests {
    use std::io::ErrorKind;

    use tokio::time::timeout;

    use super::*;
    use crate::support::wait::PATIENCE;

    /// A server that sends back what it is sent, and its URL by way of a proxy.
    async fn echo() -> (FaultProxy, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("postgres://user:p%40ss@{}/db?x=1", listener.local_addr().expect("bound"));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut reads, mut writes) = stream.split();
                    tokio::io::copy(&mut reads, &mut writes).await
                });
            }
        });
        let proxy = FaultProxy::before(&url).await;
        let addr = proxy.addr;
        assert_eq!(proxy.url(), format!("postgres://user:p%40ss@{addr}/db?x=1"));
        (proxy, addr)
    }

    async fn answers(stream: &mut TcpStream) -> std::io::Result<u8> {
        stream.write_u8(7).await?;
        timeout(PATIENCE, stream.read_u8()).await.expect("an answer or an error in time")
    }

    #[tokio::test]
    async fn a_refused_or_reset_connection_fails_and_a_later_one_passes() {
        let (proxy, addr) = echo().await;
        for (mode, kind) in [(Mode::Refuse, ErrorKind::UnexpectedEof), (Mode::Reset, ErrorKind::ConnectionReset)] {
            let mut stream = TcpStream::connect(addr).await.expect("listening");
            assert_eq!(answers(&mut stream).await.expect("passes"), 7);
            proxy.set(mode);
            let ended = timeout(PATIENCE, stream.read_u8()).await.expect("ends");
            assert_eq!(ended.expect_err("nothing is sent").kind(), kind);
            if mode == Mode::Reset {
                let mut late = TcpStream::connect(addr).await.expect("listening");
                assert!(timeout(PATIENCE, late.read_u8()).await.expect("ends").is_err());
            }
            proxy.set(Mode::Pass);
            crate::support::wait::eventually("healed", async || {
                let mut stream = TcpStream::connect(addr).await.map_err(|e| e.to_string())?;
                answers(&mut stream).await.map_err(|e| e.to_string())
            })
            .await;
        }
    }

    #[tokio::test]
    async fn silence_holds_what_is_sent_and_healing_delivers_it() {
        let (proxy, addr) = echo().await;
        let mut stream = TcpStream::connect(addr).await.expect("listening");
        assert_eq!(answers(&mut stream).await.expect("passes"), 7);
        proxy.set(Mode::Silent);
        stream.write_u8(9).await.expect("the kernel takes it");
        let mut late = TcpStream::connect(addr).await.expect("silence still accepts");
        late.write_u8(8).await.expect("the kernel takes it");
        let silent = timeout(Duration::from_millis(100), stream.read_u8()).await;
        assert!(silent.is_err(), "something got through: {silent:?}");
        proxy.set(Mode::Delay(Duration::from_millis(1)));
        assert_eq!(timeout(PATIENCE, stream.read_u8()).await.expect("in time").expect("held"), 9);
        assert_eq!(timeout(PATIENCE, late.read_u8()).await.expect("in time").expect("held"), 8);
    }
}
