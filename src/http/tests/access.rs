//! Who may do what: every line of these tables is asked of the whole service.
//!
//! A credential is `-`, or one or several of: `bearer NAME`, `cookie NAME`, `basic`, `empty`, `twice`, `signed`, `forged`, `unsigned`,
//! `cross-site`, `named-origin`, `reason`. Who the names are stands in `authority.rs`; the text of a credential is `secret.NAME`.
//! The last column is the problem's `parameter`, or the pointer of its first error.

use std::sync::Arc;

use actix_web::{
    http::{Method, header},
    test::TestRequest,
};

use super::{
    ask_of,
    authority::{FakeAuthority, SIGNATURE},
    fake::Fakes,
    get, post,
};

/// The service has credentials, and nothing is allowed without.
const CLOSED: &str = r#"
    nothing is learnt without a credential, not even what else is wrong
    -                    | GET /events?all=true                           |                        | 401 | unauthorized      |
    -                    | GET /events?limit=0                            |                        | 401 | unauthorized      |
    -                    | GET /events?streams=%ff                        |                        | 401 | unauthorized      |
    -                    | HEAD /events?all=true                          |                        | 401 | unauthorized      |
    -                    | GET /events/subscribe?all=true                 |                        | 401 | unauthorized      |
    -                    | HEAD /events/subscribe?nonsense=1              |                        | 401 | unauthorized      |
    -                    | GET /events/stats                              |                        | 401 | unauthorized      |
    -                    | POST /events                                   | {"type":"stream.a"}    | 401 | unauthorized      |
    -                    | POST /events?nonsense=1                        | ]                      | 401 | unauthorized      |
    -                    | POST /events/tickets                           |                        | 401 | unauthorized      |
    -                    | POST /events/session                           |                        | 401 | unauthorized      |
    what everybody may
    -                    | DELETE /events/session                         |                        | 204 |                   |
    -                    | GET /health                                    |                        | 200 |                   |
    -                    | GET /health/live                               |                        | 200 |                   |
    -                    | GET /health/ready                              |                        | 200 |                   |
    -                    | GET /openapi.json                              |                        | 200 |                   |
    -                    | GET /docs/                                     |                        | 200 |                   |
    -                    | GET /                                          |                        | 200 |                   |
    bearer expired       | GET /health                                    |                        | 200 |                   |
    rights narrow what is read
    bearer alice         | GET /events?users=GALICE                       |                        | 200 |                   |
    bearer alice         | GET /events?topics=market.price.*              |                        | 200 |                   |
    bearer alice         | GET /events?all=true                           |                        | 200 |                   |
    bearer alice         | GET /events?types=a.b                          |                        | 200 |                   |
    bearer alice         | GET /events?streams=1                          |                        | 403 | forbidden         | streams
    bearer alice         | GET /events?users=GALICE,GBOB                  |                        | 403 | forbidden         | users
    bearer alice         | GET /events?topics=**                          |                        | 403 | forbidden         | topics
    bearer alice         | HEAD /events/subscribe?users=GALICE            |                        | 200 |                   |
    bearer alice         | HEAD /events/subscribe?all=true                |                        | 200 |                   |
    bearer alice         | HEAD /events/subscribe?streams=1               |                        | 403 | forbidden         | streams
    bearer alice         | GET /events/subscribe?streams=1                |                        | 403 | forbidden         | streams
    bearer alice         | GET /events/subscribe?topics=proposal.*        |                        | 403 | forbidden         | topics
    bearer alice         | GET /events?all=true&limit=0                   |                        | 400 | invalid_parameter | limit
    bearer alice         | GET /events/stats                              |                        | 200 |                   |
    bearer alice         | GET /events/stats?nonsense=1                   |                        | 400 | invalid_parameter | nonsense
    bearer nobody        | GET /events?all=true                           |                        | 403 | forbidden         | all
    bearer nobody        | HEAD /events/subscribe?types=a.b               |                        | 403 | forbidden         | types
    bearer nobody        | GET /events/stats                              |                        | 200 |                   |
    bearer admin         | GET /v1/events?streams=1,2&topics=**           |                        | 200 |                   |
    rights permit what is published, event by event
    bearer writer        | POST /events                                   | {"type":"stream.a"}    | 201 |                   |
    bearer writer        | POST /events | [{"type":"stream.a","topics":["market.b"]}] | 201 |  |
    bearer writer        | POST /events                                   | {"type":"pot.a"}       | 403 | forbidden         | /type
    bearer writer        | POST /events | {"type":"stream.a","topics":["b"]} | 403 | forbidden | /topics/0
    bearer writer        | POST /events | [{"type":"stream.a"},{"type":"b"}] | 403 | forbidden | /1/type
    bearer writer        | POST /events | [{"type":"stream.a","topics":["market.b","c"]}] | 403 | forbidden | /0/topics/1
    bearer writer        | POST /events                                   | {"topics":["b"]}       | 422 | invalid           | /type
    bearer writer        | POST /events?nonsense=1                        | {"type":"stream.a"}    | 400 | invalid_parameter | nonsense
    bearer writer        | GET /events?all=true                           |                        | 403 | forbidden         | all
    bearer admin         | POST /events                                   | {"type":"pot.a"}       | 201 |                   |
    bearer alice         | POST /events                                   | ]                      | 403 | forbidden         |
    signed requests
    signed               | POST /events?key=signer                        | {"type":"stream.a"}    | 201 |                   |
    signed               | POST /events?key=signer                        | {"type":"pot.a"}       | 403 | forbidden         | /type
    signed               | POST /events?key=other                         | {"type":"stream.a"}    | 401 | unauthorized      |
    forged               | POST /events?key=signer                        | ]                      | 401 | unauthorized      |
    unsigned             | POST /events?key=signer                        | {"type":"stream.a"}    | 401 | unauthorized      |
    signed               | POST /events?key=cck_secret                    | {"type":"stream.a"}    | 401 | unauthorized      |
    signed               | POST /events?key=                              | {"type":"stream.a"}    | 400 | invalid_parameter | key
    signed               | POST /events?key=signer&key=signer             | {"type":"stream.a"}    | 400 | invalid_parameter | key
    signed               | POST /events                                   | {"type":"stream.a"}    | 401 | unauthorized      |
    signed               | GET /events?all=true                           |                        | 401 | unauthorized      |
    bearer expired, signed | POST /events?key=signer                        | {"type":"stream.a"}  | 401 | unauthorized      |
    a bad credential is never less than none
    bearer unknown       | GET /events?all=true                           |                        | 401 | unauthorized      |
    bearer expired       | GET /events?all=true                           |                        | 401 | unauthorized      |
    bearer revoked       | GET /events?all=true                           |                        | 401 | unauthorized      |
    bearer sec"ret       | GET /events?all=true                           |                        | 401 | unauthorized      |
    bearer unknown       | POST /events                                   | {"type":"stream.a"}    | 401 | unauthorized      |
    bearer unknown       | POST /events/tickets                           |                        | 401 | unauthorized      |
    basic                | GET /events?all=true                           |                        | 401 | unauthorized      |
    basic                | POST /events                                   | {"type":"stream.a"}    | 401 | unauthorized      |
    empty                | GET /events?all=true                           |                        | 400 | invalid_parameter | Authorization
    twice                | GET /events?all=true                           |                        | 400 | invalid_parameter | Authorization
    twice                | POST /events                                   | {"type":"stream.a"}    | 400 | invalid_parameter | Authorization
    cookies: reading only, and not from pages of other sites
    cookie alice         | GET /events?all=true                           |                        | 200 |                   |
    cookie alice         | HEAD /events/subscribe?all=true                |                        | 200 |                   |
    cookie alice         | GET /events/stats                              |                        | 200 |                   |
    cookie admin         | POST /events                                   | {"type":"stream.a"}    | 401 | unauthorized      |
    cookie alice         | POST /events/tickets                           |                        | 401 | unauthorized      |
    cookie alice         | POST /events/session                           |                        | 401 | unauthorized      |
    cookie unknown       | GET /events?all=true                           |                        | 401 | unauthorized      |
    cookie               | GET /events?all=true                           |                        | 401 | unauthorized      |
    cookie alice, cookie admin | GET /events?all=true                           |                  | 400 | invalid_parameter | Cookie
    cookie alice, cross-site | GET /events?all=true                           |                    | 403 | origin_refused    |
    cookie alice, cross-site | HEAD /events/subscribe?all=true                |                    | 403 | origin_refused    |
    cookie alice, cross-site, named-origin | GET /events?all=true                           |      | 200 |                   |
    bearer alice, cross-site | GET /events?all=true                           |                    | 200 |                   |
    the first that is there decides
    bearer unknown, cookie alice | GET /events?all=true                           |                | 401 | unauthorized      |
    bearer alice, cookie unknown | GET /events?all=true                           |                | 200 |                   |
    cookie unknown       | GET /events?all=true&token=secret.alice        |                        | 401 | unauthorized      |
    cookie unknown       | HEAD /events/subscribe?all=true&ticket=secret.alice |                   | 401 | unauthorized      |
    -                    | HEAD /events/subscribe?all=true&ticket=secret.x&token=secret.alice |    | 401 | unauthorized      |
    -                    | HEAD /events/subscribe?all=true&ticket=secret.alice&token=secret.x |    | 200 |                   |
    tokens and tickets in the address, where they are taken
    -                    | GET /events?all=true&token=secret.alice        |                        | 200 |                   |
    -                    | HEAD /events/subscribe?all=true&token=secret.alice |                    | 200 |                   |
    -                    | GET /events/stats?token=secret.alice           |                        | 200 |                   |
    -                    | GET /events?all=true&token=secret.x            |                        | 401 | unauthorized      |
    -                    | GET /events?all=true&token=secret%20alice      |                        | 401 | unauthorized      |
    -                    | GET /events?all=true&token=                    |                        | 400 | invalid_parameter | token
    -                    | GET /events?all=true&token=secret%zz           |                        | 400 | invalid_parameter | token
    -                    | GET /events?all=true&token=secret.alice&token=secret.alice |            | 400 | invalid_parameter | token
    -                    | GET /events?token%3Dsecret.alice               |                        | 401 | unauthorized      |
    bearer alice         | GET /events?all=true&token%3Dsecret.alice      |                        | 400 | invalid_parameter | token
    bearer alice         | GET /events?all=true&secret.alice.and.more.than.any.name |              | 400 | invalid_parameter | ?
    -                    | POST /events?token=secret.writer               | {"type":"stream.a"}    | 401 | unauthorized      |
    bearer writer        | POST /events?token=secret.writer               | {"type":"stream.a"}    | 400 | invalid_parameter | token
    bearer alice         | POST /events/tickets?token=secret.alice        |                        | 400 | invalid_parameter | token
    -                    | HEAD /events/subscribe?users=GALICE&ticket=secret.alice |               | 200 |                   |
    -                    | HEAD /events/subscribe?streams=1&ticket=secret.alice |                  | 403 | forbidden         | streams
    -                    | HEAD /events/subscribe?all=true&ticket=secret.x |                       | 401 | unauthorized      |
    -                    | HEAD /events/subscribe?all=true&ticket=        |                        | 400 | invalid_parameter | ticket
    -                    | GET /events?all=true&ticket=secret.alice       |                        | 401 | unauthorized      |
    bearer alice         | GET /events?all=true&ticket=secret.alice       |                        | 400 | invalid_parameter | ticket
    bearer alice         | GET /events/stats?ticket=secret.alice          |                        | 400 | invalid_parameter | ticket
    bearer alice         | GET /events?all=true&key=secret                |                        | 400 | invalid_parameter | key
    other tenants' logs, for those who may and say why
    bearer alice         | GET /events?all=true&tenant=default            |                        | 200 |                   |
    bearer alice         | GET /events?all=true&tenant=acme&reason=why    |                        | 403 | forbidden         | tenant
    bearer admin         | GET /events?all=true&tenant=acme&reason=why    |                        | 403 | forbidden         | tenant
    bearer admin         | HEAD /events/subscribe?all=true&tenant=acme&reason=why |                | 403 | forbidden         | tenant
    bearer admin         | GET /events/stats?tenant=acme&reason=why       |                        | 403 | forbidden         | tenant
    bearer admin         | GET /events?all=true&tenant=                   |                        | 400 | invalid_parameter | tenant
    bearer admin         | POST /events?tenant=acme                       | {"type":"stream.a"}    | 400 | invalid_parameter | tenant
    bearer ops           | GET /events?all=true&tenant=default            |                        | 400 | reason_required   | reason
    bearer ops           | GET /events?all=true&tenant=default&reason=%20 |                        | 400 | reason_required   | reason
    bearer ops           | GET /events?all=true&tenant=default&reason=a%0Ab |                      | 400 | reason_required   | reason
    bearer ops           | HEAD /events/subscribe?all=true&tenant=default |                        | 400 | reason_required   | reason
    bearer ops           | GET /events/stats?tenant=default               |                        | 400 | reason_required   | reason
    bearer ops           | GET /events?all=true&tenant=default&reason=an%20audit |                 | 200 |                   |
    bearer ops, reason   | GET /events?all=true&tenant=default            |                        | 200 |                   |
    bearer ops           | HEAD /events/subscribe?all=true&tenant=default&reason=why |             | 200 |                   |
    bearer ops           | GET /events/stats?tenant=default&reason=why    |                        | 200 |                   |
    bearer cautious, reason | GET /events?streams=2&tenant=default           |                     | 403 | forbidden         | streams
    exchanges
    bearer alice         | POST /events/tickets                           |                        | 201 |                   |
    bearer writer        | POST /events/tickets                           |                        | 403 | forbidden         |
    bearer writer        | POST /events/session                           |                        | 403 | forbidden         |
    bearer alice         | GET /events/tickets                            |                        | 405 | method_not_allowed |
    bearer alice         | GET /events/session                            |                        | 405 | method_not_allowed |
