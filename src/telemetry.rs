//! Logs: one JSON line per event, or text on a terminal.

use std::{
    error::Error,
    fmt,
    io::{self, IsTerminal as _},
};

use serde_json::{Map, Value};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    EnvFilter, Registry,
    fmt::{
        FmtContext, FormatEvent, FormattedFields, MakeWriter,
        format::{JsonFields, Writer},
    },
    layer::SubscriberExt as _,
    registry::LookupSpan,
    util::SubscriberInitExt as _,
};

/// The server's log. Only stdout: the Functions host reads every line of stderr as an error.
pub fn to_stdout(filter: &str) {
    let terminal = io::stdout().is_terminal();
    init(filter, io::stdout, terminal, terminal);
}

/// A command's log: its stdout is its result.
pub fn to_stderr(filter: &str) {
    init(filter, io::stderr, true, io::stderr().is_terminal());
}

/// `filter` is a tracing filter; one that cannot be read counts as `info`.
fn init<W>(filter: &str, writer: W, text: bool, colours: bool)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let registry = Registry::default().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    // Fails if somebody logs already, as a test may: then theirs stays.
    let _ = if text {
        registry.with(layer.with_target(false).with_ansi(colours)).try_init()
    } else {
        registry.with(layer.fmt_fields(JsonFields::new()).event_format(JsonLine)).try_init()
    };
}

/// An error and its causes, in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// An event as one flat JSON object: its own fields and those of the spans around it, so that whoever
/// searches for an invocation or an operation need not know where its id was set.
struct JsonLine;

impl<S> FormatEvent<S, JsonFields> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Fields(Map::new());
        let metadata = event.metadata();
        #[expect(clippy::disallowed_methods, reason = "a log line tells when it was written")]
        line.put("timestamp", jiff::Timestamp::now().to_string());
        line.put("level", metadata.level().as_str());
        for span in context.event_scope().into_iter().flat_map(tracing_subscriber::registry::Scope::from_root)
        {
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<JsonFields>>();
            let fields = fields.and_then(|fields| serde_json::from_str::<Map<String, Value>>(fields).ok());
            line.0.extend(fields.into_iter().flatten());
        }
        event.record(&mut line);
        line.put("target", metadata.target());
        writeln!(writer, "{}", Value::Object(line.0))
    }
}

/// The fields of a line, in order.
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.put(field.name(), chain(value));
    }
}
