//! Where one step of a trace stands: <https://www.w3.org/TR/trace-context-2/>.

use std::{fmt, num::NonZero};

/// A trace, of which zero is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceId(NonZero<u128>);

/// A step of a trace, of which zero is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpanId(NonZero<u64>);

impl TraceId {
    pub(super) fn made() -> Self {
        Self(NonZero::new(fastrand::u128(..)).unwrap_or(NonZero::<u128>::MIN))
    }

    /// As it is sent.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.get().to_be_bytes()
    }

    /// What is random in it wherever it was made: the part that sampling looks at.
    pub(super) fn random(self) -> u64 {
        self.0.get() as u64 & (u64::MAX >> 8)
    }
}

impl SpanId {
    fn made() -> Self {
        Self(NonZero::new(fastrand::u64(..)).unwrap_or(NonZero::<u64>::MIN))
    }

    /// As it is sent.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 8] {
        self.0.get().to_be_bytes()
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// One step of one trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace: TraceId,
    /// The step.
    pub span: SpanId,
    flags: u8,
}

impl TraceContext {
    const SAMPLED: u8 = 0b01;
    /// The trace's id is random, so others may sample by it.
    const RANDOM: u8 = 0b10;
    /// The length of version 00, and of what is understood of later ones.
    const LENGTH: usize = 55;

    /// The first step of a new trace.
    #[must_use]
    pub fn begin(samples: impl FnOnce(TraceId) -> bool) -> Self {
        let trace = TraceId::made();
        let sampled = if samples(trace) { Self::SAMPLED } else { 0 };
        Self { trace, span: SpanId::made(), flags: Self::RANDOM | sampled }
    }

    /// A step caused by this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self { span: SpanId::made(), ..self }
    }

    /// The same step, of which spans are made or not.
    pub(super) fn sampled_if(self, sampled: bool) -> Self {
        Self { flags: self.flags & !Self::SAMPLED | if sampled { Self::SAMPLED } else { 0 }, ..self }
    }

    /// Whether spans are made of it.
    #[must_use]
    pub fn is_sampled(self) -> bool {
        self.flags & Self::SAMPLED != 0
    }

    /// What later versions of the standard add to the flags is left out.
    #[must_use]
    pub fn flags(self) -> u8 {
        self.flags
    }

    /// From the parts that another instance sent.
    #[must_use]
    pub fn from_parts(trace: u128, span: u64, flags: u8) -> Option<Self> {
        Some(Self {
            trace: TraceId(NonZero::new(trace)?),
            span: SpanId(NonZero::new(span)?),
            flags: flags & (Self::SAMPLED | Self::RANDOM),
        })
    }

    /// The parts, to be sent to another instance.
    #[must_use]
    pub fn to_parts(self) -> (u128, u64, u8) {
        (self.trace.0.get(), self.span.0.get(), self.flags)
    }

    /// What a `traceparent` says; `None` when it is not one, letter by letter.
    #[must_use]
    pub fn parse(header: &[u8]) -> Option<Self> {
        let (known, rest) = header.split_at_checked(Self::LENGTH)?;
        let &[v1, v2, b'-', ref known @ ..] = known else { return None };
        match (hex(&[v1, v2])?, rest) {
            (0xff, _) => return None,
            (0, []) | (1.., []) | (1.., [b'-', ..]) => {}
            _ => return None,
        }
        let (trace, known) = known.split_at_checked(32)?;
        let (&b'-', known) = known.split_first()? else { return None };
        let (span, known) = known.split_at_checked(16)?;
        let (&b'-', flags) = known.split_first()? else { return None };
        Self::from_parts(hex(trace)?, u64::try_from(hex(span)?).ok()?, u8::try_from(hex(flags)?).ok()?)
    }
}

/// Lower-case digits, and nothing else.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number: u128, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(value))
    })
}

/// As `traceparent` and `traceresponse` have it.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace, self.span, self.flags)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn parse(text: &str) -> Option<TraceContext> {
        TraceContext::parse(text.as_bytes())
    }

    #[test]
    fn the_example_of_the_standard_is_understood() {
        let context = parse(GOOD).expect("understood");
        assert_eq!(context.trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(context.span.to_string(), "00f067aa0ba902b7");
        assert!(context.is_sampled());
        assert_eq!(context.to_string(), GOOD);
        assert!(!parse(&GOOD.replace("-01", "-00")).expect("understood").is_sampled());
    }

    #[test]
    fn a_later_version_is_understood_as_far_as_this_one_goes() {
        for later in [GOOD.replacen("00", "01", 1), GOOD.replacen("00", "cc", 1) + "-what-the-future-will-be"] {
            assert_eq!(parse(&later).map(|context| context.to_string()).as_deref(), Some(GOOD), "{later}");
        }
        assert_eq!(parse(&(GOOD.replacen("00", "01", 1) + ".more")), None);
        assert_eq!(parse(&GOOD.replace("-01", "-ff")).map(TraceContext::flags), Some(3), "unknown flags are not sent on");
    }

    #[test]
    fn what_is_not_spelt_as_the_standard_says_is_none() {
        let bad = [
            String::new(),
            GOOD.to_uppercase(),
            GOOD.replacen("00", "ff", 1),
            GOOD.replacen("00", "0g", 1),
            GOOD[1..].to_owned(),
            format!(" {}", &GOOD[..54]),
            format!("{GOOD} "),
            format!("{GOOD}-"),
            GOOD.replace('-', "_"),
            GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            GOOD.replace("00f067aa0ba902b7", &"0".repeat(16)),
            GOOD.replace("-01", "-0x"),
            GOOD.replace("-01", "-1"),
        ];
        for text in bad {
            assert_eq!(parse(&text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_was_made_is_read_back(trace in 1..=u128::MAX, span in 1..=u64::MAX, flags in 0..4_u8) {
            let context = TraceContext::from_parts(trace, span, flags).expect("neither is zero");
            prop_assert_eq!(parse(&context.to_string()), Some(context));
            prop_assert_eq!(context.to_parts(), (trace, span, flags));
        }

        #[test]
        fn no_bytes_make_it_panic_and_what_is_read_is_written_the_same(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Some(context) = TraceContext::parse(&bytes) {
                let written = context.to_string();
                prop_assert_eq!(&written.as_bytes()[3..53], &bytes[3..53]);
            }
        }

        #[test]
        fn one_wrong_byte_is_found_or_changes_what_is_read(at in 0..GOOD.len(), byte in any::<u8>()) {
            let mut bytes = GOOD.as_bytes().to_vec();
            prop_assume!(bytes[at] != byte);
            bytes[at] = byte;
            match TraceContext::parse(&bytes) {
                None => {}
                Some(read) if !(2..=52).contains(&at) => prop_assert_eq!(&read.to_string()[3..53], &GOOD[3..53]),
                Some(read) => prop_assert_ne!(read, parse(GOOD).expect("understood")),
            }
        }
    }

    #[test]
    fn a_step_stays_in_its_trace() {
        let first = TraceContext::begin(|_| true);
        let second = first.next();
        assert_eq!((first.trace, first.flags()), (second.trace, second.flags()));
        assert_ne!(first.span, second.span);
        assert!(!TraceContext::begin(|_| false).is_sampled());
    }
}
