//! Faults under load: real instances on one store, publishers, a crowd of subscribers that come back to any instance, and something that breaks.
//!
//! Every scenario ends in the same verdict ([`ledger`]): what each subscriber was sent is held against the log as the store itself has it.
//! Figures are reported, in a row each ([`row`]), and never asserted. Scenarios run one after the other, so that none starves another.

mod backplanes;
mod crowd;
mod databases;
mod disk;
mod failover;
mod ledger;
mod ledger_tests;
mod load;
mod networks;
mod processes;
mod record;
mod retention;
mod row;
mod scene;
mod setup;
mod transcript;
mod verdict;
