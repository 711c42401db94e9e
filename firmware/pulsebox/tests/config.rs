//! The configuration through its front door: files that are read, files that are refused, and a store
//! on real files in real time.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pulsebox::config::edit::{Change, set_keys};
use pulsebox::config::{self, Config, ReadError, Store, WriteError};
use tokio_util::sync::CancellationToken;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config").join(name)
}

fn fixtures(name: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder(name)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|e| e == "yaml")).collect();
    files.sort();
    assert!(files.len() > 5, "the fixtures are gone");
    files
}

/// Compares with a file that is kept; `PULSEBOX_BLESS=1` writes it anew, for a person to read the difference.
fn same_as_kept(kept: &Path, now: &str) {
    if std::env::var_os("PULSEBOX_BLESS").is_some() {
        fs::write(kept, now).unwrap();
    }
    assert_eq!(fs::read_to_string(kept).unwrap_or_default(), now, "{}", kept.display());
}

#[test]
fn every_file_in_succeeds_is_read_without_a_warning() {
    for file in fixtures("succeeds") {
        let (_, warnings) = config::read(&file).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(warnings, [], "{}", file.display());
    }
}

#[test]
fn every_file_in_fails_is_refused_with_its_places_and_what_to_do() {
    for file in fixtures("fails") {
        let error = config::read(&file).map(|_| ()).expect_err(&file.display().to_string());
        let ReadError::Bad { errors, .. } = &error else { panic!("{error}") };
        let told = errors.to_string();
        assert!(!told.contains("geheim"), "a secret is quoted: {told}");
        let first = format!("{}:{}:{}: ", file.display(), errors.problems()[0].line, errors.problems()[0].column);
        assert!(error.to_string().starts_with(&first), "{error}");
        same_as_kept(&file.with_extension("expected"), &format!("{told}\n"));
    }
}

#[test]
fn streampulses_file_works_as_it_is() {
    let (config, _) = config::read(&folder("succeeds/streampulse.yaml")).unwrap();
    let ids: Vec<&str> = config.cameras.iter().map(|camera| camera.id.as_str()).collect();
    assert_eq!(ids, ["gatecamera", "labcam1"]);
    assert_eq!(config.cameras[0].url.credentials().unwrap().password, "pass");
    assert_eq!(config.timezone.iana_name(), Some("Asia/Kolkata"));
    assert_eq!((config.mqtt.enabled, config.mqtt.host.as_str(), config.mqtt.port), (true, "192.168.1.10", 1883));
}

#[test]
fn every_setting_of_the_designs_file_arrives() {
    let (config, _) = config::read(&folder("succeeds/design.yaml")).unwrap();
    let bench = &config.cameras[2];
    assert_eq!((bench.heartbeat, bench.timeout), (Duration::from_secs(60), Duration::from_secs(10)));
    assert_eq!((bench.expect.min_fps, bench.led, bench.alarm.frozen_checks), (Some(10.0), Some(23), 3));
    assert_eq!(config.cameras[0].heartbeat, Duration::from_secs(15));
    assert_eq!((config.leds.green, config.leds.red, config.leds.act), (Some(27), Some(17), true));
    let (from, to) = config.leds.quiet_hours.unwrap();
    assert_eq!((from.hour(), to.hour()), (22, 7));
    assert_eq!(config.web.listen.to_string(), "0.0.0.0:80");
    assert_eq!((config.history.checks_days, config.history.hours_days), (14, 400));
    assert_eq!(config.mediamtx[0].interval, Duration::from_secs(2));
}

#[test]
fn an_empty_file_is_nothing_to_watch() {
    assert!(config::read(&folder("succeeds/empty.yaml")).unwrap().0.cameras.is_empty());
}

#[test]
fn text_is_text_even_where_yaml_would_see_a_number_or_a_no() {
    let (config, _) = config::read(&folder("succeeds/odd-words.yaml")).unwrap();
    assert_eq!(config.cameras[0].name, "No");
    assert_eq!((config.mqtt.password.as_str(), config.mqtt.username.as_str()), ("0123", "off"));
}

#[test]
fn ids_that_are_made_give_way_to_ids_that_are_given() {
    let stream = |name: &str, id: &str| format!("  - {{ name: {name}, url: 'rtsp://10.0.0.1/'{id} }}\n");
    let text = ["streams:\n".into(), stream("Gate!", ""), stream("Gate", ""), stream("Yard", ", id: gate")].concat();
    let ids: Vec<String> = config::parse(&text).unwrap().0.cameras.into_iter().map(|c| c.id).collect();
    assert_eq!(ids, ["gate-2", "gate-3", "gate"]);
}

