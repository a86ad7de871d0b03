//! The bar for the append: the rows that chaincast has stored, loaded anew into the same tables by COPY, a batch a transaction.

use std::{
    io::{Read as _, Write as _},
    time::Instant,
};

use postgres::Client;

use crate::cluster::{self, Cluster};

/// The append's tables, and the column that says to which event a row belongs.
const TABLES: [&str; 3] = ["events", "ids", "postings"];

/// Events a second that COPY loads into the tables that the last measurement has filled.
pub(super) fn measure(cluster: &Cluster, batch: u64) -> anyhow::Result<f64> {
    let mut client = cluster::connect(&cluster.database()?)?;
    let head: i64 = client.query_one("SELECT max(seq) FROM events", &[])?.get(0);
    let batches: Vec<_> = (1..=head).step_by(batch as usize).map(|from| from..(from + batch as i64).min(head + 1)).collect();
    let rows = batches.iter().map(|seqs| TABLES.map(|table| read(&mut client, table, seqs.start, seqs.end))).collect::<Vec<_>>();
    client.batch_execute("TRUNCATE events, ids, postings")?;
    client.batch_execute("CHECKPOINT")?;
    let copies =
        TABLES.iter().map(|table| client.prepare(&format!("COPY {table} FROM STDIN (FORMAT binary)"))).collect::<Result<Vec<_>, _>>()?;
    let started = Instant::now();
    for tables in rows {
        let mut transaction = client.transaction()?;
        for (copy, rows) in copies.iter().zip(tables) {
            let mut writer = transaction.copy_in(copy)?;
            writer.write_all(&rows?)?;
            writer.finish()?;
        }
        transaction.commit()?;
    }
    Ok(head as f64 / started.elapsed().as_secs_f64())
}

fn read(client: &mut Client, table: &str, from: i64, to: i64) -> anyhow::Result<Vec<u8>> {
    let mut rows = Vec::new();
    let query = format!("COPY (SELECT * FROM {table} WHERE seq >= {from} AND seq < {to}) TO STDOUT (FORMAT binary)");
    client.copy_out(&query)?.read_to_end(&mut rows)?;
    Ok(rows)
}
