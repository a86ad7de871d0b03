//! Ids of events that their publisher gave none.

use uuid::Uuid;

use crate::domain::{EventId, NameError};

/// What becomes of an event without an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingIds<'a>(Option<&'a str>);

impl<'a> MissingIds<'a> {
    /// It gets an id that no other event has: sent again, it is another event.
    pub const MADE: Self = Self(None);

    /// It gets the id of its request, `#`, and its index there: whoever sends the request again sends the same events.
    ///
    /// # Errors
    /// The request's id would not make ids of events, whatever their index.
    pub fn numbered(request: &'a str) -> Result<Self, NameError> {
        if request.is_empty() {
            return Err(NameError::Empty);
        }
        let ids = Self(Some(request));
        EventId::parse(ids.id(usize::MAX).as_str()).map(|_| ids)
    }

    /// The id of the event at `index`.
    #[must_use]
    pub fn id(&self, index: usize) -> EventId {
        match self.0 {
            None => EventId::new(Uuid::now_v7().to_string()),
            Some(request) => EventId::new(format!("{request}#{index}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::{BodyForm, Limits, parse_with};

    #[test]
    fn a_request_that_is_sent_again_has_the_same_events() {
        let ids = MissingIds::numbered("msg_1").expect("an id");
        let body = br#"[{"type":"a.b"},{"type":"a.b","id":"own"},{"type":"a.b"}]"#;
        let events = || parse_with(BodyForm::Json, body, &Limits::default(), &ids).expect("valid");
        let found: Vec<String> = events().iter().map(|draft| draft.id().to_string()).collect();
        assert_eq!(found, ["msg_1#0", "own", "msg_1#2"]);
        assert_eq!(events(), events());
    }

    #[test]
    fn an_id_that_would_not_make_ids_of_events_is_refused() {
        for bad in ["", "a b", "\u{e9}", &"m".repeat(235)] {
            assert!(MissingIds::numbered(bad).is_err(), "{bad}");
        }
        assert!(MissingIds::numbered(&"m".repeat(234)).is_ok());
    }
}
