//! What root's jobs know, read from `/run/box`: lines `key=value`, value to the end of the line.
//!
//! A file that is missing, cut short, too long or has no word that is known is "not known", never a mistake: the
//! jobs and the daemon may be of two versions for the length of an update.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::monitor::appliance::{Appliance, Cause, Data, DataState, Import, ImportState, Start, Update, UpdateState};
use crate::monitor::board::BoxStatus;

/// The longest fact, bytes.
const FACT_MAX: u64 = 8 << 10;
/// The longest value that is shown, characters.
const VALUE_MAX: usize = 1000;

/// The facts, as they were last read. What is not known is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// What is shown of them.
    pub appliance: Appliance,
    /// Against what a new system is judged; only while an update is on trial.
    pub trial: Option<Trial>,
}

/// How it was before the update that is on trial.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trial {
    /// Ids of the cameras that were up.
    pub was_up: Vec<String>,
    /// Whether there was a network.
    pub was_network: bool,
}

/// What was wrong with the system before an update: an update is not to blame for it. The former system's daemon keeps
/// it in the data folder while an update is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// The configuration's file was not the one in force.
    pub config: bool,
    /// The history was not kept.
    pub storage: bool,
}

impl Faults {
    /// Its file's name, in the folder of bundles.
    pub const NAME: &'static str = "faults";

    /// What is wrong now.
    pub fn of(host: &BoxStatus) -> Self {
        Self { config: host.config_fault.is_some(), storage: host.storage_fault.is_some() }
    }

    /// Reads what was kept; nothing was wrong where nothing is. Blocks for a moment.
    pub fn read(folder: &Path) -> Self {
        let fact = Fact::read(folder.join(Self::NAME));
        let is = |key| fact.yes_or_no(key).unwrap_or_default();
        Self { config: is("config"), storage: is("storage") }
    }

    /// As it is kept.
    pub fn text(self) -> String {
        format!("config={}\nstorage={}\n", word(self.config), word(self.storage))
    }
}

