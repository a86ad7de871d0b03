//! What a stream says of itself, for people.

use super::super::count;
use crate::client::News;

/// In one line; nothing for what needs no words.
pub(super) fn of(news: &News) -> Option<String> {
    Some(match news {
        News::Event { .. } | News::Settled { .. } => return None,
        News::Opened { head } => format!("connected; the log stands at {head}"),
        News::CaughtUp { replayed: 0, .. } => "caught up: what comes now is live".into(),
        News::CaughtUp { replayed, .. } => format!("caught up after {} events: what comes now is live", count(*replayed)),
        News::Gap { reason, requested, resumed, lost } => {
            let why = match reason.as_str() {
                "trimmed" => "they are older than what is retained",
                "rewound" => "the log was set back to an earlier state",
                other => other,
            };
            format!("GAP: up to {} events behind {requested} are gone ({why}); going on behind {resumed}", count(*lost))
        }
        News::Expiring { seconds } => format!("the credential expires in {seconds} s"),
        News::Closing { reason } => match reason.as_str() {
            "draining" => "the service is stopping, or restarting".into(),
            "overloaded" => "the service has no room for more connections".into(),
            "limited" => "there are too many connections of this address or credential".into(),
            "unavailable" => "the service cannot read its log".into(),
            "lagging" => "this reader was too slow for too long".into(),
            "lifetime" => "the connection has reached the age that the service allows".into(),
            // what ends it for good is told at the end
            "expired" | "revoked" | "superseded" => return None,
            other => format!("the service closes the connection: {other}"),
        },
    })
}
