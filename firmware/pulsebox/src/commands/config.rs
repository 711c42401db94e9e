//! `pulsebox config check FILE`: whether a configuration is right.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

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
