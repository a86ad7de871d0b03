//! Messages as the text of a notification.

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};

/// Postgres takes payloads of fewer than 8000 bytes, <https://www.postgresql.org/docs/current/sql-notify.html>.
const MAX_PAYLOAD: usize = 7999;

/// The most bytes of a message: four characters carry three of them.
pub(super) const MAX_MESSAGE: usize = MAX_PAYLOAD * 3 / 4;

/// The text that carries a message; `None` when it is too long.
pub(super) fn write(message: &[u8]) -> Option<String> {
    (message.len() <= MAX_MESSAGE).then(|| STANDARD_NO_PAD.encode(message))
}

/// The message that a text carries. What is no such text is handed on as it came: whoever authenticates messages refuses it, and counts it.
pub(super) fn read(payload: &str) -> Vec<u8> {
    STANDARD_NO_PAD.decode(payload).unwrap_or_else(|_| payload.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_message_fits_and_one_byte_more_does_not() {
        let longest = vec![0xa5; MAX_MESSAGE];
        let payload = write(&longest).expect("fits");
        assert_eq!(payload.len(), MAX_PAYLOAD);
        assert_eq!(read(&payload), longest);
        assert_eq!(write(&[0; MAX_MESSAGE + 1]), None);
    }

    #[test]
    fn a_foreign_payload_is_handed_on_to_be_refused() {
        for foreign in ["", "not base64 \u{1f980}", "AAA=", "A"] {
            assert_eq!(read(foreign), foreign.as_bytes());
        }
    }
}
