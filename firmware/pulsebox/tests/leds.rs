//! The LED card in `docs/leds.md`, `pulsebox leds demo`, and the Pi's own LED as the kernel's LED class shows it.
//! Real GPIO drivers are in vm/tests.

mod common;

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use common::daemon::PATIENCE;
use common::{document, written};
use pulsebox::leds::card::{BoxLamp, CARD, Row, Shown, Wave};
use pulsebox::leds::demo::strip;
use pulsebox::leds::own::{OWN, own_pattern};
use pulsebox::leds::wiring::{Kernel, Place, Taken, Wiring};

/// Cameras down in the row that counts them.
const DOWN: usize = 3;
/// Steps of 50 ms that the card to print draws of each row.
const PRINTED: usize = 60;

#[test]
fn the_card_of_the_docs_is_the_codes() {
    let rows = CARD.iter().map(|row| {
        format!("| `{}` | {} | {} | {} | {} | {} |", row.name, row.holds, row.green, row.red, row.act, row.advice)
    });
    let head = "| row | what holds | green | red | ACT | what to do |";
    document("leds.md", "card", head, &rows.collect::<Vec<_>>().join("\n"), 0);
}

#[test]
fn the_waves_of_the_docs_are_the_codes() {
    let wave = |row: &Row, lamp: BoxLamp| {
        let count = if let Wave::Counted = row.wave { DOWN } else { 0 };
        format!("| `{}` | {} | `{}` |", row.name, lamp.name(), strip(&Shown { sign: row.sign, count }.pattern(lamp)))
    };
    let rows = CARD.iter().flat_map(|row| BoxLamp::ALL.map(|lamp| wave(row, lamp)));
    document("leds.md", "waves", "| row | lamp | one period |", &rows.collect::<Vec<_>>().join("\n"), 0);
}

#[test]
fn the_card_to_print_is_the_codes() {
    let row = |row: &Row| {
        let count = if let Wave::Counted = row.wave { DOWN } else { 0 };
        // As much of a period as a column holds, and again from the start where it is shorter.
        let lamp = |lamp| {
            let period = strip(&Shown { sign: row.sign, count }.pattern(lamp));
            period.chars().cycle().take(PRINTED).collect::<String>()
        };
        let [green, red, act] = BoxLamp::ALL.map(lamp);
        let (holds, advice) = (row.holds, row.advice);
        format!(
            "<tr><td><i class=\"green\">{green}</i><i class=\"red\">{red}</i></td><td><i class=\"green\">{act}</i></td>\
             <td><b>{holds}</b><br>{advice}</td></tr>\n"
        )
    };
    let made: String = CARD.iter().map(row).collect();
    if let Some(written) = written("led-card.html", "card", &made) {
        assert_eq!(written, made, "docs/led-card.html is out of date: run the test with PULSEBOX_BLESS=1");
    }
}

#[test]
fn a_cameras_own_led_is_in_the_docs() {
    let rows = OWN
        .iter()
        .map(|row| format!("| `{}` | {} | `{}` |", row.state.name(), row.led, strip(&own_pattern(row.state))));
    let head = "| the camera is | its LED | one period |";
    document("leds.md", "own", head, &rows.collect::<Vec<_>>().join("\n"), 0);
}