"#;

/// Everyone may follow the market.
const ANONYMOUS: &str = r#"
    -                    | GET /events?topics=market.a                    |                        | 200 |                   |
    -                    | GET /events?all=true                           |                        | 200 |                   |
    -                    | HEAD /events/subscribe?types=a.b               |                        | 200 |                   |
    -                    | GET /events?streams=1                          |                        | 401 | unauthorized      | streams
    -                    | GET /events?limit=0                            |                        | 400 | invalid_parameter | limit
    -                    | GET /events?all=true&tenant=acme&reason=why    |                        | 401 | unauthorized      | tenant
    -                    | GET /events/stats                              |                        | 401 | unauthorized      |
    -                    | POST /events                                   | {"type":"stream.a"}    | 401 | unauthorized      |
    bearer unknown       | GET /events?topics=market.a                    |                        | 401 | unauthorized      |
    -                    | GET /events?topics=market.a&token=secret.x     |                        | 401 | unauthorized      |
    cookie unknown       | GET /events?topics=market.a                    |                        | 401 | unauthorized      |
    bearer alice         | GET /events?users=GALICE                       |                        | 200 |                   |
    bearer nobody        | GET /events?topics=market.a                    |                        | 403 | forbidden         | topics
"#;

/// There is an anonymous one, and it may do nothing.
const ANONYMOUS_WITHOUT_RIGHTS: &str = r#"
    -                    | GET /events?all=true                           |                        | 401 | unauthorized      |
    -                    | GET /events?limit=0                            |                        | 401 | unauthorized      |
    -                    | HEAD /events/subscribe?all=true                |                        | 401 | unauthorized      |
