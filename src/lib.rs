//! chaincast: real-time blockchain events over Server-Sent Events.
//!
//! One log, many cursors. The log is the truth; a subscription is a filter and a cursor into it; live delivery, replay, a slow consumer and a
//! reconnect are the same thing at different distances from the head. The way of an event:
//!
//! ```text
//! indexer ──POST /events──▶ http ──▶ ingest ──▶ committer ──▶ log ──▶ backplane ──▶ sequencer ──▶ shard ──▶ socket
//!                                    parse       groups of    lock head,  announce     strictly     ring, index,
//!                                    validate    what queued  dedupe,                  by seq,      cursors
//!                                                             number       ◀── pages ── fills holes
//! ```
//!
//! Arrows point down only; `tests/it/architecture.rs` holds the modules to this table:
//!
//! | module | what it is | may use |
//! |---|---|---|
//! | [`domain`] | the words as types; pure | nothing |
//! | [`log`] | the durable log: contract, Postgres, SQLite, retention, copies | `domain` |
//! | [`auth`] | credentials, principals, rights; knows no HTTP | `domain`, `log`, `outbound` |
//! | [`backplane`] | tells that a log grew | `domain`, `log`, `trace` |
//! | [`ingest`] | parsing, validation, the committer | `domain`, `log`, `backplane`, `histogram`, `trace` |
//! | [`hub`] | sequencer, shards, replay; generic over its outlet | `domain`, `log`, `backplane`, `histogram`, `trace`, `vital` |
//! | [`histogram`] | durations and sizes as counts by bucket | nothing |
//! | [`vital`] | ends the process when a task that it cannot be without has panicked | nothing |
//! | [`trace`] | steps of traces, and the spans that tell of them | nothing |
//! | [`sse`] | frames, and the sockets that have left actix | `domain`, `hub` |
//! | [`outbound`] | what requests to others have in common: TLS and proxies | nothing |
//! | [`client`] | the service from outside: follow with resume, publish | `outbound` |
//! | [`config`], [`cli`], [`telemetry`], [`shutdown`] | the process | `domain`, `log`, `auth`, `ingest`, `client`, `trace`, `outbound` |
//! | [`commands`] | `tail` and `publish`, and how lines of events are read and written | `cli`, `client`, `domain`, `ingest` |
//! | [`http`] | routes, handlers, problems, OpenAPI | all above but adapters |
//! | [`app`] | joins the parts, picks adapters | everything |
//!
//! `benches/` measures parts that nobody else may name; `measure` in `hub` and in `sse` is its door, which the feature `bench-internals` opens.

pub mod app;
pub mod auth;
pub mod backplane;
pub mod cli;
pub mod client;
pub mod commands;
pub mod config;
pub mod domain;
pub mod histogram;
pub mod http;
pub mod hub;
pub mod ingest;
pub mod log;
pub mod outbound;
pub mod shutdown;
pub mod sse;
pub mod telemetry;
pub mod trace;
pub mod vital;
