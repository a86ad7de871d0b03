//! Publishers: API keys from creation to revocation, and signed requests.

use serde_json::{Value, json};

use crate::support::{
    access::{Issuer, now, signed_headers},
    http::{Answer, Http},
    process::{Service, Settings},
    store::{Store, for_each_store},
    wait::eventually,
};

const EVENT: &str = r#"{"type":"stream.created","topics":["market.x"],"data":{"n":"1"}}"#;

async fn create(admin: &Http, key: &Value) -> Value {
    let answer = admin.try_post("/admin/keys", "application/json", key.to_string()).await.expect("answers");
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()
}

fn text<'a>(key: &'a Value, member: &str) -> &'a str {
    key[member].as_str().unwrap_or_else(|| panic!("no {member}: {key}"))
}

async fn signed(http: &Http, key: &str, headers: &[(&'static str, String)], body: &str) -> Answer {
    http.post_with(&format!("/events?key={key}"), headers, body).await
}

for_each_store! {
    async fn a_key_publishes_from_its_creation_to_its_revocation_on_every_instance(store: Store) {
        let issuer = Issuer::new();
        let settings = || issuer.trusted_by(Settings::on(&store));
        let (one, two) = (Service::start(settings()).await, Service::start(settings()).await);
        let root = issuer.rights("default", "root", &json!({"role": "super_admin"}));
        let admin = Http::new(one.addr()).with_token(&root);
        let made = create(&admin, &json!({"name": "indexer", "kind": "bearer", "tenant": "acme",
            "rights": {"publish": {"types": ["stream.*"]}, "source": "default"}})).await;
        let (id, secret) = (text(&made, "id").to_owned(), text(&made, "secret").to_owned());
        assert!(secret.starts_with(&format!("cck_{id}_")), "{secret}");
        let other = Http::new(two.addr());
        let takes = async |secret: &str, status: u16| {
            eventually(&format!("answered {status} on the other instance"), async || {
                let answer = other.bare("POST", "/events", Some(secret), EVENT).await;
                if answer.status == status { Ok(answer) } else { Err(format!("{answer:?}")) }
            })
            .await
        };
        takes(&secret, 201).await;
        assert_eq!(other.bare("POST", "/events", Some(&secret), r#"{"type":"pot.created"}"#).await.problem(403), "forbidden");
        // rotated: both work, and the listing shows neither
        let answer = admin.bare("POST", &format!("/admin/keys/{id}/rotate"), Some(&root), r#"{"overlapSeconds":600}"#).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let newer = text(&answer.json(), "secret").to_owned();
        assert_ne!(newer, secret);
        takes(&newer, 201).await;
        takes(&secret, 201).await;
        let listing = admin.bare("GET", "/admin/keys?tenant=acme&reason=looking", Some(&root), "").await;
        assert_eq!(listing.status, 200, "{listing:?}");
        for shown in [&secret, &newer] {
            let random = shown.splitn(3, '_').last().expect("three parts");
            assert!(listing.body.contains(&id) && !listing.body.contains(random), "{}", listing.body);
        }
        assert_eq!(admin.bare("DELETE", &format!("/admin/keys/{id}?tenant=acme"), Some(&root), "").await.status, 204);
        for dead in [&secret, &newer] {
            takes(dead, 401).await;
        }
        // who did it is on record
        let trail = admin.bare("GET", "/admin/audit?limit=100", Some(&root), "").await.json().to_string();
        for action in ["key.created", "key.rotated", "key.revoked"] {
            assert!(trail.contains(action), "{action}: {trail}");
        }
        assert!(trail.contains("token:root") && !trail.contains(&newer), "{trail}");
    }

    async fn a_signed_request_is_taken_once_fresh_and_whole(store: Store) {
        let issuer = Issuer::new();
        let settings = issuer.trusted_by(Settings::on(&store)).with("CHAINCAST_SECRET", "0123456789abcdef0123456789abcdef0123456789abcdef");
        let service = Service::start(settings).await;
        let root = issuer.rights("default", "root", &json!({"role": "super_admin"}));
        let (http, admin) = (Http::new(service.addr()), Http::new(service.addr()).with_token(&root));
        let made = create(&admin, &json!({"name": "hook", "kind": "signing", "tenant": "acme", "rights": {"publish": {"types": ["stream.*"]}}})).await;
        let (id, secret) = (text(&made, "id").to_owned(), text(&made, "secret").to_owned());
        let fresh = signed_headers(&secret, "msg_1", now(), EVENT);
        let answer = signed(&http, &id, &fresh, EVENT).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        // the same request again, by a sender that heard nothing or by a thief: nothing new
        let again = signed(&http, &id, &fresh, EVENT).await;
        assert_eq!((again.status, &again.items()[0]["status"]), (200, &json!("duplicate")), "{again:?}");
        let changed = EVENT.replace("\"1\"", "\"2\"");
        let mut other_id = fresh.clone();
        other_id[0].1 = "msg_2".to_owned();
        for (headers, body) in [
            (fresh.clone(), changed.as_str()),
            (other_id, EVENT),
            (signed_headers(&secret, "msg_3", now() - 301, EVENT), EVENT),
            (signed_headers(&secret, "msg_4", now() + 400, EVENT), EVENT),
            (signed_headers("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "msg_5", now(), EVENT), EVENT),
        ] {
            assert_eq!(signed(&http, &id, &headers, body).await.problem(401), "unauthorized", "{headers:?}");
        }
        assert_eq!(signed(&http, "nosuchkey000", &fresh, EVENT).await.problem(401), "unauthorized");
        let forbidden = r#"{"type":"pot.created"}"#;
        assert_eq!(signed(&http, &id, &signed_headers(&secret, "msg_6", now(), forbidden), forbidden).await.problem(403), "forbidden");
        // two secrets while it is rotated
        let answer = admin.bare("POST", &format!("/admin/keys/{id}/rotate?tenant=acme"), Some(&root), r#"{"overlapSeconds":600}"#).await;
        let newer = text(&answer.json(), "secret").to_owned();
        for (secret, message) in [(&secret, "msg_7"), (&newer, "msg_8")] {
            assert_eq!(signed(&http, &id, &signed_headers(secret, message, now(), EVENT), EVENT).await.status, 201, "{message}");
        }
    }
}
