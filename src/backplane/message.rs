//! What instances say to each other, as bytes.
//!
//! A version, an HMAC-SHA-256 under a key derived from the store's secret, who says it, and what. All versions have this form, and the HMAC
//! is over all but itself: an instance of another version is known to be there, though it is not understood. **Nothing is read before the
//! HMAC is right**, so neither a foreign service on the same server nor whoever can write to it is believed
//! (`a_foreign_service_and_forged_messages_are_refused_and_counted`). The content names its log, which is its channel: a message that is
//! heard on another channel still speaks of the log that it was made for.
//!
//! Messages may be repeated by whoever recorded them. That needs no defence: a receiver takes events only where they continue its own
//! position in the store and the numbering that it knows, an answer only for a question that is open, and bounds what it does about the
//! rest.
//!
//! What a new kind of message says is not understood by instances of before: it is appended to [`Said`], and must be something that they do
//! well without. So the trace of a commit is a message of its own, just before the one that says that the log grew, which has not changed.

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use serde::{Deserialize, Serialize};

use super::Announcement;
use crate::{
    domain::{Epoch, Event, Seq, Timestamp},
    log::{LogId, StoreIdentity},
    trace::{Passage, TraceContext, TraceState},
};

const VERSION: u8 = 1;
const TAG: usize = 32;
const SENDER: usize = 8;
/// The last microsecond of the year 9999: later moments have no RFC 3339 text.
const LAST_MICROS: i64 = 253_402_300_799_999_999;

/// What stands before what is said.
pub(super) const OVERHEAD: usize = 1 + TAG + SENDER;

/// What one instance says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Said<'a> {
    /// A log grew.
    Grew(#[serde(borrow)] Grown<'a>),
    /// The sender is there.
    Here,
    /// What the sender wants to know of everyone.
    Ask {
        /// The sender's number of the question.
        id: u64,
        /// The question.
        text: &'a [u8],
    },
    /// What the sender answers to one who asked.
    Answer {
        /// Who asked.
        to: u64,
        /// Their number of the question.
        id: u64,
        /// Which part of the answer, from 0.
        part: u16,
        /// Of how many.
        parts: u16,
        /// The part.
        text: &'a [u8],
    },
    /// The sender is about to be gone.
    Gone,
    /// Of which step of a trace what follows is.
    Traced(#[serde(borrow)] Traced<'a>),
}

/// A commit as a step of a trace; the sender's next message says that the log grew by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Traced<'a> {
    log: i32,
    first: u64,
    head: u64,
    trace: u128,
    span: u64,
    flags: u8,
    state: &'a str,
}

impl<'a> Traced<'a> {
    /// What to say of a passage of this log.
    pub(super) fn of(log: LogId, passage: &'a Passage) -> Self {
        let &Passage { context, ref state, first, last } = passage;
        let (trace, span, flags) = context.to_parts();
        let state = state.as_ref().map(TraceState::as_str).unwrap_or_default();
        Self { log: log.to_column(), first, head: last, trace, span, flags, state }
    }

    /// The passage, if it is one, and its log.
    pub(super) fn passage(&self) -> Option<(LogId, Passage)> {
        let &Self { log, first, head, trace, span, flags, state } = self;
        let context = TraceContext::from_parts(trace, span, flags).filter(|context| context.is_sampled() && first <= head)?;
        let state = TraceState::parse([state.as_bytes()]);
        Some((LogId::new(log), Passage { context, state, first, last: head }))
    }
}

/// That a log grew, with its events or without.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Grown<'a> {
    log: i32,
    store: Option<u64>,
    epoch: u32,
    first: u64,
    head: u64,
    /// When each was received, in microseconds, and its envelope.
    #[serde(borrow)]
    frames: Vec<(i64, &'a str)>,
}

impl<'a> Grown<'a> {
    /// What to say of an announcement.
    pub(super) fn of(announcement: &'a Announcement, with_events: bool) -> Self {
        let &Announcement { log, store, epoch, head, ref events, trace: _ } = announcement;
        let frames = if with_events { &events[..] } else { &[] };
        Self {
            log: log.to_column(),
            store: store.map(StoreIdentity::get),
            // what a column holds of it is never negative, and no wider
            epoch: epoch.to_column() as u32,
            first: events.first().map_or(head, |event| event.seq).get(),
            head: head.get(),
            frames: frames.iter().map(|event| (event.received_at.as_micros(), event.envelope.as_str())).collect(),
        }
    }

