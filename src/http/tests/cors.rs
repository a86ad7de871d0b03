//! Which pages may ask, and which may use cookies.

use actix_web::http::{Method, header};

use super::{ask_of, fake::Fakes, get};

const NAMED: &str = "https://app.example";
const LOOPBACK: &str = "http://localhost:5173";
const STRANGER: &str = "https://evil.example";

/// The setting, the page's origin, whether it may ask, whether it may use cookies.
const PAGES: &[(&[&str], &str, bool, bool)] = &[
    (&[], LOOPBACK, true, false),
    (&[], NAMED, false, false),
    (&[], "null", false, false),
    (&["*"], LOOPBACK, true, false),
    (&["*"], STRANGER, true, false),
    (&["*", NAMED], NAMED, true, false),
    (&[NAMED], NAMED, true, true),
    (&[NAMED, LOOPBACK], LOOPBACK, true, true),
    (&[NAMED], LOOPBACK, false, false),
    (&[NAMED], STRANGER, false, false),
    (&["null"], "null", false, false),
];

fn shown(answer: &super::Answer) -> (String, String) {
    let header = |name| answer.header(name).to_owned();
    (header("access-control-allow-origin"), header("access-control-allow-credentials"))
}

fn expected(origin: &str, may: bool, cookies: bool) -> (String, String) {
    (if may { origin.to_owned() } else { String::new() }, if cookies { "true".to_owned() } else { String::new() })
}

#[actix_web::test]
async fn every_answer_tells_a_page_what_it_may() {
    for &(listed, origin, may, cookies) in PAGES {
        // an answer, an error of a handler, one of the routes, a panic, and a change
        let panics = Fakes { panics: true, ..Fakes::default() };
        for (method, uri) in
            [(Method::GET, "/health"), (Method::GET, "/events?limit=0"), (Method::GET, "/nothing"), (Method::DELETE, "/events/session")]
        {
            let asked = get(uri).method(method).insert_header((header::ORIGIN, origin));
            let answer = ask_of(&Fakes::default(), listed, asked).await;
            assert_eq!(shown(&answer), expected(origin, may, cookies), "{listed:?} {origin} {uri}");
            assert_eq!(answer.header("vary").contains("Origin"), may, "{listed:?} {origin} {uri}");
            assert_eq!(answer.status == 403, !may, "{listed:?} {origin} {uri}");
        }
        let failure = ask_of(&panics, listed, get("/events/stats").insert_header((header::ORIGIN, origin))).await;
        assert_eq!(shown(&failure), expected(origin, may, cookies), "{listed:?} {origin} in a panic");
    }
}

#[actix_web::test]
async fn a_preflight_tells_the_same() {
    for &(listed, origin, may, cookies) in PAGES {
        for (wanted, uri) in [("GET", "/events"), ("POST", "/events/tickets"), ("POST", "/events/session"), ("DELETE", "/events/session")] {
            let asked = get(uri).method(Method::OPTIONS).insert_header((header::ORIGIN, origin));
            let asked = asked.insert_header((header::ACCESS_CONTROL_REQUEST_METHOD, wanted));
            let headers = "authorization,content-type,last-event-id,chaincast-reason";
            let answer = ask_of(&Fakes::default(), listed, asked.insert_header((header::ACCESS_CONTROL_REQUEST_HEADERS, headers))).await;
            assert_eq!(shown(&answer), expected(origin, may, cookies), "{listed:?} {origin} {wanted} {uri}");
            assert_eq!(answer.header("access-control-allow-methods").contains(wanted), may, "{listed:?} {origin} {wanted} {uri}");
            assert_eq!(answer.header("vary").contains("Origin"), may, "{listed:?} {origin} {wanted} {uri}");
        }
    }
}

#[actix_web::test]
async fn an_answer_without_an_origin_varies_by_it_and_grants_nothing() {
    let answer = ask_of(&Fakes::default(), &[NAMED], get("/health")).await;
    assert!(answer.header("vary").contains("Origin"));
    assert_eq!(shown(&answer), expected("", false, false));
}

#[actix_web::test]
async fn what_no_page_may_do_is_not_granted_in_a_preflight() {
    for (method, headers) in [("PUT", "content-type"), ("POST", "x-evil")] {
        let asked = get("/events").method(Method::OPTIONS).insert_header((header::ORIGIN, NAMED));
        let asked = asked.insert_header((header::ACCESS_CONTROL_REQUEST_METHOD, method));
        let answer = ask_of(&Fakes::default(), &[NAMED], asked.insert_header((header::ACCESS_CONTROL_REQUEST_HEADERS, headers))).await;
        assert_eq!((answer.code().as_str(), shown(&answer)), ("bad_request", expected("", false, false)), "{method} {headers}");
    }
}
