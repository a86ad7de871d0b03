//! The copy between stores that are lists in memory, one of which may be made to lie.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use futures::{StreamExt as _, stream::BoxStream};

use super::{CHUNK_ROWS, CopyError, Reads, Row, Rows, Source, Table, Target, Writes, copy};
use crate::log::{LogError, access::calls::Value};

/// What the lists hold, shared with the test.
#[derive(Clone, Default)]
struct Lists(Arc<Mutex<Held>>);

#[derive(Default)]
struct Held {
    rows: Vec<(&'static str, Row)>,
    largest_write: usize,
    is_committed: bool,
    /// Loses the last row of this table.
    loses: Option<&'static str>,
    unsettled: BTreeMap<i64, &'static str>,
}

fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => *number,
        _ => None,
    }
}

impl Rows for Lists {
    fn rows<'a>(&'a mut self, table: &'static Table, log: Option<i64>) -> BoxStream<'a, Result<Row, LogError>> {
        let held = self.0.lock().expect("no panic");
        let of = held.rows.iter().filter(|(name, row)| *name == table.name && (!table.by_log || number(&row[0]) == log));
        let mut rows: Vec<_> = of.map(|(_, row)| Ok(row.clone())).collect();
        if held.loses == Some(table.name) {
            rows.pop();
        }
        futures::stream::iter(rows).boxed()
    }
}

#[async_trait]
impl Reads for Lists {
    async fn unsettled(&mut self) -> Result<BTreeMap<i64, &'static str>, LogError> {
        Ok(self.0.lock().expect("no panic").unsettled.clone())
    }

    async fn release(self: Box<Self>) {}
}

#[async_trait]
impl Writes for Lists {
    fn counts_logs(&self) -> bool {
        true
    }

    async fn write(&mut self, table: &'static Table, rows: Vec<Row>) -> Result<(), LogError> {
        let mut held = self.0.lock().expect("no panic");
        held.largest_write = held.largest_write.max(rows.len());
        held.rows.extend(rows.into_iter().map(|row| (table.name, row)));
        Ok(())
    }

    async fn commit(self: Box<Self>) -> Result<(), LogError> {
        self.0.lock().expect("no panic").is_committed = true;
        Ok(())
    }
}

fn n(number: i64) -> Value {
    Value::Number(Some(number))
}

fn t(text: &str) -> Value {
    Value::Text(Some(text.to_owned()))
}

/// Two logs whose numbers no file would give, one of them with this many events.
fn filled(events: i64) -> Lists {
    let log = |id: i64, name: &str, head: i64| ("logs", vec![n(id), t(name), n(head), n(1), n(7), n(0)]);
    let mut rows = vec![log(900, "acme", events), log(2_000_000_000, "default", 1)];
    rows.extend((1..=events).map(|seq| ("events", vec![n(900), n(seq), n(5), t("{}")])));
    rows.push(("events", vec![n(2_000_000_000), n(1), n(5), t("{\"default\":1}")]));
    let lists = Lists::default();
    lists.0.lock().expect("no panic").rows = rows;
    lists
}

#[tokio::test]
async fn rows_pass_in_chunks_and_logs_are_numbered_for_who_counts_them() {
    let (from, to) = (filled(2 * CHUNK_ROWS as i64 + 1), Lists::default());
    let mut seen = Vec::new();
    let copied = copy(Source(Box::new(from)), Target(Box::new(to.clone())), |progress| {
        if (progress.table, progress.log) == ("events", Some("acme")) {
            seen.push((progress.stage, progress.rows, progress.of));
        }
    });
    assert_eq!(copied.await.expect("copied").rows("events"), 2 * CHUNK_ROWS as u64 + 2);
    let held = to.0.lock().expect("no panic");
    assert!(held.is_committed);
    assert_eq!(held.largest_write, CHUNK_ROWS);
    let numbers = |table: &str| {
        let mut numbers: Vec<_> = held.rows.iter().filter(|(name, _)| *name == table).map(|(_, row)| number(&row[0])).collect();
        numbers.dedup();
        numbers
    };
    assert_eq!((numbers("logs"), numbers("events")), (vec![Some(2), Some(1)], vec![Some(2), Some(1)]), "`default` is the first");
    let all = Some(2 * CHUNK_ROWS as u64 + 1);
    assert_eq!(seen.len(), 6);
    assert!(seen.iter().all(|(_, rows, of)| *of == all && Some(*rows) <= all), "{seen:?}");
}

#[tokio::test]
async fn what_does_not_read_as_it_was_written_is_not_committed() {
    for table in ["logs", "events"] {
        let (from, to) = (filled(3), Lists::default());
        to.0.lock().expect("no panic").loses = Some(table);
        let refused = copy(Source(Box::new(from)), Target(Box::new(to.clone())), |_| {}).await.expect_err("refused");
        assert!(matches!(refused, CopyError::Differs { table: differs, .. } if differs == table), "{refused:?}");
        assert!(!to.0.lock().expect("no panic").is_committed);
    }
}

#[tokio::test]
async fn a_log_that_the_source_has_not_settled_is_numbered_anew_behind_its_head_and_no_other_is() {
    let (from, to) = (filled(3), Lists::default());
    {
        let mut held = from.0.lock().expect("no panic");
        held.unsettled.insert(900, "lost something");
        let link = |log, ordinal, epoch| ("epochs", vec![n(log), n(ordinal), n(epoch), n(1), t("created"), n(5)]);
        held.rows.extend([link(900, 0, 6), link(900, 1, 7), link(2_000_000_000, 0, 7)]);
    }
    let copied = copy(Source(Box::new(from)), Target(Box::new(to.clone())), |_| {}).await.expect("copied");
    assert_eq!(copied.renewed(), [("acme".to_owned(), "lost something")]);
    assert_eq!(copied.rows("epochs"), 4);
    let held = to.0.lock().expect("no panic");
    let of = |table: &str, log: i64| -> Vec<Row> {
        held.rows.iter().filter(|(name, row)| *name == table && number(&row[0]) == Some(log)).map(|(_, row)| row.clone()).collect()
    };
    let chain = of("epochs", 2);
    let new = number(&chain[2][2]).expect("an epoch");
    assert!(![6, 7].contains(&new));
    let numbers: Vec<_> = chain[2].iter().take(4).map(number).collect();
    assert_eq!(numbers, [2, 2, new, 4].map(Some), "the third link, from behind the head");
    assert!(matches!(&chain[2][4], Value::Text(Some(cause)) if cause == "lost something"));
    assert_eq!((number(&of("logs", 2)[0][4]), number(&of("logs", 1)[0][4])), (Some(new), Some(7)));
    assert_eq!(of("epochs", 1).len(), 1);
}
