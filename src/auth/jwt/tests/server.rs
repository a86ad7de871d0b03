//! An issuer's server: real TLS with a certificate of its own, answering what the test says.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

use super::super::{Authorities, JwksSettings};

/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// Stops with the test.
pub(super) struct KeyServer {
    url: String,
    certificate: Vec<u8>,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    /// Status line and headers without length, and body.
    answer: Mutex<(String, Vec<u8>)>,
    /// Answers are held back while this is false.
    open: watch::Sender<bool>,
    /// Paths, in order of arrival.
    requests: watch::Sender<Vec<String>>,
}

impl KeyServer {
    pub(super) async fn start(keys: &[Value]) -> Self {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("certificate");
        let certificate = made.cert.der().clone();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .expect("configuration");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
        let url = format!("https://{}/keys", listener.local_addr().expect("address"));
        let shared = Arc::new(Shared {
            answer: Mutex::new((String::new(), Vec::new())),
            open: watch::Sender::new(true),
            requests: watch::Sender::new(Vec::new()),
        });
        let accepting = tokio::spawn({
            let shared = shared.clone();
            async move {
                while let Ok((socket, _)) = listener.accept().await {
                    let (acceptor, shared) = (acceptor.clone(), shared.clone());
                    // a client that gives up is what some tests are about
                    tokio::spawn(async move { drop(shared.serve(acceptor, socket).await) });
                }
            }
        });
        let server = Self { url, certificate: certificate.to_vec(), shared, accepting };
        server.publish(keys);
        server
    }

    /// Settings for which this is the issuer: without pauses, and with deadlines that no test meets by chance.
    pub(super) fn settings(&self) -> JwksSettings {
        JwksSettings {
            refresh: Duration::ZERO,
            stale: Duration::from_secs(3600),
            spacing: Duration::ZERO,
            deadline: PATIENCE,
            authorities: Authorities::Only(vec![self.certificate.clone()]),
            ..JwksSettings::new(&self.url)
        }
    }

    /// Answers with these keys from now on.
    pub(super) fn publish(&self, keys: &[Value]) {
        self.answer("200 OK", json!({ "keys": keys }).to_string().into_bytes());
    }

    /// Answers this from now on; `status` may have header lines behind it.
    pub(super) fn answer(&self, status: &str, body: Vec<u8>) {
        *self.shared.answer.lock().expect("lock") = (status.to_owned(), body);
    }

    /// Holds answers back from now on.
    pub(super) fn hold(&self) {
        self.shared.open.send_replace(false);
    }

    /// Lets them go.
    pub(super) fn release(&self) {
        self.shared.open.send_replace(true);
    }

    /// The paths that were asked for.
    pub(super) fn requests(&self) -> Vec<String> {
        self.shared.requests.borrow().clone()
    }

    /// Waits until so many requests have come.
    pub(super) async fn asked(&self, times: usize) {
        let mut requests = self.shared.requests.subscribe();
        let seen = requests.wait_for(|seen| seen.len() >= times);
        timeout(PATIENCE, seen).await.expect("asked in time").expect("the sender lives");
    }
}

impl Drop for KeyServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Shared {
    async fn serve(&self, acceptor: TlsAcceptor, socket: TcpStream) -> std::io::Result<()> {
        let mut stream = acceptor.accept(socket).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        self.requests.send_modify(|requests| requests.push(path));
        self.open.subscribe().wait_for(|open| *open).await.expect("the sender lives");
        let (status, body) = self.answer.lock().expect("lock").clone();
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&body).await?;
        stream.shutdown().await
    }
}
