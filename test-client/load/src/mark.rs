//! What is published, and how it is found again in what is received.
//!
//! Each event carries its number, `"n":…`, as the first member of its `data`. The reader looks for that and nothing else: it must cost less than
//! what it measures. It relies on servers that put an event into one HTTP chunk; a chunk border inside the number would be read as a wrong number
//! and show as a fault, never as a success.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use memchr::memmem::Finder;

/// Bytes of a published event's JSON, about.
const EVENT_BYTES: usize = 300;
/// Room for a mark that a read has cut: needle, digits and what ends them.
const CARRY: usize = 32;

/// Event number `n` of a run. It concerns stream `n % groups`.
pub(crate) fn event(run: u32, n: u64, groups: u64, into: &mut String) {
    use std::fmt::Write as _;
    let from = into.len();
    let group = n % groups;
    // writing to a string can't fail
    let _ = write!(
        into,
        r#"{{"id":"load:{run:08x}:{n}","type":"stream.withdrawn","streams":["{group}"],"topics":["market.{group}.price"],"users":["GBENCH{group:050}"],"data":{{"n":{n},"amount":"250000000","pad":""#
    );
    let pad = EVENT_BYTES.saturating_sub(into.len() - from + 3);
    into.extend(std::iter::repeat_n('x', pad));
    into.push_str("\"}}");
}

/// When each event of a run was to be sent, in nanoseconds of [`crate::clock`]; shared by the publisher and the reader.
#[derive(Clone, Debug)]
pub(crate) struct Schedule(Arc<[AtomicU64]>);

impl Schedule {
    pub(crate) fn new(events: u64) -> Self {
        Self((0..events).map(|_| AtomicU64::new(0)).collect())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn set(&self, n: u64, at: u64) {
        if let Some(slot) = self.0.get(n as usize) {
            slot.store(at, Relaxed);
        }
    }

    pub(crate) fn get(&self, n: u64) -> u64 {
        self.0.get(n as usize).map_or(0, |slot| slot.load(Relaxed))
    }
}

/// The end of a read that may be the beginning of a mark.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Carry {
    bytes: [u8; CARRY],
    len: u8,
}

/// Finds numbers behind a needle.
#[derive(Debug)]
pub(crate) struct Reader {
    number: Finder<'static>,
    joint: Vec<u8>,
}

const NUMBER: &[u8] = b"\"n\":";

impl Reader {
    pub(crate) fn new() -> Self {
        Self { number: Finder::new(NUMBER), joint: Vec::new() }
    }

    /// Calls `found` with each number in `carry` + `bytes` and with what stands behind it; keeps in `carry` what may go on in the next read.
    pub(crate) fn read(&mut self, carry: &mut Carry, bytes: &[u8], mut found: impl FnMut(u64, &[u8])) {
        if carry.len == 0 {
            return keep(carry, scan(&self.number, bytes, &mut found));
        }
        // the carried beginning and as much as completes it; what of these bytes was consumed is skipped below
        let mut joint = std::mem::take(&mut self.joint);
        joint.clear();
        joint.extend_from_slice(&carry.bytes[..usize::from(carry.len)]);
        joint.extend_from_slice(bytes);
        keep(carry, scan(&self.number, &joint, &mut found));
        self.joint = joint;
    }
}

fn keep(carry: &mut Carry, rest: &[u8]) {
    // no mark is longer than the carry: what is too long for it was none
    let rest = &rest[rest.len().saturating_sub(CARRY)..];
    carry.bytes[..rest.len()].copy_from_slice(rest);
    carry.len = rest.len() as u8;
}

fn scan<'b>(finder: &Finder<'_>, bytes: &'b [u8], found: &mut impl FnMut(u64, &[u8])) -> &'b [u8] {
    let mut at = 0;
    while let Some(hit) = finder.find(&bytes[at..]) {
        let digits = at + hit + NUMBER.len();
        let Some(length) = bytes[digits..].iter().position(|byte| !byte.is_ascii_digit()) else {
            return &bytes[at + hit..];
        };
        let end = digits + length;
        let number = bytes[digits..end].iter().fold(0u64, |number, digit| number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')));
        found(number, &bytes[end..]);
        at = end;
    }
    let rest = &bytes[at..];
    &rest[rest.len().saturating_sub(NUMBER.len() - 1)..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_found_once_however_the_reads_fall() {
        let mut text = String::new();
        for n in 0..3 {
            text.push_str("data: ");
            event(7, n * 12_345, 10, &mut text);
            text.push_str("\n\n");
        }
        for cut in 1..text.len() {
            for second in [cut, (cut + 7).min(text.len())] {
                let (mut reader, mut carry, mut seen) = (Reader::new(), Carry::default(), Vec::new());
                for part in [&text[..cut], &text[cut..second], &text[second..]] {
                    reader.read(&mut carry, part.as_bytes(), |n, _| seen.push(n));
                }
                assert_eq!(seen, [0, 12_345, 24_690], "cut at {cut} and {second}");
            }
        }
    }

    #[test]
    fn an_event_is_json_of_about_three_hundred_bytes() {
        let mut text = String::new();
        event(1, 1_000_000, 10_000, &mut text);
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(value["data"]["n"], 1_000_000);
        assert_eq!(value["streams"][0], "0");
        assert_eq!(text.len(), EVENT_BYTES);
    }
}