"#;

/// No credentials are configured: none is looked at.
const OPEN: &str = r#"
    -                    | GET /events?all=true                           |                        | 200 |                   |
    -                    | GET /events?limit=0&all=true                   |                        | 400 | invalid_parameter | limit
    -                    | HEAD /events/subscribe?streams=1               |                        | 200 |                   |
    -                    | GET /events/stats                              |                        | 200 |                   |
    -                    | POST /events                                   | {"type":"pot.a"}       | 201 |                   |
    bearer unknown       | GET /events?all=true                           |                        | 200 |                   |
    basic                | POST /events                                   | {"type":"pot.a"}       | 201 |                   |
    cookie unknown, cross-site | GET /events?all=true                           |                  | 403 | origin_refused    |
    -                    | GET /events?all=true&token=secret.x            |                        | 200 |                   |
    -                    | GET /events?all=true&tenant=acme               |                        | 400 | reason_required   | reason
    -                    | POST /events/tickets                           |                        | 401 | unauthorized      |
    bearer unknown       | POST /events/session                           |                        | 401 | unauthorized      |
"#;

/// What knows credentials is out of reach.
const AWAY: &str = r#"
    bearer alice         | GET /events?all=true                           |                        | 503 | credentials_unavailable |
    cookie alice         | GET /events/subscribe?all=true                 |                        | 503 | credentials_unavailable |
    -                    | HEAD /events/subscribe?all=true&ticket=secret.alice |                   | 503 | credentials_unavailable |
    bearer alice         | GET /events/stats                              |                        | 503 | credentials_unavailable |
    bearer writer        | POST /events                                   | {"type":"stream.a"}    | 503 | credentials_unavailable |
    bearer alice         | POST /events/tickets                           |                        | 503 | credentials_unavailable |
    -                    | GET /events?all=true                           |                        | 401 | unauthorized      |
    -                    | GET /health                                    |                        | 200 |                   |
