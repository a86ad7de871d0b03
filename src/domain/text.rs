//! How a checked text becomes a type of its own, so that two texts of different meaning cannot be swapped.

macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// Checks an untrusted text.
            ///
            /// # Errors
            /// Which rule it breaks.
            pub fn parse(s: &str) -> Result<Self, $crate::domain::NameError> {
                let check: fn(&str) -> Result<(), $crate::domain::NameError> = $check;
                check(s)?;
                Ok(Self(s.into()))
            }

            /// A text that was checked before it was stored.
            #[must_use]
            pub fn new(s: impl Into<Box<str>>) -> Self {
                Self(s.into())
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

pub(super) use checked_text;
