//! The one table of routes.
//!
//! Everything is served twice, at `/` and under `/v1`, because deployed front ends call the latter. A path that exists answers 405 with `Allow`
//! to a method it does not have; all else is 404; both as problems.

use actix_web::{
    Handler, Resource, Responder, Route, guard,
    web::{self, ServiceConfig},
};

use super::{
    Console, admin, code::Code, health, history, metrics, pages, problem::Problem, publish, session, state::State, stats, subscribe,
    tickets,
};

/// The prefix under which every route is served as well.
pub const PREFIX: &str = "/v1";

pub(super) const READ: &str = "GET, HEAD";

/// Registers every route, and `state` for their handlers; those of operators only with a `console`.
pub fn configure(config: &mut ServiceConfig, state: web::Data<State>, console: Option<web::Data<Console>>) {
    let operated = console.is_some();
    config.app_data(state);
    console.map(|console| config.app_data(console));
    twice(config, move |config| {
        table(config);
        if operated {
            operators(config);
        }
    });
}

/// Registers what is served where only operators listen.
pub fn configure_admin(config: &mut ServiceConfig, state: web::Data<State>, console: web::Data<Console>) {
    config.app_data(state).app_data(console);
    twice(config, |config| {
        probes(config);
        operators(config);
    });
}

fn twice(config: &mut ServiceConfig, table: impl Fn(&mut ServiceConfig)) {
    config.service(web::scope(PREFIX).configure(&table).default_service(web::to(nothing)));
    config.configure(&table);
    config.default_service(web::to(nothing));
}

fn operators(config: &mut ServiceConfig) {
    admin::table(config);
    config.service(at("/metrics", READ).route(read(metrics::metrics)));
}

fn probes(config: &mut ServiceConfig) {
    config
        .service(at("/health", READ).route(read(health::health)))
        .service(at("/health/live", READ).route(read(health::live)))
        .service(at("/health/ready", READ).route(read(health::ready)));
}

fn table(config: &mut ServiceConfig) {
    config
        .service(at("/events", "GET, HEAD, POST").route(read(history::history)).route(web::post().to(publish::publish)))
        .service(at("/events/subscribe", READ).route(read(subscribe::subscribe)))
        .service(at("/events/stats", READ).route(read(stats::stats)))
        .service(at("/events/tickets", "POST").route(web::post().to(tickets::issue)))
        .service(at("/events/session", "POST, DELETE").route(web::post().to(session::begin)).route(web::delete().to(session::end)))
        .configure(probes)
        .service(at("/openapi.json", READ).route(read(pages::openapi)))
        .service(at("/asyncapi.json", READ).route(read(pages::asyncapi)))
        .service(at("/docs", READ).route(read(pages::to_docs)))
        .service(at("/docs/{file:.*}", READ).route(read(pages::docs)))
        .service(at("/page/{file}", READ).route(read(pages::page_file)))
        .service(at("/", READ).route(read(pages::index)));
}

/// A path that refuses all methods but those that routes are added for, which `allow` lists.
pub(super) fn at(path: &str, allow: &'static str) -> Resource {
    web::resource(path).default_service(web::to(move || async move { Err::<&str, _>(Problem::not_allowed(allow)) }))
}

/// GET, and HEAD with the same headers.
pub(super) fn read<F, Args>(handler: F) -> Route
where
    F: Handler<Args>,
    Args: actix_web::FromRequest + 'static,
    F::Output: Responder + 'static,
{
    web::route().guard(guard::Any(guard::Get()).or(guard::Head())).to(handler)
}

async fn nothing() -> Result<&'static str, Problem> {
    Err(Problem::new(Code::NotFound))
}
