//! `chaincast keys`: what to do with keys, and what a new one may do.

use clap::{ArgGroup, Args, Subcommand, builder::NonEmptyStringValueParser};

/// What to do with keys.
#[derive(Subcommand, Clone, Debug, PartialEq, Eq)]
pub enum KeysCommand {
    /// Make a key, and print its secret this once
    ///
    /// The secret is all that is written to standard output, so that it can be kept: `KEY=$(chaincast keys create --name indexer
    /// --publish-types 'stream.*')`. What is not granted is not allowed. The first key ends open mode: from then on everyone needs a credential.
    Create(Box<NewKey>),
    /// List keys, revoked ones included
    List {
        /// Only this tenant's
        #[arg(long, value_name = "NAME")]
        tenant: Option<String>,
        /// One JSON array, for programs
        #[arg(long)]
        json: bool,
    },
    /// Give a key another secret, and print it this once
    ///
    /// Both secrets are taken for a while, so that publishers can be moved to the new one without a pause.
    Rotate {
        /// The key's id: what stands between `cck_` and the next `_`
        id: String,
        /// How long the old secret is still taken, 30 days at most; 0 ends it at once
        #[arg(long, value_name = "SECONDS", default_value_t = 86_400)]
        overlap_seconds: u64,
    },
    /// End a key: within a second no instance takes it, and its streams are closed
    Revoke {
        /// The key's id
        id: String,
    },
}

/// A key that is wanted.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
#[command(group(ArgGroup::new("granted").multiple(true).required(true)))]
pub struct NewKey {
    /// What its owner calls it
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    pub name: String,
    /// Make a key that signs publish requests (Standard Webhooks) and never travels; needs CHAINCAST_SECRET
    #[arg(long)]
    pub signing: bool,
    /// Whose log it is for
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub tenant: String,
    /// May publish events of these types, such as `stream.*`; `**` is every type
    #[arg(long, value_name = "PATTERN,…", value_delimiter = ',', group = "granted")]
    pub publish_types: Vec<String>,
    /// May publish under these topics; without it, under any
    #[arg(long, value_name = "PATTERN,…", value_delimiter = ',', requires = "publish_types")]
    pub publish_topics: Vec<String>,
    /// Publishes under this source, the scope of its events' ids; several keys may share one
    #[arg(long, value_name = "NAME", requires = "publish_types")]
    pub source: Option<String>,
    /// May follow these streams
    #[arg(long, value_name = "ID,…", value_delimiter = ',', group = "granted")]
    pub subscribe_streams: Vec<String>,
    /// May follow these users
    #[arg(long, value_name = "ADDRESS,…", value_delimiter = ',', group = "granted")]
    pub subscribe_users: Vec<String>,
    /// May follow these topics, such as `market.**`
    #[arg(long, value_name = "PATTERN,…", value_delimiter = ',', group = "granted")]
    pub subscribe_topics: Vec<String>,
    /// May follow every event of its tenant
    #[arg(long, group = "granted")]
    pub subscribe_all: bool,
    /// May look after its tenant's keys and revocations
    #[arg(long, group = "granted")]
    pub admin: bool,
    /// May look after every tenant's, and read across them
    #[arg(long, group = "granted", conflicts_with = "admin")]
    pub super_admin: bool,
    /// All that it may do, as in a token: `{"publish":{"types":["stream.*"]},"role":"admin"}`
    #[arg(long, value_name = "JSON", group = "granted", conflicts_with_all = ["publish_types", "publish_topics", "source", "subscribe_streams",
        "subscribe_users", "subscribe_topics", "subscribe_all", "admin", "super_admin"])]
    pub rights: Option<String>,
    /// After how many days it is not taken any more; without it, never by itself
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub expires_in_days: Option<u32>,
}
