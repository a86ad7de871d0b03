//! `chaincast token`: tokens for development, signed with the secret that the service checks tokens with.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::{
    auth::{Rights, WantedToken, claims_unverified},
    cli::NewToken,
    commands::visible,
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
    // only the ends of lines are JSON's own; what else a terminal would obey came with the token
    let shown: Vec<_> = serde_json::to_string_pretty(&claims)?.split('\n').map(|line| visible(line).into_owned()).collect();
    Ok(shown.join("\n"))
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

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

    use super::*;

    #[test]
    fn what_a_strangers_token_says_is_shown_and_not_obeyed() {
        let said = json!({"sub": "a\u{9b}2J\u{202e}b\n\u{7f}", "\u{2028}": 1});
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let shown = show_token(&format!("{}.{}.{}", part(&json!({"alg": "HS256"})), part(&said), "c2ln")).expect("a token");
        assert!(shown.lines().count() > 3 && !shown.contains(|c: char| (c.is_control() && c != '\n') || c > '~'), "{shown:?}");
        assert!(shown.contains(r"a\u009b2J\u202eb\n\u007f"), "{shown}");
    }
}
