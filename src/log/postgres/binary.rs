//! Rows in the binary format of COPY: exact, and without anything to escape.
//!
//! <https://www.postgresql.org/docs/current/sql-copy.html>, "Binary Format".

use crate::log::{
    LogError,
    access::calls::Value,
    transfer::{Kind, Row},
};

const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();
const NULL: [u8; 4] = (-1_i32).to_be_bytes();

/// These rows, each with a value of every kind and then `last`, if given.
pub(super) fn encode(rows: &[Row], kinds: &[Kind], last: Option<&str>) -> Result<Vec<u8>, LogError> {
    let mut bytes = HEADER.to_vec();
    let fields = i16::try_from(kinds.len() + usize::from(last.is_some())).map_err(|_| misfit("too many columns"))?;
    for row in rows {
        if row.len() != kinds.len() {
            return Err(misfit("a row of another table"));
        }
        bytes.extend(fields.to_be_bytes());
        for (value, kind) in row.iter().zip(kinds) {
            field(&mut bytes, value, *kind)?;
        }
        if let Some(last) = last {
            sized(&mut bytes, last.as_bytes())?;
        }
    }
    bytes.extend(TRAILER);
    Ok(bytes)
}

fn field(bytes: &mut Vec<u8>, value: &Value, kind: Kind) -> Result<(), LogError> {
    match (kind, value) {
        (_, Value::Number(None) | Value::Text(None) | Value::Bytes(None)) => {
            bytes.extend(NULL);
            Ok(())
        }
        (Kind::Small, Value::Number(Some(number))) => {
            sized(bytes, &i16::try_from(*number).map_err(|_| misfit("a number is too large"))?.to_be_bytes())
        }
        (Kind::Integer, Value::Number(Some(number))) => {
            sized(bytes, &i32::try_from(*number).map_err(|_| misfit("a number is too large"))?.to_be_bytes())
        }
        (Kind::Big, Value::Number(Some(number))) => sized(bytes, &number.to_be_bytes()),
        (Kind::Text, Value::Text(Some(text))) => sized(bytes, text.as_bytes()),
        (Kind::Bytes, Value::Bytes(Some(value))) => sized(bytes, value),
        _ => Err(misfit("a value of another kind")),
    }
}

fn sized(bytes: &mut Vec<u8>, value: &[u8]) -> Result<(), LogError> {
    bytes.extend(i32::try_from(value.len()).map_err(|_| misfit("a value is too long"))?.to_be_bytes());
    bytes.extend(value);
    Ok(())
}

fn misfit(why: &str) -> LogError {
    LogError::Content(format!("cannot be stored: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_has_its_length_before_it_and_null_has_none() {
        let row = vec![Value::Number(Some(-2)), Value::Text(Some("é".into())), Value::Bytes(None)];
        let bytes = encode(&[row], &[Kind::Integer, Kind::Text, Kind::Bytes], Some("x")).expect("fits");
        let row = [&[0, 4, 0, 0, 0, 4, 255, 255, 255, 254, 0, 0, 0, 2][..], "é".as_bytes(), &NULL, &[0, 0, 0, 1, b'x', 255, 255]].concat();
        assert_eq!(bytes, [HEADER, &row].concat());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (value, kind) in [(Value::Number(Some(1 << 40)), Kind::Integer), (Value::Text(Some("1".into())), Kind::Big)] {
            assert!(matches!(encode(&[vec![value]], &[kind], None), Err(LogError::Content(_))));
        }
        assert!(encode(&[Vec::new()], &[Kind::Big], None).is_err());
    }
}