    /// Whether it is what a passage of its log is of.
    pub(super) fn is_of(&self, passage: &Passage) -> bool {
        (self.first, self.head) == (passage.first, passage.last)
    }

    /// Which log.
    pub(super) fn log(&self) -> LogId {
        LogId::new(self.log)
    }

    /// The announcement; `None` when its parts don't fit each other.
    pub(super) fn announcement(&self) -> Option<Announcement> {
        let Self { log, store, epoch, first, head, ref frames } = *self;
        if first > head || i64::try_from(head).is_err() {
            return None;
        }
        if !frames.is_empty() && frames.len() as u64 - 1 != head - first {
            return None;
        }
        let events = (first..).zip(frames).map(|(seq, &(received_at, envelope))| {
            let told = is_envelope(envelope) && (0..=LAST_MICROS).contains(&received_at);
            let event = || Event::from_row(Seq::new(seq), Timestamp::from_micros(received_at), envelope.to_owned());
            told.then(event)?.ok()
        });
        let (log, store) = (LogId::new(log), store.map(StoreIdentity::new));
        Some(Announcement {
            log,
            store,
            epoch: Epoch::new(epoch),
            head: Seq::new(head),
            events: events.collect::<Option<_>>()?,
            trace: None,
        })
    }
}

/// Whether a text has the outer form of an envelope: an object without anything around it, on one line.
fn is_envelope(text: &str) -> bool {
    text.starts_with('{') && text.ends_with('}') && !text.bytes().any(|byte| byte < b' ')
}

/// Why a message is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("it is not signed by an instance on this log")]
    Foreign,
    #[error("it does not say anything that this version understands")]
    Unclear {
        /// Who said it.
        sender: u64,
    },
}

/// What one instance says, with room before it for what [`Codec::seal`] adds.
#[derive(Debug)]
pub(super) struct Unsigned(Vec<u8>);

impl Unsigned {
    /// The size of the message.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Nothing, in so many bytes.
    #[cfg(test)]
    pub(super) fn blank(len: usize) -> Self {
        Self(vec![0; len])
    }
}

/// Turns what is said into bytes, and back.
pub(super) struct Codec {
    key: hmac::Key,
    me: u64,
}

impl Codec {
    /// For the instance `me`, which has the store's secret.
    pub(super) fn new(secret: &[u8; 32], me: u64) -> Self {
        let key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), b"chaincast backplane messages");
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()), me }
    }

    /// The content, not signed yet.
    pub(super) fn encode(&self, said: &Said<'_>) -> Unsigned {
        let room = vec![0; OVERHEAD];
        Unsigned(postcard::to_extend(said, room).expect("a vector grows, and every length is known"))
    }

    /// Signs what [`Codec::encode`] made.
    pub(super) fn seal(&self, message: Unsigned) -> Vec<u8> {
        self.seal_as(VERSION, message)
    }

    fn seal_as(&self, version: u8, Unsigned(mut message): Unsigned) -> Vec<u8> {
        if let Some((head, content)) = message.split_at_mut_checked(1 + TAG)
            && let Some(sender) = content.first_chunk_mut()
        {
            *sender = self.me.to_le_bytes();
            head[0] = version;
            head[1..].copy_from_slice(self.tag(version, content).as_ref());
        }
        message
    }

    fn tag(&self, version: u8, content: &[u8]) -> hmac::Tag {
        let mut signing = hmac::Context::with_key(&self.key);
        signing.update(&[version]);
        signing.update(content);
        signing.sign()
    }

    /// Who said what.
    pub(super) fn open<'a>(&self, message: &'a [u8]) -> Result<(u64, Said<'a>), Refusal> {
        let (&version, rest) = message.split_first().ok_or(Refusal::Foreign)?;
        let (tag, content) = rest.split_at_checked(TAG).ok_or(Refusal::Foreign)?;
        verify_slices_are_equal(self.tag(version, content).as_ref(), tag).map_err(|_| Refusal::Foreign)?;
        let (sender, said) = content.split_first_chunk::<SENDER>().ok_or(Refusal::Foreign)?;
        let sender = u64::from_le_bytes(*sender);
        match postcard::take_from_bytes(said) {
            Ok((said, [])) if version == VERSION => Ok((sender, said)),
            _ => Err(Refusal::Unclear { sender }),
        }
    }
}

