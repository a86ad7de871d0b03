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

use mio::{Events, Interest, Poll, Token, Waker};

use super::{
    Command, Live, Opening, Report,
    connection::{Connection, Stage, connect},
    phase::Phase,
    record,
};
use crate::{clock, http, mark::Schedule};

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
    openings: Vec<(Arc<Opening>, usize)>,
    /// By token; nothing for those that could not begin.
    connections: Vec<Option<Connection>>,
    /// Connections ever begun, from a number that differs from run to run.
    begun: u32,
    /// Connects and requests without an answer.
    under_way: usize,
    buffer: Vec<u8>,
    phase: Phase,
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
            phase: Phase::new(Schedule::new(0), 0),
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
                    self.turn(event.token().0, event.is_read_closed() || event.is_error());
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
                Ok(Command::Open(opening)) => self.openings.push((Arc::new(opening), 0)),
                Ok(Command::Measure(schedule, start)) => self.begin_phase(schedule, start),
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

    fn begin_phase(&mut self, schedule: Schedule, start: u64) {
        self.phase = Phase::new(schedule, start);
        for connection in self.connections.iter_mut().flatten() {
            connection.expect_from(start);
        }
        self.live.delivered.store(0, Relaxed);
        self.live.disorder.store(0, Relaxed);
    }

    fn close_all(&mut self) {
        self.openings.clear();
        self.connections.clear();
        self.under_way = 0;
        for counter in [&self.live.streaming, &self.live.ended, &self.live.failed, &self.live.delivered, &self.live.disorder] {
            counter.store(0, Relaxed);
        }
    }

    fn report(&self) -> Report {
        Report {
            counts: self
                .connections
                .iter()
                .flatten()
                .filter(|connection| !connection.is_deaf())
                .map(|connection| connection.count)
                .collect(),
            disorder: self.live.disorder.load(Relaxed),
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
            self.open(&opening, i);
        }
    }

    fn open(&mut self, opening: &Arc<Opening>, i: usize) {
        let begun = self.begin(opening, i);
        match begun {
            Ok(connection) => {
                self.connections.push(Some(connection));
                self.under_way += 1;
            }
            Err(error) => {
                self.connections.push(None);
                self.fail(&format!("connect: {error}"));
            }
        }
    }

    fn begin(&mut self, opening: &Arc<Opening>, i: usize) -> io::Result<Connection> {
        let mut tries = 0;
        let socket = loop {
            self.begun = self.begun.wrapping_add(1);
            match connect(opening.server, self.begun, opening.ask.deaf) {
                // someone else listens on this port
                Err(error) if error.kind() == ErrorKind::AddrInUse && tries < 100 => tries += 1,
                begun => break begun?,
            }
        };
        let mut connection = Connection::new(socket, opening.clone(), i as u64 % opening.groups);
        connection.expect_from(self.phase.start);
        let token = Token(self.connections.len());
        self.poll.registry().register(&mut connection.socket, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(connection)
    }

    fn fail(&mut self, why: &str) {
        self.live.failed.fetch_add(1, Relaxed);
        self.note(why);
    }

    fn note(&mut self, why: &str) {
        self.phase.trouble.get_or_insert_with(|| why.to_owned());
    }

    fn turn(&mut self, token: usize, is_over: bool) {
        let Some(Some(connection)) = self.connections.get_mut(token) else { return };
        let was_streaming = matches!(connection.stage, Stage::Streaming | Stage::Deaf);
        let turn = match connection.stage {
            Stage::Over => return,
            // it learns of its end without reading
            Stage::Deaf if is_over => Ok(Turn::Ended),
            Stage::Deaf => return,
            Stage::Connecting => match connection.request() {
                Ok(()) => {
                    connection.stage = Stage::Heading(Vec::new());
                    Ok(Turn::Goes)
                }
                Err(error) if error.kind() == ErrorKind::NotConnected || error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => Err(format!("request: {error}")),
            },
            Stage::Heading(_) | Stage::Streaming => receive(connection, is_over, &mut self.buffer, &mut self.phase, &self.live),
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

/// Reads all that there is; one that `is_over` to its end.
fn receive(connection: &mut Connection, is_over: bool, buffer: &mut [u8], phase: &mut Phase, live: &Live) -> Result<Turn, String> {
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
            connection.stage = if connection.is_deaf() { Stage::Deaf } else { Stage::Streaming };
            if connection.is_deaf() {
                return Ok(Turn::Goes);
            }
            phase.look(connection, &body, live);
        } else {
            phase.look(connection, &buffer[..read], live);
        }
        if read < buffer.len() && !is_over {
            return Ok(Turn::Goes);
        }
    }
}