#[test]
fn a_removed_camera_is_not_watched_and_keeps_its_id() {
    let text = "leds: { green: 5 }\nstreams:\n  - { name: Gate, url: 'rtsp://10.0.0.1/', removed: true, led: 5 }\n  - { name: Gate, url: 'rtsp://10.0.0.2/' }\n";
    let (config, warnings) = config::parse(text).unwrap();
    let ids = |cameras: &[config::CameraConfig]| cameras.iter().map(|c| c.id.clone()).collect::<Vec<_>>();
    assert_eq!((ids(&config.cameras), ids(&config.removed)), (vec!["gate-2".into()], vec!["gate".into()]));
    assert_eq!(warnings, [], "neither its name nor its LED is in anybody's way");
}

#[test]
fn a_pause_ends_at_its_moment_or_at_that_time_of_day_in_the_files_zone() {
    for (written, ends) in [
        ("2026-11-23T08:00:00Z", "2026-11-23T08:00:00Z"),
        ("2026-11-23T08:00:00+05:30", "2026-11-23T02:30:00Z"),
        ("2026-11-23 08:00", "2026-11-23T07:00:00Z"),
        ("2026-07-01T08:00:00", "2026-07-01T06:00:00Z"),
        ("2026-11-23", "2026-11-22T23:00:00Z"),
    ] {
        let text =
            format!("streams: [{{ name: A, url: 'rtsp://h/', paused_until: '{written}' }}]\ntimezone: Europe/Berlin\n");
        let camera = config::parse(&text).unwrap().0.cameras.remove(0);
        let ends: jiff::Timestamp = ends.parse().unwrap();
        assert_eq!(camera.paused_until, Some(ends), "{written}");
        let moment_before = ends - jiff::SignedDuration::from_nanos(1);
        assert!(camera.is_paused(moment_before) && !camera.is_paused(ends), "{written}");
    }
    let text = "streams:\n  - { name: A, url: 'rtsp://h/', paused_until: tomorrow }\n";
    let errors = config::parse(text).unwrap_err().to_string();
    assert!(
        errors.contains("`paused_until` is no day and time") && errors.contains("2026-11-23T08:00:00Z"),
        "{errors}"
    );
}

#[test]
fn what_is_hardly_meant_is_warned_of() {
    let text = "heartbeat_seconds: 5\nstreams:\n  - name: A\n    url: http://h/\n    transport: udp\n    tls_insecure: true\n    timeout_seconds: 60\n    alarm: { slow_seconds: 60 }\n  - { name: A, url: 'rtsp://h/', timeout_seconds: 15 }\n";
    let (_, warnings) = config::parse(text).unwrap();
    let lines: Vec<usize> = warnings.iter().map(|warning| warning.line).collect();
    assert_eq!(lines, [5, 6, 7, 8, 9], "{warnings:?}");
}

#[test]
fn a_file_that_is_too_big_or_no_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pulsebox.yaml");
    assert!(config::read(&file).unwrap_err().to_string().contains("cannot be read"));
    assert!(config::read(folder.path()).unwrap_err().to_string().contains("no regular file"));
    fs::write(&file, "#".repeat(1024 * 1024 + 1)).unwrap();
    assert!(config::read(&file).unwrap_err().to_string().contains(":1:1: the file is larger than 1024 KiB"));
}

#[test]
fn hostile_files_are_refused_quickly() {
    const MIB: usize = 1024 * 1024;
    let many_keys: String = (0..60_000).map(|n| format!("streans{n}: 1\n")).collect();
    let many_streams: String = (0..40_000).map(|n| format!("- {{name: c{n}}}\n")).collect();
    for (name, text) in [
        ("brackets", "[".repeat(MIB)),
        ("braces", "{a: ".repeat(MIB / 4)),
        ("dashes", "- ".repeat(MIB / 2)),
        ("deep keys", (0..1000).map(|n| format!("{}a:\n", " ".repeat(n))).collect()),
        ("many keys", many_keys),
        ("many streams", format!("streams:\n{many_streams}")),
        ("one long word", "a".repeat(MIB)),
        ("one long key", format!("{}: 1", "a".repeat(MIB - 3))),
        ("quotes", format!("a: \"{}", "\\n".repeat(MIB / 2 - 3))),
        ("anchors", "- &a x\n".repeat(MIB / 7)),
        ("tabs", format!("{}x", "\t".repeat(MIB - 1))),
        ("question marks", "? ".repeat(MIB / 2)),
        ("nul", "\0".repeat(MIB)),
    ] {
        let started = Instant::now();
        let errors = config::parse(&text).expect_err(name);
        assert!(errors.problems().len() <= 100);
        assert!(started.elapsed() < Duration::from_secs(5), "{name}: {:?}", started.elapsed());
    }
}

