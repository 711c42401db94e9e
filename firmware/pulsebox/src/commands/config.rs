//! `pulsebox config …`: whether a configuration is right; taking one from the card; the files that it asks for.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use pulsebox::config::card::{self, Import, State};
use pulsebox::config::{Machine, left_over_network, network as parts, read_in_force};

use super::fail;

/// The card must be writable to go on: once more, please.
const READ_ONLY: u8 = 3;

/// Exit 0 with a word on what the file holds, or 1 with `FILE:LINE:COLUMN: what and what to do`.
pub fn check(file: &Path) -> ExitCode {
    match pulsebox::config::read(file) {
        Ok((config, warnings)) => {
            for warning in warnings {
                let _ = writeln!(io::stderr(), "{}:{warning}", file.display());
            }
            let cameras = config.cameras.len();
            let _ = writeln!(
                io::stdout(),
                "{}: right, {cameras} camera{}",
                file.display(),
                if cameras == 1 { "" } else { "s" }
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::from(1)
        }
    }
}

/// The command line of `pulsebox config import`.
#[derive(clap::Args)]
pub struct ImportArgs {
    /// The boot partition's folder, where a person puts pulsebox.yaml
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// The folder of the configuration in force
    #[arg(long, value_name = "DIR")]
    into: PathBuf,
    /// Leave the card's file where it is, because the other folder is in memory only
    #[arg(long)]
    keep: bool,
    /// Write what became of it into this file, as lines `key=value`
    #[arg(long, value_name = "FILE")]
    tell: Option<PathBuf>,
}

/// Takes a configuration from the card. Exit 0 where there was none or a good one, 1 where it is refused, 3 whatever
/// became of it where the card has to be writable for clearing one off: then the same again.
pub fn import(args: &ImportArgs) -> ExitCode {
    let job = Import { from: args.from.clone(), into: args.into.clone(), keep: args.keep };
    let told = card::import(&job);
    if let Some(fact) = &args.tell {
        let text = format!("state={}\nfile={}\nmessage={}\n", told.state.name(), told.file, told.message);
        if let Err(error) = tell(fact, &text) {
            let _ = fail(1, &format!("{}: cannot be written: {error}", fact.display()));
        }
    }
    // A removal that a cut interrupted is ended whatever else lies on the card: it hides passwords.
    let code = match (told.is_card_read_only, told.state) {
        (true, _) => READ_ONLY,
        (false, State::Refused) => 1,
        (false, _) => 0,
    };
    if told.state == State::Refused {
        return fail(code, &told.message);
    }
    let _ = writeln!(io::stdout(), "{}", if told.message.is_empty() { "nothing to take" } else { &told.message });
    ExitCode::from(code)
}

/// The command line of `pulsebox config network`.
#[derive(clap::Args)]
pub struct NetworkArgs {
    /// The configuration
    file: PathBuf,
    /// Where the files are written: /run
    #[arg(long, value_name = "DIR")]
    into: PathBuf,
}

/// Writes the network's files and prints what changed, one word a line: `name`, `wifi`, `ethernet`, `page`. Of a configuration
/// that is bad the last good one counts, as for the daemon; of a network that was on trial when the box went down, the former. Exit 0, 1 where a file cannot be written.
pub fn network(args: &NetworkArgs) -> ExitCode {
    let (mut config, fault) = read_in_force(&args.file, Machine::Appliance);
    if let Some(former) = left_over_network(&args.file, &args.into) {
        config.network = former;
    }
    if let Some(fault) = fault {
        let _ = writeln!(io::stderr(), "{fault}");
    }
    match parts::write(&config, &args.into) {
        Ok(changed) => {
            for part in changed {
                let _ = writeln!(io::stdout(), "{}", part.name());
            }
            ExitCode::SUCCESS
        }
        Err(error) => fail(1, &format!("{}: cannot be written: {error}", args.into.display())),
    }
}

/// Replaces a fact: whoever reads it finds the old one or the new one, whole.
fn tell(fact: &Path, text: &str) -> io::Result<()> {
    let temporary = fact.with_extension("new");
    fs::write(&temporary, text)?;
    fs::rename(temporary, fact)
}
