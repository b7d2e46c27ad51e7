//! Where the table is shown: on a terminal with colours and a progress bar, in a file or pipe
//! as plain lines.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::table::{self, Colour, Looks, Row};

/// Columns of a terminal that does not say how many it has.
const WIDTH: usize = 80;

/// Standard output, as the tour sees it.
pub(crate) struct Screen {
    looks: Looks,
    bar: Option<ProgressBar>,
}

impl Screen {
    /// Finds out what standard output is.
    pub(crate) fn new() -> Self {
        let terminal = io::stdout().is_terminal();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let width = terminal_size::terminal_size_of(io::stdout()).map_or(WIDTH, |(width, _)| width.0.into());
        let colour = if terminal && !plain && !dumb { Colour::On } else { Colour::Off };
        Self { looks: Looks { width: terminal.then_some(width), colour }, bar: None }
    }

    /// Begins the table; on a terminal a bar below it counts to `steps`.
    ///
    /// # Errors
    /// Standard output is gone.
    pub(crate) fn begin(&mut self, steps: usize) -> io::Result<()> {
        self.say(&table::heading(self.looks))?;
        if self.looks.width.is_some() {
            let bar = ProgressBar::with_draw_target(Some(steps as u64), ProgressDrawTarget::stdout());
            let style = match self.looks.colour {
                Colour::On => "      {bar:40.green} {pos}/{len} {msg}",
                Colour::Off => "      {bar:40} {pos}/{len} {msg}",
            };
            // The template is fixed; were it wrong, the bar would look as it does by default.
            bar.set_style(
                ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar.enable_steady_tick(Duration::from_millis(100));
            self.bar = Some(bar);
        }
        Ok(())
    }

    /// Says below the table what goes on now; on a terminal only.
    pub(crate) fn doing(&self, what: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(what.to_owned());
        }
    }

    /// Adds a row, and a step to the bar.
    ///
    /// # Errors
    /// Standard output is gone.
    pub(crate) fn row(&self, row: &Row) -> io::Result<()> {
        self.say(&table::line(row, self.looks))?;
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
        Ok(())
    }

    /// Ends the table.
    pub(crate) fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// A line of text, above the bar where there is one.
    ///
    /// # Errors
    /// Standard output is gone.
    pub(crate) fn say(&self, text: &str) -> io::Result<()> {
        let write = || {
            let mut out = io::stdout().lock();
            writeln!(out, "{text}")?;
            out.flush()
        };
        let written = match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        };
        match written {
            // Nobody reads any more (`postern try | head`): the trial goes on.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written,
        }
    }
}
