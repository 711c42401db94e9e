//! The card's file through the front door: `import`, and the power cut between its steps.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::config;

const GOOD: &str = "# mine\nstreams:\n  - name: Gate\n    url: rtsp://admin:geheim@10.0.0.5/live\n";

/// A card's boot partition and a data folder.
struct Bench {
    card: TempDir,
    data: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { card: tempfile::tempdir().unwrap(), data: tempfile::tempdir().unwrap() }
    }

    fn with(name: &str, bytes: impl AsRef<[u8]>) -> Self {
        let bench = Self::new();
        bench.put(name, bytes);
        bench
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.card.path().join(name), bytes).unwrap();
    }

    fn import(&self) -> Told {
        import(&Import { from: self.card.path().into(), into: self.data.path().into(), keep: false })
    }

    fn kept(&self) -> String {
        fs::read_to_string(self.data.path().join("pulsebox.yaml")).unwrap()
    }

    fn on_card(&self) -> Vec<String> {
        names(self.card.path())
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// What is taken of a text: the names of its cameras; or why it is refused.
fn taken(bytes: impl AsRef<[u8]>) -> Result<Vec<String>, String> {
    let bench = Bench::with("pulsebox.yaml", bytes.as_ref());
    let told = bench.import();
    if told.state == State::Refused {
        assert_eq!(fs::read(bench.card.path().join("pulsebox.yaml")).unwrap(), bytes.as_ref(), "it stays");
        assert_eq!(bench.on_card(), ["pulsebox.yaml"]);
        return Err(told.message);
    }
    let config = config::parse(&bench.kept()).unwrap().0;
    Ok(config.cameras.into_iter().map(|camera| camera.name).collect())
}

#[test]
fn a_good_file_is_taken_and_its_secrets_leave_the_card() {
    let bench = Bench::with("pulsebox.yaml.txt", GOOD);
    let told = bench.import();
    assert_eq!((told.state, told.file.as_str(), told.is_card_read_only), (State::Taken, "pulsebox.yaml.txt", false));
    assert_eq!(told.message, "pulsebox.yaml.txt is in force, with 1 camera");
    assert_eq!(bench.kept(), GOOD);
    assert_eq!(fs::metadata(bench.data.path().join("pulsebox.yaml")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(bench.on_card(), ["pulsebox.taken.yaml"]);
    let left = fs::read_to_string(bench.card.path().join("pulsebox.taken.yaml")).unwrap();
    assert!(!left.contains("geheim") && left.contains("***:***@10.0.0.5"), "{left}");
    assert_eq!(names(bench.data.path()), ["pulsebox.yaml"]);
}

#[test]
fn what_was_overwritten_is_overwritten_where_it_lay() {
    let bench = Bench::with("pulsebox.yaml", GOOD);
    fs::hard_link(bench.card.path().join("pulsebox.yaml"), bench.data.path().join("blocks")).unwrap();
    bench.import();
    let blocks = fs::read(bench.data.path().join("blocks")).unwrap();
    assert!(blocks.len() >= GOOD.len() && blocks.iter().all(|byte| *byte == 0));
}

#[test]
fn the_file_left_on_the_card_can_be_edited_and_taken_again() {
    let bench = Bench::with("pulsebox.yaml", GOOD);
    bench.import();
    for name in ["Front", "Rear"] {
        let left = fs::read_to_string(bench.card.path().join("pulsebox.taken.yaml")).unwrap();
        bench.put("pulsebox.yaml", left.replace("Gate", name).replace("Front", name));
        assert_eq!(bench.import().state, State::Taken);
        assert!(bench.kept().contains("admin:geheim@") && bench.kept().contains(name), "{}", bench.kept());
    }
    let left = fs::read_to_string(bench.card.path().join("pulsebox.taken.yaml")).unwrap();
    assert_eq!(left.matches("has taken").count(), 1, "{left}");
    let before = fs::read_to_string(bench.data.path().join(".pulsebox.yaml.previous")).unwrap();
    assert!(before.contains("Front"), "{before}");
}

#[test]
fn a_file_without_cameras_changes_what_it_names_and_leaves_the_cameras_alone() {
    let bench = Bench::with(
        "pulsebox.yaml",
        "# mine\nstreams:\n  - { name: Gate, url: 'rtsp://u:geheim1@10.0.0.5/live' }\nnetwork: { name: barn }\n",
    );
    bench.import();
    bench.put("pulsebox.yaml", "network: { wifi: { ssid: Home, password: geheim22 } }\ntimezone: Europe/Berlin\n");
    let told = bench.import();
    assert_eq!(told.message, "pulsebox.yaml is in force, with 1 camera as before, for it has no `streams`");
    let (kept, _) = config::parse(&bench.kept()).unwrap();
    assert_eq!((kept.cameras.len(), kept.network.name.as_str()), (1, "barn"));
    assert_eq!(kept.network.wifi.unwrap().ssid, "Home");
    assert!(bench.kept().contains("# mine") && bench.kept().contains("geheim1"), "the rest stays to the letter");
    bench.put("pulsebox.yaml", "streams: []\n");
    bench.import();
    assert!(config::parse(&bench.kept()).unwrap().0.cameras.is_empty(), "with `streams` it is all there is");
}

#[test]
fn what_a_part_is_added_to_is_what_was_good_and_confirmed() {
    let bench = Bench::new();
    let kept = bench.data.path();
    fs::write(
        kept.join("pulsebox.yaml"),
        "streams: [{ name: Gate, url: 'rtsp://10.0.0.5/x' }]\nnetwork: { name: tried }\n",
    )
    .unwrap();
    fs::write(kept.join(".pulsebox.yaml.trial"), r#"{"name":"barn","wifi":{"ssid":"Home","hidden":true}}"#).unwrap();
    bench.put("pulsebox.yaml", "timezone: Europe/Berlin\n");
    bench.import();
    let (config, _) = config::parse(&bench.kept()).unwrap();
    assert_eq!((config.cameras.len(), config.network.name.as_str()), (1, "barn"), "nobody had confirmed the other");
    assert!(!kept.join(".pulsebox.yaml.trial").exists());

    fs::write(kept.join("pulsebox.yaml"), "of_a_newer_version: 1\n").unwrap();
    fs::write(kept.join(".pulsebox.yaml.last-good"), GOOD).unwrap();
    bench.put("pulsebox.yaml", "network: { wifi: { ssid: Home, password: geheim22, hidden: True } }\n");
    let told = bench.import();
    assert_eq!(told.message, "pulsebox.yaml is in force, with 1 camera as before, for it has no `streams`");
    assert!(config::parse(&bench.kept()).unwrap().0.network.wifi.unwrap().hidden);
}

#[test]
fn what_windows_and_the_web_do_to_a_text_is_understood() {
    let gate = Ok(vec!["Gate".to_owned()]);
    let utf16 = |text: &str, little: bool| -> Vec<u8> {
        let units = std::iter::once(0xfeff).chain(text.encode_utf16());
        units.flat_map(|unit: u16| if little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
    };
    assert_eq!(taken(GOOD.replace('\n', "\r\n")), gate);
    assert_eq!(taken(format!("\u{feff}{GOOD}")), gate);
    assert_eq!(taken(utf16(&GOOD.replace('\n', "\r\n"), true)), gate);
    assert_eq!(taken(utf16(GOOD, false)), gate);
    assert_eq!(taken("streams:\n  - name: Gate\n\turl: http://h/\n"), gate, "four columns, or it is none");
    assert_eq!(taken("streams:\n\t- name: Gate\n\t  url: http://h/\n"), gate);
    assert_eq!(taken("streams:\n\t- name: Gate\n\t\turl: http://h/\n\t\talarm:\n\t\t\tfailures: 3\n"), gate);
    assert_eq!(taken("streams:\n\u{a0}\u{a0}-\u{a0}name:\u{a0}Gate\n\u{a0}\u{a0}\u{a0}\u{a0}url: http://h/\n"), gate);
    assert_eq!(taken("streams:\n  - { name: “Gate”, url: ‘http://h/’ }\n"), gate);
    assert_eq!(taken("streams:\n  - name: „Gate“   # the “road”\n    url: “http://h/”\n"), gate);
    assert_eq!(taken("streams:\n  - name: Bob’s “Gate”\n    url: http://h/\n"), Ok(vec!["Bob’s “Gate”".to_owned()]));
}

#[test]
fn what_may_mean_two_things_is_named_with_its_place() {
    let refused = |bytes: &[u8]| taken(bytes).unwrap_err();
    for (text, message) in [
        ("", "pulsebox.yaml:1:1: the file is empty; "),
        (" \r\n\r\n", "pulsebox.yaml:1:1: the file is empty; "),
        ("\0\0\0\0", "pulsebox.yaml:1:1: the file holds nothing but zeros"),
        ("# streams:\n", "pulsebox.yaml:1:1: the file holds nothing but comments; "),
        ("streams:\r\n  - name: Gate\r\n    ur: http://h/\r\n", "pulsebox.yaml:3:5: there is no key `ur`"),
        ("streams:\n\t- name: Gate\n\t\tur: http://h/\n", "pulsebox.yaml:3:3: there is no key `ur`"),
        ("streams:\n  - name: Gate\n\turl: http://h/\n\tur: x\n", "pulsebox.yaml:3:1: this line starts with a tab"),
        ("mqtt: { password: \"***\" }\n", "pulsebox.yaml:1:19: `password` is masked"),
    ] {
        let told = refused(text.as_bytes());
        assert!(told.starts_with(message), "{text:?}: {told}");
    }
    assert!(refused(b"streams:\n  - name: H\xf6fe\n").starts_with("pulsebox.yaml:2:12: here stands a character"));
    assert!(refused(&vec![b'#'; config::SIZE_LIMIT as usize + 1]).starts_with("pulsebox.yaml:1:1: the file is larger"));
}

#[test]
fn a_refused_file_changes_nothing_and_no_secret_is_told() {
    let bench = Bench::with("pulsebox.yaml", GOOD);
    bench.import();
    bench.put("pulsebox.yaml", "mqtt: { host: h, pasword: geheim2 }\n");
    let told = bench.import();
    assert_eq!(told.state, State::Refused);
    assert!(told.message.starts_with("pulsebox.yaml:1:") && !told.message.contains("geheim2"), "{}", told.message);
    assert_eq!(bench.kept(), GOOD);
}

#[test]
fn without_any_file_the_daemon_finds_something_to_start_with() {
    let bench = Bench::new();
    assert_eq!(bench.import().state, State::None);
    let (config, warnings) = config::parse(&bench.kept()).unwrap();
    assert!(config.cameras.is_empty() && warnings.is_empty());
    // A refused one, too; and of what was there before, the last good one is better than none.
    let bench = Bench::with("pulsebox.yaml", "x: [");
    fs::write(bench.data.path().join(".pulsebox.yaml.last-good"), GOOD).unwrap();
    assert_eq!(bench.import().state, State::Refused);
    assert_eq!(bench.kept(), GOOD);
    let told = import(&Import { from: "/nowhere".into(), into: bench.data.path().into(), keep: false });
    assert!(told.state == State::None && told.message.contains("cannot be read"), "{told:?}");
}

#[test]
fn a_file_that_nothing_keeps_stays_on_the_card() {
    let bench = Bench::with("pulsebox.yaml", GOOD);
    let told = import(&Import { from: bench.card.path().into(), into: bench.data.path().into(), keep: true });
    assert_eq!((told.state, bench.on_card()), (State::Taken, vec!["pulsebox.yaml".to_owned()]));
    assert_eq!(bench.kept(), GOOD);
}

#[test]
fn a_cut_at_any_step_ends_well_at_the_next_start() {
    // Kept, and the card not begun: what the page changed since is not undone.
    let bench = Bench::with("pulsebox.yaml", GOOD);
    let marker = bench.data.path().join(".pulsebox.yaml.taken");
    import(&Import { from: bench.card.path().into(), into: bench.data.path().into(), keep: true });
    assert!(marker.exists());
    fs::write(bench.data.path().join("pulsebox.yaml"), GOOD.replace("Gate", "Changed")).unwrap();
    assert_eq!(bench.import().state, State::Taken);
    assert!(bench.kept().contains("Changed") && !marker.exists());
    assert_eq!(bench.on_card(), ["pulsebox.taken.yaml"]);
    // The same file put on the card anew is meant.
    bench.put("pulsebox.yaml", GOOD);
    bench.import();
    assert_eq!(bench.kept(), GOOD);
    // Off the card, and the marker not yet removed: the same file is meant some day later too.
    bench.put("pulsebox.yaml", GOOD);
    import(&Import { from: bench.card.path().into(), into: bench.data.path().into(), keep: true });
    fs::remove_file(bench.card.path().join("pulsebox.yaml")).unwrap();
    assert_eq!(bench.import().state, State::None);
    fs::write(bench.data.path().join("pulsebox.yaml"), GOOD.replace("Gate", "Changed")).unwrap();
    bench.put("pulsebox.yaml", GOOD);
    bench.import();
    assert_eq!(bench.kept(), GOOD);
    // Renamed, not yet overwritten; and the rename half done.
    for left in [&["pulsebox.erase"][..], &["pulsebox.erase", "pulsebox.yaml"]] {
        for text in [GOOD.to_owned(), "\0".repeat(GOOD.len())] {
            left.iter().for_each(|name| bench.put(name, &text));
            assert_eq!(bench.import().state, State::None);
            assert_eq!((bench.on_card(), bench.kept()), (vec!["pulsebox.taken.yaml".to_owned()], GOOD.to_owned()));
        }
    }
}

#[test]
fn what_the_page_had_on_trial_does_not_come_back_over_the_cards_word() {
    let bench = Bench::with("pulsebox.yaml", GOOD);
    fs::write(bench.data.path().join(".pulsebox.yaml.trial"), "null").unwrap();
    assert_eq!(bench.import().state, State::Taken);
    assert_eq!(names(bench.data.path()), ["pulsebox.yaml"]);
}

#[test]
fn a_link_in_the_data_folder_leads_nowhere() {
    let bench = Bench::with("pulsebox.yaml", GOOD);
    let elsewhere = tempfile::tempdir().unwrap();
    let theirs = elsewhere.path().join("theirs");
    fs::write(&theirs, "untouched").unwrap();
    for name in ["pulsebox.yaml", ".pulsebox.yaml.new", ".pulsebox.yaml.previous"] {
        std::os::unix::fs::symlink(&theirs, bench.data.path().join(name)).unwrap();
    }
    assert_eq!(bench.import().state, State::Taken);
    assert_eq!(fs::read_to_string(&theirs).unwrap(), "untouched");
    assert_eq!(fs::symlink_metadata(bench.data.path().join("pulsebox.yaml")).unwrap().nlink(), 1);
    assert_eq!(bench.kept(), GOOD);
}
