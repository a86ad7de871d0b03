//! The followers' loop.

use std::{
    io::{self, ErrorKind, Read as _},
    sync::{
        Arc,
        atomic::Ordering::Relaxed,
        mpsc::{Receiver, TryRecvError},
    },
    thread,
    time::Duration,
};

use hdrhistogram::Histogram;
use memchr::memmem;
use mio::{Events, Interest, Poll, Token, Waker};

use super::{
    Command, Live, Opening, Report,
    connection::{Connection, Stage},
    histogram, record,
};
use crate::{
    clock, http,
    mark::{Reader, Schedule},
};

const WAKE: Token = Token(usize::MAX);
/// Bytes of one read. A shorter read leaves nothing behind (epoll(7), on streams), so most events cost one call.
const READ: usize = 256 * 1024;
/// Between two looks at the sockets. A reader that sleeps in epoll between two deliveries is woken for each, and the sender pays for the waking,
/// more than for the sending; a client on another machine costs a server nothing of the kind. Times of receipt are up to this much late.
const BREATH: Duration = Duration::from_micros(500);
/// Events of one look.
const LOOK: usize = 4096;
/// The longest response head.
const HEAD: usize = 16 * 1024;

pub(super) struct Engine {
    poll: Poll,
    live: Arc<Live>,
    inbox: Receiver<Command>,
    /// Openings that are not finished, and how far they are.
    openings: Vec<(Opening, usize)>,
    /// Connections with the number of their opening's group, by token.
    connections: Vec<Option<(Connection, Arc<Opening>, u64)>>,
    /// Connections ever begun, from a number that differs from run to run.
    begun: u32,
    /// Connects and requests without an answer.
    under_way: usize,
    buffer: Vec<u8>,
    phase: Phase,
}

/// What is measured.
struct Phase {
    reader: Reader,
    schedule: Schedule,
    /// By event: the wall-clock time that the server told, as [`clock`] has it; 0 while unknown.
    appended: Vec<u64>,
    disorder: u64,
    publish_to_receipt: Histogram<u64>,
    append_to_receipt: Histogram<u64>,
    connects: Histogram<u64>,
    trouble: Option<String>,
}

impl Phase {
    fn new(schedule: Schedule) -> Self {
        Self {
            reader: Reader::new(),
            schedule,
            appended: Vec::new(),
            disorder: 0,
            publish_to_receipt: histogram(),
            append_to_receipt: histogram(),
            connects: histogram(),
            trouble: None,
        }
    }
}

/// What became of a follower's turn.
enum Turn {
    Goes,
    Ended,
}

