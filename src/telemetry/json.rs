//! A line for machines: one flat JSON object, without objects within.
//!
//! `timestamp` (RFC 3339, UTC), `level`, `target` and `message` come first, then what the occurrence says, then what it is part of: `request_id` and
//! `trace_id` of a request stand beside everything else, where whoever searches the log looks for them. What has been said already is not repeated.

use std::fmt;

use serde_json::Value;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields, FormattedFields,
        format::Writer,
        time::{FormatTime as _, SystemTime},
    },
    registry::LookupSpan,
};

/// See the module.
pub(super) struct FlatJson;

impl<S, N> FormatEvent<S, N> for FlatJson
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut line = Line(Vec::new());
        let (level, target) = (event.metadata().level().as_str(), event.metadata().target());
        for (name, text) in [("timestamp", time.as_str()), ("level", level), ("target", target)] {
            line.put(name, text.into());
        }
        event.record(&mut line);
        for span in context.event_scope().into_iter().flatten() {
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>()
                && let Ok(Value::Object(fields)) = serde_json::from_str(&fields.fields)
            {
                fields.into_iter().for_each(|(name, value)| line.put(&name, value));
            }
        }
        for (position, (name, value)) in line.0.into_iter().enumerate() {
            writer.write_char(if position == 0 { '{' } else { ',' })?;
            write_escaped(&mut writer, &Value::String(name))?;
            writer.write_char(':')?;
            write_escaped(&mut writer, &value)?;
        }
        writer.write_str("}\n")
    }
}

/// Writes JSON without the control characters that it allows, which a terminal may take for commands.
fn write_escaped(writer: &mut Writer<'_>, value: &Value) -> fmt::Result {
    value.to_string().chars().try_for_each(|c| match c {
        '\u{7f}'..='\u{9f}' => write!(writer, "\\u{:04x}", u32::from(c)),
        c => writer.write_char(c),
    })
}

/// Names and values in the order in which they were said.
struct Line(Vec<(String, Value)>);

impl Line {
    /// What was said first holds.
    fn put(&mut self, name: &str, value: Value) {
        if !self.0.iter().any(|(known, _)| known == name) {
            self.0.push((name.to_owned(), value));
        }
    }
}

impl Visit for Line {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field.name(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // what `log` has to say beside the line is where in its source it was said
        if !field.name().starts_with("log.") {
            self.put(field.name(), format!("{value:?}").into());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use serde_json::Map;
    use tracing_subscriber::fmt::{MakeWriter, format::JsonFields};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Written {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    fn lines(json: bool, say: impl FnOnce()) -> Vec<String> {
        let written = Written::default();
        let lines = tracing_subscriber::fmt().with_writer(written.clone()).with_max_level(tracing::Level::DEBUG).with_ansi(false);
        if json {
            tracing::subscriber::with_default(lines.fmt_fields(JsonFields::new()).event_format(FlatJson).finish(), say);
        } else {
            tracing::subscriber::with_default(lines.fmt_fields(crate::telemetry::pretty::fields()).finish(), say);
        }
        let text = String::from_utf8(written.0.lock().expect("no panic").clone()).expect("UTF-8");
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_line_is_one_flat_object_with_what_it_is_part_of() {
        let lines = lines(true, || {
            let request = tracing::error_span!("request", request_id = "r-1", trace_id = %format!("{:032x}", 7));
            let _entered = request.enter();
            let within = tracing::info_span!("within", step = 2_u64, request_id = "hidden").entered();
            tracing::warn!(status = 500_u16, ok = false, share = 0.5, "it failed: {}", "so");
            drop(within);
            tracing::info!(request_id = "own", "again");
        });
        let objects: Vec<Map<String, Value>> = lines.iter().map(|line| serde_json::from_str(line).expect("an object")).collect();
        assert!(objects.iter().flat_map(Map::values).all(|value| !value.is_object() && !value.is_array()), "{objects:?}");
        let object = Value::Object(objects[0].clone());
        assert_eq!((&object["level"], &object["message"]), (&"WARN".into(), &"it failed: so".into()));
        assert_eq!((&object["status"], &object["ok"], &object["share"]), (&500.into(), &false.into(), &0.5.into()));
        assert_eq!((&object["step"], &object["trace_id"]), (&2.into(), &format!("{:032x}", 7).into()));
        assert!(crate::domain::Timestamp::parse(object["timestamp"].as_str().expect("text")).is_ok(), "{object}");
        assert_eq!(objects[1]["request_id"], "own");
    }

    #[test]
    fn nothing_that_is_logged_forges_a_line() {
        let hostile = "a\r\n{\"level\":\"ERROR\"}\n\u{1b}[31m\u{0}\u{7f}\u{9b}2J";
        for json in [true, false] {
            let lines = lines(json, || {
                let _request = tracing::error_span!("request", request_id = hostile).entered();
                tracing::info!(code = hostile, cause = %hostile, "said {hostile}");
            });
            assert_eq!(lines.len(), 1, "{lines:?}");
            assert!(!lines[0].contains(char::is_control), "{lines:?}");
        }
    }
}
