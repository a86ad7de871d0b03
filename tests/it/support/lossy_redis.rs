//! A proxy before Redis through which pub/sub is as bad as it may be: messages are dropped, delayed, repeated, and overtake each other.
//!
//! Commands and their replies pass untouched. It reads the server's side frame by frame (RESP3), and only pushes that carry a message
//! are tampered with; what is done to each is drawn from a seed.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf},
    sync::{mpsc, watch},
    task::JoinHandle,
    time::sleep,
};

use super::{fault_proxy::authority, process::free_port};

/// The proxy; gone when dropped.
pub(crate) struct LossyRedis {
    addr: SocketAddr,
    upstream_url: String,
    way: Arc<Way>,
    task: JoinHandle<()>,
}

/// What was done to messages.
#[derive(Debug, Default)]
struct Tally {
    passed: AtomicUsize,
    dropped: AtomicUsize,
    repeated: AtomicUsize,
    delayed: AtomicUsize,
}

struct Way {
    tally: Tally,
    is_lossy: watch::Sender<bool>,
}

/// What happens to one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Pass,
    Drop,
    Repeat,
    /// Late, so that others overtake it.
    Delay(Duration),
}

impl LossyRedis {
    /// Starts a proxy that passes everything on to the server of a `redis://` URL, until it is told to be lossy.
    pub(crate) async fn before(upstream_url: &str, seed: u64) -> Self {
        let addr = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let listener = TcpListener::bind(addr).await.expect("the port is free");
        let way = Arc::new(Way { tally: Tally::default(), is_lossy: watch::channel(false).0 });
        let task = tokio::spawn(run_proxy(listener, authority(upstream_url).to_owned(), Arc::clone(&way), seed));
        Self { addr, upstream_url: upstream_url.to_owned(), way, task }
    }

    /// The same URL by way of the proxy.
    pub(crate) fn url(&self) -> String {
        self.upstream_url.replacen(authority(&self.upstream_url), &self.addr.to_string(), 1)
    }

    /// Tampers from now on, or no longer.
    pub(crate) fn set_lossy(&self, is_lossy: bool) {
        self.way.is_lossy.send_replace(is_lossy);
    }

    /// How many messages were passed on as they came, dropped, repeated, and delayed.
    pub(crate) fn tally(&self) -> [usize; 4] {
        let Tally { passed, dropped, repeated, delayed } = &self.way.tally;
        [passed, dropped, repeated, delayed].map(|count| count.load(Ordering::Relaxed))
    }
}

