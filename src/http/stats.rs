//! `GET /events/stats`: numbers for dashboards.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    caller::Caller,
    params::{self, Once},
    problem::Problem,
    state::State,
    tenancy::{Tenancy, TenancyParams},
};

/// Statistics of the caller's log; of the whole instance only for whoever may see it.
#[utoipa::path(get, path = "/events/stats", tag = "operation", operation_id = "stats", params(
    ("tenant" = inline(Option<String>), Query, description = "Another tenant's log, for super-admins; needs a reason."),
    ("reason" = inline(Option<String>), Query, max_length = 500, description = "Why another tenant's is read; or the header Chaincast-Reason."),
), security((), ("bearer" = []), ("cookie" = []), ("token" = [])), responses(
    (status = 200, description = "Connections, events, latency, log, rings and memory", body = Statistics)
))]
pub(super) async fn stats(request: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let caller = Caller::recognised(&request, &state).await?;
    let reading = caller.reading(parse(&request)?)?;
    let tenant = reading.recorded(&caller.principal, "GET /events/stats", &state).await?;
    Ok(HttpResponse::Ok().json(state.facts.statistics(state.logs.log(&tenant).await?, caller.principal.is_super_admin())))
}

fn parse(request: &HttpRequest) -> Result<Tenancy, Problem> {
    let (mut token, mut tenancy) = (Once::new("token"), TenancyParams::new());
    for (name, value) in params::pairs(request.query_string())? {
        match name.as_str() {
            "token" => token.set(&value, |_| Ok(()))?,
            _ => tenancy.take(&name, &value)?,
        }
    }
    Ok(tenancy.finish(request.headers()))
}

/// Numbers of one log on one instance; those of followers since somebody began to follow it.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Statistics {
    /// Of the service.
    pub version: &'static str,
    /// Since it started.
    pub uptime_seconds: u64,
    /// Who follows.
    pub connections: ConnectionStatistics,
    /// What went through.
    pub events: EventStatistics,
    /// How fast.
    pub latency: LatencyStatistics,
    /// Where the log stands.
    pub log: LogStatistics,
    /// The fullest shard's memory of recent events, and its bounds.
    pub ring: RingStatistics,
    /// How instances tell each other that the log grew.
    pub backplane: BackplaneStatistics,
    /// What waits, of all logs; only for whoever may see the whole instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queues: Option<QueueStatistics>,
    /// What the process holds; only for whoever may see the whole instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemoryStatistics>,
    /// All logs together; only for whoever may see the whole instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceStatistics>,
}

/// All logs of the instance together.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstanceStatistics {
    /// Logs that were used.
    pub logs: usize,
    /// The limit.
    pub max_logs: usize,
    /// Logs that are followed, and held in memory.
    pub followed_logs: usize,
    /// Connections held now.
    pub connections: usize,
    /// The most connections that were held at once.
    pub peak_connections: usize,
    /// The limit.
    pub max_connections: usize,
    /// Connections ever refused.
    pub refused_connections: usize,
}

/// Who follows.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionStatistics {
    /// Held now.
    pub now: usize,
    /// The most that were held at once.
    pub peak: usize,
    /// The limit.
    pub max: usize,
    /// Ever admitted.
    pub opened: usize,
    /// Ever refused, by the limit or while draining.
    pub refused: usize,
    /// Ended, by reason; `left` are those whose peer went.
    pub closed: BTreeMap<&'static str, u64>,
    /// Held now, by what they follow; one that follows several kinds counts for each.
    pub by_selector: BTreeMap<&'static str, usize>,
    /// Behind the ring, reading from the log.
    pub replaying: usize,
    /// Taking nothing at the moment.
    pub lagging: usize,
    /// Having more to come than they may be delivered a second.
    pub paced: usize,
    /// Distinct selectors followed.
    pub selectors: usize,
}

/// What went through since the start.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventStatistics {
    /// Stored.
    pub published: u64,
    /// Repeated with the same content.
    pub duplicates: u64,
    /// Repeated with other content.
    pub conflicts: u64,
    /// Commits that stored them.
    pub commits: u64,
    /// Written to connections.
    pub delivered: u64,
    /// Over the last seconds.
    pub published_per_second: f64,
    /// Over the last seconds.
    pub delivered_per_second: f64,
}

/// From commit to write, since the start.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LatencyStatistics {
    /// Percentiles, at most a quarter too high.
    pub commit_to_write_microseconds: Percentiles,
}

/// What these shares stay below.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct Percentiles {
    /// Half.
    pub p50: u64,
    /// Nine tenths.
    pub p90: u64,
    /// All but a hundredth.
    pub p99: u64,
    /// All.
    pub max: u64,
}

/// Where the log stands.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogStatistics {
    /// `sqlite` or `postgres`.
    pub store: &'static str,
    /// Whether the last look at it and the last append to it succeeded.
    pub reachable: bool,
    /// The current numbering.
    #[schema(example = "7c1f9a02")]
    pub epoch: String,
    /// The newest event's seq.
    pub head: u64,
    /// The oldest retained event's seq; head + 1 when there is none.
    pub earliest: u64,
    /// On disk, of the whole store; only for whoever may see the whole instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
}

/// Recent events in memory.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RingStatistics {
    /// Held now.
    pub frames: usize,
    /// Held now, as text.
    pub bytes: usize,
    /// Events that wait until those before them are read.
    pub frames_behind_hole: usize,
    /// The bound.
    pub max_frames: usize,
    /// The bound.
    pub max_bytes: usize,
}

/// What waits.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QueueStatistics {
    /// Publish requests that are not answered yet.
    pub publish_requests: usize,
    /// The bound; more are refused.
    pub publish_max_requests: usize,
    /// Bytes of the requests that wait.
    pub publish_bytes: usize,
    /// The bound.
    pub publish_max_bytes: usize,
}

/// How instances tell each other that the log grew; of all logs together, since the start.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackplaneStatistics {
    /// `local`: within this process; other instances look at the log.
    pub kind: &'static str,
    /// Whether other instances can be reached.
    pub connected: bool,
    /// Other instances that were heard of lately.
    pub peers: usize,
    /// Messages sent to other instances.
    pub sent: u64,
    /// Messages of other instances.
    pub received: u64,
    /// Messages that were not sent, since too many waited or the connection was lost: others found the events by looking.
    pub dropped: u64,
    /// Messages that no instance on this log can have sent.
    pub refused: u64,
    /// Connections made after the first.
    pub reconnects: u64,
    /// Messages that wait to be sent; only for whoever may see the whole instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queued: Option<usize>,
    /// The bound; only for whoever may see the whole instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_queued: Option<usize>,
}

/// What the process holds.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemoryStatistics {
    /// As the kernel counts it.
    pub resident_bytes: u64,
}
