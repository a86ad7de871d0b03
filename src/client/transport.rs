//! The sockets: one blocking request a call. Nothing here retries but [`Client::follow`], which does what [`Follow`] says.

use std::{
    io::{self, Read as _},
    ops::ControlFlow,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use ureq::{Agent, Body, http::Response};

use super::{Ended, Follow, News, Next, Parser, Query, Refusal, Stop, Target, hopeless::why_hopeless};
use crate::outbound::{self, NoAuthorities, Trust};

/// How long a connection may take to be made, and before that the address of its host to be found.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an answer that is no stream may take, its body counted apart: longer than the service takes to say that it does not know.
const ANSWER: Duration = Duration::from_secs(60);
/// The largest answer that is read to its end.
const MAX_ANSWER_BYTES: u64 = 16 * 1024 * 1024;
/// What a try gets of the time that is left, at least.
const LEAST_TRY: Duration = Duration::from_millis(100);
/// What is read at once.
const READ_BYTES: usize = 64 * 1024;

/// Where a service is, and how to speak to it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it is.
    pub target: Target,
    /// A key or token, if one is needed.
    pub token: Option<SecretString>,
    /// After how long without a byte a stream is taken for dead. The service sends something every 15 seconds unless told otherwise.
    pub idle: Duration,
    /// How long a stream may be without a connection before following ends; without it, for ever.
    pub patience: Option<Duration>,
}

/// Why there is no client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// Whom to trust is not known.
    #[error(
        "this machine has no certificate authorities that could vouch for an https:// service (on Debian: apt install ca-certificates)"
    )]
    NoAuthorities,
    /// The token cannot travel in a header.
    #[error("the token holds characters that no header can carry: a line break, perhaps, from the file that it was read from")]
    Token,
}

/// What became of an event that was published.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Published {
    /// Its id.
    pub id: String,
    /// Its cursor, or that of the event that has its id.
    pub cursor: String,
    /// What happened.
    pub status: Status,
}

/// What happened to an event that was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It is new.
    Stored,
    /// It was there.
    Duplicate,
    /// Its id was there, with other content.
    Conflict,
}

/// Why nothing is known to be published.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishFailure {
    /// The service said no.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// There was no answer, or none that could be read. It may have been stored.
    #[error("no answer ({0})")]
    Unreached(String),
    /// There is no such service: the next try would end like this one.
    #[error("no connection ({0})")]
    Hopeless(String),
}

#[derive(Deserialize)]
struct Answer {
    events: Vec<Published>,
}

/// A client of one service; blocks.
pub struct Client {
    agent: Agent,
    settings: Settings,
    authorization: Option<SecretString>,
    answer: Duration,
    /// Whether there ever was an answer, whatever it said.
    answered: AtomicBool,
}

impl Client {
    /// A client that has not connected yet.
    ///
    /// # Errors
    /// [`SetupError`].
    pub fn new(settings: Settings) -> Result<Self, SetupError> {
        let trust = settings.target.is_secure().then_some(Trust::Machine);
        let config = outbound::agent(settings.target.is_loopback(), trust)?
            // a redirect could carry the token to where it was not meant to go; it is told instead
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .timeout_resolve(Some(CONNECT))
            .timeout_connect(Some(CONNECT))
            .user_agent(concat!("chaincast/", env!("CARGO_PKG_VERSION")));
        let authorization = match &settings.token {
            Some(token) if token.expose_secret().bytes().all(|byte| byte.is_ascii_graphic()) => {
                Some(SecretString::from(format!("Bearer {}", token.expose_secret())))
            }
            Some(_) => return Err(SetupError::Token),
            None => None,
        };
        Ok(Self { agent: config.build().new_agent(), settings, authorization, answer: ANSWER, answered: AtomicBool::new(false) })
    }

