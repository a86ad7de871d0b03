//! What can be wrong with a body, in three kinds that publishers handle differently: not JSON, JSON that is no event, and too much of it.
//!
//! Faults are collected, not thrown: a publisher who fixes what one answer names is done. The list is bounded, and so is each entry.

/// Why a body is no batch of events.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// It is not JSON at all, or nothing.
    #[error("{detail}")]
    Malformed {
        /// What was expected, with line and column.
        detail: String,
    },
    /// It is JSON and not a batch of events.
    #[error("the body breaks the rules of an event in {} place(s)", faults.len())]
    Invalid {
        /// In the order of the body; at least one, and [`Fault::MAX`] at most.
        faults: Vec<Fault>,
    },
    /// A limit is exceeded; nothing else was looked at.
    #[error(transparent)]
    TooLarge(#[from] Excess),
}

/// Which limit a body exceeds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Excess {
    /// The body itself.
    #[error("the body has {found} bytes; at most {max} are taken")]
    BatchBytes {
        /// The limit.
        max: usize,
        /// What came.
        found: usize,
    },
    /// The number of events.
    #[error("the batch has {found} events; at most {max} are taken")]
    BatchEvents {
        /// The limit.
        max: usize,
        /// What came.
        found: usize,
    },
    /// One event, without whitespace outside strings.
    #[error("the event at index {index} has {found} bytes; at most {max} are taken")]
    EventBytes {
        /// Its index in the batch.
        index: usize,
        /// The limit.
        max: usize,
        /// What came.
        found: usize,
    },
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where, as a JSON Pointer (RFC 6901) into the body; NDJSON counts as the array of its events.
    pub pointer: String,
    /// Which rule, for programs.
    pub code: &'static str,
    /// Which rule, for people.
    pub detail: String,
}

impl Fault {
    /// The most faults of one answer.
    pub const MAX: usize = 100;
}

/// Faults found so far.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    pub(super) fn add(&mut self, pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) {
        if !self.is_full() {
            self.0.push(Fault { pointer: pointer.into(), code, detail: detail.into() });
        }
    }

    /// Whether looking further is pointless.
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= Fault::MAX
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    pub(super) fn into_result(self) -> Result<(), ParseError> {
        if self.0.is_empty() { Ok(()) } else { Err(ParseError::Invalid { faults: self.0 }) }
    }
}

/// The longest member name that a pointer repeats, in bytes.
const MAX_POINTER_NAME_BYTES: usize = 255;

/// The pointer of a member, or of its parent when the name is too long to repeat to its sender.
pub(super) fn member_pointer(parent: &str, name: &str) -> String {
    if name.len() > MAX_POINTER_NAME_BYTES {
        return parent.to_owned();
    }
    format!("{parent}/{}", name.replace('~', "~0").replace('/', "~1"))
}
