//! An event that is not taken, and why.

use std::{fmt, path::Path};

use std::{fs::File, io::Write as _};

use anyhow::Context as _;
use serde_json::json;

use super::super::visible;

/// How many reasons are told of one event.
const TOLD: usize = 5;

/// An event that is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reject {
    pub(super) line: u64,
    pub(super) json: String,
    pub(super) whys: Vec<Why>,
}

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Why {
    /// Where in the event, as a JSON Pointer; empty for all of it.
    pub(super) pointer: String,
    pub(super) detail: String,
}

impl Why {
    pub(super) fn all(detail: impl Into<String>) -> Self {
        Self { pointer: String::new(), detail: detail.into() }
    }

    /// A pointer into a batch as one into its event.
    pub(super) fn within(pointer: &str) -> &str {
        let behind = pointer.strip_prefix('/').unwrap_or(pointer);
        behind.find('/').map_or("", |at| &behind[at..])
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}:", self.line)?;
        for (at, why) in self.whys.iter().take(TOLD).enumerate() {
            f.write_str(if at > 0 { "; " } else { " " })?;
            if !why.pointer.is_empty() {
                write!(f, "{} ", visible(&why.pointer))?;
            }
            f.write_str(&visible(&why.detail))?;
        }
        if self.whys.len() > TOLD {
            write!(f, "; and {} more", self.whys.len() - TOLD)?;
        }
        Ok(())
    }
}

/// Where rejects are kept for whoever corrects them: one a line, with its line and the reasons.
pub(super) struct Rejects(File);

impl Rejects {
    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        Ok(Self(File::create(path).with_context(|| format!("--skip-invalid: {}", path.display()))?))
    }

    pub(super) fn add(&mut self, reject: &Reject) -> anyhow::Result<()> {
        let errors: Vec<_> = reject.whys.iter().map(|why| json!({"pointer": why.pointer, "detail": why.detail})).collect();
        let line = json!({"line": reject.line, "errors": errors, "event": reject.json});
        writeln!(self.0, "{line}").context("--skip-invalid")
    }
}