    /// Which service it speaks to.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.settings.target
    }

    /// Follows until `take` breaks, or it is over for good. `retrying` hears why and after how long it connects again.
    ///
    /// # Errors
    /// [`Stop`], when it makes no sense to try again.
    pub fn follow(
        &self,
        query: &Query,
        start: Option<(&str, &str)>,
        follow: &mut Follow,
        mut take: impl FnMut(News) -> ControlFlow<()>,
        mut retrying: impl FnMut(&str, Duration),
    ) -> Result<(), Stop> {
        let mut since = Instant::now();
        loop {
            let left = self.settings.patience.map(|patience| patience.saturating_sub(since.elapsed()).max(LEAST_TRY));
            let mut stood = false;
            let taking = |news: News| {
                stood = true;
                take(news)
            };
            let ended = match self.follow_once(query, start, follow, left, taking) {
                ControlFlow::Break(()) => return Ok(()),
                ControlFlow::Continue(ended) => ended,
            };
            if stood {
                since = Instant::now();
            }
            match follow.ended(ended, fastrand::f64()) {
                Next::Stop(stop) => return Err(stop),
                Next::Connect { after, because } => {
                    // the last wait is cut short, so that one try falls at the limit
                    let after = match self.settings.patience.map(|limit| (limit, limit.saturating_sub(since.elapsed()))) {
                        Some((limit, Duration::ZERO)) => return Err(Stop::GaveUp { limit, because }),
                        Some((_, left)) => after.min(left),
                        None => after,
                    };
                    retrying(&because, after);
                    thread::sleep(after);
                }
            }
        }
    }

    /// One connection, to its end.
    fn follow_once(
        &self,
        query: &Query,
        start: Option<(&str, &str)>,
        follow: &mut Follow,
        within: Option<Duration>,
        mut take: impl FnMut(News) -> ControlFlow<()>,
    ) -> ControlFlow<(), Ended> {
        let query = match (follow.cursor(), start) {
            // where it began says nothing once it is known how far it came
            (None, Some((name, value))) => query.clone().with(name, value),
            _ => query.clone(),
        };
        let mut request = self.agent.get(self.settings.target.at("/events/subscribe", &query)).header("accept", "text/event-stream");
        if let Some(cursor) = follow.cursor() {
            request = request.header("last-event-id", cursor);
        }
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization.expose_secret());
        }
        let idle = self.settings.idle;
        let at_most = |long: Duration| Some(within.map_or(long, |within| within.min(long)));
        let config = request.config().timeout_per_read(Some(idle)).timeout_recv_response(at_most(idle));
        let mut response = match config.timeout_resolve(at_most(CONNECT)).timeout_connect(at_most(CONNECT)).build().call() {
            Ok(response) => response,
            Err(ureq::Error::Timeout(ureq::Timeout::PerRead | ureq::Timeout::RecvResponse)) => {
                return ControlFlow::Continue(Ended::Silent(at_most(idle).unwrap_or(idle)));
            }
            Err(error) => {
                let hopeless = self.why_hopeless(&error);
                return ControlFlow::Continue(hopeless.map_or_else(|| Ended::Unreached(error.to_string()), Ended::Hopeless));
            }
        };
        self.answered.store(true, Ordering::Relaxed);
        if response.status() != 200 || response.body().mime_type() != Some("text/event-stream") {
            return ControlFlow::Continue(Ended::Refused(Box::new(refusal(&mut response, self.answer))));
        }
        let mut body = response.into_body().into_reader();
        let (mut parser, mut buffer) = (Parser::default(), vec![0; READ_BYTES]);
        loop {
            let read = match body.read(&mut buffer) {
                Ok(0) => return ControlFlow::Continue(Ended::Cut("by the service".into())),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return ControlFlow::Continue(how_it_ended(error, idle)),
            };
            let mut flow = ControlFlow::Continue(());
            let fed = parser.feed(&buffer[..read], |item| {
                if flow.is_continue()
                    && let Some(news) = follow.hear(item)
                {
                    flow = take(news);
                }
            });
            flow?;
            take(News::Settled { cursor: follow.cursor().map(str::to_owned) })?;
            if let Err(error) = fed {
                return ControlFlow::Continue(Ended::Cut(error.to_string()));
            }
        }
    }

    /// What to tell of an error that will not pass: one from before the first answer.
    fn why_hopeless(&self, error: &ureq::Error) -> Option<String> {
        why_hopeless(error).filter(|_| !self.answered.load(Ordering::Relaxed))
    }

    /// Publishes events, one a line; all of them or none. With `keep`, events whose id is known with other content are left as they are stored. All of
    /// it takes no longer than `within`, if that is given.
    ///
    /// # Errors
    /// [`PublishFailure`]. One that will pass may have stored the events all the same: the same ids tell.
    pub fn publish(&self, ndjson: &[u8], keep: bool, within: Option<Duration>) -> Result<Vec<Published>, PublishFailure> {
        let query = if keep { Query::default().with("on_conflict", "keep") } else { Query::default() };
        let mut request = self.agent.post(self.settings.target.at("/events", &query)).header("content-type", "application/x-ndjson");
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization.expose_secret());
        }
        let answer = Some(self.answer);
        let request =
            request.config().timeout_per_write(answer).timeout_recv_response(answer).timeout_recv_body(answer).timeout_global(within);
        let mut response = request.build().send(ndjson).map_err(|error| {
            self.why_hopeless(&error).map_or_else(|| PublishFailure::Unreached(error.to_string()), PublishFailure::Hopeless)
        })?;
        self.answered.store(true, Ordering::Relaxed);
        if !matches!(response.status().as_u16(), 200 | 201) {
            return Err(PublishFailure::Refused(Box::new(refusal(&mut response, self.answer))));
        }
        let body = response.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_vec();
        let body = body.map_err(|error| PublishFailure::Unreached(error.to_string()))?;
        let answer: Result<Answer, _> = serde_json::from_slice(&body);
        answer.map(|answer| answer.events).map_err(|_| {
            // a page of some portal between here and there, most often
            PublishFailure::Refused(Box::new(Refusal { status: response.status().as_u16(), ..Refusal::default() }))
        })
    }
}

