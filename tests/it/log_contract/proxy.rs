//! A TCP proxy that can fall silent: connections stay open, and nothing passes any more. A cut cable, as far as either end can tell.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// Passes bytes on to one port until told otherwise.
pub(crate) struct SilentProxy {
    pub(crate) port: u16,
    silent: watch::Sender<bool>,
}

impl SilentProxy {
    pub(crate) async fn before(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let (silent, seen) = watch::channel(false);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let seen = seen.clone();
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect(("127.0.0.1", target)).await else { return };
                    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
                    tokio::spawn(pass(from_client, to_server, seen.clone()));
                    pass(from_server, to_client, seen).await;
                });
            }
        });
        Self { port, silent }
    }

    pub(crate) fn fall_silent(&self, silent: bool) {
        self.silent.send_replace(silent);
    }
}

/// What arrives while the proxy is silent is held back, and so is the end of either side.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut silent: watch::Receiver<bool>) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await.unwrap_or(0);
        if silent.wait_for(|silent| !silent).await.is_err() || read == 0 || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
