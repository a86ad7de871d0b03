//! Which node has which channel.

use redis::{ConnectionAddr, Value};

use crate::backplane::carrier::Lost;

/// How channels are spread over nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// One server has them all.
    One(ConnectionAddr),
    /// A cluster.
    Slots(Slots),
}

impl Route {
    /// The node that has this channel.
    pub(super) fn node(&self, channel: &str) -> Result<&ConnectionAddr, Lost> {
        match self {
            Self::One(address) => Ok(address),
            Self::Slots(slots) => slots.owner(slot(channel)).ok_or_else(|| Lost("no node of the cluster has a channel's slot".to_owned())),
        }
    }
}

/// Who has which slots, as `CLUSTER SLOTS` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slots(Vec<(u16, u16, ConnectionAddr)>);

impl Slots {
    /// From the answer of the node at `asked`, which some nodes mean when they name no host.
    pub(super) fn read(answer: Vec<Vec<Value>>, asked: &ConnectionAddr) -> Option<Self> {
        let mut slots = Vec::with_capacity(answer.len());
        for range in answer {
            let [Value::Int(first), Value::Int(last), Value::Array(owner), ..] = &range[..] else { return None };
            let [host, Value::Int(port), ..] = &owner[..] else { return None };
            let host = match host {
                Value::BulkString(host) if !host.is_empty() && &host[..] != b"?" => Some(String::from_utf8(host.clone()).ok()?),
                _ => None,
            };
            let address = address(asked, host, u16::try_from(*port).ok()?)?;
            slots.push((u16::try_from(*first).ok()?, u16::try_from(*last).ok()?, address));
        }
        slots.sort_by_key(|(first, ..)| *first);
        Some(Self(slots))
    }

    fn owner(&self, slot: u16) -> Option<&ConnectionAddr> {
        self.0.iter().find(|(first, last, _)| (*first..=*last).contains(&slot)).map(|(.., address)| address)
    }

    /// Some of the nodes.
    pub(super) fn addresses(&self, most: usize) -> Vec<ConnectionAddr> {
        let mut addresses: Vec<ConnectionAddr> = Vec::new();
        for (.., address) in &self.0 {
            if addresses.len() < most && !addresses.contains(address) {
                addresses.push(address.clone());
            }
        }
        addresses
    }
}

/// Another node of the cluster to which `asked` belongs.
fn address(asked: &ConnectionAddr, host: Option<String>, port: u16) -> Option<ConnectionAddr> {
    match asked {
        ConnectionAddr::Tcp(here, _) => Some(ConnectionAddr::Tcp(host.unwrap_or_else(|| here.clone()), port)),
        ConnectionAddr::TcpTls { host: here, insecure, tls_params, .. } => Some(ConnectionAddr::TcpTls {
            host: host.unwrap_or_else(|| here.clone()),
            port,
            insecure: *insecure,
            tls_params: tls_params.clone(),
        }),
        _ => None,
    }
}

/// A channel's slot: CRC-16 (XMODEM) modulo 16384. Names have no hash tags.
fn slot(channel: &str) -> u16 {
    let crc = channel.bytes().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 })
    });
    crc % 16384
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(slot("123456789"), 0x31c3);
        assert_eq!(slot("foo"), 12182);
    }

    #[test]
    fn the_owner_of_a_slot_is_read_from_the_answer() {
        let asked = ConnectionAddr::Tcp("seed".to_owned(), 1);
        let range = |first, last, host: &[u8], port| {
            let owner = Value::Array(vec![Value::BulkString(host.to_vec()), Value::Int(port), Value::BulkString(b"id".to_vec())]);
            vec![Value::Int(first), Value::Int(last), owner.clone(), owner]
        };
        let slots = Slots::read(vec![range(8192, 16383, b"b", 7001), range(0, 8191, b"", 7000)], &asked).expect("well formed");
        assert_eq!(slots.owner(8191), Some(&ConnectionAddr::Tcp("seed".to_owned(), 7000)));
        assert_eq!(slots.owner(8192), Some(&ConnectionAddr::Tcp("b".to_owned(), 7001)));
        assert_eq!(slots.addresses(1).len(), 1);
        for odd in [vec![], vec![Value::Int(0)], range(0, 1 << 20, b"b", 1), range(0, 1, b"b", -1)] {
            assert_eq!(Slots::read(vec![odd], &asked), None);
        }
    }
}
