//! An event's position in its log.

use std::fmt;

/// A position: 1, 2, 3 … dense within a log, in commit order. Zero stands before the first event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(u64);

impl Seq {
    /// Before the first event.
    pub const ZERO: Self = Self(0);
    /// The largest position that both stores can hold (a signed 64-bit column).
    pub const MAX: Self = Self(i64::MAX as u64);

    /// A position from a trusted number; larger ones are held at [`Seq::MAX`].
    #[must_use]
    pub const fn new(n: u64) -> Self {
        if n > Self::MAX.0 { Self::MAX } else { Self(n) }
    }

    /// A position as a database column holds it; negative numbers, which no store writes, become zero.
    #[must_use]
    pub const fn from_column(n: i64) -> Self {
        Self(if n < 0 { 0 } else { n.unsigned_abs() })
    }

    /// As a database column.
    #[must_use]
    pub const fn to_column(self) -> i64 {
        self.0.cast_signed()
    }

    /// The plain number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The position after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self::new(self.0 + 1)
    }

    /// The position before this one; zero stays zero.
    #[must_use]
    pub const fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// This position moved by `n`.
    #[must_use]
    pub const fn plus(self, n: u64) -> Self {
        Self::new(self.0.saturating_add(n))
    }

    /// How many positions lie in `(earlier, self]`.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