"#;

/// The same request with a credential.
fn dress(request: TestRequest, credential: &str) -> TestRequest {
    let (kind, name) = credential.split_once(' ').unwrap_or((credential, ""));
    let signed = |request: TestRequest, signature| {
        let request = request.append_header(("webhook-id", "m-1")).append_header(("webhook-timestamp", "1790000000"));
        request.append_header(("webhook-signature", signature))
    };
    let secret = if name.is_empty() { String::new() } else { format!("secret.{name}") };
    match kind {
        "-" => request,
        "bearer" => request.append_header((header::AUTHORIZATION, format!("Bearer {secret}"))),
        "cookie" => request.append_header((header::COOKIE, format!("other=1; __Secure-chaincast={secret}"))),
        "basic" => request.append_header((header::AUTHORIZATION, "Basic c2VjcmV0OnNlY3JldA==")),
        "empty" => request.append_header((header::AUTHORIZATION, "Bearer ")),
        "twice" => dress(dress(request, "bearer alice"), "bearer alice"),
        "signed" => signed(request, SIGNATURE),
        "forged" => signed(request, "v1,secretly"),
        "unsigned" => request.append_header(("webhook-id", "m-1")),
        "cross-site" => request.append_header(("sec-fetch-site", "cross-site")),
        "named-origin" => request.append_header((header::ORIGIN, "https://app.example")),
        "reason" => request.append_header(("chaincast-reason", "an audit")),
        other => panic!("what is {other}?"),
    }
}

