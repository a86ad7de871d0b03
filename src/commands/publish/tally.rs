//! What became of the events so far, and what to do to have the others published.

use std::time::Instant;

use super::super::{count, visible};
use crate::cli::Publish;

/// What became of the events.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) stored: u64,
    pub(super) duplicates: u64,
    pub(super) conflicts: u64,
    pub(super) rejected: u64,
    pub(super) last: Option<String>,
    began: Instant,
    puts_aside: bool,
    makes_ids: bool,
}

impl Tally {
    pub(super) fn new(order: &Publish) -> Self {
        let (puts_aside, makes_ids) = (order.skip_invalid.is_some(), order.allow_missing_ids);
        Self { stored: 0, duplicates: 0, conflicts: 0, rejected: 0, last: None, began: Instant::now(), puts_aside, makes_ids }
    }

    pub(super) fn events(&self) -> u64 {
        self.stored + self.duplicates + self.conflicts + self.rejected
    }

    pub(super) fn summary(&self) -> String {
        let Self { stored, duplicates, conflicts, rejected, last, .. } = self;
        let spent = self.began.elapsed().as_secs_f64();
        let rate = count((self.events() as f64 / spent.max(0.001)) as u64);
        let mut text = format!("{} stored, {} duplicates, {} conflicts", count(*stored), count(*duplicates), count(*conflicts));
        if self.puts_aside {
            text += &format!(", {} put aside", count(*rejected));
        }
        text += &format!(" in {spent:.1} s ({rate}/s)");
        last.as_ref().map_or(text.clone(), |last| format!("{text}; the last one is {}", visible(last)))
    }

    /// How to go on where it stopped.
    pub(super) fn again(&self) -> String {
        // a file for rejects is not written twice
        let other = if self.rejected > 0 { ", with another file for --skip-invalid" } else { "" };
        let doubles = if self.makes_ids { "only events without an id double" } else { "nothing doubles" };
        format!("run the same command again{other}; {doubles}")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Words {
        #[command(flatten)]
        order: Publish,
    }

    pub(in super::super) fn tally(words: &[&str]) -> Tally {
        Tally::new(&Words::parse_from([&["publish"], words].concat()).order)
    }

    #[test]
    fn whoever_runs_it_again_is_told_what_doubles() {
        assert_eq!(tally(&[]).again(), "run the same command again; nothing doubles");
        assert!(tally(&["--allow-missing-ids"]).again().ends_with("only events without an id double"));
        let some = Tally { rejected: 1, ..tally(&["--skip-invalid", "r"]) };
        assert!(some.again().contains("with another file for --skip-invalid; nothing"));
        assert!(some.summary().contains("0 conflicts, 1 put aside"), "{}", some.summary());
    }
}
