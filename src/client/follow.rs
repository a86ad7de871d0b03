//! Following with resume, without sockets: what arrived goes in, what it means and what to do next come out.
//!
//! The cursor moves with each message that carries one, events and notices alike; a connection that is made with it goes on exactly there. What ends a
//! connection decides about the next one: what may pass is waited for (the server's `retry:`, then backoff), what will not ends the following.

use std::time::Duration;

use serde_json::Value;

use super::{Backoff, Item, Message, Refusal, refusal::MOST_ASKED};

/// How long to wait before the next connection until the server says otherwise.
const RETRY: Duration = Duration::from_secs(2);
/// The longest wait that backoff makes of it.
const MOST: Duration = Duration::from_secs(30);

/// What a stream tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// The subscription stands.
    Opened {
        /// Where the log stands.
        head: String,
    },
    /// An event.
    Event {
        /// Where to resume behind it.
        cursor: String,
        /// Its type.
        event_type: String,
        /// Its envelope, as it came.
        envelope: String,
    },
    /// Everything from here on is live.
    CaughtUp {
        /// Up to where.
        cursor: String,
        /// How many events were replayed.
        replayed: u64,
    },
    /// Events are gone.
    Gap {
        /// `trimmed` or `rewound`.
        reason: String,
        /// Behind what was asked for.
        requested: String,
        /// Where it goes on.
        resumed: String,
        /// How many at most.
        lost: u64,
    },
    /// The credential ends soon.
    Expiring {
        /// In so many seconds.
        seconds: u64,
    },
    /// The server ends the connection.
    Closing {
        /// Why.
        reason: String,
    },
    /// Everything that has arrived was handed on: a good moment to keep the cursor.
    Settled {
        /// Where to resume.
        cursor: Option<String>,
    },
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The stream ended, or broke.
    Cut(String),
    /// It could not be made.
    Unreached(String),
    /// Nothing came for longer than heartbeats allow.
    Silent(Duration),
    /// It was answered by something else than a stream.
    Refused(Box<Refusal>),
    /// It could not be made, nor could it ever.
    Hopeless(String),
}

/// What to do after the end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Connect again.
    Connect {
        /// After so long.
        after: Duration,
        /// Because of this, for people.
        because: String,
    },
    /// It is over.
    Stop(Stop),
}

/// Why following is over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// The service will not have it.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// There is no such service.
    #[error("no connection ({0})")]
    Hopeless(String),
    /// It may pass, but was waited for long enough.
    #[error("gave up after {} s without a connection: {because}", .limit.as_secs())]
    GaveUp {
        /// How long.
        limit: Duration,
        /// What was waited for, for people.
        because: String,
    },
    /// The credential has ended.
    #[error("the credential has expired: connect again with a new one")]
    Expired,
    /// It was ended.
    #[error("the credential was revoked")]
    Revoked,
    /// Its ticket was used again.
    #[error("the same ticket was used for a newer connection, which counts")]
    Superseded,
}

/// A stream that is followed through any number of connections.
#[derive(Clone, Debug)]
pub struct Follow {
    cursor: Option<String>,
    backoff: Backoff,
    asked: Option<Duration>,
    closing: Option<String>,
}

impl Follow {
    /// Goes on behind this cursor.
    #[must_use]
    pub fn new(cursor: Option<String>) -> Self {
        Self { cursor, backoff: Backoff::new(RETRY, MOST), asked: None, closing: None }
    }

    /// Where the next connection begins; none until a server has said.
    #[must_use]
    pub fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// Takes what arrived; says what it means to whoever follows.
    pub fn hear(&mut self, item: Item) -> Option<News> {
        match item {
            Item::Retry(milliseconds) => {
                let asked = Duration::from_millis(milliseconds).min(MOST_ASKED);
                self.backoff.begin_with(asked);
                // longer than backoff would ever wait, and asked for all the same
                self.asked = (asked > MOST).then_some(asked);
                None
            }
            Item::Position(id) => {
                self.move_to(id);
                None
            }
            Item::Message(message) => self.hear_message(message),
        }
    }

    fn move_to(&mut self, id: String) {
        if !id.is_empty() {
            self.cursor = Some(id);
        }
    }

    fn hear_message(&mut self, Message { event, data, id }: Message) -> Option<News> {
        self.move_to(id);
        if !event.starts_with("hub.") {
            self.backoff.reset();
            return Some(News::Event { cursor: self.cursor.clone().unwrap_or_default(), event_type: event, envelope: data });
        }
        let said: Value = serde_json::from_str(&data).unwrap_or_default();
        let text = |name: &str| said[name].as_str().unwrap_or("unknown").to_owned();
        let number = |name: &str| said[name].as_u64().unwrap_or_default();
        match event.as_str() {
            "hub.open" => {
                self.backoff.reset();
                Some(News::Opened { head: text("head") })
            }
            "hub.live" => Some(News::CaughtUp { cursor: self.cursor.clone().unwrap_or_default(), replayed: number("replayed") }),
            "hub.gap" => {
                Some(News::Gap { reason: text("reason"), requested: text("requested"), resumed: text("resumed"), lost: number("lost") })
            }
            "hub.expiring" => Some(News::Expiring { seconds: number("seconds") }),
            "hub.closing" => {
                self.closing = Some(text("reason"));
                Some(News::Closing { reason: text("reason") })
            }
            // what a later version says is not for us; its cursor counted
            _ => None,
        }
    }

