//! Tickets, cookies, other tenants, and settings: what the tables of `access` have no column for.

use std::sync::{Arc, atomic::Ordering};

use actix_web::http::{Method, StatusCode, header};
use cookie::{Cookie, SameSite};

use super::{
    Answer, ask,
    authority::{FakeAuthority, LASTS_SECONDS, SIGNATURE},
    fake::Fakes,
    get, post,
};
use crate::http::{CookieSettings, CredentialSettings};

const ALICE: (header::HeaderName, &str) = (header::AUTHORIZATION, "Bearer secret.alice");
const OPS: (header::HeaderName, &str) = (header::AUTHORIZATION, "Bearer secret.ops");

fn closed() -> Fakes {
    Fakes { authority: Arc::default(), ..Fakes::default() }
}

fn with_cookie(cookie: CookieSettings) -> Fakes {
    Fakes { credentials: CredentialSettings { cookie, ..CredentialSettings::default() }, ..closed() }
}

fn cookie_of(answer: &Answer) -> Cookie<'static> {
    assert_eq!((answer.status, answer.header("cache-control")), (StatusCode::NO_CONTENT, "no-store"));
    assert_eq!(answer.text, "");
    Cookie::parse(answer.header("set-cookie").to_owned()).expect("a cookie")
}

#[actix_web::test]
async fn a_ticket_is_told_once_and_kept_by_nobody() {
    let answer = ask(&closed(), get("/events/tickets").method(Method::POST).insert_header(ALICE)).await;
    assert_eq!((answer.status, answer.header("cache-control")), (StatusCode::CREATED, "no-store"));
    let ticket = answer.json();
    assert_eq!((&ticket["ticket"], &ticket["firstUseBy"]), (&"cct_made".into(), &"1970-01-01T00:00:00.000000Z".into()));
    assert!(ticket["expiresAt"].is_string());
}

#[actix_web::test]
async fn a_ticket_is_redeemed_for_the_filter_that_is_asked_for() {
    let fakes = closed();
    for uri in [
        "/events/subscribe?users=GALICE&topics=market.a&ticket=secret.alice",
        "/v1/events/subscribe?topics=market.a&users=GALICE&ticket=secret.alice&last_event_id=2&shape=data",
        "/events/subscribe?all=true&ticket=secret.alice",
    ] {
        assert_eq!(ask(&fakes, get(uri).method(Method::HEAD)).await.status, StatusCode::OK, "{uri}");
    }
    let redeemed = fakes.authority.redeemed.lock().expect("lock").clone();
    assert_eq!(redeemed[0], redeemed[1]);
    assert_ne!(redeemed[0], redeemed[2]);
}

#[actix_web::test]
async fn a_broken_question_does_not_use_a_ticket_up() {
    let fakes = closed();
    let refusal = ask(&fakes, get("/events/subscribe?ticket=secret.alice&streams=")).await;
    assert_eq!((refusal.code().as_str(), refusal.json()["parameter"].as_str()), ("invalid_parameter", Some("streams")));
    assert!(fakes.authority.redeemed.lock().expect("lock").is_empty());
}

#[actix_web::test]
async fn a_session_is_a_cookie_that_ends_with_the_token() {
    let begun = ask(&closed(), get("/events/session").method(Method::POST).insert_header(ALICE)).await;
    let cookie = cookie_of(&begun);
    assert_eq!(cookie.name_value(), ("__Secure-chaincast", "secret.alice"));
    assert_eq!((cookie.http_only(), cookie.secure(), cookie.same_site()), (Some(true), Some(true), Some(SameSite::Strict)));
    assert_eq!((cookie.path(), cookie.domain()), (Some("/"), None));
    let seconds = cookie.max_age().expect("an age").whole_seconds();
    assert!((LASTS_SECONDS - 60..=LASTS_SECONDS).contains(&seconds), "{seconds}");

    let ended = cookie_of(&ask(&closed(), get("/events/session").method(Method::DELETE)).await);
    assert_eq!(ended.name_value(), ("__Secure-chaincast", ""));
    assert_eq!((ended.max_age(), ended.path(), ended.secure()), (Some(time::Duration::ZERO), Some("/"), Some(true)));
}

