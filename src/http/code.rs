//! The one table of error codes: what a client may rely on, and what OpenAPI lists.
//!
//! A code never changes its meaning; titles and details are for people. Adding an error means adding a line here, and every place that must
//! know about it (status, `Retry-After`, documentation) reads it from the line.

use actix_web::http::StatusCode;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:ident, $title:literal, $retry:expr;)*) => {
        /// What went wrong, for machines.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// Every code, in the table's order.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The member `code` of the problem.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The status of the answer.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }

            /// The member `title` of the problem: the same for every occurrence.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// After how many seconds the same request may succeed; `None` when it will not by itself.
            #[must_use]
            pub const fn retry_after_seconds(self) -> Option<u32> {
                match self { $(Self::$name => $retry,)* }
            }
        }
    };
}

codes! {
    /// The request line, a header or the transfer is not as it should be.
    BadRequest = "bad_request", BAD_REQUEST, "The request could not be read", None;
    /// A query parameter, or the `Last-Event-ID` header, which is named in `parameter`.
    InvalidParameter = "invalid_parameter", BAD_REQUEST, "A parameter is not valid", None;
    /// Another tenant's log is read only by those who say why.
    ReasonRequired = "reason_required", BAD_REQUEST, "A reason is needed", None;
    /// The body is not the JSON or NDJSON it claims to be.
    Malformed = "malformed", BAD_REQUEST, "The body could not be read", None;
    /// No credential, or one that is not accepted.
    Unauthorized = "unauthorized", UNAUTHORIZED, "A valid credential is needed", None;
    /// The credential does not allow it: `parameter` or `errors` says what of it.
    Forbidden = "forbidden", FORBIDDEN, "Not allowed", None;
    /// A web page of a site that is not on the allow-list sent it.
    OriginRefused = "origin_refused", FORBIDDEN, "This origin is not allowed", None;
    /// It came through a proxy, and open mode serves this machine only.
    ForwardedRefused = "forwarded_refused", FORBIDDEN, "Forwarded requests are not served in open mode", None;
    /// No such path.
    NotFound = "not_found", NOT_FOUND, "Nothing is here", None;
    /// The path exists, the method does not; `Allow` lists those that do.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "The method is not allowed here", None;
    /// The request did not arrive in time.
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT, "The request took too long to arrive", None;
    /// The request line and the headers together are above their limit.
    HeadTooLarge = "head_too_large", REQUEST_HEADER_FIELDS_TOO_LARGE, "The headers are too large", None;
    /// Ids that are known with other content; `conflicts` lists all of them.
    IdConflict = "id_conflict", CONFLICT, "An id is known with other content", None;
    /// The cursor's events are gone, and `on_gap=fail` asked to be told so; `gap` says which.
    Gap = "gap", GONE, "Events after this cursor are gone", None;
    /// The body, the batch or one event is above its limit.
    TooLarge = "too_large", PAYLOAD_TOO_LARGE, "Too large", None;
    /// A content type or encoding that is not taken, or none.
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "The content type is not supported", None;
    /// `Host` is neither a loopback name nor configured.
    HostRefused = "host_refused", MISDIRECTED_REQUEST, "This host name is not served", None;
    /// Content that breaks a rule; `errors` points to every fault.
    Invalid = "invalid", UNPROCESSABLE_ENTITY, "The content is not valid", None;
    /// The store does not take this content.
    Refused = "refused", UNPROCESSABLE_ENTITY, "The log refuses this content", None;
    /// A limit of the caller's own is reached.
    Limited = "limited", TOO_MANY_REQUESTS, "Too many requests or connections", Some(5);
    /// A bug; the log of the service says more under the request's id.
    Internal = "internal", INTERNAL_SERVER_ERROR, "Something went wrong inside", None;
    /// The instance has more to do than it can.
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, "Too busy", Some(2);
    /// The log is out of reach; nothing was stored.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "The log is out of reach", Some(2);
    /// What tells good credentials from bad ones is out of reach; nothing was read or stored.
    CredentialsUnavailable = "credentials_unavailable", SERVICE_UNAVAILABLE, "Credentials cannot be checked at the moment", Some(2);
    /// The log was lost while it stored: repeat the same ids to find out.
    OutcomeUnknown = "outcome_unknown", SERVICE_UNAVAILABLE, "It is not known whether the events were stored", Some(2);
    /// The instance is stopping; another one, or its successor, answers.
    Draining = "draining", SERVICE_UNAVAILABLE, "The instance is stopping", Some(1);
}

impl Code {
    /// The code for an error that only has a status, such as one of the framework's own.
    #[must_use]
    pub fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::UNAUTHORIZED => Self::Unauthorized,
            StatusCode::FORBIDDEN => Self::Forbidden,
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            StatusCode::REQUEST_TIMEOUT => Self::RequestTimeout,
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::UnsupportedMediaType,
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Self::HeadTooLarge,
            StatusCode::TOO_MANY_REQUESTS => Self::Limited,
            StatusCode::SERVICE_UNAVAILABLE => Self::Overloaded,
            other if other.is_client_error() => Self::BadRequest,
            _ => Self::Internal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_an_error_and_has_a_name_of_its_own() {
        for (at, code) in Code::ALL.iter().enumerate() {
            assert!(code.status().is_client_error() || code.status().is_server_error(), "{code:?}");
            assert!(Code::ALL[..at].iter().all(|other| other.as_str() != code.as_str()), "{code:?}");
        }
    }

    #[test]
    fn what_will_pass_says_when_to_come_back() {
        for code in Code::ALL {
            let passing = matches!(code.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(code.retry_after_seconds().is_some(), passing, "{code:?}");
        }
    }
}
