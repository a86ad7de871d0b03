//! Query strings, read strictly: percent-encoded UTF-8, each parameter known, each value where one is wanted. No error repeats a value, because
//! some are credentials.
//!
//! A plus sign stands for itself. No value has a space, and `2026-02-22T10:00:00+00:00` is how many languages write a time.

use super::problem::Problem;

/// One `name=value` after decoding.
pub(super) type Pair = (String, String);

/// The longest name of a client that an error repeats: no token is as short.
const MAX_ECHO_CHARS: usize = 32;

/// Splits and decodes a query string; pieces without a text are skipped, a name without `=` has an empty value.
///
/// # Errors
/// A problem that names the parameter whose encoding is broken.
pub(super) fn pairs(query: &str) -> Result<Vec<Pair>, Problem> {
    query.split('&').filter(|piece| !piece.is_empty()).map(pair).collect()
}

/// The value of a parameter that is looked for before the others are: what is wrong with those is not told yet.
///
/// # Errors
/// A problem when it is there twice, is empty, or its encoding is broken.
pub(super) fn only(query: &str, name: &'static str) -> Result<Option<String>, Problem> {
    let mut found = Once::new(name);
    for piece in query.split('&') {
        let (key, value) = piece.split_once('=').unwrap_or((piece, ""));
        if decode(key).as_deref() == Some(name) {
            let value = decode(value).ok_or_else(|| Problem::parameter(name, "must be percent-encoded UTF-8"))?;
            found.set(&value, not_empty)?;
        }
    }
    Ok(found.get())
}

/// Refuses every parameter.
pub(super) fn none(query: &str) -> Result<(), Problem> {
    pairs(query)?.first().map_or(Ok(()), |(name, _)| Err(unknown(name)))
}

/// A parser for text that is somebody else's to read.
pub(super) fn not_empty(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("must not be empty".to_owned()) } else { Ok(text.to_owned()) }
}

fn pair(piece: &str) -> Result<Pair, Problem> {
    let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
    let broken = || Problem::parameter(echo(name), "must be percent-encoded UTF-8");
    Ok((decode(name).ok_or_else(broken)?, decode(value).ok_or_else(broken)?))
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => (hex(rest.next()?)? << 4) | hex(rest.next()?)?,
            plain => plain,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// A parameter that no route of this path knows.
pub(super) fn unknown(name: &str) -> Problem {
    Problem::parameter(echo(name), "is not a parameter of this path")
}

/// The same, where one of `known` may have been meant.
pub(super) fn unknown_among(name: &str, known: &[&str]) -> Problem {
    let meant = known.iter().find(|candidate| strsim::damerau_levenshtein(&name.to_ascii_lowercase(), candidate) <= 2);
    meant.map_or_else(
        || unknown(name),
        |meant| Problem::parameter(echo(name), format!("is not a parameter of this path; did you mean `{meant}`?")),
    )
}

/// A client's name for a parameter, short enough and harmless enough to send back; whatever looks like a value behind it is left out.
fn echo(name: &str) -> String {
    let name = name.split(['=', '%']).next().unwrap_or_default();
    if name.chars().nth(MAX_ECHO_CHARS).is_some() {
        return "?".to_owned();
    }
    name.chars().filter(|c| !c.is_control()).collect()
}

/// A parameter that may be given once.
#[derive(Debug)]
pub(super) struct Once<T> {
    name: &'static str,
    value: Option<T>,
}

impl<T> Once<T> {
    /// Not given yet.
    pub(super) const fn new(name: &'static str) -> Self {
        Self { name, value: None }
    }

    /// Takes what `parse` makes of `text`, whose error says what the value must be.
    pub(super) fn set(&mut self, text: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Result<(), Problem> {
        if self.value.is_some() {
            return Err(Problem::parameter(self.name, "must be given only once"));
        }
        self.value = Some(parse(text).map_err(|detail| Problem::parameter(self.name, detail))?);
        Ok(())
    }

    /// What was given.
    pub(super) fn get(self) -> Option<T> {
        self.value
    }
}

/// A parser for a parameter with two words.
pub(super) fn either<T: Copy>(this: (&'static str, T), that: (&'static str, T)) -> impl FnOnce(&str) -> Result<T, String> {
    move |text| match text {
        _ if text == this.0 => Ok(this.1),
        _ if text == that.0 => Ok(that.1),
        _ => Err(format!("must be `{}` or `{}`", this.0, that.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_decoded_and_a_plus_stays() {
        let found = pairs("a%20b=c%C3%A9&&d=1+2&e").expect("well formed");
        let expected = [("a b", "cé"), ("d", "1+2"), ("e", "")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(found, expected);
    }

    #[test]
    fn one_parameter_is_found_whatever_the_others_are() {
        let token = |query: &str| only(query, "token").map_err(|problem| problem.to_string());
        assert_eq!(token("a=%zz&t%6Fken=x%2Ey&b"), Ok(Some("x.y".to_owned())));
        assert_eq!(token("tokens=1&a=token"), Ok(None));
        for bad in ["token=a&token=b", "token=", "token", "token=%zz"] {
            assert!(token(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_may_be_a_credential_is_not_sent_back() {
        for query in ["token%3Dsecret=1", "token=secret%zz", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJzZWNyZXQifQ.c2VjcmV0=1", "%%secret"] {
            let problem = pairs(query).map(|pairs| unknown(&pairs[0].0)).unwrap_or_else(|problem| problem);
            let body = String::from_utf8(problem.body(None)).expect("UTF-8");
            assert!(!body.contains("secret") && !body.contains("eyJ"), "{body}");
        }
    }

    #[test]
    fn broken_encoding_is_refused() {
        for bad in ["a=%", "a=%4", "a=%zz", "a=%ff", "a=%+1", "%c3=1"] {
            assert!(pairs(bad).is_err(), "{bad}");
        }
    }
}
