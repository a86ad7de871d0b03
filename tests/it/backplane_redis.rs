//! Two processes on one Postgres, and Redis between them; and one whose Redis is not as it should be.

use std::{fs, process::Command};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::json;
use tempfile::TempDir;

use crate::support::{
    fault_proxy::{FaultProxy, Mode},
    http::Http,
    model::Model,
    process::{Service, Settings},
    publisher::EventMaker,
    redis::RedisServer,
    sse_client::SseClient,
    store::Store,
    wait::eventually,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_come_by_redis_while_the_store_does_not_answer_and_none_is_missing_afterwards() {
    let (store, redis) = (Store::postgres().await, RedisServer::start().await);
    let proxy = FaultProxy::before(&store.url()).await;
    let mut one = Service::start(Settings::on(&store).with("REDIS_URL", redis.url())).await;
    let two = Service::start(Settings::at(&proxy.url()).with("REDIS_URL", redis.url())).await;
    let mut client = SseClient::live(two.addr(), "all=true").await;
    let (http, mut maker, mut model) = (Http::new(one.addr()), EventMaker::new("by-redis"), Model::default());
    let mut publish = async |size| {
        let events = maker.events(size);
        let items = http.publish_ok(&json!(events)).await;
        model.acknowledged(&events, &items);
        model.head()
    };
    for service in [&one, &two] {
        Http::new(service.addr()).until_stat("/backplane/peers", |peers| peers == 1).await;
    }
    client.follow_to(publish(3).await).await;
    // from now on nothing that the second instance could read comes from the store
    proxy.set(Mode::Silent);
    for size in [1, 2, 20] {
        client.follow_to(publish(size).await).await;
    }
    assert_eq!(Http::new(two.addr()).stat("/backplane/refused").await, 0);
    proxy.set(Mode::Pass);
    client.follow_to(publish(5).await).await;
    let http = Http::new(two.addr());
    model.check_log(&http).await.check_transcript("all=true", 0, client.transcript());
    assert!(one.terminate().await.success());
    http.until_stat("/backplane/peers", |peers| peers == 0).await;
}

/// What `/health` says of the backplane.
async fn health(service: &Service) -> (String, String) {
    let answer = Http::new(service.addr()).get("/health").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let part = &answer.json()["services"]["backplane"];
    (part["status"].as_str().expect("a status").to_owned(), part["detail"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_away_or_refuses_the_password_is_told_without_it_and_everything_else_works() {
    let (store, mut redis) = (Store::sqlite(), RedisServer::with_password("correct-horse").await);
    let wrong = redis.url().replace("correct-horse", "battery-staple");
    let refused = Service::start(Settings::on(&store).with("REDIS_URL", wrong)).await;
    eventually("told", async || {
        let output = refused.output().join("\n");
        if output.contains("refuses the name or the password in REDIS_URL") { Ok(()) } else { Err(output) }
    })
    .await;
    let (status, detail) = health(&refused).await;
    assert_eq!((&status[..], &detail[..]), ("degraded", "out of reach: other instances hear of events a moment later"));
    assert!(!refused.output().join("\n").contains("battery"), "{:?}", refused.output());
    drop(refused);

    redis.stop();
    let service = Service::start(Settings::on(&store).with("REDIS_URL", redis.url())).await;
    let http = Http::new(service.addr());
    assert_eq!(health(&service).await.0, "degraded");
    let mut client = SseClient::live(service.addr(), "all=true").await;
    http.publish_ok(&json!(EventMaker::new("away").events(2))).await;
    client.follow_to(2).await;
    redis.start_again().await;
    for _ in 0..2 {
        eventually("healthy", async || {
            let (status, detail) = health(&service).await;
            if status == "healthy" { Ok(()) } else { Err(detail) }
        })
        .await;
        redis.stop();
        eventually("degraded", async || {
            let (status, _) = health(&service).await;
            if status == "degraded" { Ok(()) } else { Err(status) }
        })
        .await;
        redis.start_again().await;
    }
    let output = eventually("told", async || {
        let output = service.output().join("\n");
        let told = ["redis cannot be reached", "redis lost", "redis is there again"].iter().all(|told| output.contains(told));
        if told { Ok(output) } else { Err(output) }
    })
    .await;
    for shown in ["horse", "redis://"] {
        assert!(!output.contains(shown), "{output}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tls_only_a_server_whose_certificate_is_trusted_is_talked_to() {
    let home = TempDir::new().expect("a temporary directory");
    let (cert, key) = (home.path().join("cert.pem"), home.path().join("key.pem"));
    let CertifiedKey { cert: made, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    fs::write(&cert, made.pem()).expect("written");
    fs::write(&key, signing_key.serialize_pem()).expect("written");
    let (store, redis) = (Store::sqlite(), RedisServer::with_tls(home.path()).await);
    let settings = Settings::on(&store).with("REDIS_URL", redis.tls_url());
    let service = Service::start(settings.clone().with("SSL_CERT_FILE", cert.display())).await;
    eventually("healthy", async || {
        let (status, _) = health(&service).await;
        if status == "healthy" { Ok(()) } else { Err(service.output().join("\n")) }
    })
    .await;
    drop(service);
    let stranger = Service::start(settings).await;
    eventually("told", async || {
        let output = stranger.output().join("\n");
        if output.contains("its certificate is at fault") { Ok(()) } else { Err(output) }
    })
    .await;
    assert_eq!(health(&stranger).await.0, "degraded");
}

#[test]
fn a_malformed_redis_url_ends_the_start_and_is_not_shown() {
    for (url, said) in [("redis://:hunter2@host:port", "REDIS_URL cannot be used"), ("", "REDIS_URL is not set")] {
        let home = TempDir::new().expect("a temporary directory");
        let mut command = Command::new(env!("CARGO_BIN_EXE_chaincast"));
        command.current_dir(home.path()).env("CHAINCAST_BACKPLANE", "redis").env("CHAINCAST_LISTEN", "127.0.0.1:0").env_remove("REDIS_URL");
        if !url.is_empty() {
            command.env("REDIS_URL", url);
        }
        let output = command.output().expect("runs");
        let output = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.contains(said) && !output.contains("hunter2"), "{output}");
    }
}
