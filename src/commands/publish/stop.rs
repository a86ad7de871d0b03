//! Why it cannot go on, and what whoever runs it can do about that: other words for a line to correct, a token to give, and what may pass.

use super::{
    super::{GIVE_TOKEN, visible},
    reject::Reject,
    tally::Tally,
};
use crate::client::Refusal;

/// Why it cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Stop {
    /// An event is not taken.
    #[error("{0}")]
    Line(Reject),
    /// Nothing more can be read.
    #[error("{0}")]
    Input(String),
    /// The service will not have it from this credential, or without one.
    #[error("{0}")]
    Credential(Box<Refusal>),
    /// It may pass, but was waited for long enough.
    #[error("{0}")]
    Passing(String),
    /// The next try would end like this one.
    #[error("{0}")]
    Hopeless(String),
}

/// What to tell: the reason, what is stored, and what to do.
pub(super) fn told(error: &anyhow::Error, tally: &Tally) -> String {
    let (what, again) = (visible(&format!("{error:#}")).into_owned(), tally.again());
    let what = what.trim_end_matches('.');
    match error.downcast_ref() {
        Some(Stop::Line(_)) => {
            format!("{what}. The lines before it are stored. Correct it and run the same command again, or use --skip-invalid FILE")
        }
        Some(Stop::Input(_)) => format!("{what}. What stands before it is stored. Correct it and {again}"),
        Some(Stop::Credential(refusal)) if refusal.status == 401 => format!("{what}. Give a token that may publish {GIVE_TOKEN}"),
        Some(Stop::Credential(_)) => format!("{what}. Give another token, one that may publish this, {GIVE_TOKEN}"),
        Some(Stop::Passing(_)) => format!("{what}. What was counted is stored; {again}"),
        Some(Stop::Hopeless(_)) | None => what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{reject::Why, tally::tests::tally},
        *,
    };

    #[test]
    fn each_stop_says_what_can_be_done_about_it() {
        let says = |stop: Stop| told(&stop.into(), &tally(&[]));
        let line = Reject { line: 1, json: String::new(), whys: vec![Why::all("is not UTF-8")] };
        assert_eq!(
            says(Stop::Line(line)),
            "line 1 is not UTF-8. The lines before it are stored. Correct it and run the same command again, or use --skip-invalid FILE"
        );
        for status in [401, 403] {
            let said = says(Stop::Credential(Box::new(Refusal { status, ..Refusal::default() })));
            assert!(said.ends_with("with --token or CHAINCAST_TOKEN") && !said.contains("again"), "{said}");
        }
        assert!(says(Stop::Passing("gave up".into())).ends_with("run the same command again; nothing doubles"));
        assert_eq!(says(Stop::Hopeless("cannot connect to http://x: no such host".into())), "cannot connect to http://x: no such host");
    }
}
