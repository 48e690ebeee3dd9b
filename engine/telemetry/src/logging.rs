//! Logs: `tracing` events to stderr, as text or as JSON lines.
//!
//! Only the binary calls [`start`]. What keeps persons out of the logs is not a filter here but the types of `model`,
//! whose `Debug` shows stars; the test below holds the two together.

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

/// Why logging could not start. For the operator.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The filter is not of the form `info,journal=debug`.
    #[error("the log filter `{filter}` is not valid: {source}; expected levels by target, such as `info,egress=debug`")]
    Filter {
        /// What was typed.
        filter: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Logging was started before in this process.
    #[error("logging was started twice in this process: {0}")]
    Started(#[from] tracing_subscriber::util::TryInitError),
}

/// Sends the events of this process that pass `filter` (`info,journal=debug`) to stderr.
///
/// # Errors
/// [`LoggingError`] where the filter is not valid or logging was started before.
pub fn start(json: bool, filter: &str) -> Result<(), LoggingError> {
    Ok(subscriber(json, filter, std::io::stderr)?.try_init()?)
}

/// What [`start`] installs, with another place to write to: for tests that read the log.
///
/// # Errors
/// [`LoggingError::Filter`].
pub fn subscriber<W>(json: bool, filter: &str, writer: W) -> Result<Box<dyn Subscriber + Send + Sync>, LoggingError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let levels = EnvFilter::try_new(filter).map_err(|source| LoggingError::Filter { filter: filter.to_owned(), source })?;
    let builder = tracing_subscriber::fmt().with_env_filter(levels).with_writer(writer).with_ansi(false);
    Ok(if json { Box::new(builder.json().finish()) } else { Box::new(builder.finish()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Mailbox, Private, Recipient};
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no test panics while it writes").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(json: bool, filter: &str, event: impl FnOnce()) -> String {
        let written = Written::default();
        let sink = written.clone();
        tracing::subscriber::with_default(subscriber(json, filter, move || sink.clone()).expect("the filter is valid"), event);
        String::from_utf8(written.0.lock().expect("nobody writes any more").clone()).expect("logs are UTF-8")
    }

    #[test]
    fn a_person_does_not_reach_the_log() {
        let recipient = Recipient {
            mailbox: Mailbox::parse("ada.lovelace@example.com").unwrap(),
            name: Private::from("Ada Lovelace"),
            address_version: 1,
            language: None,
            on_behalf_of: false,
        };
        for json in [false, true] {
            let log = logged(json, "info", || tracing::info!(?recipient, mailbox = ?recipient.mailbox, "to {:?}", recipient.name));
            assert!(log.contains("***@example.com"), "{log}");
            assert!(!log.to_lowercase().contains("ada") && !log.to_lowercase().contains("lovelace"), "{log}");
        }
    }

    #[test]
    fn the_filter_holds_by_target_and_json_is_one_object_a_line() {
        let log = logged(true, "warn,journal=debug", || {
            tracing::info!(target: "egress", "not this");
            tracing::debug!(target: "journal", segment = 3, "synced");
        });
        let line: serde_json::Value = serde_json::from_str(&log).unwrap();
        assert_eq!((&line["target"], &line["fields"]["segment"]), (&"journal".into(), &3.into()));
    }

    #[test]
    fn a_filter_that_is_not_one_is_refused_with_an_example() {
        let error = subscriber(false, "journal=loud", std::io::stderr).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("such as `info,egress=debug`"), "{error}");
    }
}
