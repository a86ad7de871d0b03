//! A small blocking HTTP/1.1 client on one keep-alive connection: the publisher's side, and questions between the runs.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, bail};

const PATIENCE: Duration = Duration::from_secs(60);

/// A connection.
#[derive(Debug)]
pub(crate) struct Http {
    server: SocketAddr,
    socket: TcpStream,
    buffer: Vec<u8>,
}

/// A response's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// Bytes up to and with the empty line.
    pub(crate) length: usize,
    pub(crate) content_length: Option<usize>,
}

/// Reads a response's head, once it is complete.
pub(crate) fn head(bytes: &[u8]) -> anyhow::Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = response.parse(bytes).context("not an HTTP response")? else { return Ok(None) };
    let content_length = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let content_length = content_length.and_then(|header| std::str::from_utf8(header.value).ok()?.trim().parse().ok());
    Ok(Some(Head { status: response.code.unwrap_or(0), length, content_length }))
}

impl Http {
    pub(crate) fn connect(server: SocketAddr) -> anyhow::Result<Self> {
        let socket = TcpStream::connect(server).with_context(|| format!("can't connect to {server}"))?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { server, socket, buffer: Vec::new() })
    }

    /// Posts JSON and waits for the answer, which must be a success.
    pub(crate) fn post(&mut self, path: &str, json: &str) -> anyhow::Result<Vec<u8>> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            self.server,
            json.len()
        );
        let mut request = head.into_bytes();
        request.extend_from_slice(json.as_bytes());
        self.socket.write_all(&request)?;
        self.answer()
    }

    /// Gets a resource, which must be there.
    pub(crate) fn get(&mut self, path: &str) -> anyhow::Result<Vec<u8>> {
        write!(self.socket, "GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.server)?;
        self.answer()
    }

    fn answer(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut chunk = [0; 16 * 1024];
        loop {
            if let Some(head) = head(&self.buffer)? {
                let length = head.content_length.context("an answer without content-length")?;
                if self.buffer.len() >= head.length + length {
                    let body = self.buffer[head.length..head.length + length].to_vec();
                    self.buffer.drain(..head.length + length);
                    if !(200..300).contains(&head.status) {
                        bail!("status {}: {}", head.status, String::from_utf8_lossy(&body));
                    }
                    return Ok(body);
                }
            }
            match self.socket.read(&mut chunk)? {
                0 => bail!("{} closed the connection", self.server),
                read => self.buffer.extend_from_slice(&chunk[..read]),
            }
        }
    }
}