fn how_it_ended(error: io::Error, idle: Duration) -> Ended {
    let text = error.to_string();
    match ureq::Error::from(error) {
        ureq::Error::Timeout(_) => Ended::Silent(idle),
        // a stream that is to be resumed ends without the last chunk
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ended::Cut("by the service".into()),
        _ => Ended::Cut(text),
    }
}

/// What an answer says that is no success, as far as it comes within this time and one more read.
fn refusal(response: &mut Response<Body>, within: Duration) -> Refusal {
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (status, retry_after, location) = (response.status().as_u16(), header("retry-after"), header("location"));
    let (began, mut body, mut buffer) = (Instant::now(), Vec::new(), vec![0; READ_BYTES]);
    let mut reader = response.body_mut().with_config().limit(MAX_ANSWER_BYTES).reader();
    while began.elapsed() < within {
        match reader.read(&mut buffer) {
            Ok(read) if read > 0 => body.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // a refusal that cannot be read is a refusal
            _ => break,
        }
    }
    let mut refusal = Refusal::of(status, retry_after.as_deref(), &body);
    if let Some(location) = location.filter(|_| (300..400).contains(&status)) {
        refusal.detail = Some(format!("it says that it has moved to {location}: give that address if you trust it"));
    }
    refusal
}

impl From<NoAuthorities> for SetupError {
    fn from(NoAuthorities: NoAuthorities) -> Self {
        Self::NoAuthorities
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write as _, net::TcpListener};

    use super::*;

    /// Long enough for a busy machine, and far less than anyone would wait for a test that hangs.
    const PATIENCE: Duration = Duration::from_secs(1);

