//! `chaincast log stats`: what is in the logs of a store, as a table or as JSON.

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;
use serde_json::json;

use super::store;
use crate::{
    cli::Stats,
    commands::{Progress, count, say},
    config::Config,
    domain::{Event, Filter, Seq},
    log::{EventLog, LogError, LogId, PageRequest, Position},
};

/// How many types of a log are told apart; what is beyond is counted together.
const MAX_TYPES: usize = 10_000;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LogStats {
    name: String,
    epoch: String,
    /// How many numberings there were.
    epochs: usize,
    head: u64,
    earliest: u64,
    events: u64,
    oldest: Option<String>,
    newest: Option<String>,
    /// Ids by which repetitions are known.
    ids: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    types: Vec<TypeCount>,
}

#[derive(Debug, Serialize)]
struct TypeCount {
    #[serde(rename = "type")]
    name: String,
    events: u64,
}

/// Says what is there.
///
/// # Errors
/// When the store can't be opened or read.
pub async fn stats(config: &Config, order: Stats) -> anyhow::Result<String> {
    let store = store::open_to_read(&config.log).await?;
    let look = store.look().await?;
    let mut logs = Vec::new();
    for position in &look.positions {
        let name = look.names.get(&position.log).map_or_else(|| position.log.to_column().to_string(), ToString::to_string);
        logs.push(of_log(&*store, name, position, order.types).await?);
    }
    logs.sort_by(|one, other| one.name.cmp(&other.name));
    let size = store.size_bytes().await?;
    store.close().await;
    let database = config.log.database()?.to_string();
    if order.json {
        return Ok(format!("{}\n", json!({"store": database, "sizeBytes": size, "logs": logs})));
    }
    Ok(format!("{database}: {} on disk, indexes, ids and access included\n\n{}", bytes(size), table(&logs)))
}

async fn of_log(store: &dyn EventLog, name: String, position: &Position, types: usize) -> Result<LogStats, LogError> {
    let Position { log, epoch, head, earliest } = *position;
    let oldest = event_behind(store, log, earliest.before()).await?;
    let newest = event_behind(store, log, head.before()).await?;
    let types = if types == 0 { Vec::new() } else { most_frequent(store, log, head, types).await? };
    Ok(LogStats {
        epoch: epoch.to_string(),
        epochs: store.epochs(log).await?.links().len(),
        head: head.get(),
        earliest: earliest.get(),
        events: (head.get() + 1).saturating_sub(earliest.get()),
        oldest: oldest.map(|event| event.received_at.to_string()),
        newest: newest.map(|event| event.received_at.to_string()),
        // a count of very many rows may take longer than a statement may
        ids: store.ids(log).await.unwrap_or_else(|error| {
            say(&format!("the ids of {name} could not be counted: {error}"));
            None
        }),
        types,
        name,
    })
}

async fn event_behind(store: &dyn EventLog, log: LogId, after: Seq) -> Result<Option<Event>, LogError> {
    let request = PageRequest { filter: Arc::new(Filter::everything()), after, limit: 1, max_bytes: 1 };
    Ok(store.read(log, &request).await?.events.into_iter().next())
}

async fn most_frequent(store: &dyn EventLog, log: LogId, head: Seq, most: usize) -> Result<Vec<TypeCount>, LogError> {
    let mut request = PageRequest { filter: Arc::new(Filter::everything()), after: Seq::ZERO, limit: 1000, max_bytes: 1024 * 1024 };
    let (mut counts, mut others, mut progress, mut events) = (BTreeMap::<String, u64>::new(), 0, Progress::new(false), 0);
    while request.after < head {
        let page = store.read(log, &request).await?;
        for event in &page.events {
            events += 1;
            let name = event.keys.event_type.as_str();
            if let Some(count) = counts.get_mut(name) {
                *count += 1;
            } else if counts.len() < MAX_TYPES {
                counts.insert(name.to_owned(), 1);
            } else {
                others += 1;
            }
        }
        if page.through <= request.after {
            break;
        }
        request.after = page.through;
        progress.at(events, events, None, "");
    }
    let mut types: Vec<TypeCount> = counts.into_iter().map(|(name, events)| TypeCount { name, events }).collect();
    types.sort_by_key(|one| std::cmp::Reverse(one.events));
    others += types.iter().skip(most).map(|one| one.events).sum::<u64>();
    types.truncate(most);
    if others > 0 {
        types.push(TypeCount { name: "(others)".into(), events: others });
    }
    Ok(types)
}

fn table(logs: &[LogStats]) -> String {
    if logs.is_empty() {
        return "no logs yet: a tenant's begins with its first event\n".to_owned();
    }
    let heads = ["LOG", "EPOCH", "EVENTS", "EARLIEST", "HEAD", "IDS", "OLDEST", "NEWEST"].map(str::to_owned);
    let seconds = |time: &Option<String>| time.as_ref().map_or_else(|| "-".into(), |time| format!("{}Z", time.get(..19).unwrap_or(time)));
    let mut rows = vec![heads];
    rows.extend(logs.iter().map(|log| {
        let ids = log.ids.map_or_else(|| "?".into(), count);
        let (oldest, newest) = (seconds(&log.oldest), seconds(&log.newest));
        [log.name.clone(), log.epoch.clone(), count(log.events), count(log.earliest), count(log.head), ids, oldest, newest]
    }));
    let mut text = aligned(&rows, &[2, 3, 4, 5]);
    for log in logs.iter().filter(|log| !log.types.is_empty()) {
        let mut rows = vec![[format!("TYPES OF {}", log.name), "EVENTS".into()]];
        rows.extend(log.types.iter().map(|one| [one.name.clone(), count(one.events)]));
        text.push('\n');
        text += &aligned(&rows, &[1]);
    }
    text
}

/// Columns beside each other, those of numbers to the right.
pub(super) fn aligned<const N: usize>(rows: &[[String; N]], numbers: &[usize]) -> String {
    let widths: Vec<usize> = (0..N).map(|at| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or_default()).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(at, (cell, width))| if numbers.contains(&at) { format!("{cell:>width$}") } else { format!("{cell:width$}") });
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    text
}

fn bytes(n: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut value = n as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_without_logs_says_so() {
        assert!(table(&[]).starts_with("no logs yet"));
    }

    #[test]
    fn columns_of_numbers_end_together() {
        let rows = [["A", "N"], ["long", "1"], ["x", "1,000"]].map(|row| row.map(str::to_owned));
        assert_eq!(aligned(&rows, &[1]), "A         N\nlong      1\nx     1,000\n");
        assert_eq!([bytes(0), bytes(1536), bytes(5 << 30)], ["0.0 KiB", "1.5 KiB", "5.0 GiB"]);
    }
}
