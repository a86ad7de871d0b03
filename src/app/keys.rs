//! `chaincast keys`: keys for whoever can reach the store, as when there is no admin yet.
//!
//! Works on the store that the settings name; instances that run on it hear of a change at their next look. What it prints to standard output is
//! for programs, a secret above all; the rest is told on standard error.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::{access, stats::aligned, store};
use crate::{
    auth::{Access, Actor, AuthError, NewKey, Rights, Role},
    cli::{self, KeysCommand},
    config::Config,
    domain::{LogName, Timestamp},
    log::{KeyKind, KeyRecord},
};

/// What a command has to say.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// For standard output.
    pub out: Option<String>,
    /// For standard error.
    pub err: Option<String>,
}

/// Does what was asked with the keys in the store; `user` is who asked.
///
/// # Errors
/// What is wrong with the command, the settings or the store, in words for whoever runs it.
pub async fn keys(config: &Config, command: KeysCommand, user: &str) -> anyhow::Result<Said> {
    config.log.database()?;
    // the first key may well be made before the service has ever run
    let store = match command {
        KeysCommand::Create(_) => store::open(&config.log).await?,
        KeysCommand::List { .. } => store::open_to_read(&config.log).await?,
        _ => store::open_existing(&config.log).await?,
    };
    let (access, _) = access::start(store.clone(), config).await?;
    let outcome = execute(&access, &Actor::command_line(user), command).await;
    store.close().await;
    outcome
}

async fn execute(access: &Arc<Access>, actor: &Actor, command: KeysCommand) -> anyhow::Result<Said> {
    match command {
        KeysCommand::Create(wanted) => {
            let was_open = access.is_open();
            let (key, secret) = access.create_key(actor, new_key(*wanted)?).await.map_err(words)?;
            let mut told = format!("{} key {} of tenant {}: its secret is shown this once", kind(&key), key.id, key.tenant);
            if was_open {
                told += "\nit is the first key: where no tokens are configured, this ends open mode, and everyone needs a credential from now on";
            }
            Ok(Said { out: Some(secret.expose().to_owned()), err: Some(told) })
        }
        KeysCommand::List { tenant, json } => {
            let keys = match tenant {
                Some(tenant) => access.keys(actor, &tenant_name(&tenant)?).map_err(words)?,
                None => access.all_keys(actor).map_err(words)?,
            };
            Ok(if json { as_json(&keys)? } else { as_table(&keys) })
        }
        KeysCommand::Rotate { id, overlap_seconds } => {
            let tenant = tenant_of(access, actor, &id)?;
            let (key, secret) = access.rotate_key(actor, &tenant, &id, Duration::from_secs(overlap_seconds)).await.map_err(words)?;
            let until = key.previous_until.map_or_else(String::new, |until| format!("; the old one is taken until {until}"));
            let told = format!("{} key {}: its new secret is shown this once{until}", kind(&key), key.id);
            Ok(Said { out: Some(secret.expose().to_owned()), err: Some(told) })
        }
        KeysCommand::Revoke { id } => {
            let tenant = tenant_of(access, actor, &id)?;
            access.revoke_key(actor, &tenant, &id).await.map_err(words)?;
            Ok(Said { out: None, err: Some(format!("key {id} is revoked")) })
        }
    }
}

fn new_key(wanted: cli::NewKey) -> anyhow::Result<NewKey> {
    let rights = rights(&wanted)?;
    let expires_in = wanted.expires_in_days.map(|days| i64::from(days) * 86_400_000_000);
    let expires_at = expires_in.map(|micros| Timestamp::from_micros(Timestamp::now().as_micros().saturating_add(micros)));
    let kind = if wanted.signing { KeyKind::Signing } else { KeyKind::Bearer };
    Ok(NewKey { tenant: tenant_name(&wanted.tenant)?, name: wanted.name, kind, rights, expires_at })
}

/// What the flags grant; patterns are read where all rights are.
fn rights(wanted: &cli::NewKey) -> anyhow::Result<Rights> {
    if let Some(json) = &wanted.rights {
        return Rights::parse(json, None).context("--rights");
    }
    let mut rights = json!({
        "subscribe": {
            "streams": wanted.subscribe_streams, "users": wanted.subscribe_users, "topics": wanted.subscribe_topics,
            "all": wanted.subscribe_all,
        },
        "role": match (wanted.admin, wanted.super_admin) {
            (_, true) => Role::SuperAdmin,
            (true, false) => Role::Admin,
            (false, false) => Role::None,
        },
    });
    if !wanted.publish_types.is_empty() {
        rights["publish"] = json!({"types": wanted.publish_types});
        if !wanted.publish_topics.is_empty() {
            rights["publish"]["topics"] = json!(wanted.publish_topics);
        }
    }
    if let Some(source) = &wanted.source {
        rights["source"] = json!(source);
    }
    Rights::parse(&rights.to_string(), None).context("what the key may do")
}

fn tenant_name(text: &str) -> anyhow::Result<LogName> {
    LogName::parse(text).with_context(|| "--tenant".to_owned())
}

fn tenant_of(access: &Access, actor: &Actor, id: &str) -> anyhow::Result<LogName> {
    let found = access.all_keys(actor).map_err(words)?.into_iter().find(|key| key.id == id);
    found.map(|key| key.tenant).with_context(|| "there is no such key: `chaincast keys list` shows those there are")
}

