//! From what a store says of each event to what became of each request.

use crate::domain::Seq;

use super::{AppendRequest, Conflict, Item, ItemStatus, RequestOutcome};

/// What a store decided about one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Numbered.
    Stored(Seq),
    /// Known with the same content.
    Duplicate(Seq),
    /// Known with other content; no seq when the first of its id is in the same refused request.
    Conflict(Option<Seq>),
    /// Not stored, because another event of its request is a conflict.
    Withheld,
}

/// One outcome a request, from one verdict an event. `None` when the two do not fit together: a bug.
pub(super) fn outcomes(requests: &[AppendRequest], verdicts: &[Verdict]) -> Option<Vec<RequestOutcome>> {
    let mut rest = verdicts;
    let mut outcomes = Vec::with_capacity(requests.len());
    for request in requests {
        let (own, behind) = rest.split_at_checked(request.events.len())?;
        rest = behind;
        outcomes.push(outcome(request, own)?);
    }
    rest.is_empty().then_some(outcomes)
}

fn outcome(request: &AppendRequest, verdicts: &[Verdict]) -> Option<RequestOutcome> {
    let conflicts = || {
        verdicts.iter().enumerate().filter_map(|(index, verdict)| match verdict {
            Verdict::Conflict(seq) => Some(Conflict { index, seq: *seq }),
            _ => None,
        })
    };
    if request.on_conflict == super::OnConflict::Refuse && conflicts().next().is_some() {
        return Some(RequestOutcome::Refused(conflicts().collect()));
    }
    let item = |verdict: &Verdict| {
        let (seq, status) = match *verdict {
            Verdict::Stored(seq) => (seq, ItemStatus::Stored),
            Verdict::Duplicate(seq) => (seq, ItemStatus::Duplicate),
            Verdict::Conflict(seq) => (seq?, ItemStatus::Conflict),
            Verdict::Withheld => return None,
        };
        Some(Item { seq, status })
    };
    verdicts.iter().map(item).collect::<Option<Vec<_>>>().map(RequestOutcome::Accepted)
}
