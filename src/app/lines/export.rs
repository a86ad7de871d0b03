//! Out of a store.

use std::{
    borrow::Cow,
    io::{self, Write as _},
    process::ExitCode,
    sync::Arc,
};

use anyhow::Context as _;
use serde::Deserialize;

use super::{existing, name, to_hex};
use crate::{
    app::store,
    cli::{Beginning, Export},
    commands::{DIGEST, Progress, count, say},
    config::Config,
    domain::{Event, EventId, Filter, Resolved, Seq, Source, Start},
    log::{ContentDigest, EventLog, LogId, PageRequest},
};

/// What is read at once.
const PAGE: (usize, usize) = (1000, 1024 * 1024);

/// Writes the events of a log to standard output.
///
/// # Errors
/// What is wrong with the store, or that nobody reads any more.
pub async fn export(config: &Config, order: &Export) -> anyhow::Result<ExitCode> {
    let store = store::open_to_read(&config.log).await?;
    let exported = write_all(&*store, order).await;
    store.close().await;
    exported
}

async fn write_all(store: &dyn EventLog, order: &Export) -> anyhow::Result<ExitCode> {
    let log = existing(store, &name(&order.tenant)?).await?;
    let position = store.position(log).await?;
    let begin = begin(store, log, &order.from).await?;
    let mut request = PageRequest { filter: Arc::new(Filter::everything()), after: begin, limit: PAGE.0, max_bytes: PAGE.1 };
    let mut out = io::BufWriter::with_capacity(256 * 1024, io::stdout());
    let (mut progress, mut written, mut lost) = (Progress::new(order.quiet), 0, 0);
    // what is appended from now on would have no end
    let head = position.head;
    let all = head.get().saturating_sub(begin.max(position.earliest.before()).get());
    while request.after < head {
        let page = store.read(log, &request).await?;
        anyhow::ensure!(page.position.epoch == position.epoch, "the log was numbered anew meanwhile: run this again");
        // retention may take what was not read yet
        let first = page.position.earliest.before();
        if first > request.after && !(written == 0 && matches!(order.from, Beginning::Place(ref place) if place == "earliest")) {
            lost += first.get() - request.after.get();
        }
        let events: Vec<&Event> = page.events.iter().filter(|event| event.seq <= head).collect();
        let ids = events.iter().map(|event| id(event)).collect::<anyhow::Result<Vec<_>>>()?;
        for (event, digest) in events.iter().zip(store.digests(log, &ids).await?) {
            writeln!(out, "{}", line(event, digest.as_ref())).context("standard output")?;
            written += 1;
        }
        anyhow::ensure!(page.through > request.after, "the log went back meanwhile: run this again");
        request.after = page.through;
        progress.at(written, written, Some(all), "");
    }
    out.flush().context("standard output")?;
    drop(progress);
    if lost > 0 {
        say(&format!("GAP: {} events behind {begin} are gone, because they are older than what is retained", count(lost)));
    }
    if !order.quiet {
        say(&format!("{} events of {}, up to {}-{head}", count(written), order.tenant, position.epoch));
    }
    Ok(ExitCode::SUCCESS)
}

/// Under which id, and of which source, the log knows it.
fn id(event: &Event) -> anyhow::Result<(Source, EventId)> {
    #[derive(Deserialize)]
    struct Stored<'a> {
        #[serde(borrow)]
        source: Cow<'a, str>,
        #[serde(borrow)]
        id: Cow<'a, str>,
    }
    let stored: Stored<'_> = serde_json::from_str(event.envelope.as_str()).with_context(|| format!("event {}", event.seq))?;
    Ok((Source::new(stored.source), EventId::new(stored.id)))
}

/// The event as clients see it, with the digest of what was received: what is exported is not what a publisher sent, to the byte.
fn line(event: &Event, digest: Option<&ContentDigest>) -> String {
    let json = event.to_json();
    match (digest, json.strip_suffix('}')) {
        (Some(digest), Some(members)) => format!("{members},\"{DIGEST}\":\"{}\"}}", to_hex(digest)),
        _ => json,
    }
}

/// Behind which event it begins.
async fn begin(store: &dyn EventLog, log: LogId, from: &Beginning) -> anyhow::Result<Seq> {
    let place = match from {
        Beginning::Place(place) => Start::parse(place).context("--from")?,
        Beginning::Since(at) => Start::Since(*at),
        Beginning::Now => anyhow::bail!("--from now: there is nothing behind it; `chaincast tail` shows what comes"),
    };
    let position = store.position(log).await?;
    Ok(match place {
        Start::Earliest | Start::Now => Seq::ZERO,
        Start::Since(at) => store.seq_before(log, at).await?,
        Start::Seq(seq) => {
            anyhow::ensure!(seq <= position.head, "--from {seq}: the log ends at {}", position.head);
            seq
        }
        Start::Cursor(cursor) => match store.epochs(log).await?.resolve(cursor, position.head) {
            Resolved::Good(seq) => seq,
            Resolved::Rewound { resume } => anyhow::bail!(
                "--from {cursor}: the log was set back since, or this is not its cursor; what both have in common ends at {}-{resume}",
                position.epoch
            ),
        },
    })
}
