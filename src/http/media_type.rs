//! The content types that `POST /events` takes.

use crate::ingest::BodyForm;

/// What a `Content-Type` announces; `None` for a type, or a charset, that is not taken.
pub(super) fn body_form(content_type: &str) -> Option<BodyForm> {
    let mut parts = content_type.split(';').map(str::trim);
    let form = match parts.next()? {
        essence if essence.eq_ignore_ascii_case("application/json") => BodyForm::Json,
        essence if essence.eq_ignore_ascii_case("application/x-ndjson") => BodyForm::Ndjson,
        _ => return None,
    };
    // JSON is UTF-8 (RFC 8259 §8.1): saying so is harmless, saying otherwise would be read wrongly
    parts.all(is_harmless).then_some(form)
}

fn is_harmless(parameter: &str) -> bool {
    match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8"),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_ndjson_in_utf_8_are_taken() {
        assert_eq!(body_form("application/json"), Some(BodyForm::Json));
        assert_eq!(body_form("Application/JSON ; Charset=\"UTF-8\""), Some(BodyForm::Json));
        assert_eq!(body_form("application/x-ndjson;charset=utf-8"), Some(BodyForm::Ndjson));
        for bad in ["", "text/plain", "application/json; charset=utf-16", "application/jsonp", "application/x-www-form-urlencoded"] {
            assert_eq!(body_form(bad), None, "{bad}");
        }
    }
}