/// Unlike a client, whoever runs commands may know what lies behind.
fn words(error: AuthError) -> anyhow::Error {
    match error {
        AuthError::Unavailable(cause) => anyhow::anyhow!("the store does not answer: {cause}"),
        error => error.into(),
    }
}

fn kind(key: &KeyRecord) -> &'static str {
    match key.kind {
        KeyKind::Bearer => "bearer",
        KeyKind::Signing => "signing",
    }
}

fn state(key: &KeyRecord) -> String {
    let now = Timestamp::now();
    match (key.revoked_at, key.expires_at, key.previous_until) {
        (Some(at), ..) => format!("revoked {}", seconds(at)),
        (None, Some(at), _) if at <= now => "expired".to_owned(),
        (None, _, Some(at)) if at > now => format!("good, and the secret before until {}", seconds(at)),
        _ => "good".to_owned(),
    }
}

fn seconds(at: Timestamp) -> String {
    let text = at.to_string();
    text.get(..19).map_or_else(|| text.clone(), |seconds| format!("{seconds}Z"))
}

/// What the key may do, without the members that give nothing.
fn given(rights: &str) -> String {
    let Ok(Value::Object(mut all)) = serde_json::from_str(rights) else { return rights.to_owned() };
    let gives = |value: &Value| !(value.is_null() || *value == json!(false) || *value == json!([]) || *value == json!({}));
    if let Some(Value::Object(subscribe)) = all.get_mut("subscribe") {
        subscribe.retain(|_, value| gives(value));
    }
    // an empty `publish` gives something: it has no bounds
    all.retain(|name, value| name == "publish" && !value.is_null() || gives(value) && *value != json!("none"));
    Value::Object(all).to_string()
}

fn as_table(keys: &[KeyRecord]) -> Said {
    if keys.is_empty() {
        return Said { out: None, err: Some("there are no keys: `chaincast keys create --help` says how to make one".to_owned()) };
    }
    let mut rows = vec![["ID", "TENANT", "NAME", "KIND", "CREATED", "EXPIRES", "STATE", "RIGHTS"].map(str::to_owned)];
    rows.extend(keys.iter().map(|key| {
        let expires = key.expires_at.map_or_else(|| "never".to_owned(), seconds);
        let (id, tenant, name, kind) = (key.id.clone(), key.tenant.to_string(), key.name.clone(), kind(key).to_owned());
        [id, tenant, name, kind, seconds(key.created_at), expires, state(key), given(&key.rights)]
    }));
    Said { out: Some(aligned(&rows, &[]).trim_end().to_owned()), err: None }
}

fn as_json(keys: &[KeyRecord]) -> anyhow::Result<Said> {
    let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
    let one = |key: &KeyRecord| -> anyhow::Result<Value> {
        Ok(json!({
            "id": key.id, "tenant": key.tenant.as_str(), "name": key.name, "kind": kind(key), "generation": key.generation,
            "rights": serde_json::from_str::<Value>(&key.rights)?, "createdAt": key.created_at.to_string(),
            "expiresAt": text(key.expires_at), "previousUntil": text(key.previous_until), "revokedAt": text(key.revoked_at),
        }))
    };
    let all = keys.iter().map(one).collect::<anyhow::Result<Vec<Value>>>()?;
    Ok(Said { out: Some(serde_json::to_string_pretty(&all)?), err: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str, rights: &str) -> KeyRecord {
        KeyRecord {
            id: id.into(),
            tenant: LogName::new("acme"),
            name: "indexer".into(),
            kind: KeyKind::Bearer,
            generation: 1,
            digest: [0; 32],
            previous_digest: None,
            previous_until: None,
            rights: rights.into(),
            created_at: Timestamp::from_micros(1_700_000_000_123_456),
            expires_at: None,
            revoked_at: None,
        }
    }

    #[test]
    fn keys_are_listed_in_columns_under_a_header() {
        let rights = r#"{"subscribe":{"streams":["a"],"users":[],"topics":[],"all":false},"role":"none"}"#;
        let revoked = KeyRecord { revoked_at: Some(Timestamp::from_micros(1_700_000_001_000_000)), ..key("longer", "{") };
        let expired = KeyRecord { expires_at: Some(Timestamp::from_micros(1_700_000_002_000_000)), ..key("old", "{}") };
        let table = as_table(&[key("a", rights), revoked, expired]).out.expect("a table");
        let lines: Vec<String> = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(
            lines,
            [
                "ID TENANT NAME KIND CREATED EXPIRES STATE RIGHTS",
                r#"a acme indexer bearer 2023-11-14T22:13:20Z never good {"subscribe":{"streams":["a"]}}"#,
                "longer acme indexer bearer 2023-11-14T22:13:20Z never revoked 2023-11-14T22:13:21Z {",
                "old acme indexer bearer 2023-11-14T22:13:20Z 2023-11-14T22:13:22Z expired {}",
            ]
        );
        let starts: Vec<_> = table.lines().map(|line| line.find("acme").or_else(|| line.find("TENANT"))).collect();
        assert!(starts.iter().all(|start| *start == Some(8)), "{table}");
    }

    #[test]
    fn rights_that_give_nothing_are_not_shown_and_those_that_give_all_are() {
        assert_eq!(given(r#"{"subscribe":{"all":false},"publish":null,"role":"none"}"#), "{}");
        assert_eq!(given(r#"{"publish":{},"role":"admin"}"#), r#"{"publish":{},"role":"admin"}"#);
    }
}
