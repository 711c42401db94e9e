//! `pulsebox password`: for a password that is forgotten.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use pulsebox::web::{Forgotten, forget_password};

use super::fail;

/// Forgets the password that is kept in `data`, and ends every session. Exit 0, or 1 where it could not.
pub fn forget(data: &Path) -> ExitCode {
    if !data.is_dir() {
        let problem = format!("{}: there is no such folder; name the one of `pulsebox run --data DIR`", data.display());
        return fail(1, &problem);
    }
    let told = match forget_password(data) {
        Ok(Forgotten::Nothing) => {
            format!("There is no password in {}: open the page and set one.", data.display())
        }
        Ok(Forgotten::Password { sessions }) => format!(
            "The password is forgotten, and {sessions} {} ended; tokens stay. A running Pulsebox knows it within 2 s.\n\
             Open the page now and set a new one: whoever opens it first does.",
            if sessions == 1 { "session has" } else { "sessions have" }
        ),
        Ok(Forgotten::Damaged) => "The file was damaged; it is set aside as access.json.damaged, and its password, \
             sessions and tokens are gone. A running Pulsebox knows it within 2 s.\n\
             Open the page now and set a new password: whoever opens it first does."
            .to_owned(),
        Err(error) => {
            let advice = "run this as the user that Pulsebox runs as, or with sudo";
            return fail(1, &format!("{}: the password cannot be forgotten ({error}); {advice}", data.display()));
        }
    };
    let _ = writeln!(io::stdout(), "{told}");
    ExitCode::SUCCESS
}