/// A sequence that looks random and is the same each time (Knuth's MMIX constants).
fn dice(seed: &mut u64, sides: usize) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) as usize % sides
}

#[test]
fn no_damaged_file_breaks_the_reader_or_shows_a_secret() {
    let whole = fs::read_to_string(folder("succeeds/design.yaml")).unwrap();
    let whole = whole.replace("user:pass@", "user:geheim@").replace("password: \"\"", "password: geheim");
    let pieces = [
        "\n", " ", "\t", ":", "- ", "{", "}", "[", "]", "\"", "'", "#", "&a ", "*a", "!", "|", ">", "?", ",", "ü", "\r",
    ];
    let mut seed = 7;
    let mut read = 0;
    for _ in 0..4000 {
        let mut text = whole.clone();
        for _ in 0..=dice(&mut seed, 3) {
            let at = (dice(&mut seed, text.len())..).find(|at| text.is_char_boundary(*at)).unwrap();
            match dice(&mut seed, 3) {
                0 => text.insert_str(at, pieces[dice(&mut seed, pieces.len())]),
                1 => drop(text.remove(at.min(text.len() - 2))),
                _ => text.truncate(at.max(10)),
            }
        }
        match config::parse(&text) {
            Ok(_) => read += 1,
            Err(errors) => assert!(!errors.to_string().contains("geheim"), "{text}\n{errors}"),
        }
    }
    assert!(read > 100, "{read} were read");
}

// -- documentation -------------------------------------------------------------------------------------

#[test]
fn the_documentation_prints_the_parsers_own_table_and_its_example_is_read() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let text = fs::read_to_string(&page).unwrap();
    let (before, rest) = text.split_once("<!-- keys: printed from the code -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- end of keys -->\n").unwrap();
    let tables = config::keys::markdown();
    let whole = format!("{before}<!-- keys: printed from the code -->\n\n{tables}<!-- end of keys -->\n{after}");
    same_as_kept(&page, &whole);

    let example = text.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let (_, warnings) = config::parse(example).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(warnings, []);
    for section in config::keys::SECTIONS {
        for key in section.keys {
            assert!(example.contains(&format!("{}:", key.name)), "the example lacks {} {}", section.path, key.name);
        }
    }
}

#[test]
fn a_configuration_printed_for_debugging_shows_no_secret() {
    let text = "streams: [{ name: A, url: 'rtsp://u:geheim@h/' }]\nmqtt: { password: geheim }\nmediamtx: [{ name: m, url: 'http://u:geheim@h/' }]";
    let (config, _) = config::parse(text).unwrap();
    assert!(!format!("{config:?}").contains("geheim"), "{config:?}");
}

// -- the store -----------------------------------------------------------------------------------------

const GOOD: &str = "# mine\nstreams:\n  - name: Gate\n    url: rtsp://admin:geheim@10.0.0.5/\n";
const BAD: &str = "streams:\n  - name: Gate\n    urll: rtsp://admin:geheim@10.0.0.5/\n";

struct Home {
    _folder: tempfile::TempDir,
    file: PathBuf,
}

fn home(text: &str) -> Home {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pulsebox.yaml");
    fs::write(&file, text).unwrap();
    Home { _folder: folder, file }
}

fn names(config: &Config) -> Vec<&str> {
    config.cameras.iter().map(|camera| camera.name.as_str()).collect()
}