/// `pulsebox leds demo` in an empty folder, with a configuration if there is one.
fn demo(args: &[&str], config: Option<&str>) -> Output {
    let home = tempfile::tempdir().unwrap();
    if let Some(config) = config {
        std::fs::write(home.path().join("pulsebox.yaml"), config).unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_pulsebox"));
    command.args(["leds", "demo"]).args(args).current_dir(home.path()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn without_an_led_the_demo_draws_every_row_by_name_and_waits_for_nobody() {
    let begun = Instant::now();
    let output = demo(&[], Some("leds: { act: false }"));
    assert!(output.status.success(), "{output:?}");
    let told = text(&output.stdout);
    assert!(told.starts_with("No LED is configured"), "{told}");
    for row in &CARD {
        assert!(told.contains(&format!("\n{}: {}", row.name, row.holds)), "{} is missing: {told}", row.name);
    }
    assert!(told.contains("red   █████·······█████·······█████····"), "{told}");
    assert!(begun.elapsed() < Duration::from_secs(20), "nobody watches a file blink");
}

#[test]
fn the_demo_shows_one_row_and_knows_no_other_names() {
    let output = demo(&["--only", "no_network"], Some("leds: { act: false }"));
    let told = text(&output.stdout);
    assert!(told.contains("no_network") && !told.contains("camera_down"), "{told}");
    let output = demo(&["--only", "no_netwerk"], None);
    assert_eq!(output.status.code(), Some(2));
    let told = text(&output.stderr);
    assert!(told.contains("`no_netwerk` is not on the LED card") && told.contains("no_network, camera_down"), "{told}");
}

#[test]
fn the_demo_says_why_an_led_that_is_configured_does_not_light() {
    // No chip anywhere has this label.
    let config = "leds: { green: 5, act: false, chip: no-such-chip }";
    let output = demo(&["--only", "all_up"], Some(config));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let told = text(&output.stdout);
    assert!(told.contains("green: line 5 of no-such-chip: "), "{told}");
    let output = demo(&[], Some("leds: { green: 99 }"));
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("pulsebox.yaml:1:"), "{output:?}");
}

#[test]
fn the_demo_on_the_appliance_knows_the_lines_that_the_file_does_not_name() {
    let config = "leds: { act: false, chip: no-such-chip }";
    let told = |args: &[&str]| text(&demo(args, Some(config)).stdout);
    let on_the_appliance = told(&["--only", "all_up", "--appliance"]);
    for line in ["green: line 27 of no-such-chip: ", "red: line 17 of no-such-chip: "] {
        assert!(on_the_appliance.contains(line), "{on_the_appliance}");
    }
    assert!(!told(&["--only", "all_up"]).contains("line 27"));
}

#[test]
fn a_box_that_starts_without_an_led_is_not_held_up() {
    let home = tempfile::tempdir().unwrap();
    let booting = |config: &str| {
        let file = home.path().join("pulsebox.yaml");
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_pulsebox"));
        command.args(["leds", "booting", "--appliance", "--config"]).arg(file).output().unwrap()
    };
    let begun = Instant::now();
    let output = booting("leds: { green: 5, act: false, chip: no-such-chip }");
    assert!(output.status.success(), "{output:?}");
    assert!(text(&output.stdout).contains("green: line 5 of no-such-chip: "), "{output:?}");
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_button_that_is_not_there_resets_nothing_and_says_why() {
    let output = Command::new(env!("CARGO_BIN_EXE_pulsebox")).arg("button").output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let told = text(&output.stderr);
    assert!(told.is_empty() || told.contains("the reset button is not looked at: line 21 of "), "{told}");
}

/// A folder as the kernel shows an LED.
fn led(class: &Path, name: &str, files: &[(&str, &str)]) {
    std::fs::create_dir_all(class.join(name)).unwrap();
    for (file, content) in files {
        std::fs::write(class.join(name).join(file), content).unwrap();
    }
}

/// Takes ACT, also right after it was given back: a process that another test starts holds a copy of its lock until it
/// runs its own program.
fn take_act(kernel: &Kernel) -> Taken {
    let end = Instant::now() + PATIENCE;
    loop {
        match kernel.take(&Place::Act) {
            Err(why) if why.problem.starts_with("another Pulsebox") && Instant::now() < end => {
                std::thread::sleep(Duration::from_millis(5));
            }
            taken => return taken.unwrap().unwrap(),
        }
    }
}

#[test]
fn act_is_dark_when_taken_lights_in_full_and_is_put_back_with_its_trigger() {
    let class = tempfile::tempdir().unwrap();
    let files = [("trigger", "none [mmc0] timer\n"), ("brightness", "0\n"), ("max_brightness", "255\n")];
    led(class.path(), "led0", &files);
    let read = |file: &str| std::fs::read_to_string(class.path().join("led0").join(file)).unwrap();
    let mut taken = take_act(&Kernel::with_leds(class.path().into()));
    assert_eq!((read("trigger"), read("brightness")), ("none".into(), "0".into()));
    taken.lamp.set(100).unwrap();
    assert_eq!(read("brightness"), "255");
    taken.lamp.set(49).unwrap();
    assert_eq!(read("brightness"), "0");
    taken.lamp.set(100).unwrap();
    drop(taken);
    assert_eq!(read("trigger"), "mmc0", "the trigger lights it from now on");
}

#[test]
fn act_that_a_timer_blinked_blinks_as_before_and_one_that_was_solid_is_solid() {
    let class = tempfile::tempdir().unwrap();
    let timer = [("trigger", "none mmc0 [timer]\n"), ("brightness", "1\n"), ("max_brightness", "1\n")];
    led(class.path(), "ACT", &[&timer[..], &[("delay_on", "125\n"), ("delay_off", "130\n")]].concat());
    let read = |file: &str| std::fs::read_to_string(class.path().join("ACT").join(file)).unwrap();
    let kernel = Kernel::with_leds(class.path().into());
    let taken = take_act(&kernel);
    // The kernel forgets them with the trigger.
    led(class.path(), "ACT", &[("delay_on", "0"), ("delay_off", "0")]);
    drop(taken);
    assert_eq!((read("trigger"), read("delay_on"), read("delay_off")), ("timer".into(), "125".into(), "130".into()));

    led(class.path(), "ACT", &[("trigger", "[none] mmc0\n"), ("brightness", "1\n")]);
    let mut taken = take_act(&kernel);
    taken.lamp.set(0).unwrap();
    drop(taken);
    assert_eq!((read("trigger"), read("brightness")), ("none".into(), "1".into()));
}

#[test]
fn an_act_that_is_not_there_is_not_missed_on_a_machine_that_is_no_raspberry_pi() {
    let class = tempfile::tempdir().unwrap();
    assert!(matches!(Kernel::with_leds(class.path().into()).take(&Place::Act), Ok(None)));
}

/// A folder that outlives the daemon, and one as the kernel shows ACT with the SD card's trigger.
fn box_with_act() -> (tempfile::TempDir, tempfile::TempDir) {
    let (runtime, class) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let delays = [("delay_on", "500\n"), ("delay_off", "500\n")];
    let files = [("trigger", "none [mmc0] timer\n"), ("brightness", "0\n"), ("max_brightness", "255\n")];
    led(class.path(), "ACT", &[&files[..], &delays].concat());
    (runtime, class)
}

fn attribute(class: &Path, name: &str) -> String {
    std::fs::read_to_string(class.join("ACT").join(name)).unwrap().trim().to_owned()
}

/// As the kernel shows what was written.
fn kernel_lists_the_trigger(class: &Path) {
    let chosen = attribute(class, "trigger");
    let all = ["none", "mmc0", "timer"].map(|one| if one == chosen { format!("[{one}]") } else { one.into() });
    led(class, "ACT", &[("trigger", &all.join(" "))]);
}

#[test]
fn what_a_killed_daemon_left_on_act_is_not_taken_for_how_it_was() {
    let (runtime, class) = box_with_act();
    let kernel = Kernel::with_leds(class.path().into()).remembering(runtime.path());
    let mut killed = take_act(&kernel);
    killed.lamp.set(100).unwrap();
    // The next process takes it anew: this one's lock is gone with it, and nothing was put back.
    let left = [("trigger", "[none] mmc0 timer\n"), ("brightness", "255\n")];
    let kept = std::fs::read(runtime.path().join("act-before")).unwrap();
    drop(killed);
    led(class.path(), "ACT", &left);
    std::fs::write(runtime.path().join("act-before"), kept).unwrap();

    let next = take_act(&kernel);
    drop(next);
    assert_eq!(attribute(class.path(), "trigger"), "mmc0");
    assert_eq!(std::fs::read_dir(runtime.path()).unwrap().count(), 0, "it is as it was: there is nothing to keep");

    // What somebody chose since then is how it was.
    led(class.path(), "ACT", &left);
    drop(take_act(&kernel));
    assert_eq!(
        (attribute(class.path(), "trigger"), attribute(class.path(), "brightness")),
        ("none".into(), "255".into())
    );
}

#[test]
fn without_a_daemon_the_kernel_blinks_act_fast_and_the_next_one_still_knows_how_it_was() {
    let (runtime, class) = box_with_act();
    let kernel = Kernel::with_leds(class.path().into()).remembering(runtime.path());
    let at = class.path().join("ACT").display().to_string();
    assert_eq!(kernel.blink_act(), Ok(Some(at)));
    let delays = || (attribute(class.path(), "delay_on"), attribute(class.path(), "delay_off"));
    assert_eq!((attribute(class.path(), "trigger").as_str(), delays()), ("timer", ("125".into(), "125".into())));
    kernel_lists_the_trigger(class.path());
    drop(take_act(&kernel));
    assert_eq!(attribute(class.path(), "trigger"), "mmc0");
}

#[test]
fn two_pulseboxes_do_not_share_act() {
    let (runtime, class) = box_with_act();
    let kernel = Kernel::with_leds(class.path().into()).remembering(runtime.path());
    let first = take_act(&kernel);
    let Err(why) = kernel.take(&Place::Act) else { panic!("both have it") };
    assert!(why.problem.starts_with("another Pulsebox has this LED"), "{why:?}");
    let why = kernel.blink_act().unwrap_err();
    assert!(why.problem.starts_with("another Pulsebox has this LED"), "{why:?}");
    drop(first);
    take_act(&kernel);
}

/// `pulsebox leds off` as systemd calls it.
fn off(config: &str, result: &str) -> Output {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("pulsebox.yaml"), config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pulsebox"));
    command.args(["leds", "off", "--config", "pulsebox.yaml"]).current_dir(home.path());
    command.env("SERVICE_RESULT", result).output().unwrap()
}

#[test]
fn after_a_crash_off_names_each_led_that_it_cannot_darken_and_after_an_orderly_end_it_does_nothing() {
    let config = "leds: { green: 5, act: false, chip: no-such-chip }";
    let output = off(config, "signal");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stderr).contains("green: line 5 of no-such-chip: "), "{output:?}");
    let output = off(config, "success");
    assert!(output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
    let output = off("leds: { green: 99 }", "exit-code");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("pulsebox.yaml:1:"), "{output:?}");
}
