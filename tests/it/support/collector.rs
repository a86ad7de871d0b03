//! A collector of traces: takes OTLP over HTTP, and reads it by the schema that OpenTelemetry publishes.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value},
    trace::v1::Span,
};
use prost::Message as _;

use super::wait::eventually;

/// A span, and the `service.instance.id` of who told of it.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// Who.
    pub(crate) by: String,
    /// What.
    pub(crate) span: Span,
}

/// The collector; it ends with the test's process.
pub(crate) struct Collector {
    addr: SocketAddr,
    told: Arc<Mutex<Vec<Told>>>,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Collector {
    /// One that takes everything.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let addr = listener.local_addr().expect("bound");
        let (told, heads) = (Arc::<Mutex<Vec<Told>>>::default(), Arc::<Mutex<Vec<String>>>::default());
        let (all_told, all_heads) = (told.clone(), heads.clone());
        thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                let (told, heads) = (all_told.clone(), all_heads.clone());
                thread::spawn(move || while take(&connection, &told, &heads).is_some() {});
            }
        });
        Self { addr, told, heads }
    }

    /// What `CHAINCAST_OTLP_ENDPOINT` says.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The heads of the requests that came, in lower case.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("no panic").clone()
    }

    /// Everything that was told of this trace.
    pub(crate) fn trace(&self, trace: &str) -> Vec<Told> {
        self.told().into_iter().filter(|told| hex(&told.span.trace_id) == trace).collect()
    }

    /// Everything that was told.
    pub(crate) fn told(&self) -> Vec<Told> {
        self.told.lock().expect("no panic").clone()
    }

    /// Waits until what was told of this trace satisfies `wanted`.
    pub(crate) async fn until_trace(&self, trace: &str, what: &str, wanted: impl Fn(&[Told]) -> bool) -> Vec<Told> {
        eventually(what, async || {
            let told = self.trace(trace);
            let names: Vec<_> = told.iter().map(|told| (&told.by, &told.span.name)).collect();
            if wanted(&told) { Ok(()) } else { Err(format!("{names:?}")) }
        })
        .await;
        self.trace(trace)
    }
}

/// Bytes as traces are written.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A text among attributes.
pub(crate) fn text<'a>(attributes: &'a [KeyValue], name: &str) -> Option<&'a str> {
    let value = attributes.iter().find(|pair| pair.key == name)?.value.as_ref()?.value.as_ref()?;
    if let any_value::Value::StringValue(text) = value { Some(text) } else { None }
}

/// Takes one request; `None` at the end of the connection.
fn take(connection: &TcpStream, told: &Mutex<Vec<Told>>, heads: &Mutex<Vec<String>>) -> Option<()> {
    let mut reader = BufReader::new(connection);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let head = head.to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    assert!(head.starts_with("post /v1/traces http/1.1\r\n") && head.contains("content-type: application/x-protobuf"), "{head}");
    let request = ExportTraceServiceRequest::decode(&*body).expect("the published schema");
    heads.lock().expect("no panic").push(head);
    for group in request.resource_spans {
        let by = group.resource.expect("who").attributes;
        let by = text(&by, "service.instance.id").expect("which instance").to_owned();
        let spans = group.scope_spans.into_iter().flat_map(|scope| scope.spans);
        told.lock().expect("no panic").extend(spans.map(|span| Told { by: by.clone(), span }));
    }
    let mut writer = connection;
    writer.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n").ok()
}
