//! Options of the sockets that carry streams.

use std::{io, time::Duration};

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use super::Patience;

/// Bytes that may wait in the kernel for one client. Linux doubles what it is asked for, to account for its own bookkeeping.
const SEND_BUFFER: usize = 128 * 1024;

/// What the kernel may do for a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketSettings {
    /// Bytes that may wait in the kernel for one client: a thousand that read nothing must not hold gigabytes.
    pub send_buffer: usize,
    /// How long sent bytes may stay unacknowledged; never shorter than the hub's own patience, since it also counts zero windows.
    pub user_timeout: Duration,
    /// How long a connection may be silent before the kernel asks whether the peer is there.
    pub keepalive: Duration,
}

impl SocketSettings {
    /// The kernel's part of the hub's patience with a client that takes nothing.
    #[must_use]
    pub fn patient_for(no_progress: Duration) -> Self {
        Self { send_buffer: SEND_BUFFER, user_timeout: no_progress + Duration::from_secs(5), keepalive: Duration::from_secs(30) }
    }
}

/// Options of every accepted connection.
pub fn prepare_accepted(socket: &TcpStream, patience: Patience) {
    // a socket that is already reset refuses options; whoever reads from it will see that
    let _ = socket.set_nodelay(true);
    let socket = SockRef::from(socket);
    // an answer must not fit into the kernel whole, where nobody sees how slowly it is taken
    let _ = socket.set_send_buffer_size(SEND_BUFFER / 2);
    // and one that does must not stay there for a client that takes nothing of it
    let _ = socket.set_tcp_user_timeout(Some(patience.answer + patience.unread));
}

/// Options of a connection that becomes a stream.
pub(super) fn prepare_stream(socket: &TcpStream, settings: SocketSettings) -> io::Result<()> {
    let socket = SockRef::from(socket);
    socket.set_send_buffer_size(settings.send_buffer / 2)?;
    let probes = TcpKeepalive::new().with_time(settings.keepalive).with_interval(Duration::from_secs(10)).with_retries(3);
    socket.set_tcp_keepalive(&probes)?;
    socket.set_tcp_user_timeout(Some(settings.user_timeout))
}
