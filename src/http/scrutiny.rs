//! What every credential goes through, wherever it is presented: an address that keeps presenting bad ones is not heard for a while, because to check one
//! costs, and each refusal is counted by its reason.

use std::{future::Future, sync::Arc};

use actix_web::HttpRequest;

use super::{
    client::{ClientNet, Clients},
    limits::Limits,
    problem::Problem,
    refused::RefusedCredentials,
    traced,
};
use crate::auth::AuthError;

/// See the module.
#[derive(Clone, Debug)]
pub struct Scrutiny {
    /// How much one client may ask for.
    pub limits: Arc<Limits>,
    /// By what clients are told apart.
    pub clients: Clients,
    /// Credentials that were refused.
    pub refused: Arc<RefusedCredentials>,
}

impl Scrutiny {
    /// What comes of a credential that was presented.
    pub(super) async fn of<T>(&self, request: &HttpRequest, answer: impl Future<Output = Result<T, AuthError>>) -> Result<T, Problem> {
        let client = self.client(request);
        self.limits.hear(client)?;
        let known = answer.await.map_err(|error| self.refuse(client, error))?;
        traced::vouch(request);
        Ok(known)
    }

    /// Who a request is counted for.
    pub(super) fn client(&self, request: &HttpRequest) -> Option<ClientNet> {
        self.clients.of(request)
    }

    /// Counts a refusal, and turns it into an answer.
    pub(super) fn refuse(&self, client: Option<ClientNet>, error: AuthError) -> Problem {
        self.refused.count(&error);
        // one that was good once is no guess: a page that was left open must not silence everyone behind its address
        if matches!(error, AuthError::Invalid(_)) {
            self.limits.refused_credential(client);
        }
        error.into()
    }
}
