//! A link over a carrier that is made for it.

use std::sync::{
    Mutex, OnceLock, Weak,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use tokio::time::{Interval, sleep};

use super::*;
use crate::{
    backplane::{
        Backplane as _, Inbox, Link, LinkSettings, Local,
        carrier::ChannelNames,
        message::{Codec, of_another_version},
    },
    domain::{Epoch, Seq},
};

const SECRET: [u8; 32] = [7; 32];
const PATIENCE: Duration = Duration::from_secs(60);

/// What a carrier does, and what was done with it.
#[derive(Default)]
struct Scene {
    link: OnceLock<Weak<Link>>,
    /// Whatever is sent, one more waits afterwards.
    never_rests: bool,
    /// Others say this, or else that a log grew.
    says: Option<Vec<u8>>,
    /// So many connections panic when they are listened to.
    panics: usize,
    connections: AtomicUsize,
    listening: Mutex<HashSet<Channel>>,
    /// How often the instance said that it is there, and that it goes.
    said: Mutex<(usize, usize)>,
}

struct Fake(Arc<Scene>);

struct FakeConnection {
    scene: Arc<Scene>,
    /// When others say something.
    come: Interval,
}

#[async_trait]
impl Carrier for Fake {
    fn kind(&self) -> &'static str {
        "fake"
    }

    fn max_message(&self) -> usize {
        1024
    }

    fn carries_events(&self) -> bool {
        false
    }

    async fn connect(&self) -> Result<Box<dyn Connection>, Lost> {
        self.0.connections.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(FakeConnection { scene: self.0.clone(), come: interval(Duration::from_micros(100)) }))
    }
}

#[async_trait]
impl Connection for FakeConnection {
    async fn listen(&mut self, channels: &HashSet<Channel>, _names: &ChannelNames) -> Result<(), Lost> {
        self.scene.listening.lock().expect("whole").clone_from(channels);
        Ok(())
    }

    async fn send(&mut self, messages: Vec<(Channel, Vec<u8>)>, _names: &ChannelNames) -> Result<(), Lost> {
        let codec = Codec::new(&SECRET, 0);
        for (_, message) in &messages {
            let mut said = self.scene.said.lock().expect("whole");
            match codec.open(message).expect("an instance's own").1 {
                Said::Here => said.0 += 1,
                Said::Gone => said.1 += 1,
                _ => {}
            }
        }
        if self.scene.never_rests
            && let Some(link) = self.scene.link.get().and_then(Weak::upgrade)
        {
            link.announce(grown(1));
        }
        tokio::task::yield_now().await;
        Ok(())
    }

    async fn next(&mut self) -> Result<Vec<u8>, Lost> {
        assert!(self.scene.connections.load(Ordering::Relaxed) > self.scene.panics, "as asked");
        self.come.tick().await;
        if let Some(said) = &self.scene.says {
            return Ok(said.clone());
        }
        let grown = grown(2);
        let codec = Codec::new(&SECRET, 0);
        Ok(codec.seal(codec.encode(&Said::Grew(Grown::of(&grown, false)))))
    }

    async fn ping(&mut self) -> Result<(), Lost> {
        Ok(())
    }
}

fn grown(log: i32) -> Announcement {
    Announcement { log: LogId::new(log), store: None, epoch: Epoch::new(1), head: Seq::new(1), events: Vec::new(), trace: None }
}

fn start(scene: Scene) -> (Arc<Link>, Inbox, Arc<Scene>) {
    let scene = Arc::new(scene);
    let (link, inbox) = Link::start(Fake(scene.clone()), &LinkSettings::new(SECRET));
    scene.link.set(Arc::downgrade(&link)).expect("once");
    (link, inbox, scene)
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("not {what}"));
}

/// Waits for an announcement of another instance.
async fn hears(inbox: &mut Inbox) {
    let heard = async { while inbox.announcements.recv().await.expect("goes on").log != LogId::new(2) {} };
    timeout(PATIENCE, heard).await.expect("hears");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_never_stops_announcing_is_there_hears_others_and_can_leave() {
    let (link, mut inbox, scene) = start(Scene { never_rests: true, ..Scene::default() });
    link.announce(grown(1));
    until("there", || scene.said.lock().expect("whole").0 >= 2).await;
    link.follow(HashSet::from([LogId::new(2)]));
    until("listening", || scene.listening.lock().expect("whole").contains(&Channel::Log(LogId::new(2)))).await;
    hears(&mut inbox).await;
    link.leave().await;
    assert_eq!(scene.said.lock().expect("whole").1, 1, "goodbye");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_costs_a_connection_and_not_the_backplane() {
    let (link, mut inbox, scene) = start(Scene { panics: 2, ..Scene::default() });
    link.follow(HashSet::from([LogId::new(2)]));
    hears(&mut inbox).await;
    assert_eq!(scene.connections.load(Ordering::Relaxed), 3);
    assert!(link.status().is_connected && link.status().reconnects == 2);
}

#[test]
fn an_outage_is_over_when_the_connection_has_lasted() {
    let mut outage = Outage::new("fake");
    outage.is_connected();
    assert!(outage.is_told, "the first");
    for _ in 0..3 {
        outage.tell(Lost("closed".to_owned()));
        outage.is_connected();
        assert!(!outage.is_told && outage.reasons == ["closed"], "told once");
    }
    outage.is_over();
    assert!(outage.is_told && outage.reasons.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_of_another_version_is_known_to_be_there_and_missing_when_it_does_not_answer() {
    let (link, _inbox, _scene) = start(Scene { says: Some(of_another_version(&SECRET, 5)), ..Scene::default() });
    until("heard of", || link.status().peers == 1).await;
    let status = link.status();
    assert!(status.unclear > 0 && (status.refused, status.received) == (0, 0), "{status:?}");
    let answers = link.ask(b"?".to_vec(), Duration::from_millis(1)).await;
    assert_eq!((answers.texts.len(), answers.missing), (0, 1));
    until("acquainted", || link.status().is_acquainted).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_finds_no_room_here_is_counted() {
    let (link, mut inbox, _scene) = start(Scene::default());
    link.follow(HashSet::from([LogId::new(2)]));
    hears(&mut inbox).await;
    until("counted", || link.status().missed > 0).await;
    assert!(inbox.announcements.len() > Local::INBOX);
}
