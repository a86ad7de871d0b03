//! Text of strangers made safe to look at.

use std::{borrow::Cow, fmt::Write as _};

/// Whether a terminal, or a reader's eye, takes this character for something else than itself: controls, and what turns the direction of text.
fn is_dangerous(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The text with such characters as `\u` escapes; within the strings of JSON that is the same value, spelt otherwise.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_dangerous) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_dangerous(c) {
            // writing to a String cannot fail; all of them lie in the first plane
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// How many columns a terminal needs, counting every wide or uncertain character as two.
pub(super) fn columns(text: &str) -> usize {
    text.chars().map(width).sum()
}

fn width(c: char) -> usize {
    if c < '\u{1100}' { 1 } else { 2 }
}

/// The text cut to so many columns, with an ellipsis where something is gone.
pub(super) fn cut(text: &str, most: usize) -> Cow<'_, str> {
    if columns(text) <= most {
        return Cow::Borrowed(text);
    }
    let mut left = most.saturating_sub(1);
    let kept = text.chars().take_while(|c| {
        let fits = width(*c) <= left;
        left = left.saturating_sub(width(*c));
        fits
    });
    Cow::Owned(kept.chain(['…']).collect())
}

/// A long name with its middle left out: addresses are told apart by their ends.
pub(super) fn shortened(name: &str) -> Cow<'_, str> {
    const ENDS: usize = 4;
    if name.chars().count() <= 2 * ENDS + 4 {
        return Cow::Borrowed(name);
    }
    let first: String = name.chars().take(ENDS).collect();
    let last: Vec<char> = name.chars().rev().take(ENDS).collect();
    Cow::Owned(format!("{first}…{}", last.into_iter().rev().collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_gets_through() {
        assert_eq!(visible("\u{1b}[2J\u{9b}1m\u{7f}\r\u{202e}x é"), "\\u001b[2J\\u009b1m\\u007f\\u000d\\u202ex é");
        let json = format!("{{\"a\":\"{}\"}}", '\u{9b}');
        let spelt: serde_json::Value = serde_json::from_str(&visible(&json)).expect("still JSON");
        assert_eq!(spelt["a"], "\u{9b}");
    }

    #[test]
    fn a_line_is_cut_to_the_columns_that_there_are() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdefg", 6), "abcde…");
        assert_eq!(cut("漢漢漢漢", 6), "漢漢…");
        assert_eq!(cut("abc", 0), "…");
        assert_eq!(shortened("GABCDEFGHIJKLMNOP"), "GABC…MNOP");
        assert_eq!(shortened("stream-12"), "stream-12");
    }
}
