use serde::Deserialize;

use super::*;
use crate::{domain::EventId, ingest::MissingIds};

#[derive(Deserialize)]
struct Vector {
    name: String,
    secret: String,
    body: String,
    headers: Headers,
    now: i64,
    valid: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Headers {
    webhook_id: String,
    webhook_timestamp: String,
    webhook_signature: String,
}

impl Vector {
    fn check(&self) -> Result<(), AuthError> {
        let Headers { webhook_id, webhook_timestamp, webhook_signature } = &self.headers;
        let secret = SigningSecret::parse(&self.secret)?;
        let now = Timestamp::from_micros(self.now * 1_000_000);
        Signed::parse(webhook_id, webhook_timestamp, webhook_signature)?.check(self.body.as_bytes(), &[secret], now)
    }
}

/// The first is published, the others are made from it; each says so.
fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("../../../tests/fixtures/standard_webhooks.json")).expect("vectors")
}

#[test]
fn every_vector_is_taken_or_refused_as_it_says() {
    for vector in vectors() {
        assert_eq!(vector.check().is_ok(), vector.valid, "{}: {:?}", vector.name, vector.check());
    }
}

#[test]
fn either_of_two_secrets_may_have_signed() {
    let published = &vectors()[0];
    let now = Timestamp::from_micros(published.now * 1_000_000);
    let (good, other) = (SigningSecret::parse(&published.secret).expect("secret"), SigningSecret::new(&[7; 32]));
    let check = |secrets: &[SigningSecret]| {
        let Headers { webhook_id, webhook_timestamp, webhook_signature } = &published.headers;
        Signed::parse(webhook_id, webhook_timestamp, webhook_signature).expect("whole").check(published.body.as_bytes(), secrets, now)
    };
    assert_eq!(check(&[other.clone(), good.clone()]), Ok(()));
    assert_eq!(check(&[good, other.clone()]), Ok(()));
    assert!(check(&[other]).is_err());
    assert!(check(&[]).is_err());
}

#[test]
fn a_secret_is_read_back_and_never_printed() {
    let secret = SigningSecret::new(&[9; 32]);
    assert_eq!(SigningSecret::parse(secret.to_text().expose()), Ok(secret.clone()));
    assert_eq!(format!("{secret:?}"), "SigningSecret(…)");
    for bad in ["", "whsec_", "whsec_AAAA", "C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7o"] {
        assert!(SigningSecret::parse(bad).is_err(), "{bad}");
    }
    let signed = Signed::parse("m", "1", "v1,c2VjcmV0").expect("whole");
    assert!(!format!("{signed:?}").contains("c2VjcmV0"));
}

#[test]
fn every_id_of_a_request_makes_ids_of_events() {
    let longest = "m".repeat(MAX_WEBHOOK_ID_BYTES);
    assert_eq!(longest.len(), 221, "as its refusal says");
    assert!(Signed::parse(&longest, "1", "v1,").is_ok() && Signed::parse(&format!("{longest}m"), "1", "v1,").is_err());
    let behind_its_key = format!("abcdefghijkl:{longest}");
    let ids = MissingIds::numbered(&behind_its_key).expect("as long as it may be");
    assert!(EventId::parse(ids.id(usize::MAX).as_str()).is_ok());
}
