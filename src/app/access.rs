//! Who may: from settings to the instance's state of access, its limits, and the tasks that keep both.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use super::{stopped, unless_stopped};
use crate::{
    auth::{Access, AccessSettings, Jwt, Tokens},
    config::{Config, CookieSameSite, ForwardedHeader},
    http::{Clients, CookieSettings, CredentialSettings, ForwardedBy, LimitSettings, Limits, Proxies, SameSite, Scrutiny, SharedPlaces},
    hub::{CloseReason, Hubs},
    log::AccessStore,
    vital::vital,
};

/// How often keys that have been quiet leave the limits.
const FORGET_EVERY: Duration = Duration::from_secs(60);

/// Reads the keys that tokens are checked with, and what the store says of access.
pub(super) async fn start(store: Arc<dyn AccessStore>, config: &Config) -> anyhow::Result<(Arc<Access>, Option<Arc<Jwt>>)> {
    let tokens = Arc::new(Jwt::new(&config.jwt.settings())?);
    let tokens = tokens.is_configured().then_some(tokens);
    let settings = AccessSettings {
        secret: config.credentials.service_secret()?,
        anonymous: config.credentials.anonymous()?,
        ..AccessSettings::default()
    };
    let access = Access::start(store, tokens.clone().map(|tokens| tokens as Arc<dyn Tokens>), settings).await;
    Ok((access.context("cannot read who may do what")?, tokens))
}

/// Keeps keys, revocations and tenants' settings as the store has them, until `stop` says otherwise.
pub(super) fn spawn(tasks: &mut JoinSet<()>, access: &Arc<Access>, tokens: Option<Arc<Jwt>>, hubs: &Arc<Hubs>, stop: &watch::Sender<bool>) {
    // a service that went on without hearing of revocations would be worse than none
    tasks.spawn(vital("access", access.clone().run(hubs.access_version(), stopped(stop.subscribe()))));
    if let Some(tokens) = tokens {
        tasks.spawn(vital("token keys", tokens.run(stopped(stop.subscribe()))));
    }
    tasks.spawn(vital("open mode", end_with_open_mode(access.closed(), hubs.clone(), stopped(stop.subscribe()))));
    let (mut tenants, hubs, stopped) = (access.tenants(), hubs.clone(), stopped(stop.subscribe()));
    let configuring = async move {
        loop {
            let settings = tenants.borrow_and_update().clone();
            hubs.configure(settings);
            if tenants.changed().await.is_err() {
                return;
            }
        }
    };
    tasks.spawn(unless_stopped(configuring, stopped));
}

/// Ends the streams that needed no credential once there is one, wherever the first was made.
async fn end_with_open_mode(mut closed: watch::Receiver<bool>, hubs: Arc<Hubs>, stop: impl Future<Output = ()>) {
    let was_open = !*closed.borrow();
    tokio::select! {
        found = closed.wait_for(|closed| *closed) => {
            if found.is_ok() {
                if was_open {
                    tracing::info!(
                        "the first key was made: open mode is over, and so are the streams that it allowed. Restart the service to be reached through a proxy"
                    );
                }
                hubs.end_unowned(CloseReason::Revoked);
            }
        }
        () = stop => {}
    }
}

/// How credentials may come.
pub(super) fn credential_settings(config: &Config) -> CredentialSettings {
    let settings = &config.credentials;
    let same_site = match settings.cookie_same_site {
        CookieSameSite::Strict => SameSite::Strict,
        CookieSameSite::Lax => SameSite::Lax,
        CookieSameSite::None => SameSite::None,
    };
    let cookie = CookieSettings { name: settings.cookie_name.as_str().into(), same_site, ..CookieSettings::default() };
    CredentialSettings { cookie, token_parameter: settings.token_parameter }
}

/// What every credential goes through.
pub(super) fn scrutiny(
    config: &Config,
    access: &Arc<Access>,
    shared: Option<Arc<SharedPlaces>>,
    tasks: &mut JoinSet<()>,
    stop: &watch::Sender<bool>,
) -> Scrutiny {
    Scrutiny { limits: limits(config, shared, tasks, stop), clients: clients(config, access), refused: Arc::default() }
}

/// The limits, and the task that keeps them small.
fn limits(config: &Config, shared: Option<Arc<SharedPlaces>>, tasks: &mut JoinSet<()>, stop: &watch::Sender<bool>) -> Arc<Limits> {
    let settings = &config.limits;
    let limits = LimitSettings {
        connections_per_address: settings.max_connections_per_address,
        connections_per_subject: settings.max_connections_per_subject,
        new_per_address: settings.new_connections_per_address,
        new_per_subject: settings.new_connections_per_subject,
        refused_per_address: settings.refused_credentials_per_address,
        publish_per_second: settings.publish_per_second,
    };
    let limits = Limits::sharing(limits, shared);
    let (kept, stopped) = (limits.clone(), stopped(stop.subscribe()));
    let forgetting = async move {
        let mut ticks = interval(FORGET_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            kept.forget_quiet();
        }
    };
    tasks.spawn(unless_stopped(forgetting, stopped));
    limits
}

/// How clients are told apart: a service that only this machine reaches has one.
fn clients(config: &Config, access: &Arc<Access>) -> Clients {
    let header = match config.limits.forwarded_header {
        ForwardedHeader::XForwardedFor => ForwardedBy::XForwardedFor,
        ForwardedHeader::Forwarded => ForwardedBy::Forwarded,
    };
    let (access, insecure_open) = (access.clone(), config.access.insecure_open);
    Clients::new(Proxies { trusted: config.limits.trusted_proxies.clone(), header }, move || access.is_open() && !insecure_open)
}