impl Drop for LossyRedis {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run_proxy(listener: TcpListener, upstream: String, way: Arc<Way>, seed: u64) {
    for connection in 0.. {
        let Ok((client, _)) = listener.accept().await else { return };
        let Ok(server) = TcpStream::connect(&upstream).await else { continue };
        let random = fastrand::Rng::with_seed(seed.wrapping_add(connection));
        tokio::spawn(relay(client, server, Arc::clone(&way), random));
    }
}

async fn relay(client: TcpStream, server: TcpStream, way: Arc<Way>, random: fastrand::Rng) {
    let (mut client_reads, mut client_writes) = client.into_split();
    let (server_reads, mut server_writes) = server.into_split();
    // what is delayed comes in beside what is not; a test's few messages need no bound
    let (late, mut outgoing) = mpsc::unbounded_channel::<Vec<u8>>();
    let commands = async {
        let _ = copy(&mut client_reads, &mut server_writes).await;
    };
    let answers = async {
        while let Some(frame) = outgoing.recv().await {
            if client_writes.write_all(&frame).await.is_err() {
                return;
            }
        }
    };
    // either side's end ends both: a connection is never half of one
    tokio::select! {
        () = commands => {}
        () = answers => {}
        () = tamper(server_reads, late, &way, random) => {}
    }
}

async fn tamper(mut server: OwnedReadHalf, outgoing: mpsc::UnboundedSender<Vec<u8>>, way: &Way, mut random: fastrand::Rng) {
    let (mut received, mut buffer) = (Vec::new(), vec![0; 16 * 1024]);
    loop {
        while let Some(length) = frame_length(&received) {
            let frame: Vec<u8> = received.drain(..length).collect();
            let fate = if is_message(&frame) && *way.is_lossy.borrow() { draw(&mut random) } else { Fate::Pass };
            carry_out(fate, frame, &outgoing, &way.tally);
        }
        match server.read(&mut buffer).await {
            Ok(n) if n > 0 => received.extend_from_slice(&buffer[..n]),
            _ => return,
        }
    }
}

fn draw(random: &mut fastrand::Rng) -> Fate {
    match random.u8(..10) {
        0..=2 => Fate::Drop,
        3 | 4 => Fate::Repeat,
        5..=7 => Fate::Delay(Duration::from_millis(random.u64(1..700))),
        _ => Fate::Pass,
    }
}

fn carry_out(fate: Fate, frame: Vec<u8>, outgoing: &mpsc::UnboundedSender<Vec<u8>>, tally: &Tally) {
    let count = |count: &AtomicUsize| {
        if is_message(&frame) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    };
    // sending fails when the client is gone, which its own side notices
    match fate {
        Fate::Pass => {
            count(&tally.passed);
            let _ = outgoing.send(frame);
        }
        Fate::Drop => count(&tally.dropped),
        Fate::Repeat => {
            count(&tally.repeated);
            let _ = outgoing.send(frame.clone());
            let _ = outgoing.send(frame);
        }
        Fate::Delay(by) => {
            count(&tally.delayed);
            let outgoing = outgoing.clone();
            tokio::spawn(async move {
                sleep(by).await;
                let _ = outgoing.send(frame);
            });
        }
    }
}

/// Whether a frame is a push with a message in it, and not the confirmation of a subscription or another answer.
fn is_message(frame: &[u8]) -> bool {
    let Some((b">", elements)) = frame.split_at_checked(1) else { return false };
    let Some(line_end) = elements.windows(2).position(|pair| pair == b"\r\n") else { return false };
    [&b"$7\r\nmessage\r\n"[..], b"$8\r\nsmessage\r\n", b"$8\r\npmessage\r\n"].iter().any(|kind| elements[line_end + 2..].starts_with(kind))
}

/// The length of the RESP3 frame at the front; nothing while it is not whole.
fn frame_length(bytes: &[u8]) -> Option<usize> {
    let line = bytes.windows(2).position(|pair| pair == b"\r\n")? + 2;
    let count = || -> i64 {
        let text = std::str::from_utf8(&bytes[1..line - 2]).ok();
        text.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no length: {:?}", String::from_utf8_lossy(&bytes[..line])))
    };
    let elements = match bytes[0] {
        b'+' | b'-' | b':' | b'_' | b',' | b'#' | b'(' => 0,
        b'$' | b'!' | b'=' => {
            // a length of -1 is a null
            let body = usize::try_from(count()).map_or(0, |length| length + 2);
            return (bytes.len() >= line + body).then_some(line + body);
        }
        b'*' | b'~' | b'>' => count(),
        b'%' => 2 * count(),
        // an attribute stands before what it describes
        b'|' => 2 * count() + 1,
        other => panic!("not RESP3: {:?}", char::from(other)),
    };
    let mut length = line;
    for _ in 0..elements {
        length += frame_length(&bytes[length..])?;
    }
    Some(length)
}

mod tests {
    use tokio::{io::AsyncReadExt, time::timeout};

    use super::*;
    use crate::support::{redis::RedisServer, wait::PATIENCE};

    #[test]
    fn frames_of_every_type_are_cut_where_they_end_and_only_messages_are_messages() {
        let frames: [(&str, bool); 14] = [
            ("+OK\r\n", false),
            ("-ERR no\r\n", false),
            (":12\r\n", false),
            ("_\r\n", false),
            ("$-1\r\n", false),
            ("$4\r\n\r\n\r\n\r\n", false),
            ("=7\r\ntxt:abc\r\n", false),
            ("*0\r\n", false),
            ("*2\r\n*1\r\n:1\r\n$1\r\na\r\n", false),
            ("%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n#t\r\n", false),
            ("|1\r\n+ttl\r\n:5\r\n+value\r\n", false),
            (">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n", false),
            (">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$5\r\n\r\n$7\r\r\n", true),
            (">3\r\n$8\r\nsmessage\r\n$1\r\na\r\n$2\r\nhi\r\n", true),
        ];
        for (frame, message) in frames {
            let with_more = format!("{frame}+more\r\n");
            assert_eq!(frame_length(with_more.as_bytes()), Some(frame.len()), "{frame:?}");
            assert_eq!(is_message(frame.as_bytes()), message, "{frame:?}");
            for cut in 0..frame.len() {
                assert_eq!(frame_length(&frame.as_bytes()[..cut]), None, "{frame:?} at {cut}");
            }
        }
    }

