//! Which credentials are not taken any more.
//!
//! A revocation strikes a credential that matches all that it names; a super admin's only if it names no tenant, because an admin's own names
//! its tenant, and who looks after one tenant shall not end those who look after all. Of those that name a token or a subject only the ones in question are
//! looked at, because there may be one for every user who has signed out.

use std::collections::HashMap;

use crate::{
    domain::{LogName, Timestamp},
    log::Revocation,
};

/// What of a credential revocations go by. A key has neither subject nor token id.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marks<'a> {
    pub(super) tenant: &'a LogName,
    pub(super) subject: Option<&'a str>,
    pub(super) token_id: Option<&'a str>,
    pub(super) issued_at: Option<Timestamp>,
    pub(super) is_super_admin: bool,
}

/// All revocations, by the narrowest of what they name.
#[derive(Debug, Default)]
pub(super) struct Revocations {
    of_tokens: HashMap<String, Vec<Revocation>>,
    of_subjects: HashMap<String, Vec<Revocation>>,
    others: Vec<Revocation>,
}

impl Revocations {
    pub(super) fn new(revocations: Vec<Revocation>) -> Self {
        let mut all = Self::default();
        for revocation in revocations {
            let place = match (&revocation.token_id, &revocation.subject) {
                (Some(token_id), _) => all.of_tokens.entry(token_id.clone()).or_default(),
                (None, Some(subject)) => all.of_subjects.entry(subject.clone()).or_default(),
                (None, None) => &mut all.others,
            };
            place.push(revocation);
        }
        all
    }

    /// Whether any of them strikes.
    pub(super) fn strike(&self, marks: &Marks<'_>, now: Timestamp) -> bool {
        let named = |map: &HashMap<String, Vec<Revocation>>, name: Option<&str>| {
            name.and_then(|name| map.get(name)).is_some_and(|list| list.iter().any(|revocation| strikes(revocation, marks, now)))
        };
        named(&self.of_tokens, marks.token_id)
            || named(&self.of_subjects, marks.subject)
            || self.others.iter().any(|revocation| strikes(revocation, marks, now))
    }

    /// Every one, oldest first.
    pub(super) fn list(&self) -> Vec<&Revocation> {
        let named = self.of_tokens.values().chain(self.of_subjects.values()).flatten();
        let mut list: Vec<&Revocation> = named.chain(&self.others).collect();
        list.sort_unstable_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        list
    }
}

fn strikes(revocation: &Revocation, marks: &Marks<'_>, now: Timestamp) -> bool {
    let Revocation { id: _, tenant, subject, token_id, issued_before, created_at: _, expires_at } = revocation;
    let is = |wanted: &Option<String>, found: Option<&str>| wanted.as_deref().is_none_or(|wanted| found == Some(wanted));
    tenant.as_ref().is_none_or(|tenant| tenant == marks.tenant && !marks.is_super_admin)
        && is(subject, marks.subject)
        && is(token_id, marks.token_id)
        // one that does not say when it was issued could be old
        && issued_before.is_none_or(|before| marks.issued_at.is_none_or(|issued| issued < before))
        // expired ones are forgotten by the store sooner or later: until then they are the same on every instance
        && expires_at.is_none_or(|end| now < end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn any() -> Revocation {
        Revocation { id: "r".into(), tenant: None, subject: None, token_id: None, issued_before: None, created_at: at(0), expires_at: None }
    }

    #[test]
    fn a_revocation_strikes_what_matches_all_that_it_names_and_spares_the_rest() {
        let (shop, bank) = (LogName::new("shop"), LogName::new("bank"));
        let alice = Marks { tenant: &shop, subject: Some("alice"), token_id: Some("t1"), issued_at: Some(at(10)), is_super_admin: false };
        let undated = Marks { issued_at: None, ..alice };
        let elsewhere = Marks { tenant: &bank, ..alice };
        let key = Marks { subject: None, token_id: None, ..alice };
        let above = Marks { is_super_admin: true, ..alice };
        let cases = [
            ("the tenant", Revocation { tenant: Some(shop.clone()), ..any() }, [true, true, false, true, false]),
            ("the subject", Revocation { subject: Some("alice".into()), ..any() }, [true, true, true, false, true]),
            ("another subject", Revocation { subject: Some("bob".into()), ..any() }, [false; 5]),
            ("the token", Revocation { token_id: Some("t1".into()), ..any() }, [true, true, true, false, true]),
            ("another's token", Revocation { token_id: Some("t1".into()), subject: Some("bob".into()), ..any() }, [false; 5]),
            (
                "the token here",
                Revocation { token_id: Some("t1".into()), tenant: Some(shop.clone()), ..any() },
                [true, true, false, false, false],
            ),
            (
                "subject there",
                Revocation { subject: Some("alice".into()), tenant: Some(bank.clone()), ..any() },
                [false, false, true, false, false],
            ),
            ("issued at it", Revocation { issued_before: Some(at(10)), ..any() }, [false, true, false, false, false]),
            ("issued before", Revocation { issued_before: Some(at(11)), ..any() }, [true; 5]),
            ("over", Revocation { expires_at: Some(at(20)), ..any() }, [false; 5]),
            ("not yet over", Revocation { expires_at: Some(at(21)), ..any() }, [true; 5]),
        ];
        for (name, revocation, expected) in cases {
            let revocations = Revocations::new(vec![revocation]);
            let found = [alice, undated, elsewhere, key, above].map(|marks| revocations.strike(&marks, at(20)));
            assert_eq!(found, expected, "{name}");
        }
    }
}
