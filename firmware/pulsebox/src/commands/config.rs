//! `pulsebox config check FILE`.
use std::path::Path;
use std::process::ExitCode;
pub fn check(_file: &Path) -> ExitCode { ExitCode::SUCCESS }
