//! Manual pages and shell completions, made from the arguments.

use super::{Arguments, Tools};
use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The section of system administration.
const SECTION: &str = "8";

/// Write manual pages and shell completions to a directory
///
/// For packages, and for hosts that have none: man/NAME.8 for man, completions/NAME.bash, _NAME (zsh) and NAME.fish for
/// shells.
#[derive(Debug, clap::Args)]
pub struct GenerateArgs {
    /// The directory, which is created if need be
    #[arg(value_name = "DIRECTORY")]
    directory: PathBuf,
}

impl GenerateArgs {
    /// Writes the texts of the program that has these arguments and tools.
    ///
    /// # Errors
    ///
    /// One line that names the file that cannot be written, and why.
    pub fn run<A: Arguments, T: Tools>(&self) -> Result<ExitCode, String> {
        let command = whole(A::command(), &T::command());
        write_pages(&command, &self.directory.join("man"))?;
        write_completions(command, &self.directory.join("completions"))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The program with its tools, as one command.
fn whole(program: Command, tools: &Command) -> Command {
    let mut whole = program
        .subcommands(tools.get_subcommands().cloned())
        .subcommand_negates_reqs(true)
        .disable_help_subcommand(true);
    whole.build();
    whole
}

/// A page for the program and for each of its tools: `tcpcopy.8`, `tcpcopy-check.8`.
fn write_pages(command: &Command, directory: &Path) -> Result<(), String> {
    std::iter::once(command).chain(command.get_subcommands()).try_for_each(|part| {
        let name = part.get_display_name().unwrap_or(part.get_name());
        let page = Man::new(part.clone())
            .title(name)
            .section(SECTION)
            .source(concat!("tcpcopy ", env!("CARGO_PKG_VERSION")))
            .manual("System Administration");
        write(&directory.join(format!("{name}.{SECTION}")), |file| {
            page.render_title(file)?;
            page.render_name_section(file)?;
            page.render_synopsis_section(file)?;
            page.render_description_section(file)?;
            page.render_options_section(file)?;
            if part.has_subcommands() {
                page.render_subcommands_section(file)?;
            }
            part.get_after_long_help().map_or(Ok(()), |notes| write_notes(&notes.to_string(), file))
        })
    })
}

/// Notes with their line breaks and indentation (`.IP` of `groff_man(7)`), which `clap_mangen` would fill.
fn write_notes(notes: &str, file: &mut BufWriter<File>) -> io::Result<()> {
    writeln!(file, ".SH NOTES\n.PD 0")?;
    for line in notes.lines() {
        let text = line.trim_start();
        let escaped = text.replace('\\', "\\e").replace('-', "\\-");
        match (text.is_empty(), line.len() - text.len()) {
            (true, _) => writeln!(file, ".sp")?,
            (false, 0) => writeln!(file, ".PP\n\\&{escaped}")?,
            (false, indent) => writeln!(file, ".IP \"\" {indent}\n\\&{escaped}")?,
        }
    }
    Ok(())
}

fn write_completions(mut command: Command, directory: &Path) -> Result<(), String> {
    let name = command.get_name().to_owned();
    for (shell, file) in [
        (Shell::Bash, format!("{name}.bash")),
        (Shell::Zsh, format!("_{name}")),
        (Shell::Fish, format!("{name}.fish")),
    ] {
        write(&directory.join(file), |file| {
            clap_complete::generate(shell, &mut command, &name, file);
            Ok(())
        })?;
    }
    Ok(())
}

fn write(path: &Path, text: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> Result<(), String> {
    let attempt = || {
        std::fs::create_dir_all(path.parent().unwrap_or(path))?;
        let mut file = BufWriter::new(File::create(path)?);
        text(&mut file)?;
        file.flush()
    };
    attempt().map_err(|error| format!("cannot write '{}': {error}", path.display()))
}
