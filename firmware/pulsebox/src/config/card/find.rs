//! Which file on the boot partition is the configuration: editors and browsers name it in their own ways.

use std::fs;
use std::path::Path;

/// What it should be called.
const NAME: &str = "pulsebox.yaml";
/// Settings that were taken, secrets masked.
pub(super) const TAKEN: &str = "pulsebox.taken.yaml";
/// A file that was taken and is to be overwritten and removed.
pub(super) const ERASE: &str = "pulsebox.erase";
/// Editors that hide endings add their own.
const ENDINGS: [&str; 5] = [".yaml.txt", ".yml.txt", ".yaml", ".yml", ".txt"];
/// A boot partition holds a few hundred files.
const LOOKED_AT: usize = 5000;

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    /// Its name.
    One(String),
    /// Which is meant, nobody can say.
    Several(Vec<String>),
    /// A file that looks like a configuration, by another name.
    Misnamed(String),
}

/// Looks through a folder, not below it.
pub(super) fn find(folder: &Path) -> std::io::Result<Found> {
    let mut names: Vec<String> = fs::read_dir(folder)?
        .take(LOOKED_AT)
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    let mut meant: Vec<String> = names.iter().filter(|name| is_ours(name)).cloned().collect();
    Ok(match meant.len() {
        0 => names.into_iter().find(|name| looks_alike(name)).map_or(Found::Nothing, Found::Misnamed),
        1 => Found::One(meant.remove(0)),
        _ => Found::Several(meant),
    })
}

/// `pulsebox.yaml` in any case, with an ending too many, or numbered as a copy is: `pulsebox (1).yaml`.
fn is_ours(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    if name == TAKEN {
        return false;
    }
    let Some(rest) = name.strip_prefix("pulsebox") else { return false };
    let Some(middle) = ENDINGS.iter().find_map(|ending| rest.strip_suffix(ending)) else { return false };
    let middle = middle.trim();
    let number = middle.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(middle);
    let number = number.trim_start_matches(['-', '_', ' ']);
    number.is_empty() || number == "copy" || number.len() <= 2 && number.bytes().all(|b| b.is_ascii_digit())
}

/// Not hidden ones: macOS puts `._NAME` beside each file.
fn looks_alike(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let is_yaml = ENDINGS.iter().any(|ending| *ending != ".txt" && name.ends_with(ending));
    is_yaml && !name.starts_with('.') && name != TAKEN
}

/// What to do about a file by another name.
pub(super) fn rename_it() -> String {
    format!("call it {NAME}, or delete it, and start the box again")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(names: &[&str]) -> Found {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            fs::write(folder.path().join(name), "").unwrap();
        }
        find(folder.path()).unwrap()
    }

    #[test]
    fn what_editors_and_browsers_call_it_is_understood() {
        for name in [
            "pulsebox.yaml",
            "PULSEBOX.YAML",
            "Pulsebox.yml",
            "pulsebox.yaml.txt",
            "pulsebox.txt",
            "pulsebox (1).yaml",
            "pulsebox(2).yaml.txt",
            "pulsebox-1.yaml",
            "pulsebox 2.yaml",
            "pulsebox - Copy.yaml",
        ] {
            assert_eq!(found(&[name, "config.txt", "cmdline.txt"]), Found::One(name.into()), "{name}");
        }
    }

    #[test]
    fn other_files_are_none() {
        let others =
            ["._pulsebox.yaml", "pulsebox.taken.yaml", "STATUS.TXT", "config.txt", "pulsebox.erase", "pulsebox"];
        assert_eq!(found(&others), Found::Nothing);
        assert_eq!(found(&["config.yaml", "config.txt"]), Found::Misnamed("config.yaml".into()));
    }

    #[test]
    fn of_two_none_is_guessed() {
        let two = found(&["pulsebox.yaml", "pulsebox (1).yaml"]);
        assert_eq!(two, Found::Several(vec!["pulsebox (1).yaml".into(), "pulsebox.yaml".into()]));
    }
}
