//! What a scenario leaves behind: a row of the table in RELIABILITY.md, which `chaincast-load reliability` writes.

use std::{fs, path::Path, time::Duration};

use serde_json::json;

use super::{setup::Setup, verdict::Verdict};

/// The directory for the rows; none when unset.
const ROWS: &str = "CHAINCAST_TEST_FAULTS_ROWS";

/// Figures that are no part of the verdict.
pub(super) struct Figures {
    pub(super) instances: usize,
    pub(super) subscribers: usize,
    pub(super) connections: usize,
    pub(super) refused: usize,
    pub(super) recovery: Duration,
    pub(super) unacknowledged: Duration,
    pub(super) postgres: Option<String>,
    pub(super) redis: Option<String>,
}

/// Writes a scenario's row, if rows are wanted.
pub(super) fn write(setup: &Setup, figures: &Figures, verdict: &Verdict) {
    let seconds = |span: Duration| (span.as_secs_f64() * 1000.0).round() / 1000.0;
    let row = json!({
        "nr": setup.nr,
        "fault": setup.fault,
        "instances": figures.instances,
        "subscribers": figures.subscribers,
        "connections": figures.connections,
        "published": verdict.published,
        "acknowledged": verdict.acknowledged,
        "delivered": verdict.delivered,
        "lost": verdict.lost,
        "repeated": verdict.repeated,
        "out_of_order": verdict.out_of_order,
        "foreign": verdict.foreign,
        "told_wrong": verdict.told_wrong,
        "told_trimmed": verdict.told_trimmed,
        "told_rewound": verdict.told_rewound,
        "lost_by_store": verdict.lost_by_store,
        "refused": figures.refused,
        "recovery_seconds": seconds(figures.recovery),
        "unacknowledged_seconds": seconds(figures.unacknowledged),
        "cores": std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
        "postgres": figures.postgres,
        "redis": figures.redis,
    });
    eprintln!("{row}");
    if let Some(folder) = std::env::var_os(ROWS) {
        let folder = Path::new(&folder);
        fs::create_dir_all(folder).expect("the directory for the rows can be made");
        fs::write(folder.join(format!("{:02}.json", setup.nr)), format!("{row:#}\n")).expect("rows can be written");
    }
}
