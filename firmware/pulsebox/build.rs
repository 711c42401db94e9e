//! The page lies inside the binary, so it must be built first: this says so in words instead of a macro's.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let index = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ui/dist/index.html");
    println!("cargo::rerun-if-changed=../ui/dist");
    if index.is_file() {
        return ExitCode::SUCCESS;
    }
    println!("cargo::error=the page is not built: run `make page` (or npm ci && npm run build in firmware/ui)");
    ExitCode::FAILURE
}
