//! The older text format, for scrapers that ask for `text/plain`, as it is told in OpenMetrics.
//!
//! The two differ in what a family is called: here a counter's name has its `_total`, and an info is a gauge called `_info`. Units and the end mark
//! are left out.

use std::fmt::Write as _;

/// `text` is what [`prometheus_client`] writes.
pub(super) fn of_openmetrics(text: &str) -> String {
    let kinds: std::collections::HashMap<&str, &str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    let mut classic = String::with_capacity(text.len());
    for line in text.lines() {
        let told =
            line.strip_prefix("# HELP ").map(|rest| ("HELP", rest)).or_else(|| line.strip_prefix("# TYPE ").map(|rest| ("TYPE", rest)));
        let Some((word, (name, rest))) = told.and_then(|(word, rest)| Some((word, rest.split_once(' ')?))) else {
            if !line.starts_with('#') {
                classic.push_str(line);
                classic.push('\n');
            }
            continue;
        };
        let (suffix, kind) = match kinds.get(name) {
            Some(&"counter") => ("_total", "counter"),
            Some(&"info") => ("_info", "gauge"),
            other => ("", other.copied().unwrap_or("untyped")),
        };
        let rest = if word == "TYPE" { kind } else { rest };
        // a `String` takes everything
        let _ = writeln!(classic, "# {word} {name}{suffix} {rest}");
    }
    classic
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_called_as_their_series_are() {
        let text = "# HELP a Some.\n# TYPE a counter\na_total 1\n# HELP b_seconds Time.\n# TYPE b_seconds gauge\n# UNIT b_seconds seconds\n\
                    b_seconds 2\n# HELP c What.\n# TYPE c info\nc_info{d=\"e\"} 1\n# EOF\n";
        let classic = "# HELP a_total Some.\n# TYPE a_total counter\na_total 1\n# HELP b_seconds Time.\n# TYPE b_seconds gauge\nb_seconds 2\n\
                       # HELP c_info What.\n# TYPE c_info gauge\nc_info{d=\"e\"} 1\n";
        assert_eq!(of_openmetrics(text), classic);
    }
}
