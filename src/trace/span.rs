//! What is told of one step when it is over.

use std::{borrow::Cow, time::SystemTime};

use super::{SpanId, TraceContext, TraceState};

/// What a step does, as OpenTelemetry has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something within.
    Internal,
    /// Answers a request.
    Server,
    /// Works off what was committed before.
    Consumer,
}

/// A fact of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A word of the service's own: never what a client sent.
    Text(Cow<'static, str>),
    /// A count.
    Number(u64),
}

/// A step that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Which.
    pub context: TraceContext,
    /// What caused it.
    pub parent: Option<SpanId>,
    /// What vendors passed on.
    pub state: Option<TraceState>,
    /// What it is.
    pub name: Cow<'static, str>,
    /// What it does.
    pub kind: Kind,
    /// When it began.
    pub began: SystemTime,
    /// When it ended.
    pub ended: SystemTime,
    /// What is known of it.
    pub attributes: Vec<(&'static str, Value)>,
    /// Moments within.
    pub moments: Vec<(&'static str, SystemTime)>,
    /// What else caused it, or what it went on in.
    pub links: Vec<TraceContext>,
    /// Whether it failed.
    pub failed: bool,
}

impl From<usize> for Value {
    fn from(count: usize) -> Self {
        Self::Number(count as u64)
    }
}

impl From<u64> for Value {
    fn from(count: u64) -> Self {
        Self::Number(count)
    }
}

impl From<&'static str> for Value {
    fn from(word: &'static str) -> Self {
        Self::Text(word.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}
