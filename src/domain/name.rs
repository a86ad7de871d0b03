//! Dotted names, and the patterns that select them.
//!
//! Segments are visible ASCII without `.`, `,` and `*`. In a pattern `*` stands for one segment and a last `**` for one or more; the
//! longest run of literal segments in front is what postings are keyed by, the rest is a recheck.

use std::fmt;

use super::text::checked_text;

/// The longest name or pattern, in bytes.
pub const MAX_NAME_BYTES: usize = 255;
/// The most segments of a name: each ancestor is one posting in the log.
pub const MAX_SEGMENTS: usize = 8;

/// Which rule of the grammar a text breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing at all.
    #[error("must not be empty")]
    Empty,
    /// Too many bytes.
    #[error("must be at most {0} bytes long")]
    TooLong(usize),
    /// A control character, a space, or anything beyond ASCII.
    #[error("must be visible ASCII")]
    NotVisible,
    /// A comma, which separates selectors in a query.
    #[error("must not contain a comma")]
    Comma,
    /// `a..b`, `.a` or `a.`.
    #[error("must not have empty segments")]
    EmptySegment,
    /// More dots than [`MAX_SEGMENTS`] allows.
    #[error("must have at most {MAX_SEGMENTS} segments")]
    TooDeep,
    /// A `*` where a plain name is wanted, or inside a segment, or `**` before the end.
    #[error("`*` must be a whole segment, `**` the last one, and both only in a filter")]
    Wildcard,
    /// A name that the service uses itself.
    #[error("is reserved: `open`, `error`, `message` and `hub.**` belong to the service and to EventSource")]
    Reserved,
}

pub(super) fn check_visible(s: &str, max: usize) -> Result<(), NameError> {
    if s.is_empty() {
        return Err(NameError::Empty);
    }
    if s.len() > max {
        return Err(NameError::TooLong(max));
    }
    if !s.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(NameError::NotVisible);
    }
    Ok(())
}

pub(super) fn check_selector(s: &str, max: usize) -> Result<(), NameError> {
    check_visible(s, max)?;
    if s.contains(',') { Err(NameError::Comma) } else { Ok(()) }
}

fn check_dotted(s: &str) -> Result<(), NameError> {
    check_selector(s, MAX_NAME_BYTES)?;
    if s.split('.').any(str::is_empty) {
        return Err(NameError::EmptySegment);
    }
    if s.split('.').count() > MAX_SEGMENTS {
        return Err(NameError::TooDeep);
    }
    Ok(())
}

/// The proper ancestors of a dotted name, shortest first: `a`, `a.b` for `a.b.c`.
pub(super) fn ancestors(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('.').map(|(at, _)| &name[..at])
}

checked_text! {
    /// A name that an event is filed under, such as `market.price.CF1-001`.
    Topic, check_plain
}
checked_text! {
    /// An event's kind, such as `stream.created`: the SSE `event` field.
    EventType, |s| {
        check_plain(s)?;
        let reserved = matches!(s, "open" | "error" | "message" | "hub") || s.starts_with("hub.");
        if reserved { Err(NameError::Reserved) } else { Ok(()) }
    }
}

fn check_plain(s: &str) -> Result<(), NameError> {
    check_dotted(s)?;
    if s.contains('*') { Err(NameError::Wildcard) } else { Ok(()) }
}

/// A name in which segments may be wild.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern {
    text: Box<str>,
    /// Length of the literal segments in front; the whole text when nothing is wild.
    literal: u16,
}

impl Pattern {
    /// Checks an untrusted text.
    ///
    /// # Errors
    /// Which rule it breaks.
    pub fn parse(s: &str) -> Result<Self, NameError> {
        check_dotted(s)?;
        let mut literal = 0;
        let mut wild = false;
        let mut segments = s.split('.').peekable();
        while let Some(segment) = segments.next() {
            match segment {
                "*" => wild = true,
                "**" if segments.peek().is_none() => wild = true,
                _ if segment.contains('*') => return Err(NameError::Wildcard),
                _ if wild => {}
                _ => literal += segment.len() + usize::from(literal > 0),
            }
        }
        let literal = u16::try_from(literal).map_err(|_| NameError::TooLong(MAX_NAME_BYTES))?;
        Ok(Self { text: s.into(), literal })
    }