#[actix_web::test]
async fn a_cookie_travels_in_the_clear_only_if_told_to_and_able_to() {
    use SameSite::{Lax, None, Strict};
    for (name, secure, same_site, expected) in [
        ("chaincast", true, Strict, true),
        ("chaincast", false, Strict, false),
        ("chaincast", false, Lax, false),
        ("chaincast", false, None, true),
        ("__Host-chaincast", false, Strict, true),
        ("__Secure-chaincast", false, Lax, true),
    ] {
        let fakes = with_cookie(CookieSettings { name: name.into(), secure, same_site });
        for method in [Method::POST, Method::DELETE] {
            let cookie = cookie_of(&ask(&fakes, get("/events/session").method(method).insert_header(ALICE)).await);
            assert_eq!((cookie.name(), cookie.secure().unwrap_or_default()), (name, expected), "{name} {secure} {same_site}");
            assert_eq!(cookie.same_site(), Some(same_site));
        }
    }
}

#[actix_web::test]
async fn the_cookie_has_the_name_of_the_setting_and_no_other() {
    let fakes = with_cookie(CookieSettings { name: "chaincast".into(), ..CookieSettings::default() });
    let sent = |cookie: &'static str| get("/events?all=true").insert_header((header::COOKIE, cookie));
    assert_eq!(ask(&fakes, sent("chaincast=\"secret.alice\"")).await.status, StatusCode::OK);
    assert_eq!(ask(&fakes, sent("__Secure-chaincast=secret.alice; chaincas=secret.alice")).await.code(), "unauthorized");
}

#[actix_web::test]
async fn tokens_in_the_address_can_be_turned_off() {
    let credentials = CredentialSettings { token_parameter: false, ..CredentialSettings::default() };
    let fakes = Fakes { credentials, ..closed() };
    for uri in ["/events?all=true&token=secret.alice", "/events/subscribe?all=true&token=secret.alice", "/events/stats?token=secret.alice"]
    {
        for request in [get(uri), get(uri).insert_header(ALICE)] {
            let refusal = ask(&fakes, request).await;
            assert_eq!((refusal.code().as_str(), refusal.json()["parameter"].as_str()), ("invalid_parameter", Some("token")), "{uri}");
            assert!(!refusal.text.contains("secret"));
        }
    }
    assert_eq!(ask(&fakes, get("/events/subscribe?all=true&ticket=secret.alice").method(Method::HEAD)).await.status, StatusCode::OK);
}

#[actix_web::test]
async fn what_is_published_stands_under_the_source_of_the_credential() {
    let fakes = closed();
    let event = r#"{"type":"stream.a"}"#;
    for name in ["writer", "admin"] {
        let request = post("/events").insert_header((header::AUTHORIZATION, format!("Bearer secret.{name}"))).set_payload(event);
        assert!(ask(&fakes, request).await.status.is_success());
    }
    assert_eq!(fakes.publisher.sources(), ["indexer", "default"]);
}

