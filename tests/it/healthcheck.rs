//! `chaincast healthcheck`: what a container asks that has no other client.

use std::{
    net::TcpListener,
    process::{Command, Output},
};

use crate::support::{
    http::Http,
    process::{Service, Settings, free_port},
    store::Store,
    wait::eventually,
};

/// The code it ends with, and what it says.
fn check(mut command: Command, arguments: &[&str]) -> (i32, String) {
    let Output { status, stdout, stderr } = command.arg("healthcheck").args(arguments).output().expect("the binary starts");
    (status.code().expect("no signal"), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
}

fn at(settings: &Settings, listen: &str) -> Command {
    let mut command = settings.command();
    command.env("CHAINCAST_LISTEN", listen);
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_tells_ready_from_draining_and_from_gone() {
    let store = Store::sqlite();
    // as everywhere, and open mode answers to names of this machine only
    let settings = Settings::on(&store).with("CHAINCAST_DRAIN_DELAY_SECONDS", 600).with("CHAINCAST_ADMIN_LISTEN", "127.0.0.1:0");
    let mut service = Service::start(settings.clone()).await;
    let listen = service.addr().to_string();
    assert_eq!(check(at(&settings, &listen), &[]), (0, "{\"status\":\"ready\"}\n".to_owned()));
    assert_eq!(check(at(&settings, &listen), &["--live"]), (0, "{\"status\":\"alive\"}\n".to_owned()));
    let everywhere = format!("0.0.0.0:{}", service.addr().port());
    assert_eq!(check(at(&settings, &everywhere), &[]).0, 0);
    service.ask_to_end();
    let http = Http::new(service.addr());
    eventually("draining", async || if http.get("/health/ready").await.status == 503 { Ok(()) } else { Err("ready".to_owned()) }).await;
    let (code, said) = check(at(&settings, &listen), &[]);
    assert_eq!(code, 1);
    assert!(said.contains("503") && said.contains("draining"), "{said}");
    assert_eq!(check(at(&settings, &listen), &["--live"]).0, 0, "nobody is to kill it");
    service.kill_9();
    let (code, said) = check(at(&settings, &listen), &["--live"]);
    assert!(code == 1 && said.contains(&listen), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_asks_no_proxy_and_says_nothing_of_secrets() {
    let store = Store::sqlite();
    let settings = Settings::on(&store);
    let service = Service::start(settings.clone()).await;
    let mut command = at(&settings, &service.addr().to_string());
    let nobody = format!("http://127.0.0.1:{}", free_port());
    command.envs(["http_proxy", "HTTP_PROXY", "ALL_PROXY"].map(|name| (name, &nobody)));
    // it needs no store, and makes none
    command.env("DATABASE_URL", "postgres://user:SECRETMARK@127.0.0.1:1/none");
    assert_eq!(check(command, &[]), (0, "{\"status\":\"ready\"}\n".to_owned()));
    let mut command = at(&settings, &format!("127.0.0.1:{}", free_port()));
    command.env("DATABASE_URL", "postgres://user:SECRETMARK@127.0.0.1:1/none");
    let (code, said) = check(command, &[]);
    assert!(code == 1 && !said.contains("SECRETMARK"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_does_not_answer_is_not_waited_for_long() {
    let store = Store::sqlite();
    let settings = Settings::on(&store);
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    // without a limit this would not end
    assert_eq!(check(at(&settings, &silent.local_addr().expect("bound").to_string()), &[]).0, 1);
}
