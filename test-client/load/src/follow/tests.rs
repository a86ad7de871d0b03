//! What followers take for a success.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    thread,
};

use super::*;
use crate::mark::event;

const GROUPS: u64 = 2;

/// A server that sends these events to the one follower it takes.
fn serve(events: &'static [u64]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || {
        let (mut socket, _) = listener.accept().expect("a follower comes");
        let mut request = BufReader::new(socket.try_clone().expect("cloned"));
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            request.read_line(&mut line).expect("a request");
        }
        let mut answer = "HTTP/1.1 200 OK\r\n\r\n".to_owned();
        for &n in events {
            answer.push_str("data: ");
            event(1, n, GROUPS, &mut answer);
            answer.push_str("\n\n");
        }
        socket.write_all(answer.as_bytes()).expect("the follower reads");
        // until the follower goes
        let _ = socket.read(&mut [0]);
    });
    address
}

/// Has a follower of the even events receive what a server sends, of which six were published.
fn receive(events: &'static [u64]) -> anyhow::Result<Completed> {
    let followers = Followers::start()?;
    followers.measure(&Schedule::new(6), 0)?;
    followers.begin_to_open(Opening {
        server: serve(events),
        ask: Ask { path: "/".to_owned(), ..Ask::default() },
        count: 1,
        groups: GROUPS,
        at_once: 1,
    })?;
    followers.complete(&(0..6), GROUPS, 1)
}

#[test]
fn a_follower_that_received_its_own_events_in_order_is_a_success() {
    assert_eq!(receive(&[0, 2, 4]).expect("a success").deliveries, 3);
}

#[test]
fn lost_repeated_foreign_disordered_and_surplus_events_are_errors() {
    for wrong in [&[0, 4, 6][..], &[0, 2, 2], &[0, 0, 4], &[1, 3, 5], &[0, 4, 2], &[2, 4, 0], &[0, 2, 4, 6], &[0, 2, 4, 4]] {
        let error = receive(wrong).map(|completed| completed.deliveries).expect_err("not what was published");
        let text = error.to_string();
        assert!(text.contains("not the next") || text.contains("received 4 of 3"), "{wrong:?}: {text}");
    }
}

#[test]
fn deliveries_are_counted_as_one_by_one() {
    for (events, groups, followers) in [(0..100, 1, 7), (5..103, 10, 25), (0..3, 10, 25), (2..9, 10, 4)] {
        let one_by_one =
            events.clone().map(|n| (0..followers).filter(|follower| follower % groups == n % groups).count() as u64).sum::<u64>();
        assert_eq!(deliveries(&events, groups, followers), one_by_one, "{events:?} {groups} {followers}");
    }
}
