//! How credentials come, as OpenAPI says it; which operation takes which stands at its handler.

use utoipa::{
    Modify,
    openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use crate::http::CookieSettings;

/// Adds the schemes that the handlers name.
pub(super) struct Schemes;

impl Modify for Schemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("A JWT, or an API key (`cck_…`)."));
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer.build()));
        let cookie = "A token that `/events/session` made a cookie of; GET only. The name is a setting.";
        let query = |name, text| SecurityScheme::ApiKey(ApiKey::Query(ApiKeyValue::with_description(name, text)));
        let name = CookieSettings::default().name;
        let cookie = ApiKeyValue::with_description(String::from(name), cookie.to_owned());
        components.add_security_scheme("cookie", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
        components.add_security_scheme("ticket", query("ticket", "A ticket of `/events/tickets`, for subscribing."));
        let token = "A JWT, or an API key; GET only. Addresses end up in logs of proxies: a ticket is better. May be turned off.";
        components.add_security_scheme("token", query("token", token));
        let signature =
            "Standard Webhooks: `v1,` and the base64 of HMAC-SHA256 over `webhook-id.webhook-timestamp.body`, by the key in `key`.";
        let signature = ApiKeyValue::with_description("webhook-signature", signature);
        components.add_security_scheme("signature", SecurityScheme::ApiKey(ApiKey::Header(signature)));
    }
}
