//! What differs between two configurations, so that only what changed is touched.

use std::collections::HashMap;

use super::model::{CameraConfig, Config};

/// What differs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Ids of cameras that are new, in the new order.
    pub added: Vec<String>,
    /// Ids of cameras that are gone, in the old order.
    pub removed: Vec<String>,
    /// Ids of cameras that stay and differ in any setting, in the new order.
    pub changed: Vec<String>,
    /// The cameras that stay stand in another order.
    pub reordered: bool,
    /// Anything outside the cameras differs.
    pub global: bool,
}

impl Changes {
    /// From `old` to `new`.
    pub fn between(old: &Config, new: &Config) -> Self {
        let by_id = |config: &Config| -> HashMap<String, CameraConfig> {
            config.cameras.iter().map(|camera| (camera.id.clone(), camera.clone())).collect()
        };
        let (before, after) = (by_id(old), by_id(new));
        let ids = |config: &Config, keep: &dyn Fn(&CameraConfig) -> bool| -> Vec<String> {
            config.cameras.iter().filter(|camera| keep(camera)).map(|camera| camera.id.clone()).collect()
        };
        let bare = |config: &Config| Config { cameras: Vec::new(), ..config.clone() };
        Self {
            added: ids(new, &|camera| !before.contains_key(&camera.id)),
            removed: ids(old, &|camera| !after.contains_key(&camera.id)),
            changed: ids(new, &|camera| before.get(&camera.id).is_some_and(|old| old != camera)),
            reordered: ids(old, &|camera| after.contains_key(&camera.id))
                != ids(new, &|camera| before.contains_key(&camera.id)),
            global: bare(old) != bare(new),
        }
    }

    /// Nothing differs.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    fn between(old: &str, new: &str) -> Changes {
        Changes::between(&parse(old).unwrap().0, &parse(new).unwrap().0)
    }

    const TWO: &str = "streams:\n- {name: a, url: 'http://h/a'}\n- {name: b, url: 'http://h/b'}\n";

    #[test]
    fn only_the_cameras_that_differ_are_named() {
        let new = "streams:\n- {name: b, url: 'http://h/B'}\n- {name: c, url: 'http://h/c'}\n";
        let changes = between(TWO, new);
        let expected = Changes {
            added: vec!["c".into()],
            removed: vec!["a".into()],
            changed: vec!["b".into()],
            ..Changes::default()
        };
        assert_eq!(changes, expected);
    }

    #[test]
    fn a_comment_and_a_default_written_out_change_nothing() {
        assert!(between(TWO, &format!("# hello\nheartbeat_seconds: 15\n{TWO}")).is_empty());
    }

    #[test]
    fn the_files_heartbeat_changes_the_cameras_that_follow_it_and_the_file() {
        let changes = between(TWO, &format!("heartbeat_seconds: 20\n{TWO}"));
        assert_eq!((changes.changed, changes.global), (vec!["a".to_owned(), "b".to_owned()], true));
    }

    #[test]
    fn another_order_is_told() {
        let swapped = "streams:\n- {name: b, url: 'http://h/b'}\n- {name: a, url: 'http://h/a'}\n";
        assert_eq!(between(TWO, swapped), Changes { reordered: true, ..Changes::default() });
    }
}