impl Engine {
    pub(super) fn new(live: Arc<Live>, inbox: Receiver<Command>) -> io::Result<(Self, Arc<Waker>)> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        let engine = Self {
            poll,
            live,
            inbox,
            openings: Vec::new(),
            connections: Vec::new(),
            begun: std::process::id().wrapping_mul(0x9e37_79b9) ^ clock::now() as u32,
            under_way: 0,
            buffer: vec![0; READ],
            phase: Phase::new(Schedule::new(0)),
        };
        Ok((engine, waker))
    }

    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(LOOK);
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return self.note(&format!("epoll: {error}")),
                Ok(()) => {}
            }
            for event in &events {
                if event.token() == WAKE {
                    if !self.obey() {
                        return;
                    }
                } else {
                    self.turn(event.token().0);
                }
            }
            self.open_more();
            if events.iter().count() < LOOK {
                thread::sleep(BREATH);
            }
        }
    }

    fn obey(&mut self) -> bool {
        loop {
            match self.inbox.try_recv() {
                Ok(Command::Open(opening)) => self.openings.push((opening, 0)),
                Ok(Command::Measure(schedule)) => self.begin_phase(schedule),
                // who asked may have given up
                Ok(Command::Report(answer)) => drop(answer.send(self.report())),
                Ok(Command::CloseAll(answer)) => {
                    self.close_all();
                    let _ = answer.send(());
                }
                Ok(Command::End) | Err(TryRecvError::Disconnected) => return false,
                Err(TryRecvError::Empty) => return true,
            }
        }
    }

    fn begin_phase(&mut self, schedule: Schedule) {
        self.phase = Phase::new(schedule);
        for (connection, ..) in self.connections.iter_mut().flatten() {
            (connection.count, connection.next) = (0, 0);
        }
        self.live.delivered.store(0, Relaxed);
    }

    fn close_all(&mut self) {
        self.openings.clear();
        self.connections.clear();
        self.under_way = 0;
        for counter in [&self.live.streaming, &self.live.ended, &self.live.failed, &self.live.delivered] {
            counter.store(0, Relaxed);
        }
    }

    fn report(&self) -> Report {
        Report {
            counts: self
                .connections
                .iter()
                .flatten()
                .filter(|(connection, ..)| !connection.deaf)
                .map(|(connection, ..)| connection.count)
                .collect(),
            disorder: self.phase.disorder,
            publish_to_receipt: self.phase.publish_to_receipt.clone(),
            append_to_receipt: self.phase.append_to_receipt.clone(),
            connects: self.phase.connects.clone(),
            trouble: self.phase.trouble.clone(),
        }
    }

    fn open_more(&mut self) {
        while let Some((opening, begun)) = self.openings.first_mut() {
            if *begun == opening.count {
                self.openings.remove(0);
                continue;
            }
            if self.under_way >= opening.at_once {
                return;
            }
            let (opening, i) = (opening.clone(), *begun);
            *begun += 1;
            self.open(Arc::new(opening), i);
        }
    }

    fn open(&mut self, opening: Arc<Opening>, i: usize) {
        let token = self.connections.len();
        self.begun = self.begun.wrapping_add(1);
        let begun = Connection::begin(opening.server, self.begun, opening.ask.deaf).and_then(|mut connection| {
            self.poll.registry().register(&mut connection.socket, Token(token), Interest::READABLE | Interest::WRITABLE)?;
            Ok(connection)
        });
        match begun {
            Ok(connection) => {
                let group = i as u64 % opening.groups;
                self.connections.push(Some((connection, opening, group)));
                self.under_way += 1;
            }
            Err(error) => {
                self.connections.push(None);
                self.fail(&format!("connect: {error}"));
            }
        }
    }

    fn fail(&mut self, why: &str) {
        self.live.failed.fetch_add(1, Relaxed);
        self.note(why);
    }

    fn note(&mut self, why: &str) {
        self.phase.trouble.get_or_insert_with(|| why.to_owned());
    }

    fn turn(&mut self, token: usize) {
        let Some(Some((connection, opening, group))) = self.connections.get_mut(token) else { return };
        let was_streaming = matches!(connection.stage, Stage::Streaming | Stage::Deaf);
        let turn = match connection.stage {
            Stage::Over | Stage::Deaf => return,
            Stage::Connecting => match connection.request(opening.server, &opening.ask, *group) {
                Ok(()) => {
                    connection.stage = Stage::Heading(Vec::new());
                    Ok(Turn::Goes)
                }
                Err(error) if error.kind() == ErrorKind::NotConnected || error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => Err(format!("request: {error}")),
            },
            Stage::Heading(_) | Stage::Streaming => receive(connection, &mut self.buffer, &mut self.phase, &self.live),
        };
        let streams = matches!(connection.stage, Stage::Streaming | Stage::Deaf);
        if streams && !was_streaming {
            self.under_way -= 1;
        }
        match turn {
            Ok(Turn::Goes) => {}
            Ok(Turn::Ended) => {
                connection.stage = Stage::Over;
                self.live.ended.fetch_add(1, Relaxed);
                self.note("the server ended a stream");
            }
            Err(why) => {
                connection.stage = Stage::Over;
                if !streams {
                    self.under_way -= 1;
                }
                self.fail(&why);
            }
        }
    }
}

