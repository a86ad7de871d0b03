//! Which share of new traces is sampled.

use std::{fmt, str::FromStr};

use super::TraceId;

/// A share from 0 to 1. It is taken by the random part of a trace's id, so every service with the same share takes the same traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio {
    /// In units of 2⁻⁵⁶.
    share: u64,
}

/// A text that is no share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a number from 0 to 1, such as 0.01")]
pub struct RatioError;

impl Ratio {
    /// Everything.
    pub const ALL: Self = Self { share: Self::WHOLE };
    /// Nothing.
    pub const NONE: Self = Self { share: 0 };
    const WHOLE: u64 = 1 << 56;

    pub(super) fn takes(self, trace: TraceId) -> bool {
        // the highest numbers, as the standard's consistent sampling does
        trace.random() >= Self::WHOLE - self.share
    }
}

impl FromStr for Ratio {
    type Err = RatioError;

    fn from_str(text: &str) -> Result<Self, RatioError> {
        let share: f64 = text.parse().map_err(|_| RatioError)?;
        if !(0.0..=1.0).contains(&share) {
            return Err(RatioError);
        }
        Ok(Self { share: (share * Self::WHOLE as f64) as u64 })
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // to a billionth: what was set is shown as it was
        write!(f, "{}", (self.share as f64 / Self::WHOLE as f64 * 1e9).round() / 1e9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::TraceContext;

    #[test]
    fn a_share_is_read_and_shown() {
        for text in ["0", "1", "0.01", "0.5"] {
            assert_eq!(text.parse::<Ratio>().expect("a share").to_string(), text);
        }
        assert_eq!(("1".parse(), "0".parse()), (Ok(Ratio::ALL), Ok(Ratio::NONE)));
        for bad in ["", "-0.1", "1.01", "NaN", "inf", "10%"] {
            assert_eq!(bad.parse::<Ratio>(), Err(RatioError), "{bad}");
        }
    }

    #[test]
    fn the_share_is_of_the_random_part_of_the_id() {
        let takes = |ratio: &str, random: u64| {
            let trace = TraceContext::from_parts(u128::MAX << 56 | u128::from(random), 1, 0).expect("not zero").trace;
            ratio.parse::<Ratio>().expect("a share").takes(trace)
        };
        let (last, half) = ((1 << 56) - 1, 1 << 55);
        assert!(takes("1", 0) && takes("1", last) && !takes("0", 0) && !takes("0", last));
        assert!(takes("0.5", half) && !takes("0.5", half - 1) && takes("0.25", half + half / 2) && !takes("0.25", half));
    }
}
