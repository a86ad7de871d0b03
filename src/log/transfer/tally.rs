//! What a table came to: how many rows, and a digest of them that does not depend on their order.

use sha2::{Digest as _, Sha256};

use super::Row;
use crate::log::access::calls::Value;

/// Rows that were read or written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) rows: u64,
    /// The sum of the rows' digests: whoever compares two of these looks for faults, not for forgers.
    sum: u128,
}

impl Tally {
    pub(super) fn add(&mut self, row: &Row) {
        let mut digest = Sha256::new();
        for value in row {
            match value {
                Value::Number(None) | Value::Text(None) | Value::Bytes(None) => digest.update([0]),
                Value::Number(Some(number)) => {
                    digest.update([1]);
                    digest.update(number.to_be_bytes());
                }
                // with their length, or what moved from one column to the next would not be noticed
                Value::Text(Some(text)) => sized(&mut digest, text.as_bytes()),
                Value::Bytes(Some(bytes)) => sized(&mut digest, bytes),
            }
        }
        let digest: [u8; 32] = digest.finalize().into();
        let half = digest.first_chunk().copied().unwrap_or_default();
        self.rows += 1;
        self.sum = self.sum.wrapping_add(u128::from_be_bytes(half));
    }
}

fn sized(digest: &mut Sha256, bytes: &[u8]) {
    digest.update([2]);
    digest.update((bytes.len() as u64).to_be_bytes());
    digest.update(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(rows: &[Row]) -> Tally {
        let mut tally = Tally::default();
        rows.iter().for_each(|row| tally.add(row));
        tally
    }

    fn row(texts: [&str; 2]) -> Row {
        texts.map(|text| Value::Text(Some(text.to_owned()))).into()
    }

    #[test]
    fn rows_count_in_any_order_and_every_byte_counts() {
        let rows = [row(["a", "b"]), row(["a", "c"])];
        assert_eq!(tally(&rows), tally(&[rows[1].clone(), rows[0].clone()]));
        let others = [[row(["ab", ""]), rows[1].clone()], [rows[0].clone(), rows[0].clone()], [rows[0].clone(), row(["a", "d"])]];
        for other in others {
            assert_ne!(tally(&rows), tally(&other));
        }
        assert_ne!(tally(&[vec![Value::Number(None)]]), tally(&[vec![Value::Number(Some(0))]]));
    }
}