/// Waits for at most the 2 s that are promised, and a little for a busy machine.
async fn within_two_seconds<T>(what: impl Future<Output = T>) -> T {
    let started = Instant::now();
    let out = tokio::time::timeout(Duration::from_millis(2500), what).await.expect("nothing within 2 s");
    eprintln!("seen after {:?}", started.elapsed());
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_in_force_within_two_seconds_and_a_bad_one_never() {
    let home = home(GOOD);
    let store = Arc::new(Store::load(&home.file).unwrap());
    let stop = CancellationToken::new();
    let follower = tokio::spawn(store.clone().follow(stop.clone()));
    let (mut current, mut fault) = (store.watch(), store.fault());

    fs::write(&home.file, GOOD.replace("Gate", "Yard")).unwrap();
    within_two_seconds(current.changed()).await.unwrap();
    assert_eq!(names(&store.current()), ["Yard"]);

    fs::write(&home.file, BAD).unwrap();
    let told = within_two_seconds(fault.wait_for(Option::is_some)).await.unwrap().clone().unwrap();
    assert!(
        told.contains("pulsebox.yaml:3:5: there is no key `urll`") && told.contains("did you mean `url`?"),
        "{told}"
    );
    assert!(!told.contains("geheim"));
    assert_eq!(names(&store.current()), ["Yard"], "the last good one stays in force");

    // As editors save: a new file, renamed over the old one.
    let new = home.file.with_extension("swp");
    fs::write(&new, GOOD).unwrap();
    fs::rename(&new, &home.file).unwrap();
    within_two_seconds(fault.wait_for(Option::is_none)).await.unwrap();
    assert_eq!(names(&store.current()), ["Gate"]);

    fs::remove_file(&home.file).unwrap();
    let told = within_two_seconds(fault.wait_for(Option::is_some)).await.unwrap().clone().unwrap();
    assert!(told.contains("cannot be read"), "{told}");
    assert_eq!(names(&store.current()), ["Gate"]);

    stop.cancel();
    within_two_seconds(follower).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comment_wakes_nobody() {
    let home = home(GOOD);
    let store = Arc::new(Store::load(&home.file).unwrap());
    let follower = tokio::spawn(store.clone().follow(CancellationToken::new()));
    let mut current = store.watch();
    fs::write(&home.file, format!("# more\n{GOOD}")).unwrap();
    let seen = async {
        while !store.text().await.text.contains("# more") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within_two_seconds(seen).await;
    assert!(!current.has_changed().unwrap());
    current.borrow_and_update();
    follower.abort();
}

#[tokio::test]
async fn a_bad_file_at_start_is_replaced_by_the_last_good_one_and_told() {
    let home = home(GOOD);
    drop(Store::load(&home.file).unwrap());
    fs::write(&home.file, BAD).unwrap();
    let store = Store::load(&home.file).unwrap();
    assert_eq!(names(&store.current()), ["Gate"]);
    assert!(store.fault().borrow().as_ref().unwrap().contains(":3:5: "));
    let shown = store.text().await.text;
    assert!(shown.contains("urll") && !shown.contains("geheim"), "the bad text is shown, masked");
    let backup = home.file.with_file_name(".pulsebox.yaml.last-good");
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&backup).unwrap().permissions()) & 0o777, 0o600);

    fs::remove_file(backup).unwrap();
    assert!(Store::load(&home.file).unwrap_err().to_string().contains("pulsebox.yaml:3:5: "));
}

#[tokio::test]
async fn a_masked_text_written_back_keeps_passwords_and_comments() {
    let home = home(GOOD);
    let store = Store::load(&home.file).unwrap();
    let shown = store.text().await.text;
    assert!(!shown.contains("geheim") && shown.starts_with("# mine\n"), "{shown}");
    store.write(shown.replace("10.0.0.5", "10.0.0.6"), None).await.unwrap();
    let camera = store.current().cameras[0].clone();
    assert_eq!((camera.url.host(), camera.url.credentials().unwrap().password.as_str()), ("10.0.0.6", "geheim"));
    let text = fs::read_to_string(&home.file).unwrap();
    assert!(text.starts_with("# mine\n") && text.contains("geheim"), "{text}");
    assert_eq!(fs::read_to_string(home.file.with_file_name(".pulsebox.yaml.previous")).unwrap(), GOOD);
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&home.file).unwrap().permissions()) & 0o777,
        0o600
    );
}

#[tokio::test]
async fn cameras_that_swap_their_names_keep_each_its_own_password() {
    let text = "streams:\n- { name: Gate, url: 'rtsp://u:gate-pw@10.0.0.5/' }\n- { name: Yard, url: 'rtsp://u:yard-pw@10.0.0.6/' }\n";
    let home = home(text);
    let store = Store::load(&home.file).unwrap();
    let shown = store.text().await.text;
    let swapped = shown.replace("Gate", "X").replace("Yard", "Gate").replace("name: X", "name: Yard");
    store.write(swapped, None).await.unwrap();
    for (name, host, password) in [("Yard", "10.0.0.5", "gate-pw"), ("Gate", "10.0.0.6", "yard-pw")] {
        let config = store.current();
        let camera = config.cameras.iter().find(|camera| camera.name == name).unwrap();
        assert_eq!((camera.url.host(), camera.url.credentials().unwrap().password.as_str()), (host, password));
    }
}