/// A message of another version, which says what this one does not know.
#[cfg(test)]
pub(super) fn of_another_version(secret: &[u8; 32], me: u64) -> Vec<u8> {
    Codec::new(secret, me).seal_as(VERSION + 1, Unsigned::blank(OVERHEAD + 100))
}

/// What arrives at another instance on the same store.
#[cfg(test)]
pub(crate) fn over_the_wire(announcement: &Announcement) -> Option<Announcement> {
    let [here, there] = [1, 2].map(|me| Codec::new(&[7; 32], me));
    let message = here.seal(here.encode(&Said::Grew(Grown::of(announcement, true))));
    match there.open(&message) {
        Ok((1, Said::Grew(grown))) => grown.announcement(),
        _ => None,
    }
}

impl std::fmt::Debug for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Codec({:x})", self.me)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn announcement(seqs: std::ops::RangeInclusive<u64>) -> Announcement {
        let row = |seq| {
            let envelope = format!(r#"{{"id":"{seq}","type":"a.b","streams":["{seq}"],"data":{{"n":1.50}}}}"#);
            Event::from_row(Seq::new(seq), Timestamp::from_micros(seq as i64), envelope).expect("well formed")
        };
        let head = Seq::new(*seqs.end());
        Announcement {
            log: LogId::new(7),
            store: Some(StoreIdentity::new(u64::MAX)),
            epoch: Epoch::new(u32::MAX),
            head,
            events: seqs.map(row).collect(),
            trace: None,
        }
    }

    fn codec() -> Codec {
        Codec::new(&[7; 32], 99)
    }

    #[test]
    fn what_was_announced_is_read_back_with_its_events() {
        let (codec, told) = (codec(), announcement(3..=5));
        let message = codec.seal(codec.encode(&Said::Grew(Grown::of(&told, true))));
        let (sender, Said::Grew(grown)) = codec.open(&message).expect("own") else { panic!("something else") };
        let read = grown.announcement().expect("fits");
        assert_eq!((sender, read.log, read.store, read.epoch, read.head), (99, told.log, told.store, told.epoch, told.head));
        assert_eq!(read.events, told.events);
        let alone = Grown::of(&told, false);
        let read = alone.announcement().expect("fits");
        assert_eq!((alone.first, read.head, read.events.len()), (3, Seq::new(5), 0));
    }

    #[test]
    fn a_message_of_another_secret_is_foreign_and_one_of_another_version_unclear() {
        let message = codec().seal(codec().encode(&Said::Here));
        assert_eq!(Codec::new(&[8; 32], 99).open(&message), Err(Refusal::Foreign));
        let flipped = [&[VERSION + 1], &message[1..]].concat();
        assert_eq!(codec().open(&flipped), Err(Refusal::Foreign), "nobody signed that");
        assert_eq!(codec().open(&of_another_version(&[7; 32], 5)), Err(Refusal::Unclear { sender: 5 }));
        assert_eq!(codec().open(&message), Ok((99, Said::Here)));
    }

    #[test]
    fn the_trace_of_a_commit_is_read_back() {
        let context = TraceContext::from_parts(u128::MAX - 1, u64::MAX - 1, 3).expect("not zero");
        let passage = Passage { context, state: TraceState::parse([&b"a=1,b=2"[..]]), first: 3, last: 5 };
        let message = codec().seal(codec().encode(&Said::Traced(Traced::of(LogId::new(7), &passage))));
        let (_, Said::Traced(traced)) = codec().open(&message).expect("own") else { panic!("something else") };
        assert_eq!(traced.passage(), Some((LogId::new(7), passage)));
        for none in [Traced { trace: 0, ..traced.clone() }, Traced { span: 0, ..traced.clone() }, Traced { flags: 2, ..traced.clone() }] {
            assert_eq!(none.passage(), None, "{none:?}");
        }
        assert_eq!(Traced { head: 2, ..traced.clone() }.passage(), None, "ends before it begins");
        assert_eq!(Traced { state: "\r\n", ..traced }.passage().expect("good without").1.state, None);
    }

    /// What instances said before there were traces, and what they understand.
    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    enum SaidBefore<'a> {
        Grew(#[serde(borrow)] Grown<'a>),
        Here,
        Ask { id: u64, text: &'a [u8] },
        Answer { to: u64, id: u64, part: u16, parts: u16, text: &'a [u8] },
        Gone,
    }

    #[test]
    fn an_instance_of_before_there_were_traces_understands_all_but_the_trace() {
        let (codec, told) = (codec(), announcement(3..=5));
        let content = |said: &Said<'_>| codec.encode(said).0.split_off(OVERHEAD);
        let grew = content(&Said::Grew(Grown::of(&told, true)));
        assert_eq!(postcard::from_bytes::<SaidBefore<'_>>(&grew).expect("understood"), SaidBefore::Grew(Grown::of(&told, true)));
        assert_eq!(postcard::from_bytes::<SaidBefore<'_>>(&content(&Said::Gone)).expect("understood"), SaidBefore::Gone);
        let context = TraceContext::begin(|_| true);
        let traced = content(&Said::Traced(Traced::of(told.log, &Passage { context, state: None, first: 3, last: 5 })));
        assert!(postcard::from_bytes::<SaidBefore<'_>>(&traced).is_err(), "unclear, and no more than that");
    }

    #[test]
    fn events_that_do_not_fit_their_range_or_do_not_parse_refuse_the_message() {
        const GOOD: &str = r#"{"type":"a","data":1}"#;
        let told = announcement(3..=5);
        let fits = Grown::of(&told, true);
        for grown in [
            Grown { first: 2, ..fits.clone() },
            Grown { first: 6, ..fits.clone() },
            Grown { head: u64::MAX, ..fits.clone() },
            Grown { frames: vec![(0, "{}"); 3], ..fits.clone() },
            Grown { frames: vec![(0, GOOD); 4], ..fits.clone() },
            Grown { frames: vec![(-1, GOOD); 3], ..fits.clone() },
            Grown { frames: vec![(i64::MAX, GOOD); 3], ..fits.clone() },
            Grown { frames: vec![(0, "{\"type\":\"a\",\"data\":1} "); 3], ..fits.clone() },
            Grown { frames: vec![(0, "{\"type\":\"a\",\n\"data\":1}"); 3], ..fits.clone() },
        ] {
            assert!(grown.announcement().is_none(), "{grown:?}");
        }
        let good = Grown { frames: vec![(0, GOOD); 3], ..fits.clone() };
        assert!(fits.announcement().is_some() && good.announcement().is_some());
    }

    proptest! {
        #[test]
        fn no_bytes_at_all_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(codec().open(&bytes).is_err());
            // what the content may be when the secret is known
            let signed = codec().seal(Unsigned([&[0; OVERHEAD][..], &bytes].concat()));
            if let Ok((_, Said::Grew(grown))) = codec().open(&signed) {
                let _ = grown.announcement();
            }
        }

        #[test]
        fn no_damage_is_believed(at in any::<prop::sample::Index>(), flip in 1..=255_u8, cut in any::<bool>()) {
            let mut message = codec().seal(codec().encode(&Said::Grew(Grown::of(&announcement(1..=2), true))));
            let at = at.index(message.len());
            if cut { message.truncate(at) } else { message[at] ^= flip }
            prop_assert!(codec().open(&message).is_err());
        }

        #[test]
        fn damaged_content_under_a_good_signature_does_no_harm(at in any::<prop::sample::Index>(), flip in 1..=255_u8) {
            let mut content = codec().encode(&Said::Grew(Grown::of(&announcement(1..=2), true)));
            let at = OVERHEAD + at.index(content.len() - OVERHEAD);
            content.0[at] ^= flip;
            if let Ok((_, Said::Grew(grown))) = codec().open(&codec().seal(content)) {
                let _ = grown.announcement();
            }
        }
    }
}