/// Reads all that there is.
fn receive(connection: &mut Connection, buffer: &mut [u8], phase: &mut Phase, live: &Live) -> Result<Turn, String> {
    loop {
        let read = match connection.socket.read(buffer) {
            Ok(0) => return Ok(Turn::Ended),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Turn::Goes),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(format!("receive: {error}")),
        };
        if let Stage::Heading(head) = &mut connection.stage {
            head.extend_from_slice(&buffer[..read]);
            let Some(parsed) = http::head(head).map_err(|error| error.to_string())? else {
                if head.len() > HEAD {
                    return Err("a response head without end".to_owned());
                }
                continue;
            };
            if parsed.status != 200 {
                return Err(format!("status {}: {}", parsed.status, String::from_utf8_lossy(&head[parsed.length..])));
            }
            let body = head.split_off(parsed.length);
            record(&mut phase.connects, connection.opened_at);
            live.streaming.fetch_add(1, Relaxed);
            connection.stage = if connection.deaf { Stage::Deaf } else { Stage::Streaming };
            if connection.deaf {
                return Ok(Turn::Goes);
            }
            look(connection, &body, phase, live);
        } else {
            look(connection, &buffer[..read], phase, live);
        }
        if read < buffer.len() {
            return Ok(Turn::Goes);
        }
    }
}

/// Looks for events in what was received.
fn look(connection: &mut Connection, bytes: &[u8], phase: &mut Phase, live: &Live) {
    let Phase { reader, schedule, appended, disorder, publish_to_receipt, append_to_receipt, .. } = phase;
    let now = clock::now();
    let mut found = 0;
    let (count, next) = (&mut connection.count, &mut connection.next);
    reader.read(&mut connection.carry, bytes, |n, rest| {
        found += 1;
        *disorder += u64::from(n < *next);
        *next = n + 1;
        let scheduled = schedule.get(n);
        if scheduled > 0 {
            publish_to_receipt.saturating_record(now.saturating_sub(scheduled).max(1));
        }
        if appended.len() <= n as usize {
            appended.resize(n as usize + 1, 0);
        }
        let at = &mut appended[n as usize];
        if *at == 0 {
            *at = received_at(rest).unwrap_or(0);
        }
        if *at > 0 {
            append_to_receipt.saturating_record(now.saturating_sub(*at).max(1));
        }
    });
    if found > 0 {
        *count += found;
        live.last_at.store(now, Relaxed);
        live.delivered.fetch_add(found, Relaxed);
    }
}

/// The `receivedAt` of the event whose number was just read, if the server tells it and it is here in full.
fn received_at(rest: &[u8]) -> Option<u64> {
    let line = &rest[..memchr::memchr(b'\n', rest)?];
    let at = memmem::find(line, br#""receivedAt":""#)? + br#""receivedAt":""#.len();
    Some(clock::of_wall_micros(unix_micros(std::str::from_utf8(line.get(at..at + 27)?).ok()?)?))
}

/// Microseconds since 1970 of `2026-11-21T06:10:38.123456Z`.
fn unix_micros(text: &str) -> Option<u64> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<u64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    // days from civil (H. Hinnant, "chrono-compatible low-level date algorithms"), for years after 1970
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    let seconds = days * 86_400 + number(11..13)? * 3600 + number(14..16)? * 60 + number(17..19)?;
    Some(seconds * 1_000_000 + number(20..26)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_time_is_read_to_the_microsecond() {
        assert_eq!(unix_micros("1970-01-01T00:00:00.000000Z"), Some(0));
        assert_eq!(unix_micros("2026-11-21T06:10:38.123456Z"), Some(1_795_241_438_123_456));
        assert_eq!(unix_micros("2024-02-29T23:59:59.000001Z"), Some(1_709_251_199_000_001));
    }
}
