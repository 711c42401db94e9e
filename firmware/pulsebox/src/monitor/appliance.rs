//! What an appliance knows of its own system: how it started, its storage, its update. Told by root's jobs as facts
//! (`appliance` reads them), shown by the LEDs, the page, MQTT and Home Assistant.

use serde::Serialize;

/// The box's own system. What is not known is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Appliance {
    /// The system that runs: `A` or `B`.
    pub slot: Option<String>,
    /// The image's version.
    pub version: Option<String>,
    /// By which the box is found on the LAN, without `.local`: where another box has its name, one with a number.
    pub name: Option<String>,
    /// Why the box started.
    pub start: Option<Start>,
    /// The data partition.
    pub data: Option<Data>,
    /// What became of a `pulsebox.yaml` on the card's small partition.
    pub import: Option<Import>,
    /// The update.
    pub update: Option<Update>,
}

impl Appliance {
    /// Whether the power must not be cut: an update is being looked at or written, or its restart follows.
    pub fn is_updating(&self) -> bool {
        self.update_state().is_some_and(UpdateState::is_writing)
    }

    /// How the update is, where that is known.
    pub fn update_state(&self) -> Option<UpdateState> {
        self.update.as_ref().map(|update| update.state)
    }

    /// Why nothing that is written stays, a sentence; none while all does.
    pub fn data_fault(&self) -> Option<String> {
        let data = self.data.as_ref()?;
        let plain = match data.state {
            DataState::Memory => "there is no data partition: nothing is kept over a restart",
            DataState::Readonly => "the data partition is read-only: nothing new is kept",
            _ => return None,
        };
        Some(data.message.clone().unwrap_or_else(|| format!("{plain}; put in another SD card")))
    }

    /// Whether a `pulsebox.yaml` on the card was not taken.
    pub fn is_import_refused(&self) -> bool {
        self.import.as_ref().is_some_and(|import| import.state == ImportState::Refused)
    }

    /// Why the `pulsebox.yaml` on the card was not taken, a sentence; none where nothing is wrong with it.
    pub fn import_fault(&self) -> Option<String> {
        let import = self.import.as_ref().filter(|_| self.is_import_refused())?;
        let file = import.file.as_deref().unwrap_or("pulsebox.yaml");
        Some(match &import.message {
            Some(message) => message.clone(),
            None => format!("{file} on the card was not taken; correct it and start the box again"),
        })
    }
}

/// Why the box started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Start {
    /// In one word.
    pub cause: Cause,
    /// For a person.
    pub message: Option<String>,
    /// Whether the supply's voltage was too low before; none where the board cannot tell.
    pub undervoltage: Option<bool>,
    /// The kernel's id of this boot.
    pub boot: Option<String>,
}

/// The data partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Data {
    /// In one word.
    pub state: DataState,
    /// What is wrong and what to do, where something is.
    pub message: Option<String>,
}

/// What became of a configuration on the card's small partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Import {
    /// In one word.
    pub state: ImportState,
    /// Its name there.
    pub file: Option<String>,
    /// Of one that was refused: where, what and what to do.
    pub message: Option<String>,
}

/// The update.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Update {
    /// In one word.
    pub state: UpdateState,
    /// How much is written, 0 to 100.
    pub percent: Option<u8>,
    /// The bundle's version.
    pub version: Option<String>,
    /// For a person.
    pub message: Option<String>,
}

/// An enumeration whose words are the facts' and the API's, from one list.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal: $title:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its name in the API and MQTT.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// The same for a person, without a full stop.
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }

            /// The one of this name, also as facts write it: `rolled-back`.
            pub fn named(word: &str) -> Option<Self> {
                let word = word.replace('-', "_");
                Self::ALL.iter().copied().find(|one| one.name() == word)
            }
        }
    };
}

words! {
    /// Why the box started.
    Cause {
        /// For the first time.
        First = "first": "first start",
        /// Power came, or came back.
        Power = "power": "power was cut",
        /// It was asked to.
        Restart = "restart": "restarted as asked",
        /// Into an update.
        Update = "update": "started into an update",
        /// Out of an update that was not well.
        Rollback = "rollback": "the update failed, the former system is back",
        /// The watchdog found it hanging.
        Watchdog = "watchdog": "the watchdog restarted a box that hung",
        /// The kernel gave up.
        Panic = "panic": "the kernel crashed",
        /// It was put back to how it was delivered.
        Reset = "reset": "factory reset",
    }
}

words! {
    /// The data partition.
    DataState {
        /// As it should be.
        Ok = "ok": "well",
        /// Just made.
        New = "new": "just made",
        /// Just grown to the card's size.
        Grown = "grown": "grown to the card's size",
        /// Was damaged, and is repaired.
        Repaired = "repaired": "repaired",
        /// There is none: nothing is kept.
        Memory = "memory": "in memory only",
        /// It cannot be written.
        Readonly = "readonly": "read-only",
    }
}

words! {
    /// What became of a configuration on the card's small partition.
    ImportState {
        /// There was none.
        None = "none": "none",
        /// It is in force.
        Taken = "taken": "taken",
        /// It is no good, and nothing was changed.
        Refused = "refused": "refused",
    }
}

words! {
    /// The update.
    UpdateState {
        /// There is none.
        None = "none": "none",
        /// The bundle is being looked at.
        Checking = "checking": "being checked",
        /// A bundle that fits lies ready.
        Waiting = "waiting": "ready to be installed",
        /// It is being written.
        Writing = "writing": "being written",
        /// It is written; a restart follows.
        Written = "written": "written, restarting",
        /// The new system runs and has not proved itself yet.
        Trying = "trying": "on trial",
        /// The new system has proved itself.
        Good = "good": "installed",
        /// It does not fit, and nothing was written.
        Refused = "refused": "refused",
        /// It broke off; the box goes on as it was.
        Failed = "failed": "failed",
        /// The new system was not well; the former one is back.
        RolledBack = "rolled_back": "rolled back",
    }
}

impl UpdateState {
    /// Whether the power must not be cut: a bundle is being looked at or written, or its restart follows.
    pub fn is_writing(self) -> bool {
        matches!(self, Self::Checking | Self::Writing | Self::Written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_the_one_that_is_sent_and_is_found_as_facts_write_it() {
        for state in UpdateState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.name());
        }
        for cause in Cause::ALL {
            assert_eq!(serde_json::to_value(cause).unwrap(), cause.name());
        }
        assert_eq!(UpdateState::named("rolled-back"), Some(UpdateState::RolledBack));
        assert_eq!(DataState::named("readonly"), Some(DataState::Readonly));
        assert_eq!(Cause::named("magic"), None);
    }

    #[test]
    fn only_storage_that_keeps_nothing_is_a_fault_and_it_says_what_to_do() {
        let of = |state, message: Option<&str>| {
            let data = Some(Data { state, message: message.map(str::to_owned) });
            Appliance { data, ..Appliance::default() }.data_fault()
        };
        assert_eq!(of(DataState::Repaired, Some("it was repaired")), None);
        assert_eq!(
            of(DataState::Memory, Some("the card is too small; use 4 GB")).unwrap(),
            "the card is too small; use 4 GB"
        );
        assert!(of(DataState::Readonly, None).unwrap().contains("; put in"));
    }
}
