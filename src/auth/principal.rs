//! Who asks.

use super::{Rights, Role};
use crate::domain::{LogName, Timestamp};

/// What a principal was recognised by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Credential {
    /// Nothing: the service has no credentials, and serves this machine only.
    Open,
    /// Nothing, where the operator allows something to everyone.
    Anonymous,
    /// A JWT, sent as such or exchanged for a ticket.
    Token,
    /// An API key, by its id.
    Key(Box<str>),
    /// A signature made with the signing key of this id.
    Signature(Box<str>),
}

/// Someone whose credential was accepted, and what it allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// How it was recognised.
    pub credential: Credential,
    /// `sub` of a token.
    pub subject: Option<Box<str>>,
    /// `jti` of a token.
    pub token_id: Option<Box<str>>,
    /// When the credential was issued, as far as it says so.
    pub issued_at: Option<Timestamp>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// Whose log it is for.
    pub tenant: LogName,
    /// What it allows.
    pub rights: Rights,
}

impl Principal {
    /// Whoever reaches a service without credentials: everything is allowed.
    #[must_use]
    pub fn open() -> Self {
        Self::without_credential(Credential::Open, Rights::everything())
    }

    /// Whoever has no credential, where the operator grants everyone `rights`.
    #[must_use]
    pub fn anonymous(rights: Rights) -> Self {
        Self::without_credential(Credential::Anonymous, rights)
    }

    fn without_credential(credential: Credential, rights: Rights) -> Self {
        let tenant = LogName::new(LogName::DEFAULT);
        Self { credential, subject: None, token_id: None, issued_at: None, expires_at: None, tenant, rights }
    }

    /// Whether it may look after its tenant's keys and revocations.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.rights.role >= Role::Admin
    }

    /// Whether it may do so for every tenant, and read across them.
    #[must_use]
    pub fn is_super_admin(&self) -> bool {
        self.rights.role >= Role::SuperAdmin
    }

    /// Whose connections and events are counted together, within its tenant; `None` where nobody can be told apart. Its kind stands in front: a user
    /// that bears the name of a key does not share its count. Tokens that name neither user nor token are one, so that they are counted at all.
    #[must_use]
    pub fn counted_as(&self) -> Option<String> {
        match &self.credential {
            Credential::Open | Credential::Anonymous => None,
            Credential::Token => Some(match (&self.subject, &self.token_id) {
                (Some(subject), _) => format!("sub:{subject}"),
                (None, Some(id)) => format!("jti:{id}"),
                (None, None) => "token:".to_owned(),
            }),
            Credential::Key(id) | Credential::Signature(id) => Some(format!("key:{id}")),
        }
    }

    /// Who it is, for the audit trail.
    #[must_use]
    pub fn actor(&self) -> String {
        match &self.credential {
            Credential::Open => "open".to_owned(),
            Credential::Anonymous => "anonymous".to_owned(),
            Credential::Token => format!("token:{}", self.subject.as_deref().unwrap_or("-")),
            Credential::Key(id) | Credential::Signature(id) => format!("key:{id}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_a_credential_is_counted_and_never_as_another_kind() {
        let anyone = Principal::anonymous(Rights::default());
        let counted = |credential: Credential, subject: Option<&str>, token_id: Option<&str>| {
            let (subject, token_id) = (subject.map(Into::into), token_id.map(Into::into));
            Principal { credential, subject, token_id, ..anyone.clone() }.counted_as()
        };
        let owners = [
            counted(Credential::Key("x".into()), None, None),
            counted(Credential::Token, Some("x"), Some("x")),
            counted(Credential::Token, None, Some("x")),
            counted(Credential::Token, None, None),
        ];
        let different: std::collections::HashSet<_> = owners.iter().flatten().collect();
        assert_eq!(different.len(), owners.len(), "{owners:?}");
        assert_eq!(counted(Credential::Token, Some("x"), Some("t1")), counted(Credential::Token, Some("x"), Some("t2")));
        assert_eq!(counted(Credential::Signature("x".into()), None, None), owners[0]);
        assert_eq!([Principal::open().counted_as(), anyone.counted_as()], [None, None]);
    }
}
