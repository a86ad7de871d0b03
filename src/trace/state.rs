//! What vendors of tracing tell each other beside the context: `tracestate`, passed on as it came, and never understood here.

use std::sync::Arc;

/// A valid `tracestate` of bounded length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceState(Arc<str>);

impl TraceState {
    /// What has to be passed on at least, and what is at most.
    pub const MAX_BYTES: usize = 512;
    const MAX_MEMBERS: usize = 32;

    /// From the headers of a request in their order; `None` when there is nothing to pass on, or something is wrong with it: whoever sent it cannot be
    /// helped, and the context is good without. Members beyond the longest text are left out, the oldest first.
    #[must_use]
    pub fn parse<'a>(headers: impl IntoIterator<Item = &'a [u8]>) -> Option<Self> {
        let mut members: Vec<&str> = Vec::new();
        let (mut kept, mut is_full) = (String::new(), false);
        for header in headers {
            for member in std::str::from_utf8(header).ok()?.split(',') {
                let member = member.trim_matches([' ', '\t']);
                if member.is_empty() {
                    continue;
                }
                let (key, value) = member.split_once('=')?;
                let is_known = members.contains(&key);
                if !is_key(key) || !is_value(value) || is_known || members.len() == Self::MAX_MEMBERS {
                    return None;
                }
                members.push(key);
                is_full |= kept.len() + member.len() + 1 > Self::MAX_BYTES;
                if !is_full {
                    if !kept.is_empty() {
                        kept.push(',');
                    }
                    kept.push_str(member);
                }
            }
        }
        (!kept.is_empty()).then(|| Self(kept.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_key(key: &str) -> bool {
    let is_part = |part: &str, most: usize| {
        (1..=most).contains(&part.len())
            && part.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-*/".contains(&b))
    };
    match key.split_once('@') {
        Some((tenant, system)) => is_part(tenant, 241) && is_part(system, 14),
        None => is_part(key, 256),
    }
}

fn is_value(value: &str) -> bool {
    (1..=256).contains(&value.len()) && value.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'=')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(headers: &[&str]) -> Option<String> {
        TraceState::parse(headers.iter().map(|header| header.as_bytes())).map(|state| state.as_str().to_owned())
    }

    #[test]
    fn what_is_well_formed_is_passed_on_in_its_order() {
        assert_eq!(parse(&["rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"]).as_deref(), Some("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"));
        assert_eq!(parse(&["a=1 , ,\tb@c=2:3 4", "d/e=5"]).as_deref(), Some("a=1,b@c=2:3 4,d/e=5"));
        assert_eq!(parse(&[]), None);
        assert_eq!(parse(&["", " ,"]), None);
    }

    #[test]
    fn what_is_not_is_passed_on_by_no_part() {
        let many = (0..33).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
        for bad in ["a", "a=", "=1", "A=1", "a=1,a=2", "a=b=c", "a=\u{e9}", "a=1\r\nb=2", "a@=1", "@a=1", "a=1;b=2,?=3", &many] {
            assert_eq!(parse(&["x=y", bad]), None, "{bad:?}");
        }
    }

    #[test]
    fn the_oldest_members_are_left_out_of_one_that_is_too_long() {
        let state = (0..6).map(|n| format!("k{n}={}", "v".repeat(100))).collect::<Vec<_>>().join(",");
        let kept = parse(&[&state]).expect("valid");
        assert!(kept.len() <= TraceState::MAX_BYTES && state.starts_with(&kept) && kept.matches(',').count() == 3, "{kept}");
    }

    proptest! {
        #[test]
        fn any_text_is_survived_and_what_is_passed_on_is_read_back_the_same(text in "[a-c@=, \t\r\n\u{e9}]{0,40}") {
            if let Some(kept) = parse(&[&text]) {
                prop_assert!(kept.bytes().all(|b| (b' '..=b'~').contains(&b)));
                prop_assert_eq!(parse(&[&kept]), Some(kept));
            }
        }
    }
}
