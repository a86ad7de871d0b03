//! `GET /events/stats`: numbers for dashboards, of this instance or of all together.

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
    ("scope" = inline(Option<Scope>), Query, description = "The instance that is asked, unless given; or all that answer it within half a second."),
    ("tenant" = inline(Option<String>), Query, pattern = "^[!-~]{1,64}$", description = "Another tenant's log, for super-admins; needs a reason."),
    ("reason" = inline(Option<String>), Query, description = "Why another tenant's is read; or the header Chaincast-Reason."),
), security((), ("bearer" = []), ("cookie" = []), ("token" = [])), responses(
    (status = 200, description = "Connections, events, latency, log, rings and memory", body = Statistics)
))]
pub(super) async fn stats(request: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let caller = Caller::recognised(&request, &state).await?;
    let (scope, tenancy) = parse(&request)?;
    let reading = caller.reading(tenancy)?;
    let tenant = reading.recorded(&caller.principal, "GET /events/stats", &state).await?;
    let (log, whole_instance) = (state.logs.log(&tenant).await?, caller.principal.is_super_admin());
    Ok(HttpResponse::Ok().json(match scope {
        Scope::Instance => state.facts.statistics(log, whole_instance),
        Scope::Cluster => state.cluster.statistics(log, whole_instance).await,
    }))
}

fn parse(request: &HttpRequest) -> Result<(Scope, Tenancy), Problem> {
    let (mut token, mut scope, mut tenancy) = (Once::new("token"), Once::new("scope"), TenancyParams::new());
    for (name, value) in params::pairs(request.query_string())? {
        match name.as_str() {
            "token" => token.set(&value, |_| Ok(()))?,
            "scope" => scope.set(&value, params::either(("instance", Scope::Instance), ("cluster", Scope::Cluster)))?,
            _ => tenancy.take(&name, &value)?,
        }
    }
    Ok((scope.get().unwrap_or_default(), tenancy.finish(request.headers())))
}

/// What numbers are of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The instance that was asked.
    #[default]
    Instance,
    /// All instances on the log.
    Cluster,
}

/// Numbers of one log on one instance; those of followers since somebody began to follow it. Of a cluster, the sums over the instances that
/// answered, unless a number says otherwise; peaks were not reached at the same time.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Statistics {
    /// One instance, or the cluster.
    pub scope: Scope,
    /// Each instance that answered, the one that was asked first; only of a cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instances: Option<Vec<InstanceSummary>>,
    /// Instances that are known and did not answer, or not what this version understands; only of a cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<usize>,
    /// Whether these are the numbers of all instances, as far as can be known; false where others cannot be asked, and for two seconds after a
    /// connection was made, since not all may be known yet. Only of a cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub complete: Option<bool>,
    /// Of the service, on the instance that was asked.
    pub version: &'static str,
    /// Since that instance started.
    pub uptime_seconds: u64,
    /// Who follows.
    pub connections: ConnectionStatistics,
    /// What went through.
    pub events: EventStatistics,
    /// What was read from the log for those who follow.
    pub replay: ReplayStatistics,
    /// How fast.
    pub latency: LatencyStatistics,
    /// Where the log stands; of a cluster as the instance that is furthest in the numbering that most of them know.
    pub log: LogStatistics,
    /// The fullest shard's memory of recent events, and its bounds.
    pub ring: RingStatistics,
    /// How instances tell each other that the log grew; of the instance that was asked.
    pub backplane: BackplaneStatistics,
    /// What waits, of all logs; only for whoever may see the whole instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queues: Option<QueueStatistics>,
    /// Connections to the store, of all logs; only for whoever may see the whole instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseStatistics>,
    /// What the process holds; only for whoever may see the whole instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemoryStatistics>,
    /// All logs together; only for whoever may see the whole instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceStatistics>,
    /// What limits count; only for whoever may see the whole instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<LimitStatistics>,
}

/// One instance of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstanceSummary {
    /// Another one after each start.
    pub id: String,
    /// Of the service.
    pub version: String,
    /// Since it started.
    pub uptime_seconds: u64,
    /// Held now, of this log.
    pub connections: u64,
    /// Whether it is stopping.
    pub draining: bool,
    /// Whether it can reach others.
    pub backplane_connected: bool,
    /// Held now, of all logs; only for whoever may see the whole instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all_connections: Option<u64>,
}

/// What limits count.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct LimitStatistics {
    /// Where the connections of one subject are counted; all other limits count on one instance.
    pub scope: Scope,
}

/// All logs of the instance together; of a cluster the logs of the instance that has most.
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
    /// Events between the newest one and the connection that is furthest behind; of a cluster the most of any instance.
    pub furthest_behind: u64,
    /// Gaps that streams were told of, by reason.
    pub gaps: BTreeMap<&'static str, u64>,
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

/// What was read from the log for those who were behind the ring, since the start.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReplayStatistics {
    /// Events written from pages of the log, and not from memory.
    pub events: u64,
    /// Pages read; those that are wanted by several at once are read once.
    pub pages: u64,
}

/// How fast. From commit to write: of what another instance committed, from when this one was told.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LatencyStatistics {
    /// Percentiles since the start, at most a quarter too high.
    pub commit_to_write_microseconds: Percentiles,
    /// Of the last five to ten seconds; zeros when nothing was delivered. Of a cluster at most twice too high.
    pub recent_commit_to_write_microseconds: Percentiles,
    /// From when a publish request was queued until its commit, of all logs, since the start; of a cluster those of the slowest instance. Only for
    /// whoever may see the whole instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish_microseconds: Option<Percentiles>,
    /// The same of the last five to ten seconds; zeros when nothing was published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recent_publish_microseconds: Option<Percentiles>,
}

/// What these shares stay below.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
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
    /// Free in the file system of a SQLite file; of a cluster the least. Only for whoever may see the whole instance, and not of Postgres.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free_bytes: Option<u64>,
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
    /// Pages of replay that are being read.
    pub replay_reads: usize,
    /// The bound; more wait.
    pub replay_max_reads: usize,
    /// Pages of replay that wait for their turn.
    pub replay_waiting: usize,
}

/// Connections to the store.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseStatistics {
    /// Open, in use or not.
    pub connections: usize,
    /// Open and not in use.
    pub idle_connections: usize,
    /// The bound.
    pub max_connections: usize,
    /// Calls that wait for one.
    pub waiting: usize,
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
    /// What goes to them and comes from them, of all logs; only for whoever may see the whole instance.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<BackplaneTraffic>,
}

/// What goes between instances.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackplaneTraffic {
    /// Messages sent to other instances.
    pub sent: u64,
    /// Messages of other instances.
    pub received: u64,
    /// Messages that were not sent, since too many waited or the connection was lost: others found the events by looking.
    pub dropped: u64,
    /// Announcements that came and found no room: this instance found the events by looking.
    pub missed: u64,
    /// Messages that no instance on this log can have sent.
    pub refused: u64,
    /// Messages of instances of another version, as while one is rolled out: the events are found by looking.
    pub unclear: u64,
    /// Connections made after the first.
    pub reconnects: u64,
    /// Messages that wait to be sent.
    pub queued: usize,
    /// The bound.
    pub max_queued: usize,
    /// Reads of the log that were made because announced events waited behind a hole.
    pub holes_read: u64,
}

/// What the process holds.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemoryStatistics {
    /// As the kernel counts it.
    pub resident_bytes: u64,
}
