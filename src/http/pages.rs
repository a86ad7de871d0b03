//! What people open in a browser: the page at `/` and the documentation at `/docs`, both built into the binary.
//!
//! Neither loads anything from elsewhere, and their policies say so: the page may run only the files of [`FILES`], and no text becomes markup.
//! Its files lie below `page/`, relative to it, so that it works under `/v1/` and behind a proxy's prefix as well.

use std::sync::{Arc, LazyLock};

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{self, EntityTag, HeaderValue, IfNoneMatch},
    },
    web,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use utoipa_swagger_ui::Config;

use super::{asyncapi, code::Code, openapi, problem::Problem};

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// A file of the page: its name, its type and what is in it.
type File = (&'static str, &'static str, &'static str);

macro_rules! files {
    ($($kind:ident: $($name:literal)+;)+) => { [$($(($name, $kind, include_str!(concat!("../../test-client/", $name)))),+),+] };
}

/// The page's files, the page itself first.
const FILES: &[File] = &files! {
    HTML: "index.html";
    STYLE: "style.css" "stream.css" "publish.css" "dashboard.css";
    SCRIPT: "theme.js" "main.js" "parts.js" "json.js" "credential.js" "chips.js" "filter.js" "sse.js" "connection.js" "words.js" "frames.js"
        "row.js" "stream.js" "templates.js" "form.js" "publish.js" "dashboard.js" "dashboard-figures.js" "panels.js" "charts.js"
        "crosshair.js" "nodes.js" "numbers.js" "samples.js" "scales.js" "trace.js";
};

const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'; frame-ancestors 'none'";

/// Swagger UI styles its elements in place; its scripts are files.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What no page here has any use for.
const NO_PERMISSIONS: &str = "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()";

static DOCS: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| Arc::new(Config::from("../openapi.json")));

static OPENAPI: LazyLock<String> = LazyLock::new(openapi::to_json);
static ASYNCAPI: LazyLock<String> = LazyLock::new(asyncapi::to_json);

fn page(policy: &'static str, content_type: &str, body: impl Into<web::Bytes>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy)))
        .insert_header((header::CROSS_ORIGIN_OPENER_POLICY, "same-origin"))
        .insert_header((header::PERMISSIONS_POLICY, NO_PERMISSIONS))
        // for browsers that do not know `frame-ancestors`
        .insert_header((header::X_FRAME_OPTIONS, "DENY"))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .content_type(content_type)
        .body(body.into())
}

/// The page.
pub(super) async fn index(known: web::Header<IfNoneMatch>) -> HttpResponse {
    file(&FILES[0], &known)
}

/// A file of the page.
pub(super) async fn page_file(name: web::Path<String>, known: web::Header<IfNoneMatch>) -> Result<HttpResponse, Problem> {
    let found = FILES[1..].iter().find(|(known, ..)| *known == name.as_str());
    found.map(|found| file(found, &known)).ok_or_else(|| Problem::new(Code::NotFound))
}

/// Asked for anew each time, and sent only if the browser's copy is of another build. Either answer has the same headers: a browser takes those
/// of a 304 in place of the ones it kept, and a policy that allows nothing would leave the page without its scripts.
fn file((_, kind, text): &File, known: &IfNoneMatch) -> HttpResponse {
    let tag = EntityTag::new_strong(URL_SAFE_NO_PAD.encode(&Sha256::digest(text)[..12]));
    let has_it = match known {
        IfNoneMatch::Any => true,
        IfNoneMatch::Items(tags) => tags.iter().any(|other| other.weak_eq(&tag)),
    };
    let mut answer = page(PAGE_POLICY, kind, if has_it { "" } else { *text });
    if has_it {
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
    }
    answer.headers_mut().insert(header::ETAG, HeaderValue::try_from(tag.to_string()).expect("base64 in quotes is visible ASCII"));
    answer
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
            let mut answer = page(DOCS_POLICY, &file.content_type, file.bytes.into_owned());
            if file.gzpipped {
                answer.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            }
            Ok(answer)
        }
        Ok(None) => Err(Problem::new(Code::NotFound)),
        Err(error) => Err(Problem::new(Code::Internal).caused_by(&error)),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs};

    use super::*;

    #[test]
    fn every_file_of_the_page_is_in_the_table() {
        let lying_there = fs::read_dir("test-client").expect("readable").map(|entry| entry.expect("readable"));
        let names = lying_there.filter(|entry| entry.file_type().expect("readable").is_file());
        let names: BTreeSet<String> = names.map(|entry| entry.file_name().into_string().expect("UTF-8")).collect();
        assert_eq!(names, FILES.iter().map(|(name, ..)| (*name).to_owned()).collect());
    }

    #[test]
    fn the_page_has_nothing_inline_that_its_policy_would_stop() {
        let page = FILES[0].2.replace("'http://www.w3.org/2000/svg'", "");
        for inline in ["<style", "style=", "<script>", "<script type=\"module\">", " onclick", "javascript:", "http://", "https://"] {
            assert!(!page.contains(inline), "{inline}");
        }
    }
}
