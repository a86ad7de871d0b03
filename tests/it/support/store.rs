//! The two stores that the log lives in; scenarios that do not depend on one run on both.

use std::path::PathBuf;

use tempfile::TempDir;

use super::postgres::TestDatabase;

/// A store of one test's own, gone with it.
pub(crate) enum Store {
    /// A file in a directory of its own.
    Sqlite(TempDir),
    /// A database of its own on the test server.
    Postgres(TestDatabase),
}

impl Store {
    /// A new, empty file.
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(TempDir::new().expect("a temporary directory"))
    }

    /// A new, empty database.
    pub(crate) async fn postgres() -> Self {
        Self::Postgres(TestDatabase::create().await)
    }

    /// What `DATABASE_URL` says.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(_) => format!("sqlite://{}", self.sqlite_file().display()),
            Self::Postgres(database) => database.url(),
        }
    }

    /// Where the SQLite file is.
    pub(crate) fn sqlite_file(&self) -> PathBuf {
        match self {
            Self::Sqlite(dir) => dir.path().join("log.db"),
            Self::Postgres(_) => panic!("not a SQLite store"),
        }
    }
}

/// Makes two tests of each scenario `async fn name(store: Store) { … }`: `name::sqlite` and `name::postgres`.
macro_rules! for_each_store {
    ($($(#[$meta:meta])* async fn $name:ident($store:ident: Store) $body:block)+) => {$(
        $(#[$meta])*
        mod $name {
            use super::*;

            async fn scenario($store: Store) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                scenario(Store::sqlite()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                scenario(Store::postgres().await).await;
            }
        }
    )+};
}
pub(crate) use for_each_store;
