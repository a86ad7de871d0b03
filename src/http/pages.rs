//! What people open in a browser: the test client at `/` and the documentation at `/docs`, both built into the binary.
//!
//! Neither loads anything from elsewhere, and their policies say so: the test client may run only the scripts that were compiled in, by hash.

use std::sync::{Arc, LazyLock};

use actix_web::{
    HttpResponse,
    http::header::{self, HeaderValue},
    web,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};
use utoipa_swagger_ui::Config;

use super::{asyncapi, code::Code, openapi, problem::Problem};

const INDEX: &str = include_str!("../../test-client/index.html");

/// Swagger UI styles its elements in place; its scripts are files.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What no page here has any use for.
const NO_PERMISSIONS: &str = "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()";

static INDEX_POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let (scripts, styles) = (hashes(INDEX, "script"), hashes(INDEX, "style"));
    let policy = format!(
        "default-src 'none'; script-src 'self'{scripts}; style-src 'self'{styles}; img-src 'self' data:; connect-src 'self'; \
         base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).expect("words and base64 are visible ASCII")
});

static DOCS: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| Arc::new(Config::from("../openapi.json")));

static OPENAPI: LazyLock<String> = LazyLock::new(openapi::to_json);
static ASYNCAPI: LazyLock<String> = LazyLock::new(asyncapi::to_json);

fn page(policy: HeaderValue, content_type: &str, body: impl Into<web::Bytes>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_SECURITY_POLICY, policy))
        .insert_header((header::CROSS_ORIGIN_OPENER_POLICY, "same-origin"))
        .insert_header((header::PERMISSIONS_POLICY, NO_PERMISSIONS))
        // for browsers that do not know `frame-ancestors`
        .insert_header((header::X_FRAME_OPTIONS, "DENY"))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .content_type(content_type)
        .body(body.into())
}

/// The test client.
pub(super) async fn index() -> HttpResponse {
    page(INDEX_POLICY.clone(), "text/html; charset=utf-8", INDEX)
}

/// The OpenAPI document.
pub(super) async fn openapi() -> HttpResponse {
    document(&OPENAPI)
}

/// The AsyncAPI document.
pub(super) async fn asyncapi() -> HttpResponse {
    document(&ASYNCAPI)
}

fn document(json: &'static str) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").insert_header((header::CACHE_CONTROL, "no-cache")).body(json)
}

/// Sends `/docs` to `/docs/`, relatively, so that it stays under `/v1` if it is there.
pub(super) async fn to_docs() -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((header::LOCATION, "docs/")).finish()
}

/// A file of the documentation.
pub(super) async fn docs(path: web::Path<String>) -> Result<HttpResponse, Problem> {
    match utoipa_swagger_ui::serve(&path, Arc::clone(&DOCS)) {
        Ok(Some(file)) => {
            let mut answer = page(HeaderValue::from_static(DOCS_POLICY), &file.content_type, file.bytes.into_owned());
            if file.gzpipped {
                answer.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            }
            Ok(answer)
        }
        Ok(None) => Err(Problem::new(Code::NotFound)),
        Err(error) => Err(Problem::new(Code::Internal).caused_by(&error)),
    }
}

/// A source expression for each inline element of this name, each with a space in front.
fn hashes(page: &str, element: &str) -> String {
    let (open, close) = (format!("<{element}"), format!("</{element}>"));
    page.match_indices(&open)
        .filter_map(|(at, _)| page[at..].split_once('>'))
        .filter_map(|(_, rest)| rest.split_once(&close))
        .map(|(content, _)| format!(" 'sha256-{}'", STANDARD.encode(Sha256::digest(content))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_inline_script_is_allowed_by_its_hash() {
        let page = "<script>a()</script><p><script type=\"module\">b()</script>";
        let digest = |text: &str| format!(" 'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
        assert_eq!(hashes(page, "script"), digest("a()") + &digest("b()"));
        assert_eq!(hashes(page, "style"), "");
    }
}
