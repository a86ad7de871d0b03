//! Where the service listens, and how it runs and stops.

use std::{
    net::{Ipv4Addr, SocketAddr},
    thread::available_parallelism,
    time::Duration,
};

use super::positive;

/// Where the service listens, and how it runs and stops.
#[derive(clap::Args, Clone, Debug, PartialEq, Eq)]
#[command(next_help_heading = "Server [server]")]
pub struct Server {
    /// Address and port to listen on
    #[arg(long, env = "CHAINCAST_LISTEN", value_name = "ADDRESS:PORT", value_parser = address, default_value_t = Server::default().listen)]
    pub listen: SocketAddr,
    /// Address and port for operators: /admin and /metrics are then served there and nowhere else, and /metrics without a credential
    #[arg(long, env = "CHAINCAST_ADMIN_LISTEN", value_name = "ADDRESS:PORT", value_parser = address)]
    pub admin_listen: Option<SocketAddr>,
    /// Worker threads; the default is one a core
    #[arg(long, env = "CHAINCAST_WORKERS", value_name = "N", value_parser = positive)]
    pub workers: Option<usize>,
    /// How many seconds a stop begins with during which /health/ready says `draining` and everything is served as before: as long as a load
    /// balancer takes to notice
    #[arg(long, env = "CHAINCAST_DRAIN_DELAY_SECONDS", value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(..=3600), default_value_t = Server::default().drain_delay_seconds)]
    pub drain_delay_seconds: u64,
    /// Over how many seconds connections are moved elsewhere when the service stops
    #[arg(long, env = "CHAINCAST_DRAIN_SECONDS", value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(..=86_400), default_value_t = Server::default().drain_seconds)]
    pub drain_seconds: u64,
    /// How many seconds a client may take to send the head of a request
    #[arg(long, env = "CHAINCAST_REQUEST_HEAD_SECONDS", value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=300), default_value_t = Server::default().request_head_seconds)]
    pub request_head_seconds: u64,
    /// How many seconds a client may take to send the body of a request
    #[arg(long, env = "CHAINCAST_REQUEST_BODY_SECONDS", value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=3600), default_value_t = Server::default().request_body_seconds)]
    pub request_body_seconds: u64,
    /// How many seconds a client may take nothing of an answer; streams have CHAINCAST_NO_PROGRESS_SECONDS
    #[arg(long, env = "CHAINCAST_ANSWER_SECONDS", value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=300), default_value_t = Server::default().answer_seconds)]
    pub answer_seconds: u64,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 3001)),
            admin_listen: None,
            workers: None,
            drain_delay_seconds: 0,
            drain_seconds: 10,
            request_head_seconds: 10,
            request_body_seconds: 30,
            answer_seconds: 30,
        }
    }
}

/// Where to listen. A name may mean several addresses, and another one tomorrow.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "must be an IP address and a port, such as 127.0.0.1:3001; names are not taken".to_owned())
}

impl Server {
    /// Whether both ports would be asked for at one address, which the system takes for somebody else's.
    pub(super) fn listens_twice(&self) -> bool {
        let (one, Some(other)) = (self.listen, self.admin_listen) else { return false };
        let (ip, other_ip) = (one.ip(), other.ip());
        let meet = ip == other_ip || (ip.is_ipv4() == other_ip.is_ipv4() && (ip.is_unspecified() || other_ip.is_unspecified()));
        // of port 0, everyone gets another one
        meet && one.port() == other.port() && one.port() != 0
    }

    /// How many worker threads there are.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.workers.unwrap_or_else(|| available_parallelism().map_or(1, usize::from))
    }

    /// How long a stop only says that it has begun.
    #[must_use]
    pub fn drain_delay(&self) -> Duration {
        Duration::from_secs(self.drain_delay_seconds)
    }

    /// Over how long connections are moved elsewhere.
    #[must_use]
    pub fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds)
    }

    /// How long a client may take to send the head of a request.
    #[must_use]
    pub fn request_head(&self) -> Duration {
        Duration::from_secs(self.request_head_seconds)
    }

    /// How long a client may take to send the body of a request.
    #[must_use]
    pub fn request_body(&self) -> Duration {
        Duration::from_secs(self.request_body_seconds)
    }

    /// How long a client may take nothing of an answer.
    #[must_use]
    pub fn answer(&self) -> Duration {
        Duration::from_secs(self.answer_seconds)
    }
}
