//! How far it is: a bar on a terminal, a line now and then elsewhere.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

/// How often a bar moves.
const REDRAW_EVERY: Duration = Duration::from_millis(100);
/// How often a line is written where nobody watches.
const SAY_EVERY: Duration = Duration::from_secs(5);
/// Cells of the bar.
const CELLS: u64 = 24;

/// Says how far it is, and lets other lines through.
pub struct Progress {
    began: Instant,
    said: Option<Instant>,
    terminal: bool,
    quiet: bool,
    drawn: bool,
}

impl Progress {
    /// Begins now.
    #[must_use]
    pub fn new(quiet: bool) -> Self {
        Self { began: Instant::now(), said: None, terminal: io::stderr().is_terminal(), quiet, drawn: false }
    }

    /// So many events are done, and so many of so many bytes are read.
    pub fn at(&mut self, events: u64, bytes: u64, of: Option<u64>, more: &str) {
        let every = if self.terminal { REDRAW_EVERY } else { SAY_EVERY };
        if self.quiet || self.said.unwrap_or(self.began).elapsed() < every {
            return;
        }
        self.said = Some(Instant::now());
        let seconds = self.began.elapsed().as_secs_f64().max(0.001);
        let rate = count((events as f64 / seconds) as u64);
        let share = of.filter(|of| *of > 0).map(|of| (bytes.min(of) * 100 / of, bytes.min(of) * CELLS / of));
        let (bar, percent) = match share {
            Some((percent, cells)) if self.terminal => {
                (format!("[{}{}] ", "#".repeat(cells as usize), ".".repeat((CELLS - cells) as usize)), format!("{percent} %, "))
            }
            Some((percent, _)) => (String::new(), format!("{percent} %, ")),
            None => (String::new(), String::new()),
        };
        let line = format!("{bar}{percent}{} events, {rate}/s{more}", count(events));
        if self.terminal {
            self.drawn = true;
            let _ = write!(io::stderr(), "\r\x1b[2K{line}");
        } else {
            let _ = writeln!(io::stderr(), "{line}");
        }
    }

    /// A line of its own.
    pub fn say(&mut self, line: &str) {
        self.clear();
        let _ = writeln!(io::stderr(), "{line}");
    }

    /// Takes the bar away.
    pub fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            let _ = write!(io::stderr(), "\r\x1b[2K");
        }
    }

    /// Since when.
    #[must_use]
    pub fn spent(&self) -> Duration {
        self.began.elapsed()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

/// With a comma before each three digits.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn large_numbers_are_read_in_threes() {
        assert_eq!([0, 999, 1000, 1_234_567].map(super::count), ["0", "999", "1,000", "1,234,567"]);
    }
}
