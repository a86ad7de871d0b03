//! The middleware round the routes, in the order that makes it right.
//!
//! From the outside in: `observe` sees everything and gives every error its body; the guard refuses before anything is read or granted; CORS
//! marks what is behind it, errors and panics included; what catches panics is innermost, so that the rest outlives a handler.

use actix_web::{
    App, Error,
    body::MessageBody,
    dev::{ServiceFactory, ServiceRequest, ServiceResponse},
    middleware::from_fn,
    web,
};
use actix_web_lab::middleware::CatchPanic;

use super::{Console, Guard, InFlight, State, observe::observe, routes};

/// The whole service, as one worker runs it; with a `console`, what operators ask as well.
#[must_use]
pub fn app(
    state: web::Data<State>,
    console: Option<web::Data<Console>>,
    guard: Guard,
    in_flight: InFlight,
) -> App<impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse<impl MessageBody>, Error = Error, InitError = ()>> {
    let (cors, origins) = (guard.origins().cors(), guard.origins().clone());
    let named = origins.clone();
    App::new()
        .configure(|config| routes::configure(config, state, console))
        .app_data(origins)
        .app_data(in_flight.clone())
        .wrap(CatchPanic::default())
        .wrap(cors)
        .wrap(from_fn(move |request, next| named.clone().allow_cookies(request, next)))
        .wrap(from_fn(move |request, next| guard.clone().check(request, next)))
        .wrap(from_fn(move |request, next| observe(request, next, in_flight.clone().enter())))
}

/// What is served where only operators listen, as its worker runs it. No page is granted anything here, so there is no CORS.
#[must_use]
pub fn admin_app(
    state: web::Data<State>,
    console: web::Data<Console>,
    in_flight: InFlight,
) -> App<impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse<impl MessageBody>, Error = Error, InitError = ()>> {
    App::new()
        .configure(|config| routes::configure_admin(config, state, console))
        .app_data(in_flight.clone())
        .wrap(CatchPanic::default())
        .wrap(from_fn(move |request, next| observe(request, next, in_flight.clone().enter())))
}
