//! Colours and widths of output for people.

use std::io::{self, IsTerminal};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Color, Style as Paint};
use clap::ValueEnum;

use crate::sink::Sink;

/// The cases in which colours are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    Always,
    Never,
}

/// The width of lines if there is no terminal.
const WIDTH: usize = 100;

/// The minimum width of lines, even if the terminal is narrower.
const NARROWEST: usize = 40;

/// The look of a report.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) colours: bool,
    /// The columns of a line.
    pub(crate) width: usize,
    /// True if the lines of the text are wrapped at the width.
    pub(crate) wraps: bool,
}

/// Colours of labels that most people can distinguish; a label's name always stands next to its colour.
const COLOURS: [AnsiColor; 6] = [
    AnsiColor::Cyan,
    AnsiColor::Yellow,
    AnsiColor::Magenta,
    AnsiColor::Green,
    AnsiColor::Blue,
    AnsiColor::Red,
];

impl Style {
    /// The style for `out`.
    pub(crate) fn of(when: When, out: &Sink) -> Self {
        let is_terminal = out.is_standard_output() && io::stdout().is_terminal();
        let colours = match when {
            When::Always => true,
            When::Never => false,
            When::Auto if out.is_standard_output() => AutoStream::choice(&io::stdout()) != ColorChoice::Never,
            When::Auto => false,
        };
        let size = if is_terminal { terminal_size::terminal_size() } else { None };
        let width = size.map_or(WIDTH, |(width, _)| usize::from(width.0).max(NARROWEST));
        Self { colours, width, wraps: is_terminal }
    }

    /// `text` in the colour of label number `label`.
    pub(crate) fn label(&self, label: usize, text: &str) -> String {
        let colour = COLOURS[label % COLOURS.len()];
        let paint = Paint::new().fg_color(Some(Color::Ansi(colour))).bold();
        self.paint(paint, text)
    }

    pub(crate) fn heading(&self, text: &str) -> String {
        self.paint(Paint::new().bold(), text)
    }

    pub(crate) fn dim(&self, text: &str) -> String {
        self.paint(Paint::new().dimmed(), text)
    }

    fn paint(&self, paint: Paint, text: &str) -> String {
        match self.colours {
            true => format!("{paint}{text}{paint:#}"),
            false => text.to_owned(),
        }
    }
}
