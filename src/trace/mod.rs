//! The way of one request through the service, and beyond it: W3C Trace Context, and the spans that tell of it.
//!
//! A request continues its client's trace, or begins one ([`Origin`]). Every line about it in the log has the trace's id; spans are made
//! only of what is sampled: the operator's [`Ratio`] decides, and a client that asks for spans of its own gets them if it is vouched for, at a bounded
//! rate. What a sampled publish causes is
//! followed as a [`Passage`], which goes with the commit, once a batch and never once a connection. **Nothing is made, and nothing is allocated,
//! for what is not sampled** (`what_is_not_sampled_makes_no_span`).
//!
//! A span holds counts and patterns of routes; tokens, ids, topics and addresses are never put in. Where finished spans go is not known here:
//! into the bounded queue of a [`Tracer`], and from there to whoever exports them.

mod context;
mod origin;
mod ratio;
mod span;
mod state;
mod tracer;

pub use self::{
    context::{SpanId, TraceContext, TraceId},
    origin::{Origin, Passage},
    ratio::{Ratio, RatioError},
    span::{Kind, Span, Value},
    state::TraceState,
    tracer::{SpanCounts, Spans, Tracer},
};