#[tokio::test]
async fn renamed_cameras_that_look_alike_are_asked_for_their_passwords() {
    let text =
        "streams:\n- { name: Gate, url: 'rtsp://u:one@10.0.0.5/' }\n- { name: Yard, url: 'rtsp://u:two@10.0.0.5/' }\n";
    let home = home(text);
    let store = Store::load(&home.file).unwrap();
    let renamed = store.text().await.text.replace("Gate", "Front").replace("Yard", "Back");
    let refused = store.write(renamed, None).await.unwrap_err();
    let lines: Vec<_> = refused.problems().iter().map(|problem| problem.line).collect();
    assert!(lines == [2, 3] && refused.to_string().contains("masked"), "{refused}");
    assert_eq!(fs::read_to_string(&home.file).unwrap(), text);
}

#[tokio::test]
async fn a_bad_text_is_not_written() {
    let home = home(GOOD);
    let store = Store::load(&home.file).unwrap();
    let refused = store.write(BAD.into(), None).await.unwrap_err();
    assert_eq!((refused.problems()[0].line, refused.problems()[0].column), (3, 5), "{refused}");
    assert_eq!(fs::read_to_string(&home.file).unwrap(), GOOD);
    assert!(!format!("{store:?}").contains("geheim"));
}

#[tokio::test]
async fn a_write_that_fails_leaves_all_as_it_was() {
    let home = home(GOOD);
    let store = Store::load(&home.file).unwrap();
    // A folder in the place of the temporary file stops every user, root too.
    fs::create_dir(home.file.with_file_name(".pulsebox.yaml.new")).unwrap();
    let refused = store.write(GOOD.replace("Gate", "Yard"), None).await.unwrap_err();
    assert!(matches!(refused, WriteError::NotWritten { .. }), "{refused}");
    assert_eq!((fs::read_to_string(&home.file).unwrap().as_str(), names(&store.current())), (GOOD, vec!["Gate"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_reads_while_it_is_written_finds_a_whole_file() {
    let home = home("");
    let store = Store::load(&home.file).unwrap();
    let text = |n: usize| {
        let stream = |i| format!("  - {{ name: c{i}, url: 'rtsp://10.0.0.1/{n}' }}\n");
        format!("streams:\n{}# end\n", (0..100 + n % 7 * 50).map(stream).collect::<String>())
    };
    let stop = CancellationToken::new();
    let (file, stopped) = (home.file.clone(), stop.clone());
    let reader = std::thread::spawn(move || {
        let mut reads = 0;
        while !stopped.is_cancelled() {
            let text = fs::read_to_string(&file).unwrap();
            assert!(text.is_empty() || text.ends_with("# end\n"), "half a file: {} bytes", text.len());
            reads += 1;
        }
        reads
    });
    for n in 0..60 {
        store.write(text(n), None).await.unwrap();
    }
    stop.cancel();
    assert!(reader.join().unwrap() > 60, "too few reads to mean anything");
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_made_at_once_lose_nothing() {
    let home = home(GOOD);
    let store = Arc::new(Store::load(&home.file).unwrap());
    let change = |path: &'static str, value: u32| {
        let store = store.clone();
        tokio::spawn(async move {
            store.change(move |text| set_keys(text, &[Change::new(path, value.into())])).await.unwrap();
        })
    };
    let all = [change("heartbeat_seconds", 33), change("checks_at_once", 7), change("mqtt.port", 1884)];
    for one in all {
        one.await.unwrap();
    }
    let config = store.current();
    assert_eq!((config.heartbeat.as_secs(), config.checks_at_once, config.mqtt.port), (33, 7, 1884));
    assert!(fs::read_to_string(&home.file).unwrap().starts_with("# mine\n"));
}

#[tokio::test]
async fn a_change_beside_an_editor_at_work_is_refused_and_nothing_lost() {
    let home = home(GOOD);
    let store = Store::load(&home.file).unwrap();
    let version = store.text().await.version;
    fs::write(&home.file, "").unwrap();
    let refused = store.change(|text| set_keys(text, &[Change::new("heartbeat_seconds", 33.into())])).await;
    assert!(matches!(refused, Err(WriteError::Changed)), "{refused:?}");
    let refused = store.write(GOOD.into(), Some(version)).await;
    assert!(matches!(refused, Err(WriteError::Changed)), "{refused:?}");
    assert_eq!(fs::read_to_string(&home.file).unwrap(), "");
}

#[tokio::test]
async fn a_text_that_was_read_before_another_change_is_refused_by_its_version() {
    let home = home(GOOD);
    let store = Store::load(&home.file).unwrap();
    let old = store.text().await.version;
    store.write(GOOD.replace("geheim", "secret"), Some(old.clone())).await.unwrap();
    assert_ne!(store.text().await.version, old, "a changed secret is another version, though it is not shown");
    assert!(matches!(store.write(GOOD.into(), Some(old)).await, Err(WriteError::Changed)));
}