/// How a fact says it.
pub(super) fn word(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

impl Facts {
    /// Reads all facts in a folder. Blocks for a moment.
    pub fn read(folder: &Path) -> Self {
        let start = Fact::read(folder.join("start"));
        let update = Fact::read(folder.join("update"));
        let appliance = Appliance {
            slot: start.text("slot"),
            version: start.text("version"),
            name: Fact::read(folder.join("name")).label("name"),
            start: start.start(),
            data: Fact::read(folder.join("data")).data(),
            import: Fact::read(folder.join("import")).import(),
            update: update.update(),
        };
        let is_trying = appliance.update_state() == Some(UpdateState::Trying);
        Self { trial: is_trying.then(|| update.trial()), appliance }
    }
}

/// One file's keys; none where it is not whole.
#[derive(Debug, Default)]
struct Fact(BTreeMap<String, String>);

impl Fact {
    fn read(file: PathBuf) -> Self {
        let mut bytes = Vec::new();
        let read = File::open(&file).and_then(|file| file.take(FACT_MAX + 1).read_to_end(&mut bytes));
        if read.is_err() || bytes.len() as u64 > FACT_MAX {
            return Self::default();
        }
        match std::str::from_utf8(&bytes) {
            // Without its last line's end it was cut short.
            Ok(text) if text.ends_with('\n') => Self::of(text),
            _ => Self::default(),
        }
    }

    fn of(text: &str) -> Self {
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        Self(pairs.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())).collect())
    }

    /// A value that is there, printable and short.
    fn text(&self, key: &str) -> Option<String> {
        let value = self.0.get(key).filter(|value| !value.is_empty())?;
        Some(value.chars().filter(|c| !c.is_control()).take(VALUE_MAX).collect())
    }

    /// One label of a host name.
    fn label(&self, key: &str) -> Option<String> {
        let is_label = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        self.text(key).filter(|text| text.len() <= 63 && is_label(text))
    }

    fn word<T>(&self, key: &str, named: impl Fn(&str) -> Option<T>) -> Option<T> {
        named(self.0.get(key)?)
    }

    fn yes_or_no(&self, key: &str) -> Option<bool> {
        self.word(key, |word| match word {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        })
    }

    fn start(&self) -> Option<Start> {
        Some(Start {
            cause: self.word("cause", Cause::named)?,
            message: self.text("message"),
            undervoltage: self.yes_or_no("undervoltage"),
            boot: self.text("boot"),
        })
    }

    fn data(&self) -> Option<Data> {
        Some(Data { state: self.word("state", DataState::named)?, message: self.text("message") })
    }

    fn import(&self) -> Option<Import> {
        let state = self.word("state", ImportState::named)?;
        Some(Import { state, file: self.text("file"), message: self.text("message") })
    }

    fn update(&self) -> Option<Update> {
        Some(Update {
            state: self.word("state", UpdateState::named)?,
            percent: self.word("percent", |word| word.parse().ok().filter(|percent| *percent <= 100)),
            version: self.text("version"),
            message: self.text("message"),
        })
    }

    fn trial(&self) -> Trial {
        let was_up = self.0.get("was_up").map(String::as_str).unwrap_or_default();
        let ids = was_up.split(',').map(str::trim).filter(|id| !id.is_empty());
        Trial {
            was_up: ids.map(str::to_owned).collect(),
            was_network: self.yes_or_no("was_network").unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(files: &[(&str, &str)]) -> Facts {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Facts::read(folder.path())
    }

    #[test]
    fn facts_are_told_as_roots_jobs_wrote_them() {
        let read = facts(&[
            (
                "start",
                "cause=watchdog\nmessage=The box hung = was restarted.\nslot=B\nversion=1.2.3\nundervoltage=yes\nboot=abc\n",
            ),
            ("name", "name=pulsebox3\n"),
            ("data", "state=repaired\nmessage=It was damaged.\n"),
            ("import", "state=refused\nfile=pulsebox.txt\nmessage=pulsebox.txt:3:5: no such key\n"),
            ("update", "state=rolled-back\npercent=\nversion=1.2.4\nmessage=Cameras were missing.\nfuture=7\n"),
        ]);
        let Appliance { slot, version, name, start, data, import, update } = read.appliance;
        assert_eq!(name.as_deref(), Some("pulsebox3"));
        let start = start.unwrap();
        assert_eq!((slot.as_deref(), version.as_deref()), (Some("B"), Some("1.2.3")));
        assert_eq!(
            (start.cause, start.undervoltage, start.boot.as_deref()),
            (Cause::Watchdog, Some(true), Some("abc"))
        );
        assert_eq!(start.message.as_deref(), Some("The box hung = was restarted."));
        assert_eq!(data.unwrap().state, DataState::Repaired);
        assert_eq!(import.unwrap().file.as_deref(), Some("pulsebox.txt"));
        let update = update.unwrap();
        assert_eq!((update.state, update.percent), (UpdateState::RolledBack, None));
        assert_eq!(read.trial, None, "nothing is on trial");
    }

    #[test]
    fn what_is_missing_or_half_or_strange_is_not_known() {
        assert_eq!(facts(&[]), Facts::default());
        let long = format!("state=ok\nmessage={}\n", "x".repeat(9000));
        for text in ["", "state=ok", "state=ok\nmessage=it is w", "state=splendid\n", "ok\n", &long] {
            assert_eq!(facts(&[("data", text)]).appliance.data, None, "{text:.40}");
        }
        assert_eq!(facts(&[("update", "state=writing\npercent=101\n")]).appliance.update.unwrap().percent, None);
    }

    #[test]
    fn a_name_that_is_none_is_not_shown() {
        for text in ["name=a.b\n", "name=<b>\n", "name=\n", "name=pulsebox"] {
            assert_eq!(facts(&[("name", text)]).appliance.name, None, "{text}");
        }
    }

    #[test]
    fn a_trial_says_against_what_it_is_judged() {
        let trying = "state=trying\nversion=2\nwas_up=gate, garage,\nwas_network=yes\nuntil=700\n";
        let trial = facts(&[("update", trying)]).trial.unwrap();
        assert_eq!((trial.was_up, trial.was_network), (vec!["gate".to_owned(), "garage".to_owned()], true));
        let nothing = facts(&[("update", "state=trying\nwas_up=\n")]).trial.unwrap();
        assert_eq!(nothing, Trial::default());
    }
}