    /// Takes the end of a connection; says what to do. `random` lies in `[0, 1)`.
    pub fn ended(&mut self, ended: Ended, random: f64) -> Next {
        match self.closing.take().as_deref() {
            Some("expired") => return Next::Stop(Stop::Expired),
            Some("revoked") => return Next::Stop(Stop::Revoked),
            Some("superseded") => return Next::Stop(Stop::Superseded),
            Some(reason) => return self.wait(format!("the service closed the connection ({reason})"), None, random),
            None => {}
        }
        match ended {
            Ended::Refused(refusal) if !refusal.will_pass() => Next::Stop(Stop::Refused(refusal)),
            Ended::Refused(refusal) => {
                let asked = refusal.retry_after;
                self.wait(refusal.to_string(), asked, random)
            }
            Ended::Hopeless(why) => Next::Stop(Stop::Hopeless(why)),
            Ended::Cut(why) => self.wait(format!("the connection ended ({why})"), None, random),
            Ended::Unreached(why) => self.wait(format!("no connection ({why})"), None, random),
            Ended::Silent(long) => self.wait(format!("nothing was heard for {} s", long.as_secs()), None, random),
        }
    }

    fn wait(&mut self, because: String, asked: Option<Duration>, random: f64) -> Next {
        let least = self.asked.take().into_iter().chain(asked).max().unwrap_or_default().min(MOST_ASKED);
        Next::Connect { after: self.backoff.after_failure(random).max(least), because }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(event: &str, data: &str, id: &str) -> Item {
        Item::Message(Message { event: event.into(), data: data.into(), id: id.into() })
    }

    fn cut() -> Ended {
        Ended::Cut("eof".into())
    }

    fn after(next: Next) -> u128 {
        match next {
            Next::Connect { after, .. } => after.as_millis(),
            Next::Stop(stop) => panic!("{stop}"),
        }
    }

    #[test]
    fn every_message_moves_the_cursor_and_one_without_keeps_it() {
        let mut follow = Follow::new(None);
        assert_eq!(follow.hear(message("hub.open", r#"{"head":"e-9"}"#, "e-1")), Some(News::Opened { head: "e-9".into() }));
        assert_eq!(follow.cursor(), Some("e-1"));
        let event = News::Event { cursor: "e-4".into(), event_type: "a.b".into(), envelope: "{}".into() };
        assert_eq!(follow.hear(message("a.b", "{}", "e-4")), Some(event));
        assert_eq!(follow.hear(message("hub.cursor", r#"{"cursor":"e-7"}"#, "e-7")), None);
        assert_eq!(
            follow.hear(message("hub.closing", r#"{"reason":"draining"}"#, "e-7")),
            Some(News::Closing { reason: "draining".into() })
        );
        assert_eq!(follow.hear(Item::Position("e-8".into())), None);
        assert_eq!(follow.hear(Item::Position(String::new())), None, "an empty id says nothing of a place");
        assert_eq!(follow.cursor(), Some("e-8"));
    }

    #[test]
    fn it_waits_as_the_server_said_then_longer_and_anew_after_a_success() {
        let mut follow = Follow::new(None);
        follow.hear(Item::Retry(500));
        assert_eq!(after(follow.ended(cut(), 0.9)), 500);
        assert_eq!(after(follow.ended(Ended::Unreached("refused".into()), 1.0)), 1000);
        assert_eq!(after(follow.ended(Ended::Silent(Duration::from_secs(9)), 1.0)), 2000);
        follow.hear(message("hub.open", "{}", "e-1"));
        assert_eq!(after(follow.ended(cut(), 0.0)), 500);
        follow.hear(Item::Retry(90_000));
        assert_eq!(after(follow.ended(cut(), 0.0)), 90_000, "longer than backoff, because it was asked for");
        follow.hear(Item::Retry(u64::MAX));
        assert_eq!(after(follow.ended(cut(), 0.0)), MOST_ASKED.as_millis());
        follow.hear(message("hub.open", "{}", "e-2"));
        follow.hear(Item::Retry(0));
        assert_eq!(after(follow.ended(cut(), 0.0)), 100, "nobody is asked without end and without a pause");
    }

    #[test]
    fn a_refusal_that_will_pass_is_waited_for_as_it_says() {
        let mut follow = Follow::new(None);
        for status in [429, 503] {
            let refusal = Refusal { status, retry_after: Some(Duration::from_secs(45)), ..Refusal::default() };
            assert_eq!(after(follow.ended(Ended::Refused(Box::new(refusal)), 0.0)), 45_000, "{status}");
        }
    }

    #[test]
    fn what_will_not_pass_ends_it() {
        for status in [400, 401, 403, 404, 410, 421] {
            let refusal = Box::new(Refusal { status, ..Refusal::default() });
            let next = Follow::new(None).ended(Ended::Refused(refusal.clone()), 0.0);
            assert_eq!(next, Next::Stop(Stop::Refused(refusal)), "{status}");
        }
        let next = Follow::new(None).ended(Ended::Hopeless("x".into()), 0.0);
        assert_eq!(next, Next::Stop(Stop::Hopeless("x".into())));
        for (reason, stop) in [("expired", Stop::Expired), ("revoked", Stop::Revoked), ("superseded", Stop::Superseded)] {
            let mut follow = Follow::new(None);
            follow.hear(message("hub.closing", &format!(r#"{{"reason":"{reason}"}}"#), ""));
            assert_eq!(follow.ended(cut(), 0.0), Next::Stop(stop), "{reason}");
        }
        for reason in ["draining", "overloaded", "limited", "unavailable", "lagging", "lifetime", "something new"] {
            let mut follow = Follow::new(None);
            follow.hear(message("hub.closing", &format!(r#"{{"reason":"{reason}"}}"#), ""));
            assert!(matches!(follow.ended(cut(), 0.0), Next::Connect { .. }), "{reason}");
        }
    }
}