async fn holds(table: &str, authority: impl Fn() -> FakeAuthority) {
    let mut faults = Vec::new();
    for line in table.lines().filter(|line| line.contains('|')) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [credential, request, body, status, rest @ ..] = &cells[..] else { panic!("{line}") };
        let (code, at) = (rest.first().copied().unwrap_or_default(), rest.get(1).copied().unwrap_or_default());
        let (method, uri) = request.split_once(' ').expect("method and address");
        let asked = if body.is_empty() { get(uri) } else { post(uri).set_payload((*body).to_owned()) };
        let asked = asked.method(method.parse::<Method>().expect("method"));
        let asked = credential.split(", ").fold(asked, dress);
        // each line finds the service as it was at first
        let fakes = Fakes { authority: Arc::new(authority()), ..Fakes::default() };
        let answer = ask_of(&fakes, &["https://app.example"], asked).await;
        let failed = answer.status.is_client_error() || answer.status.is_server_error();
        let found = if failed { answer.code() } else { String::new() };
        let found_at = if failed {
            let problem = answer.json();
            let at = problem["parameter"].as_str().or(problem["errors"][0]["pointer"].as_str());
            at.unwrap_or_default().to_owned()
        } else {
            String::new()
        };
        if (answer.status.as_str(), found.as_str(), found_at.as_str()) != (*status, code, at) {
            faults.push(format!("{line}\n    got {} {found} {found_at}: {}", answer.status, answer.text));
        }
        let challenge = answer.header("www-authenticate");
        assert_eq!(challenge.starts_with("Bearer realm=\"chaincast\""), answer.status == 401, "{line}");
        if *credential == "-" && !uri.contains("secret") {
            assert!(!challenge.contains("error="), "{line}: {challenge}");
        }
        let told = answer.headers.iter().filter(|(name, _)| *name != header::SET_COOKIE);
        assert!(told.map(|(_, value)| value.as_bytes()).all(|value| !value.windows(6).any(|part| part == b"secret")), "{line}");
        assert!(!failed || !answer.text.contains("secret"), "{line}: {}", answer.text);
        assert!(!answer.status.is_success() || method != "POST" || uri != "/events" || fakes.publisher.requests() == 1, "{line}");
        assert!(answer.status.is_success() || fakes.publisher.requests() == 0, "{line}");
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[actix_web::test]
async fn who_has_credentials_may_what_they_allow_and_nothing_else() {
    holds(CLOSED, FakeAuthority::default).await;
}

#[actix_web::test]
async fn the_anonymous_one_may_what_everyone_is_granted() {
    holds(ANONYMOUS, || FakeAuthority { anonymous: Some(r#"{"subscribe":{"topics":["market.**"]}}"#), ..FakeAuthority::default() }).await;
    holds(ANONYMOUS_WITHOUT_RIGHTS, || FakeAuthority { anonymous: Some("{}"), ..FakeAuthority::default() }).await;
}

#[actix_web::test]
async fn an_open_service_looks_at_no_credential() {
    holds(OPEN, || FakeAuthority { open: true, ..FakeAuthority::default() }).await;
}

#[actix_web::test]
async fn what_cannot_be_checked_is_neither_good_nor_bad() {
    holds(AWAY, || FakeAuthority { away: true, ..FakeAuthority::default() }).await;
}
