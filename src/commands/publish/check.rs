//! `--dry-run`: everything is read and checked, nothing is sent.

use std::process::ExitCode;

use super::{
    super::{Documents, Input, Progress, count},
    MAX_EVENT_BYTES,
    prepare::Rules,
    reject::Rejects,
};
use crate::cli::Publish;
use std::sync::atomic::Ordering;

/// How many faulty events are told one by one.
const TOLD: u64 = 20;

pub(super) fn dry_run(order: &Publish, input: Input, rules: &Rules) -> anyhow::Result<ExitCode> {
    let Input { reader, size, read } = input;
    let mut rejects = order.skip_invalid.as_deref().map(|path| Rejects::new(path, &order.file)).transpose()?;
    let mut progress = Progress::new(order.quiet);
    let mut documents = Documents::new(reader, MAX_EVENT_BYTES);
    let (mut good, mut bad) = (0, 0);
    while let Some(document) = documents.next()? {
        match rules.prepare(document) {
            Ok(_) => good += 1,
            Err(reject) => {
                bad += 1;
                if bad <= TOLD {
                    progress.say(&reject.to_string());
                }
                if let Some(rejects) = &mut rejects {
                    rejects.add(&reject)?;
                }
            }
        }
        progress.at(good + bad, read.load(Ordering::Relaxed), size, "");
    }
    progress.clear();
    println!("{} events could be published, {} could not; nothing was sent", count(good), count(bad));
    Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
