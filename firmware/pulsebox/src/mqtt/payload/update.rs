//! The update as Home Assistant's update entity reads it: its schema takes these keys and no others, and no null
//! where text is meant.

use serde::Serialize;

use crate::monitor::appliance::{Appliance, UpdateState};

/// What Home Assistant keeps of a summary, characters.
const SUMMARY_MAX: usize = 255;

/// `update` in `system`.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Update<'a> {
    title: &'static str,
    installed_version: &'a str,
    /// A bundle's that waits or is on its way in, else what is installed.
    latest_version: &'a str,
    in_progress: bool,
    update_percentage: Option<u8>,
    release_summary: String,
}

impl<'a> Update<'a> {
    /// `version` of the program, where the image's is not known.
    pub fn of(appliance: &'a Appliance, version: &'a str) -> Self {
        use UpdateState::{Trying, Waiting, Writing};
        let installed_version = appliance.version.as_deref().unwrap_or(version);
        let update = appliance.update.as_ref();
        let on_its_way = update.filter(|update| update.state == Waiting || update.state.is_writing());
        let latest = on_its_way.and_then(|update| update.version.as_deref());
        Self {
            title: "Pulsebox",
            installed_version,
            latest_version: latest.unwrap_or(installed_version),
            in_progress: update.is_some_and(|update| update.state == Trying || update.state.is_writing()),
            update_percentage: update.filter(|update| update.state == Writing).and_then(|update| update.percent),
            release_summary: update
                .and_then(|update| update.message.as_deref())
                .unwrap_or_default()
                .chars()
                .take(SUMMARY_MAX)
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::monitor::appliance;

    fn told(state: UpdateState, percent: Option<u8>) -> serde_json::Value {
        let update = appliance::Update { state, percent, version: Some("1.3.0".into()), message: Some("said".into()) };
        let appliance = Appliance { version: Some("1.2.0".into()), update: Some(update), ..Appliance::default() };
        serde_json::to_value(Update::of(&appliance, "0.1.0")).unwrap()
    }

    #[test]
    fn a_waiting_update_is_offered_and_one_that_runs_tells_how_far_it_is() {
        let of = |told: serde_json::Value| {
            let figures = [told["in_progress"].clone(), told["update_percentage"].clone()];
            (told["latest_version"].as_str().unwrap().to_owned(), json!(figures))
        };
        assert_eq!(of(told(UpdateState::Waiting, None)), ("1.3.0".into(), json!([false, null])));
        assert_eq!(of(told(UpdateState::Writing, Some(40))), ("1.3.0".into(), json!([true, 40])));
        assert_eq!(of(told(UpdateState::Trying, None)), ("1.2.0".into(), json!([true, null])));
        for over in
            [UpdateState::None, UpdateState::Good, UpdateState::Refused, UpdateState::Failed, UpdateState::RolledBack]
        {
            assert_eq!(of(told(over, Some(70))), ("1.2.0".into(), json!([false, null])), "{over:?}");
        }
    }

    #[test]
    fn nothing_is_sent_that_home_assistants_schema_refuses() {
        let known =
            ["title", "installed_version", "latest_version", "in_progress", "update_percentage", "release_summary"];
        for told in
            [told(UpdateState::Good, None), serde_json::to_value(Update::of(&Appliance::default(), "0.1.0")).unwrap()]
        {
            let object = told.as_object().unwrap();
            assert!(object.keys().all(|key| known.contains(&key.as_str())) && object.len() == known.len(), "{told}");
            let texts = ["title", "installed_version", "latest_version", "release_summary"];
            assert!(texts.iter().all(|key| told[*key].is_string()), "{told}");
        }
    }
}
