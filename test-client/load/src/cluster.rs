//! The PostgreSQL server on which chaincast is measured: a fresh database for each measurement, and what the server counts.

use anyhow::Context as _;
use postgres::{Client, NoTls};

use crate::usage::{self, Usage};

const DATABASE: &str = "chaincast_load";

/// A server, by the URL of a superuser's database.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    url: String,
}

impl Cluster {
    pub(crate) fn new(url: String) -> Self {
        Self { url }
    }

    /// The URL of the database under measurement.
    pub(crate) fn database(&self) -> anyhow::Result<String> {
        let (server, _) = self.url.rsplit_once('/').context("the URL names no database")?;
        Ok(format!("{server}/{DATABASE}"))
    }

    /// Makes that database anew.
    pub(crate) fn fresh_database(&self) -> anyhow::Result<String> {
        let mut client = connect(&self.url)?;
        client.batch_execute(&format!("DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)"))?;
        client.batch_execute(&format!("CREATE DATABASE {DATABASE}"))?;
        // what the last one left behind is not to be written out while this one is measured
        client.batch_execute("CHECKPOINT")?;
        self.database()
    }

    /// Makes each commit of the database under measurement wait before it is flushed.
    pub(crate) fn delay_commits(&self, microseconds: u32) -> anyhow::Result<()> {
        let mut client = connect(&self.url)?;
        client.batch_execute(&format!("ALTER DATABASE {DATABASE} SET commit_delay = {microseconds}"))?;
        Ok(client.batch_execute(&format!("ALTER DATABASE {DATABASE} SET commit_siblings = 0"))?)
    }

    /// Transactions that the database under measurement has committed, as the server has counted so far.
    pub(crate) fn commits(&self) -> anyhow::Result<i64> {
        let row = connect(&self.url)?.query_one("SELECT xact_commit FROM pg_stat_database WHERE datname = $1", &[&DATABASE])?;
        Ok(row.get(0))
    }

    /// What the server's processes have taken; sessions that have ended are not in it. The server has to be on this machine.
    pub(crate) fn usage(&self) -> anyhow::Result<Usage> {
        let row = connect(&self.url)?.query_one("SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)", &[])?;
        usage::of_tree(row.get::<_, &str>(0).parse().context("postmaster.pid begins with no number")?)
    }
}

/// A connection.
pub(crate) fn connect(url: &str) -> anyhow::Result<Client> {
    Client::connect(url, NoTls).context("can't connect to PostgreSQL")
}
