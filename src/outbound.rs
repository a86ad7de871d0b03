//! What requests to others have in common, whoever makes them: whom TLS believes, and when there is a proxy.
//!
//! **What goes to this machine goes through no proxy** (`a_collector_on_this_machine_is_reached_without_the_proxy_of_the_environment`): one that the
//! environment names would be told what is sent, credentials in headers included, and would not find the way back. What is asked for, and for how
//! long, is each caller's.

use std::{net::IpAddr, sync::Arc};

use ureq::{
    Agent,
    config::ConfigBuilder,
    tls::{Certificate, RootCerts, TlsConfig},
    typestate::AgentScope,
};

/// Who vouches for an `https://` address.
#[derive(Clone, Copy, Debug)]
pub enum Trust<'a> {
    /// Whom this machine believes.
    Machine,
    /// Nobody but these, in DER.
    Only(&'a [Vec<u8>]),
}

/// There is nobody who could vouch for an `https://` address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoAuthorities;

/// An agent to be, for an address that is on this machine or not, and is `https` with somebody to trust.
///
/// # Errors
/// [`NoAuthorities`].
pub fn agent(is_here: bool, trust: Option<Trust<'_>>) -> Result<ConfigBuilder<AgentScope>, NoAuthorities> {
    let mut config = Agent::config_builder();
    if is_here {
        config = config.proxy(None);
    }
    if let Some(trust) = trust {
        config = config.tls_config(tls(trust)?);
    }
    Ok(config)
}

/// Whether the host of an address is this machine.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

fn tls(trust: Trust<'_>) -> Result<TlsConfig, NoAuthorities> {
    let roots: Vec<_> = match trust {
        Trust::Only(only) => only.iter().map(|der| Certificate::from_der(der).to_owned()).collect(),
        Trust::Machine => {
            let found = rustls_native_certs::load_native_certs();
            for error in found.errors {
                tracing::debug!(%error, "some authorities of this machine could not be read");
            }
            found.certs.iter().map(|der| Certificate::from_der(der).to_owned()).collect()
        }
    };
    if roots.is_empty() {
        return Err(NoAuthorities);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(TlsConfig::builder().root_certs(RootCerts::from(roots)).unversioned_rustls_crypto_provider(provider).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_known_by_its_names() {
        for here in ["localhost", "LocalHost", "127.0.0.1", "127.8.0.1", "[::1]", "::1", "[::ffff:127.0.0.1]"] {
            assert!(is_loopback(here), "{here}");
        }
        for elsewhere in ["", "localhost.example", "10.0.0.1", "128.0.0.1", "[::2]", "example"] {
            assert!(!is_loopback(elsewhere), "{elsewhere}");
        }
    }

    #[test]
    fn nobody_is_believed_when_nobody_is_to_be() {
        assert!(matches!(agent(true, Some(Trust::Only(&[]))), Err(NoAuthorities)));
        assert!(agent(true, None).is_ok());
    }
}
