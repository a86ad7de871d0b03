//! Why there was no answer, and whether there ever will be one.
//!
//! A service that restarts refuses connections or drops them. What speaks another language, is not trusted, or has no address was named wrongly:
//! whoever asks again hears the same. That holds until a first answer; from then on even this may be an accident of the network.

use std::io;

/// What to tell of an error that will not pass; nothing of one that may.
pub(super) fn why_hopeless(error: &ureq::Error) -> Option<String> {
    match error {
        ureq::Error::Io(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(error) => Some(of_tls(error)),
            None if is_unknown_host(error) => Some(format!("no such host: {error}")),
            None => None,
        },
        ureq::Error::Rustls(error) => Some(of_tls(error)),
        ureq::Error::HostNotFound => Some("no such host".to_owned()),
        ureq::Error::Tls(_) | ureq::Error::BadUri(_) | ureq::Error::InvalidProxyUrl => Some(error.to_string()),
        ureq::Error::Protocol(_) | ureq::Error::Http(_) => {
            Some(format!("what answered does not speak HTTP ({error}): if the port speaks TLS, try https://"))
        }
        _ => None,
    }
}

fn of_tls(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidMessage(_) => format!("this port does not speak TLS: try http:// ({error})"),
        rustls::Error::InvalidCertificate(_) => {
            format!(
                "its certificate is not trusted: {error}; what vouches for it must be among the certificate authorities of this machine"
            )
        }
        _ => format!("TLS: {error}"),
    }
}

/// Whether a name was looked up, and there is none: by its words, because this has no kind of its own.
fn is_unknown_host(error: &io::Error) -> bool {
    let text = error.to_string();
    let may_pass = ["Temporary failure", "Try again", "System error", "Memory"];
    text.starts_with("failed to lookup address information") && !may_pass.iter().any(|words| text.contains(words))
}

#[cfg(test)]
mod tests {
    use rustls::{CertificateError, InvalidMessage};

    use super::*;

    fn tls(error: rustls::Error) -> ureq::Error {
        // as a handshake fails
        io::Error::new(io::ErrorKind::InvalidData, error).into()
    }

    #[test]
    fn what_was_named_wrongly_is_told_from_what_is_away() {
        let lookup = |why: &str| ureq::Error::from(io::Error::other(format!("failed to lookup address information: {why}")));
        for (error, says) in [
            (tls(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)), "this port does not speak TLS: try http://"),
            (tls(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)), "its certificate is not trusted"),
            (lookup("Name or service not known"), "no such host"),
            (ureq::Error::HostNotFound, "no such host"),
        ] {
            let why = why_hopeless(&error).unwrap_or_else(|| panic!("{error} is waited for"));
            assert!(why.starts_with(says), "{why}");
        }
        for error in [
            lookup("Temporary failure in name resolution"),
            io::Error::from(io::ErrorKind::ConnectionRefused).into(),
            io::Error::from(io::ErrorKind::ConnectionReset).into(),
            io::Error::from(io::ErrorKind::UnexpectedEof).into(),
            ureq::Error::Timeout(ureq::Timeout::Connect),
            ureq::Error::ConnectionFailed,
        ] {
            assert_eq!(why_hopeless(&error), None, "{error}");
        }
    }
}