    /// Answers each request with these bytes, and then with one more every now and then, for ever.
    fn answering(bytes: &'static [u8]) -> Client {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let target = format!("http://{}", listener.local_addr().expect("an address")).parse().expect("a service");
        thread::spawn(move || {
            for socket in listener.incoming() {
                let mut socket = socket.expect("a connection");
                thread::spawn(move || {
                    let _ = socket.read(&mut [0; 4096]);
                    let mut went = socket.write_all(bytes);
                    while went.is_ok() && !bytes.is_empty() {
                        thread::sleep(Duration::from_millis(2));
                        went = socket.write_all(b"x");
                    }
                    // silent until the other side goes
                    let _ = io::copy(&mut socket, &mut io::sink());
                });
            }
        });
        let client = Client::new(Settings { target, token: None, idle: PATIENCE, patience: None }).expect("a client");
        Client { answer: PATIENCE, ..client }
    }

    fn ended(client: &Client) -> Ended {
        match client.follow_once(&Query::default(), None, &mut Follow::new(None), None, |_| ControlFlow::Continue(())) {
            ControlFlow::Continue(ended) => ended,
            ControlFlow::Break(()) => panic!("nobody had enough"),
        }
    }

    #[test]
    fn an_answer_that_trickles_for_ever_is_not_read_for_ever() {
        let headers = answering(b"HTTP/1.1 200 OK\r\nx-more: ");
        assert_eq!(headers.publish(b"{}", false, None), Err(PublishFailure::Unreached("timeout: receive response".into())));
        assert_eq!(ended(&headers), Ended::Silent(PATIENCE));
        let success = answering(b"HTTP/1.1 200 OK\r\n\r\n");
        assert_eq!(success.publish(b"{}", false, None), Err(PublishFailure::Unreached("timeout: receive body".into())));
        let refusal = answering(b"HTTP/1.1 503 No\r\n\r\n");
        let status = |refused: &Refusal| assert_eq!(refused.status, 503);
        match (refusal.publish(b"{}", false, None), ended(&refusal)) {
            (Err(PublishFailure::Refused(one)), Ended::Refused(other)) => [one, other].iter().for_each(|refused| status(refused)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_publication_takes_no_longer_than_it_may() {
        let silent = Client { answer: Duration::from_secs(600), ..answering(b"") };
        let failed = silent.publish(b"{}", false, Some(Duration::from_millis(100)));
        assert_eq!(failed, Err(PublishFailure::Unreached("timeout: global".into())));
    }

    #[test]
    fn a_stream_that_is_never_had_is_given_up_with_a_try_at_the_limit() {
        let silent = answering(b"");
        let limit = Duration::from_millis(300);
        let settings = Settings { patience: Some(limit), ..silent.settings.clone() };
        let mut waits = Vec::new();
        let take = |_| ControlFlow::Continue(());
        let client = Client { settings, ..silent };
        let gave_up = client.follow(&Query::default(), None, &mut Follow::new(None), take, |_, after| waits.push(after));
        assert!(matches!(gave_up, Err(Stop::GaveUp { limit: told, .. }) if told == limit), "{gave_up:?}");
        assert!(waits.iter().all(|wait| *wait <= limit), "{waits:?}");
    }

    #[test]
    fn what_is_no_service_is_left_at_once_unless_there_was_one() {
        let alert = answering(b"\x15\x03\x01\0\x02\x02\x46");
        let says = |text: &str| assert!(text.contains("does not speak HTTP") && text.contains("try https://"), "{text}");
        match (alert.publish(b"{}", false, None), ended(&alert)) {
            (Err(PublishFailure::Hopeless(one)), Ended::Hopeless(other)) => [one, other].iter().for_each(|text| says(text)),
            other => panic!("{other:?}"),
        }
        alert.answered.store(true, Ordering::Relaxed);
        match (alert.publish(b"{}", false, None), ended(&alert)) {
            (Err(PublishFailure::Unreached(_)), Ended::Unreached(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}
