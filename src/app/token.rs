//! `chaincast token`: tokens for development, signed with the secret that the service checks tokens with.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::{
    auth::{Rights, WantedToken, claims_unverified},
    cli::NewToken,
    config::Config,
    domain::Timestamp,
};

/// Makes a token.
///
/// # Errors
/// What is wrong with the command or the settings, in words for whoever runs it.
pub async fn token(config: &Config, wanted: &NewToken) -> anyhow::Result<String> {
    let token = WantedToken {
        subject: wanted.sub.clone(),
        tenant: wanted.tenant.clone(),
        rights: rights(wanted)?,
        expires_in: Duration::from_secs(wanted.expires_in),
    };
    Ok(token.mint(&config.jwt.settings(), Timestamp::now()).await?)
}

/// What a token says; whether it is good is not looked at.
///
/// # Errors
/// It is no token. Says nothing of its text.
pub fn show_token(token: &str) -> anyhow::Result<String> {
    let claims = claims_unverified(token).context("this is no JSON Web Token: three parts with dots between are wanted")?;
    Ok(serde_json::to_string_pretty(&claims)?)
}

/// What the flags grant; nothing when they say nothing.
fn rights(wanted: &NewToken) -> anyhow::Result<Option<Value>> {
    if let Some(rights) = &wanted.rights {
        Rights::parse(rights, wanted.sub.as_deref()).context("--rights")?;
        return Ok(Some(serde_json::from_str(rights).context("--rights")?));
    }
    let mut rights = json!({});
    let mut grant = |pointer: [&str; 2], value: Value, is_granted: bool| {
        if is_granted {
            rights[pointer[0]][pointer[1]] = value;
        }
    };
    for (name, list) in [("streams", &wanted.streams), ("users", &wanted.users), ("topics", &wanted.topics)] {
        grant(["subscribe", name], json!(list), !list.is_empty());
    }
    grant(["subscribe", "all"], json!(true), wanted.all);
    grant(["publish", "types"], json!(wanted.publish_types), !wanted.publish_types.is_empty());
    grant(["publish", "topics"], json!(wanted.publish_topics), !wanted.publish_topics.is_empty());
    if let Some(source) = &wanted.source {
        rights["source"] = json!(source);
    }
    let role = [("admin", wanted.admin), ("super_admin", wanted.super_admin)].into_iter().find(|(_, is_wanted)| *is_wanted);
    if let Some((role, _)) = role {
        rights["role"] = json!(role);
    }
    Ok(Some(rights).filter(|rights| rights.as_object().is_some_and(|members| !members.is_empty())))
}