    /// Reads whole frames until one is as wanted, and returns all of them.
    async fn frames_until(stream: &mut TcpStream, received: &mut Vec<u8>, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let mut frames = Vec::new();
        loop {
            while let Some(length) = frame_length(received) {
                frames.push(String::from_utf8(received.drain(..length).collect()).expect("text"));
                if wanted(frames.last().expect("just pushed")) {
                    return frames;
                }
            }
            let mut buffer = [0; 4096];
            let n =
                timeout(PATIENCE, stream.read(&mut buffer)).await.unwrap_or_else(|_| panic!("in time, after {frames:?}")).expect("open");
            assert!(n > 0, "closed after {frames:?}");
            received.extend_from_slice(&buffer[..n]);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn messages_are_dropped_repeated_delayed_and_reordered_while_every_command_is_answered_in_order() {
        const SENT: usize = 200;
        let redis = RedisServer::start().await;
        let proxy = LossyRedis::before(&redis.url(), 7).await;
        let mut follower = TcpStream::connect(authority(&proxy.url())).await.expect("listening");
        let mut received = Vec::new();
        follower.write_all(b"HELLO 3\r\nSUBSCRIBE news\r\nPING ready\r\n").await.expect("open");
        let greeting = frames_until(&mut follower, &mut received, |frame| frame.contains("ready")).await;
        assert_eq!(greeting.len(), 3, "{greeting:?}");
        assert_eq!(redis.subscribed(), Ok(1));

        proxy.set_lossy(true);
        let mut sender = TcpStream::connect(authority(&redis.url())).await.expect("listening");
        let (mut answered, mut answers) = (Vec::new(), Vec::new());
        for n in 0..SENT {
            sender.write_all(format!("PUBLISH news {n}\r\n").as_bytes()).await.expect("open");
            answers.extend(frames_until(&mut sender, &mut answered, |_| true).await);
            follower.write_all(format!("PING p{n}\r\n").as_bytes()).await.expect("open");
        }
        assert!(answers.iter().all(|answer| answer == ":1\r\n"), "{answers:?}");
        let is_last_ping = |frame: &str| frame.contains(&format!("p{}\r\n", SENT - 1));
        let mut frames = frames_until(&mut follower, &mut received, is_last_ping).await;
        crate::support::wait::eventually("everything has had its fate", async || {
            let tally = proxy.tally();
            if tally.iter().sum::<usize>() >= SENT { Ok(()) } else { Err(format!("{tally:?}")) }
        })
        .await;
        // the delayed ones are behind this one, or before it
        let [passed, dropped, repeated, delayed] = proxy.tally();
        let wanted = passed + 2 * repeated + delayed;
        while frames.iter().filter(|frame| is_message(frame.as_bytes())).count() < wanted {
            frames.extend(frames_until(&mut follower, &mut received, |_| true).await);
        }
        assert!(passed > 0 && dropped > 20 && repeated > 10 && delayed > 20, "{:?}", proxy.tally());
        let pings: Vec<&String> = frames.iter().filter(|frame| !is_message(frame.as_bytes())).collect();
        let in_order: Vec<String> = (0..SENT).map(|n| format!("${}\r\np{n}\r\n", format!("p{n}").len())).collect();
        assert!(pings.into_iter().eq(&in_order), "commands are answered in order");
        let number = |frame: &String| frame.trim_end().rsplit("\r\n").next().expect("text").parse::<usize>().expect("a number");
        let numbers: Vec<usize> = frames.iter().filter(|frame| is_message(frame.as_bytes())).map(number).collect();
        assert!(!numbers.is_sorted(), "none has overtaken another: {numbers:?}");
        let distinct: std::collections::BTreeSet<_> = numbers.iter().collect();
        assert_eq!((distinct.len(), numbers.len()), (SENT - dropped, wanted), "{numbers:?}");
        proxy.set_lossy(false);
        sender.write_all(b"PUBLISH news last\r\n").await.expect("open");
        frames_until(&mut follower, &mut received, |frame| frame.contains("last")).await;
    }
}
