//! Times as people write them: `90s`, `10m`, `2h`, `7d`.

use std::time::Duration;

/// What is wanted where there is none.
pub(super) const WANTED: &str = "must be a number and s, m, h or d, such as 90s, 15m, 12h or 7d, and no more than 36500d";

/// The longest, a hundred years: so long ago, or so far ahead, is still a time of day that can be written.
const MOST: Duration = Duration::from_secs(36_500 * 86_400);

/// A whole number of seconds, minutes, hours or days, up to a hundred years.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let seconds = match text[digits..].trim_start() {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    text[..digits].parse::<u64>().ok()?.checked_mul(seconds).map(Duration::from_secs).filter(|long| *long <= MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_number_and_a_unit() {
        for (text, seconds) in
            [("90s", 90), ("15m", 900), ("5 m", 300), ("12h", 43_200), ("7d", 604_800), ("0s", 0), ("36500d", 3_153_600_000)]
        {
            assert_eq!(parse(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for bad in [
            "",
            "5",
            "h",
            "-1h",
            "+1h",
            "1.5h",
            "1w",
            "10mm",
            "10M",
            "1h ",
            " 1h",
            "1\u{e9}",
            "99999999999999999999d",
            "999999999999999999d",
            "36501d",
            "106751992d",
            "999999999999d",
            "9999999999999999s",
            "9223372036854775807s",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