    /// The text as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The literal segments in front; empty when the first segment is wild.
    #[must_use]
    pub fn literal(&self) -> &str {
        &self.text[..usize::from(self.literal)]
    }

    /// Its segments, wild ones as `*` and `**`.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.text.split('.')
    }

    /// Whether it selects one name only.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.literal().len() == self.text.len()
    }

    /// Whether it selects every name that `other` selects.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let mut theirs = other.segments();
        for ours in self.segments() {
            match (ours, theirs.next()) {
                ("**", found) => return found.is_some(),
                ("*", Some(found)) if found != "**" => {}
                (literal, Some(found)) if literal == found => {}
                _ => return false,
            }
        }
        theirs.next().is_none()
    }

    /// Whether `name` is selected.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        if self.is_exact() {
            return *self.text == *name;
        }
        let mut names = name.split('.');
        for segment in self.segments() {
            match (segment, names.next()) {
                ("**", found) => return found.is_some(),
                ("*", Some(_)) => {}
                (literal, Some(found)) if literal == found => {}
                _ => return false,
            }
        }
        names.next().is_none()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_one_segment_and_two_stars_are_one_or_more() {
        let hits = |pattern: &str, name: &str| Pattern::parse(pattern).expect(pattern).matches(name);
        assert!(hits("proposal.*", "proposal.created"));
        assert!(!hits("proposal.*", "proposal"));
        assert!(!hits("proposal.*", "proposal.a.b"));
        assert!(hits("market.**", "market.price.CF1-001"));
        assert!(hits("market.**", "market.price"));
        assert!(!hits("market.**", "market"));
        assert!(!hits("market.**", "markets.price"));
        assert!(hits("*.created", "stream.created"));
        assert!(hits("a.*.c", "a.b.c"));
        assert!(!hits("a.*.c", "a.b.d"));
        assert!(hits("**", "anything.at.all"));
    }

    #[test]
    fn a_pattern_covers_another_when_it_selects_all_that_the_other_selects() {
        let patterns =
            ["a", "a.b", "a.*", "a.**", "*", "*.b", "*.*", "**", "a.*.**", "*.**", "a.b.c", "a.*.c"].map(|p| Pattern::parse(p).expect(p));
        let segments = ["a", "b", "c"];
        let pairs = segments.iter().flat_map(|x| segments.iter().map(move |y| format!("{x}.{y}"))).collect::<Vec<_>>();
        let names = segments.iter().map(ToString::to_string).chain(pairs.iter().cloned());
        let names: Vec<String> = names.chain(pairs.iter().flat_map(|xy| segments.iter().map(move |z| format!("{xy}.{z}")))).collect();
        for ours in &patterns {
            for theirs in &patterns {
                let more = names.iter().find(|name| theirs.matches(name) && !ours.matches(name));
                // `*.**` is no more than `**` of two segments or more, and is held to what it says
                assert_eq!(ours.covers(theirs), more.is_none(), "{ours} covers {theirs}: {more:?}");
            }
        }
    }

    #[test]
    fn the_literal_front_is_what_precedes_the_first_wild_segment() {
        for (pattern, literal) in [("a.b", "a.b"), ("a.*", "a"), ("a.b.**", "a.b"), ("*", ""), ("**", ""), ("a.*.c", "a")] {
            assert_eq!(Pattern::parse(pattern).expect(pattern).literal(), literal);
        }
    }

    #[test]
    fn stars_inside_a_segment_and_early_double_stars_are_refused() {
        for bad in ["a*", "*a.b", "**.a", "a.***", "a..b", ".a", "a.", "", "a b", "a\nb", "é", "a,b", "1.2.3.4.5.6.7.8.9"] {
            assert!(Pattern::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn types_of_the_service_itself_are_reserved() {
        for bad in ["open", "error", "message", "hub", "hub.gap", "hub.anything.else"] {
            assert_eq!(EventType::parse(bad), Err(NameError::Reserved));
        }
        assert!(EventType::parse("hubs.opened").is_ok());
        assert!(Topic::parse("hub.gap").is_ok());
    }
}