#[actix_web::test]
async fn events_of_a_signed_request_have_the_same_ids_whenever_it_is_sent_again() {
    let ids = |body: &'static str, id: String| async move {
        let signed = post("/events?key=signer").insert_header(("webhook-id", id)).insert_header(("webhook-timestamp", "1790000000"));
        let answer = ask(&closed(), signed.insert_header(("webhook-signature", SIGNATURE)).set_payload(body)).await;
        let events = answer.json()["events"].as_array().cloned().unwrap_or_default();
        (
            answer.status.as_u16(),
            events.iter().map(|event| event["id"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>().join(" "),
        )
    };
    let batch = r#"[{"type":"stream.a"},{"type":"stream.a","id":"own"},{"type":"stream.b"}]"#;
    assert_eq!(ids(r#"{"type":"stream.a"}"#, "m-1".into()).await, (201, "signer:m-1#0".into()));
    assert_eq!(ids(batch, "m-1".into()).await, (201, "signer:m-1#0 own signer:m-1#2".into()));
    assert_eq!(ids(batch, format!("m-1{}", "0".repeat(300))).await, (400, String::new()));
}

#[actix_web::test]
async fn nobody_has_a_body_read_before_a_credential_is_known_to_be_good() {
    let fakes = closed();
    let long = "x".repeat(super::fake::BATCH_BYTES + 1);
    assert_eq!(ask(&fakes, post("/events").set_payload(long.clone())).await.code(), "unauthorized");
    assert_eq!(ask(&fakes, post("/events").insert_header(ALICE).set_payload(long.clone())).await.code(), "forbidden");
    // a signature is over the body, which is read up to its limit
    let signed = post("/events?key=signer").insert_header(("webhook-id", "m-1")).insert_header(("webhook-timestamp", "1790000000"));
    let signed = signed.insert_header(("webhook-signature", "v1,secretly")).set_payload(long);
    assert_eq!(ask(&fakes, signed).await.code(), "too_large");
}

#[actix_web::test]
async fn what_nobody_has_signed_yet_has_little_room_and_none_without_a_key_that_exists() {
    let signed = |key: &str| {
        let request =
            post(&format!("/events?key={key}")).insert_header(("webhook-id", "m-1")).insert_header(("webhook-timestamp", "1790000000"));
        request.insert_header(("webhook-signature", SIGNATURE)).set_payload(r#"{"type":"stream.a"}"#)
    };
    let full = Fakes { unverified: 0, ..closed() };
    let refusal = ask(&full, signed("signer")).await;
    assert_eq!((refusal.code().as_str(), refusal.header("retry-after").is_empty()), ("overloaded", false));
    // refused before there would have to be room
    assert_eq!(ask(&full, signed("nosuchkey")).await.code(), "unauthorized");
    assert_eq!(ask(&closed(), signed("signer")).await.status, StatusCode::CREATED);
}

#[actix_web::test]
async fn a_read_of_another_tenants_log_is_recorded_before_it_happens() {
    let fakes = closed();
    let answer = ask(&fakes, get("/events?all=true&tenant=default&reason=an%20audit").insert_header(OPS)).await;
    assert_eq!((answer.status, fakes.reads.load(Ordering::Relaxed) > 0), (StatusCode::OK, true));
    let header = get("/events/stats?tenant=default").insert_header(OPS).insert_header(("chaincast-reason", "numbers"));
    assert_eq!(ask(&fakes, header).await.status, StatusCode::OK);
    let expected = ["token:GALICE default GET /events an audit", "token:GALICE default GET /events/stats numbers"];
    assert_eq!(*fakes.authority.recorded.lock().expect("lock"), expected);
    // a name that was misspelt is no tenant, and is not made one
    let misspelt = ask(&fakes, get("/events?all=true&tenant=no-such&reason=why").insert_header(OPS)).await;
    assert_eq!((misspelt.code().as_str(), fakes.authority.recorded.lock().expect("lock").len()), ("not_found", 2));
}

#[actix_web::test]
async fn what_cannot_be_recorded_is_not_read() {
    let authority = FakeAuthority { unrecordable: true, ..FakeAuthority::default() };
    let fakes = Fakes { authority: Arc::new(authority), panics: true, ..Fakes::default() };
    for uri in ["/events?all=true&tenant=default&reason=why", "/events/stats?tenant=default&reason=why"] {
        let refusal = ask(&fakes, get(uri).insert_header(OPS)).await;
        assert_eq!((refusal.code().as_str(), refusal.header("retry-after")), ("unavailable", "2"), "{uri}");
        assert!(!refusal.text.contains("10.0.0.9"));
    }
    assert_eq!(fakes.reads.load(Ordering::Relaxed), 0);
}

#[actix_web::test]
async fn a_reason_has_at_most_five_hundred_characters() {
    for (length, status) in [(500, StatusCode::OK), (501, StatusCode::BAD_REQUEST)] {
        let uri = format!("/events?all=true&tenant=default&reason={}", "%C3%A9".repeat(length));
        assert_eq!(ask(&closed(), get(&uri).insert_header(OPS)).await.status, status, "{length}");
    }
}

#[actix_web::test]
async fn one_reads_ones_own_log_without_a_reason_and_unrecorded() {
    let fakes = closed();
    let answer = ask(&fakes, get("/events?all=true&tenant=default&reason=").insert_header(ALICE)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert!(fakes.authority.recorded.lock().expect("lock").is_empty());
}

#[actix_web::test]
async fn a_page_holds_only_what_its_reader_may_see() {
    let seen = |uri: &'static str, name: &'static str| async move {
        let request = get(uri).insert_header((header::AUTHORIZATION, format!("Bearer secret.{name}")));
        let page = ask(&closed(), request).await.json();
        (page["events"].as_array().map(Vec::len), page["nextEventId"] == "00000001-3")
    };
    // the log's events are of stream 1 and of type a.b; what was looked at and not seen is passed over
    assert_eq!(seen("/events?all=true", "admin").await, (Some(3), true));
    assert_eq!(seen("/events?all=true", "alice").await, (Some(0), true));
    assert_eq!(seen("/events?types=a.b", "alice").await, (Some(0), true));
    assert_eq!(seen("/events?types=a.b", "admin").await, (Some(3), true));
}

#[actix_web::test]
async fn numbers_of_the_whole_instance_are_for_those_who_see_every_tenant() {
    for (uri, name, whole) in
        [("/events/stats", "alice", false), ("/events/stats", "admin", false), ("/events/stats?tenant=default&reason=why", "ops", true)]
    {
        let request = get(uri).insert_header((header::AUTHORIZATION, format!("Bearer secret.{name}")));
        assert_eq!(ask(&closed(), request).await.json()["memory"].is_object(), whole, "{name}");
    }
}
