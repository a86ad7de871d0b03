//! `chaincast healthcheck`: asks the instance that has the same settings how it is, from the outside, as a load balancer would.
//!
//! It asks where clients ask, also when operators have a listener of their own: what is to be known is whether clients get an answer. On loopback the
//! name that it asks by is one that an open service answers to.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use anyhow::Context as _;
use ureq::Agent;

use crate::config::Config;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(3);
/// The largest answer that is read, in bytes.
const ANSWER_BYTES: u64 = 4096;

/// Asks whether the instance is ready, or only whether it is `live`. Blocks, for three seconds at most. Returns its answer.
///
/// # Errors
/// What it said instead, or that it said nothing.
pub fn healthcheck(config: &Config, live: bool) -> anyhow::Result<String> {
    let path = if live { "/health/live" } else { "/health/ready" };
    let url = format!("http://{}{path}", nearest(config.server.listen));
    let config = Agent::config_builder()
        // this instance, and not what a proxy that the environment names makes of it
        .proxy(None)
        .max_redirects(0)
        .http_status_as_error(false)
        .timeout_global(Some(PATIENCE))
        .max_idle_connections(0)
        .user_agent("chaincast-healthcheck")
        .build();
    let mut response = config.new_agent().get(&url).call().with_context(|| url.clone())?;
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(ANSWER_BYTES).read_to_string().with_context(|| url.clone())?;
    anyhow::ensure!(status == 200, "{url}: {status} {}", body.trim_end());
    Ok(body.trim_end().to_owned())
}

/// Where this machine reaches what listens on `listen`.
fn nearest(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_of_this_machine_is_reached_on_loopback() {
        for (listen, asked) in
            [("0.0.0.0:3001", "127.0.0.1:3001"), ("[::]:80", "[::1]:80"), ("10.1.2.3:80", "10.1.2.3:80"), ("127.0.0.2:80", "127.0.0.2:80")]
        {
            assert_eq!(nearest(listen.parse().expect("an address")).to_string(), asked);
        }
    }
}
