//! Where Redis is.

use std::fmt;

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, ProtocolVersion};

/// `redis://[user:password@]host[:port][/database]`, `rediss://…` for TLS, or several nodes of one cluster with commas between.
#[derive(Clone)]
pub struct RedisUrl(Vec<ConnectionInfo>);

/// Why a text is not where Redis is; it does not repeat the text, which may have a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedisUrlError {
    /// Some part of it.
    #[error(
        "it is not redis://[user:password@]host[:port][/database] or rediss://… (in a password, characters such as @ / : , stand as %40 %2F %3A %2C)"
    )]
    Malformed,
    /// The number of a database beside several nodes.
    #[error("it names a database and several nodes: a cluster has no databases")]
    DatabaseOfCluster,
}

impl RedisUrl {
    /// Reads what was set.
    ///
    /// # Errors
    /// [`RedisUrlError`].
    pub fn parse(text: &str) -> Result<Self, RedisUrlError> {
        let nodes: Vec<_> = text.split(',').map(|node| parse_node(node.trim())).collect::<Option<_>>().ok_or(RedisUrlError::Malformed)?;
        if nodes.len() > 1 && nodes.iter().any(|node| node.redis_settings().db() != 0) {
            return Err(RedisUrlError::DatabaseOfCluster);
        }
        Ok(Self(nodes))
    }

    pub(super) fn seeds(&self) -> &[ConnectionInfo] {
        &self.0
    }
}

fn parse_node(text: &str) -> Option<ConnectionInfo> {
    if !(text.starts_with("redis://") || text.starts_with("rediss://")) {
        return None;
    }
    let info = text.into_connection_info().ok()?;
    // a certificate that anyone could have made is as good as none
    if matches!(info.addr(), ConnectionAddr::TcpTls { insecure: true, .. }) {
        return None;
    }
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3).set_skip_set_lib_name();
    Some(info.set_redis_settings(settings))
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({} nodes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_node_or_several_are_read() {
        let url = RedisUrl::parse("rediss://me:p%2Cw@redis.example:6380/2").expect("one");
        let node = &url.seeds()[0];
        assert_eq!(node.addr().to_string(), "redis.example:6380");
        assert_eq!((node.redis_settings().password(), node.redis_settings().db()), (Some("p,w"), 2));
        assert_eq!(RedisUrl::parse("redis://a, redis://:pw@b:7000").expect("two").seeds().len(), 2);
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for text in [
            "",
            "redis",
            "localhost:6379",
            "redis://",
            "redis://:hunter2@a:x",
            "redis://:hunter2@a,",
            "http://:hunter2@a",
            "unix:///hunter2",
        ] {
            let error = RedisUrl::parse(text).expect_err(text);
            assert_eq!(error, RedisUrlError::Malformed, "{text}");
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
        assert_eq!(RedisUrl::parse("rediss://:hunter2@a#insecure").map(|_| ()), Err(RedisUrlError::Malformed));
        assert_eq!(RedisUrl::parse("redis://a/1,redis://b").map(|_| ()), Err(RedisUrlError::DatabaseOfCluster));
        let url = RedisUrl::parse("redis://:hunter2@a").expect("good");
        assert_eq!(format!("{url:?}"), "RedisUrl(1 nodes)");
    }
}
