//! Where events end up: standard output, and behind it the cursor.

use std::{
    io::{self, IsTerminal as _, Write as _},
    ops::ControlFlow,
};

use anyhow::Context as _;

use super::{
    super::{say, visible},
    cursor_file::CursorFile,
    line::{self, Look},
    words,
};
use crate::{
    cli::{Color, Tail},
    client::News,
};

/// Writes events, one after the other.
pub(super) struct Sink {
    json: bool,
    quiet: bool,
    until_live: bool,
    left: Option<u64>,
    look: Look,
    /// The day of the last line.
    day: Option<String>,
    file: Option<CursorFile>,
    cursor: Option<String>,
}

impl Sink {
    pub(super) fn new(order: &Tail, file: Option<CursorFile>, cursor: Option<String>) -> Self {
        let terminal = io::stdout().is_terminal();
        let color = match order.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty()),
        };
        Self {
            json: order.json,
            quiet: order.quiet,
            until_live: order.until_live,
            left: order.count,
            look: Look { color, full: order.full, terminal, cursors: order.cursors },
            day: None,
            file,
            cursor,
        }
    }

    /// Where the last event, or what moved the cursor behind it, stands.
    pub(super) fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// Keeps the cursor of the last event, and says for people where it stopped: nothing may be written after this.
    pub(super) fn stop(&mut self) -> String {
        let kept = self.keep();
        match (&self.cursor, kept) {
            (Some(cursor), Ok(())) if self.file.is_some() => {
                format!("stopped at {cursor}; the next run with the same --cursor-file goes on there")
            }
            (Some(cursor), Ok(())) => format!("stopped at {cursor}; go on there with --from {cursor}"),
            (Some(cursor), Err(error)) => format!("stopped at {cursor}, which could not be kept: {error:#}"),
            (None, _) => "stopped before anything came".to_owned(),
        }
    }

    /// Takes what the stream tells; breaks when there is enough.
    pub(super) fn take(&mut self, news: News) -> anyhow::Result<ControlFlow<()>> {
        if let Some(words) = words::of(&news)
            && (!self.quiet || matches!(news, News::Gap { .. }))
        {
            say(&visible(&words));
        }
        match news {
            News::Event { cursor, event_type, envelope } => {
                self.write(&cursor, &event_type, &envelope)?;
                self.cursor = Some(cursor);
                if let Some(left) = &mut self.left {
                    *left -= 1;
                    if *left == 0 {
                        self.keep()?;
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
            News::CaughtUp { cursor, .. } if self.until_live => {
                self.cursor = Some(cursor);
                self.keep()?;
                return Ok(ControlFlow::Break(()));
            }
            News::Settled { cursor } => {
                self.cursor = cursor;
                self.keep()?;
            }
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    }

    fn write(&mut self, cursor: &str, event_type: &str, envelope: &str) -> anyhow::Result<()> {
        let line =
            if self.json { line::json(cursor, envelope) } else { line::human(&self.look, &mut self.day, cursor, event_type, envelope) };
        // one write a line, which a reader sees at once and whole
        let mut out = io::stdout().lock();
        out.write_all(line.as_bytes()).and_then(|()| out.flush()).context("standard output")
    }

    fn keep(&mut self) -> anyhow::Result<()> {
        match (&mut self.file, &self.cursor) {
            (Some(file), Some(cursor)) => file.keep(cursor),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interruption_between_two_events_keeps_the_cursor_that_it_tells() {
        let home = tempfile::TempDir::new().expect("a directory");
        let path = home.path().join("cursor");
        let mut sink = Sink {
            json: true,
            quiet: true,
            until_live: false,
            left: None,
            look: Look { color: false, full: false, terminal: false, cursors: false },
            day: None,
            file: Some(CursorFile::at(&path).expect("there is a directory")),
            cursor: None,
        };
        assert_eq!(sink.stop(), "stopped before anything came");
        assert!(sink.take(News::Settled { cursor: Some("7c1f9a02-3".into()) }).expect("written").is_continue());
        // of the same page as the next one, so nothing has settled
        sink.cursor = Some("7c1f9a02-4".into());
        assert!(sink.stop().starts_with("stopped at 7c1f9a02-4; the next run with"));
        assert_eq!(std::fs::read_to_string(&path).expect("kept"), "7c1f9a02-4\n");
        drop(home);
        sink.cursor = Some("7c1f9a02-5".into());
        assert!(sink.stop().starts_with("stopped at 7c1f9a02-5, which could not be kept: "));
    }
}
