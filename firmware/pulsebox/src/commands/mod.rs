//! What each command does.

pub mod button;
pub mod cameras;
pub mod check;
pub mod config;
pub mod leds;
pub mod mqtt;
pub mod password;
pub mod run;

use std::io::{self, Write};
use std::process::ExitCode;

use tokio::runtime::Runtime;

/// Exit code of wrong usage.
pub const USAGE: u8 = 2;

/// Says what is wrong and what to do, on stderr.
pub fn fail(code: u8, message: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "pulsebox: {message}");
    ExitCode::from(code)
}

/// The runtime, or why there is none.
pub fn runtime() -> Result<Runtime, ExitCode> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(std::thread::available_parallelism().map_or(2, usize::from).min(4))
        .enable_all()
        .build()
        .map_err(|e| fail(1, &format!("this system gives no threads or no event queue: {e}")))
}
