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

use super::{Guard, InFlight, State, observe::observe, routes};

/// The whole service, as one worker runs it.
#[must_use]
pub fn app(
    state: web::Data<State>,
    guard: Guard,
    in_flight: InFlight,
) -> App<impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse<impl MessageBody>, Error = Error, InitError = ()>> {
    let (cors, origins) = (guard.origins().cors(), guard.origins().clone());
    let named = origins.clone();
    App::new()
        .configure(|config| routes::configure(config, state))
        .app_data(origins)
        .wrap(CatchPanic::default())
        .wrap(cors)
        .wrap(from_fn(move |request, next| named.clone().allow_cookies(request, next)))
        .wrap(from_fn(move |request, next| guard.clone().check(request, next)))
        .wrap(from_fn(move |request, next| observe(request, next, in_flight.clone().enter())))
}
