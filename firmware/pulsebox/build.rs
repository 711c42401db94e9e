//! The page lies inside the binary, so it must be built first: this says so in words instead of a macro's.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Asked for now and not when this was compiled: two work trees may share one target folder.
    let here = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    let index = Path::new(&here).join("../ui/dist/index.html");
    println!("cargo::rerun-if-changed=../ui/dist");
    if index.is_file() {
        return ExitCode::SUCCESS;
    }
    println!("cargo::error=the page is not built: run `make page` (or npm ci && npm run build in firmware/ui)");
    ExitCode::FAILURE
}
