//! The progress of a batch on a terminal; nothing where standard error is no terminal or JSON is asked for.

use crate::control::{Answer, Progress};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;

fn is_shown(json: bool) -> bool {
    !json && std::io::stderr().is_terminal()
}

/// A bar that follows bytes.
pub(super) struct Reading {
    bar: ProgressBar,
}

impl Reading {
    pub(super) fn new(json: bool, what: &str) -> Self {
        let target = if is_shown(json) { ProgressDrawTarget::stderr_with_hz(10) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        let style = ProgressStyle::with_template("{prefix:14} [{bar:30}] {binary_bytes}/{binary_total_bytes} {elapsed}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("█▉░"));
        bar.set_prefix(what.to_owned());
        Self { bar }
    }

    /// Shows how far it is.
    pub(super) fn show(&mut self, done: u64, of: u64) {
        self.bar.set_length(of);
        self.bar.set_position(done);
    }

    pub(super) fn finish(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A count that rises towards an end that nobody knows.
pub(super) struct Counting {
    bar: ProgressBar,
}

impl Counting {
    pub(super) fn new(json: bool, what: &str, of: &str) -> Self {
        let target = if is_shown(json) { ProgressDrawTarget::stderr_with_hz(10) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        let style = ProgressStyle::with_template("{spinner} {prefix}  {human_pos} {msg}  {elapsed}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(what.to_owned());
        bar.set_message(of.to_owned());
        Self { bar }
    }

    /// Shows how far it is.
    pub(super) fn show(&mut self, count: u64) {
        self.bar.set_position(count);
    }

    pub(super) fn finish(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A bar that follows answers.
pub(super) struct Bar {
    bar: ProgressBar,
}

impl Bar {
    pub(super) fn new(json: bool) -> Self {
        let target = if is_shown(json) { ProgressDrawTarget::stderr_with_hz(10) } else { ProgressDrawTarget::hidden() };
        Self::styled(ProgressBar::with_draw_target(None, target))
    }

    /// One of several bars.
    pub(super) fn among(bars: &MultiProgress, json: bool) -> Self {
        if !is_shown(json) {
            bars.set_draw_target(ProgressDrawTarget::hidden());
        }
        Self::styled(bars.add(ProgressBar::no_length()))
    }

    fn styled(bar: ProgressBar) -> Self {
        let style = ProgressStyle::with_template("{spinner} {prefix}  [{bar:36}] {pos}/{len} jobs  {elapsed}  {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("█▉░"));
        bar.set_prefix("reading");
        Self { bar }
    }

    /// Shows what an answer says about the way.
    pub(super) fn show(&mut self, answer: &Answer) {
        match answer {
            Answer::Accepted { batch, resumed, .. } => {
                let how = if *resumed { "continues" } else { "accepted" };
                self.bar.set_prefix(format!("{batch} {how}"));
            }
            Answer::Progress(progress) => self.step(progress),
            _ => {}
        }
    }

    fn step(&self, progress: &Progress) {
        let through = progress.total - progress.queued - progress.in_flight;
        self.bar.set_length(u64::try_from(progress.total).unwrap_or(0));
        self.bar.set_position(u64::try_from(through).unwrap_or(0));
        self.bar.set_message(format!(
            "{} delivered · {} waiting · {} under way · {} other",
            progress.delivered, progress.queued, progress.in_flight, progress.other
        ));
    }

    pub(super) fn finish(&mut self) {
        self.bar.finish_and_clear();
    }
}
