//! Shell completions and manual pages, generated from the command line.

use std::io;

use clap::CommandFactory;

use crate::args::{Cli, CompletionsArgs, ManArgs};
use crate::failure::Failure;
use crate::output;

pub(crate) fn completions(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "entopic", &mut script);
    output::print(&String::from_utf8_lossy(&script))
}

pub(crate) fn man(args: &ManArgs) -> Result<(), Failure> {
    let failed = |error: &io::Error| Failure::because("the manual cannot be written", error);
    if let Some(folder) = &args.folder {
        std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
        return clap_mangen::generate_to(Cli::command(), folder).map_err(|error| failed(&error));
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page).map_err(|error| failed(&error))?;
    output::print(&String::from_utf8_lossy(&page))
}
