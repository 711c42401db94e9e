//! `pulsebox run` as a process, on simulated cameras: what systemd, the page, a person at the keyboard and
//! the power cord see of it.

mod common;

use std::time::{Duration, Instant};

use common::daemon::{Daemon, Home, PATIENCE, config, output, recent, stream, until};
use serde_json::Value;
use simcam::{Auth, Camera, Mood, Options, Protocol};
use tokio::net::UnixDatagram;
use tokio::time::timeout;

/// A small camera in this mood.
async fn camera(mood: Mood) -> Camera {
    Camera::start(Options { mood, width: 320, height: 180, ..Options::default() }).await.unwrap()
}

fn time(value: &Value) -> jiff::Timestamp {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no time: {value}"))
}

/// The history keeps milliseconds, the page tells nanoseconds.
fn same_time(a: &Value, b: &Value) -> bool {
    time(a).as_millisecond() == time(b).as_millisecond()
}

/// Seconds between the checks that a camera's answer remembers.
fn gaps(camera: &Value) -> Vec<f64> {
    // After a first check that took long, one regular time may be passed over.
    let times: Vec<_> = recent(camera).iter().skip(1).map(|check| time(&check["at"])).collect();
    times.windows(2).map(|two| two[1].duration_since(two[0]).as_secs_f64()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_is_told_ready_status_watchdog_and_stopping() {
    /// Within which systemd is to hear from it, seconds.
    const PERIOD: u64 = 3;
    let cameras = [camera(Mood::Healthy).await, camera(Mood::Refuses).await];
    let home = Home::new(&config(&[stream("A", &cameras[0]), stream("B", &cameras[1])]));
    let systemd = UnixDatagram::bind(home.path("notify")).unwrap();
    // The shell knows the process id that it becomes.
    let mut command = home.command_in(&["sh", "-c", "WATCHDOG_PID=$$ exec \"$0\" \"$@\""], &home.path("data"));
    command.env("NOTIFY_SOCKET", home.path("notify")).env("WATCHDOG_USEC", (PERIOD * 1_000_000).to_string());
    let mut daemon = Daemon::start(command).await;

    let (mut told, mut fed) = (Vec::new(), Vec::new());
    let mut buffer = [0; 4096];
    let status = "STATUS=1 of 2 cameras up, 1 down";
    let mut watched_since = None;
    while watched_since.is_none_or(|since: Instant| since.elapsed() < Duration::from_secs(3 * PERIOD)) {
        let n = timeout(PATIENCE, systemd.recv(&mut buffer)).await.expect("no word for systemd").unwrap();
        for line in String::from_utf8_lossy(&buffer[..n]).lines() {
            if line == "WATCHDOG=1" {
                fed.push(Instant::now());
            } else {
                told.push(line.to_owned());
            }
            if line == status {
                watched_since = Some(Instant::now());
            }
        }
    }
    assert!(told.contains(&"READY=1".into()), "{told:?}");
    let late = fed.windows(2).map(|two| two[1] - two[0]).max().unwrap();
    assert!(late < Duration::from_secs(PERIOD).mul_f64(0.9), "the watchdog was fed {late:?} apart");
    let per_period = fed.iter().filter(|at| **at >= watched_since.unwrap()).count() as f64 / 3.0;
    assert!(per_period >= 2.0, "the watchdog was fed {per_period} times a period");

    let (ended, _) = daemon.terminate().await;
    assert!(ended.success());
    let mut last = String::new();
    while let Ok(n) = systemd.try_recv(&mut buffer) {
        last += &String::from_utf8_lossy(&buffer[..n]);
    }
    assert!(last.contains("STOPPING=1"), "{last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_within_two_seconds_with_all_written_and_every_camera_told_goodbye() {
    let moods = [Mood::Healthy, Mood::HangAccept, Mood::Drip, Mood::HangPlay, Mood::NoMedia, Mood::NoKeyframe];
    let mut cameras = Vec::new();
    for mood in moods {
        cameras.push(camera(mood).await);
    }
    let streams: Vec<String> = cameras.iter().zip(moods).map(|(c, mood)| stream(mood.name(), c)).collect();
    let home = Home::new(&config(&streams));
    let mut daemon = home.start().await;
    daemon.until_checked("healthy", 1).await;
    for camera in &cameras[1..] {
        let hangs = camera.until(|stats| stats.connections_open > 0);
        timeout(PATIENCE, hangs).await.expect("every camera is being looked at");
    }
    for camera in &cameras[3..] {
        timeout(PATIENCE, camera.until(|stats| stats.sessions_open > 0)).await.expect("a session is open");
    }

    let (ended, took) = daemon.terminate().await;
    assert_eq!(ended.code(), Some(0), "{}", daemon.log());
    assert!(took < Duration::from_secs(2), "it took {took:?}: {}", daemon.log());
    for (camera, mood) in cameras.iter().zip(moods) {
        timeout(PATIENCE, camera.until(|stats| stats.connections_open == 0)).await.unwrap();
        let stats = camera.stats();
        assert_eq!((stats.sessions_open, stats.teardowns), (0, stats.sessions_total), "{mood}: {stats:?}");
    }
    let file = rusqlite::Connection::open(home.database()).unwrap();
    let checks: i64 = file.query_row("SELECT sum(n) FROM checks", [], |row| row.get(0)).unwrap();
    assert!(checks >= 1, "the checks since the start are in the file");
    drop(file);

    let daemon = home.start().await;
    let (_, past) = daemon.json("/api/streams/healthy/history").await;
    let counted = |answer: &Value| -> i64 {
        answer["points"].as_array().unwrap().iter().map(|point| point["checks"].as_i64().unwrap()).sum()
    };
    assert!(counted(&past) >= 1, "{past:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_file_is_in_force_within_two_seconds_and_touches_only_what_changed() {
    // A little more than promised: the test's own asking takes time too.
    let soon = Duration::from_millis(2500);
    let (a, b) = (camera(Mood::Healthy).await, camera(Mood::Refuses).await);
    let b_named = |name: &str| format!("{{ id: b, name: {name}, url: \"{}\" }}", b.url());
    let home = Home::new(&config(&[stream("A", &a)]));
    let daemon = home.start().await;
    let before = daemon.until_state("a", "up").await;

    home.write(&config(&[stream("A", &a), b_named("Bee")]));
    daemon.until("/api/streams", soon, |all| all[1]["name"] == "Bee").await;
    let incident = daemon.until_state("b", "down").await["incident"].clone();

    home.write(&config(&[stream("A", &a), b_named("Wasp")]));
    let renamed = daemon.until("/api/streams", soon, |all| all[1]["name"] == "Wasp").await;
    assert_eq!(renamed[1]["incident"], incident, "a new name is no new camera");

    let bad = config(&[stream("A", &a), b_named("Wasp")]).replace("heartbeat_seconds", "hartbeat_seconds");
    home.write(&bad);
    let status = daemon.until("/api/status", soon, |status| status["host"]["config_fault"].is_string()).await;
    let fault = status["host"]["config_fault"].as_str().unwrap();
    assert!(fault.contains("pulsebox.yaml:1:1: ") && fault.contains("heartbeat_seconds"), "{fault}");
    assert_eq!(status["cameras"].as_array().unwrap().len(), 2, "the last good one stays in force");
    let (_, health) = daemon.json("/api/health").await;
    assert!(health["reasons"].to_string().contains("pulsebox.yaml:1:1: "), "{health}");

    home.write(&config(&[stream("A", &a)]));
    daemon.until("/api/streams", soon, |all| all.as_array().unwrap().len() == 1).await;
    assert_eq!(daemon.json("/api/streams/b").await.0, 404);
    daemon.until("/api/status", soon, |status| status["host"]["config_fault"].is_null()).await;
    let closed = daemon.until("/api/streams/b/incidents", soon, |all| all[0]["to"].is_string()).await;
    assert_eq!((closed.as_array().unwrap().len(), &closed[0]["id"]), (1, &incident["id"]));

    let after = daemon.until_checked("a", 3).await;
    assert_eq!((&after["since"], &after["state"]), (&before["since"], &before["state"]));
    assert_eq!(recent(&after)[0], recent(&before)[0], "the history of A goes on");
    let on_time = gaps(&after).into_iter().all(|gap| gap < 8.0);
    assert!(on_time, "A is checked as before: {:?}", gaps(&after));
    let ran = a.until(|stats| stats.sessions_total == stats.describes);
    timeout(PATIENCE, ran).await.expect("each session of A ran to its end");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_one_incident_told_in_order() {
    let cam = camera(Mood::Healthy).await;
    let home = Home::new(&config(&[stream("Cam", &cam)]));
    let daemon = home.start().await;
    daemon.until_state("cam", "up").await;
    let mut events = daemon.events("state,incident").await;

    cam.set_mood(Mood::NotFound).await;
    let (kind, down) = events.next().await;
    assert_eq!((kind.as_str(), &down["from"], &down["to"]), ("state", &"up".into(), &"down".into()));
    let (kind, opened) = events.next().await;
    assert_eq!((kind.as_str(), &opened["phase"]), ("incident", &"opened".into()));
    assert_eq!(opened["incident"]["verdict"], "not_found");

    cam.set_mood(Mood::Healthy).await;
    let (kind, up) = events.next().await;
    assert_eq!((kind.as_str(), &up["from"], &up["to"]), ("state", &"down".into(), &"up".into()));
    let (kind, closed) = events.next().await;
    assert_eq!((kind.as_str(), &closed["phase"]), ("incident", &"closed".into()));

    // The history hears of its end when the page does, not before.
    let incidents = daemon.until("/api/streams/cam/incidents", PATIENCE, |all| all[0]["to"].is_string()).await;
    assert_eq!(incidents.as_array().unwrap().len(), 1, "{incidents:?}");
    let incident = &incidents[0];
    assert_eq!((&incident["verdict"], &incident["id"]), (&"not_found".into(), &opened["incident"]["id"]));
    assert!(same_time(&incident["to"], &closed["incident"]["to"]), "{incident:#}");
    assert!(time(&incident["from"]) < time(&incident["to"]));
    assert!(same_time(&incident["from"], &down["at"]), "the outage counts from its first failed check");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_power_cut_the_same_incident_goes_on_and_closes() {
    let cam = camera(Mood::Refuses).await;
    let home = Home::new(&config(&[stream("Cam", &cam)]));
    let daemon = home.start().await;
    let incident = daemon.until_state("cam", "down").await["incident"].clone();
    // The daemon keeps other processes out of its file, so its log is searched for the message.
    let (log, message) = (home.path("data/history.sqlite-wal"), incident["message"].as_str().unwrap().to_owned());
    let written = || {
        let bytes = std::fs::read(&log).ok()?;
        bytes.windows(message.len()).any(|part| part == message.as_bytes()).then_some(())
    };
    until("an open incident is written at once", Duration::from_secs(2), written).await;
    daemon.kill().await;

    let daemon = home.start().await;
    let again = daemon.until_state("cam", "down").await;
    assert_eq!(again["incident"]["id"], incident["id"]);
    assert!(same_time(&again["incident"]["from"], &incident["from"]), "{again:#}");
    cam.set_mood(Mood::Healthy).await;
    daemon.until_state("cam", "up").await;
    let closed = daemon.until("/api/streams/cam/incidents", PATIENCE, |all| all[0]["to"].is_string()).await;
    let closed = closed.as_array().unwrap();
    assert_eq!((closed.len(), &closed[0]["id"]), (1, &incident["id"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_password_appears_anywhere() {
    const PASSWORD: &str = "s3cr3t-pässword";
    // As it is and percent-encoded; as Basic credentials (base64 of `admin:s3cr3t…`).
    const TRACES: [&str; 2] = ["s3cr3t", "YWRtaW46czNjcjN0"];
    let mut cameras = Vec::new();
    for mood in [Mood::Healthy, Mood::WrongPassword, Mood::NotFound, Mood::Junk] {
        for (protocol, auth) in
            [(Protocol::Rtsp, Auth::Basic), (Protocol::Rtsp, Auth::Digest), (Protocol::HttpMjpeg, Auth::Basic)]
        {
            let credentials = Some(("admin".to_owned(), PASSWORD.to_owned()));
            let options = Options { protocol, auth, mood, credentials, width: 320, height: 180, ..Options::default() };
            cameras.push(Camera::start(options).await.unwrap());
        }
    }
    let urls: Vec<String> =
        cameras.iter().map(|c| format!("{}?user=admin&password=s3cr3t-p%C3%A4ssword", c.url())).collect();
    let streams: Vec<String> =
        urls.iter().enumerate().map(|(n, url)| format!("{{ name: c{n}, url: \"{url}\" }}")).collect();
    let home = Home::new(&config(&streams));
    let mut command = home.command();
    command.env("PULSEBOX_LOG", "trace");
    let mut daemon = Daemon::start(command).await;

    let clean = |what: &str, bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        for trace in TRACES {
            let lines: Vec<&str> = text.lines().filter(|line| line.contains(trace)).take(5).collect();
            assert!(lines.is_empty(), "{what} tells the password:\n{}", lines.join("\n"));
        }
    };
    for n in 0..cameras.len() {
        daemon.until_checked(&format!("c{n}"), 1).await;
    }
    assert_eq!(daemon.camera("c0").await["verdict"], "ok", "{:#}", daemon.camera("c0").await);
    assert_eq!(daemon.camera("c3").await["verdict"], "auth");
    home.write(&config(&streams).replace("rtsp://", "rtps://"));
    daemon.until("/api/status", PATIENCE, |status| status["host"]["config_fault"].is_string()).await;
    let mut paths: Vec<String> = ["/api/status", "/api/streams", "/api/health"].map(String::from).into();
    for n in 0..cameras.len() {
        paths.extend(["", "/incidents", "/history"].map(|rest| format!("/api/streams/c{n}{rest}")));
    }
    for path in paths {
        clean(&path, &daemon.get(&path).await.1);
    }
    daemon.terminate().await;
    assert!(daemon.log().contains("debug: "), "the log is asked for in full");
    clean("the log", daemon.log().as_bytes());
    for file in std::fs::read_dir(home.path("data")).unwrap() {
        let path = file.unwrap().path();
        clean(&path.display().to_string(), &std::fs::read(&path).unwrap());
    }
    for url in urls.iter().step_by(3) {
        for extra in [&[][..], &["--json"]] {
            let mut check = tokio::process::Command::new(env!("CARGO_BIN_EXE_pulsebox"));
            check.arg("check").arg(url).args(extra).env("PULSEBOX_LOG", "trace");
            let (_, out, err) = output(check, PATIENCE).await;
            assert!(out.contains("***"), "{out}");
            clean("check", (out + &err).as_bytes());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_without_network_is_blind_and_raises_no_alarm() {
    const ALONE: [&str; 5] = ["unshare", "-n", "sh", "-c", "ip link set lo up && exec \"$0\" \"$@\""];
    if !is_permitted(&["unshare", "-n", "ip", "link", "set", "lo", "up"]).await {
        return;
    }
    let home = Home::new(&config(&["{ name: Cam, url: \"rtsp://192.0.2.1/\" }"]));
    let systemd = UnixDatagram::bind(home.path("notify")).unwrap();
    let mut command = home.command_in(&ALONE, &home.path("data"));
    command.env("PULSEBOX_LOG", "debug").env("NOTIFY_SOCKET", home.path("notify"));
    let mut daemon = Daemon::start(command).await;
    daemon.logged("cam: Pulsebox itself has no network: ").await;
    // Its page is in a network of its own: what it tells systemd reaches us.
    let mut buffer = [0; 4096];
    loop {
        let n = timeout(PATIENCE, systemd.recv(&mut buffer)).await.expect("no status").unwrap();
        if buffer[..n].starts_with(b"STATUS=0 of 1 cameras up, 1 unknown") {
            break;
        }
    }
    let (ended, _) = daemon.terminate().await;
    assert!(ended.success());
    assert!(!daemon.log().contains("down"), "{}", daemon.log());
    let file = rusqlite::Connection::open(home.database()).unwrap();
    let incidents: i64 = file.query_row("SELECT count(*) FROM incidents", [], |row| row.get(0)).unwrap();
    assert_eq!(incidents, 0);
}

/// Whether this machine lets us do that; says so where it does not.
async fn is_permitted(words: &[&str]) -> bool {
    let mut command = tokio::process::Command::new(words[0]);
    command.args(&words[1..]);
    let permitted = output(command, PATIENCE).await.0 == Some(0);
    if !permitted {
        assert!(
            std::env::var_os("CI").is_none(),
            "CI must be able to run {}: a skipped test proves nothing",
            words.join(" ")
        );
        eprintln!("SKIPPED for lack of rights: {}", words.join(" "));
    }
    permitted
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_disk_the_checks_go_on_and_the_page_says_why() {
    let cam = camera(Mood::Healthy).await;
    let mounted = |options: &str| {
        // $5 is what follows --data.
        format!("mkdir \"$5\" && mount -t tmpfs -o {options} none \"$5\" && exec \"$0\" \"$@\"")
    };
    let mut cases = vec![("a file in its place", None), ("no folder above it", None)];
    if is_permitted(&["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"]).await {
        cases.push(("read-only", Some(mounted("ro"))));
        cases.push(("free some space", Some(mounted("size=16k"))));
    }
    let checks = cases.into_iter().map(|(case, mount)| {
        let home = Home::new(&config(&[stream("Cam", &cam)]));
        async move {
            let data = if case.starts_with("no folder") { home.path("data/below") } else { home.path("data") };
            if case.starts_with("a file") {
                std::fs::write(&data, "mine").unwrap();
            }
            let command = match &mount {
                Some(script) => home.command_in(&["unshare", "-m", "sh", "-c", script], &data),
                None => home.command_in(&[], &data),
            };
            let mut daemon = Daemon::start(command).await;
            let status =
                daemon.until("/api/status", PATIENCE, |status| status["host"]["storage_fault"].is_string()).await;
            let fault = status["host"]["storage_fault"].as_str().unwrap().to_owned();
            assert!(fault.contains(data.to_str().unwrap()), "{case}: {fault}");
            assert!(mount.is_none() || fault.contains(case), "{case}: {fault}");
            daemon.until_state("cam", "up").await;
            let (code, health) = daemon.json("/api/health").await;
            assert_eq!((code, &health["status"]), (200, &"degraded".into()), "{case}: {health}");
            let (code, past) = daemon.json("/api/streams/cam/history").await;
            assert_eq!(code, 200, "{case}: memory answers: {past}");
            let (ended, took) = daemon.terminate().await;
            assert!(ended.success() && took < Duration::from_secs(2), "{case}: {took:?}");
            if case.starts_with("a file") {
                assert_eq!(std::fs::read_to_string(&data).unwrap(), "mine");
            }
        }
    });
    futures::future::join_all(checks).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cameras_are_watched_without_a_page_and_the_page_comes_once_its_port_is_free() {
    // Held, so that no other test is given it between two tries of the daemon, seconds apart.
    let held = simcam::reserve(([127, 0, 0, 1], 0).into()).unwrap();
    let taken = std::net::TcpListener::bind(held.local_addr().unwrap()).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let camera = camera(Mood::Healthy).await;
    let page = format!("web: {{ listen: \"127.0.0.1:{port}\" }}");
    let home = Home::new(&config(&[stream("A", &camera)]).replace("web: { listen: \"127.0.0.1:0\" }", &page));
    let starting = tokio::spawn(Daemon::start(home.command()));
    timeout(PATIENCE, camera.until(|stats| stats.teardowns > 0)).await.expect("the camera is checked all the same");
    assert!(!starting.is_finished(), "another has the port");
    drop(taken);
    let mut daemon = timeout(PATIENCE, starting).await.unwrap().unwrap();
    let log = daemon.log();
    assert!(log.contains(&port) && log.contains("choose another port"), "{log}");
    assert_eq!(daemon.address.port().to_string(), port);
    let (ended, _) = daemon.terminate().await;
    assert!(ended.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_the_daemon_from_starting_is_said_with_what_to_do() {
    let home = Home::new("");
    std::fs::remove_file(home.path("pulsebox.yaml")).unwrap();
    let (code, _, err) = output(home.command(), PATIENCE).await;
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("pulsebox.yaml") && err.contains("--config"), "{err}");

    home.write("streams:\n  - { name: A }\n");
    let (code, _, err) = output(home.command(), PATIENCE).await;
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("pulsebox.yaml:2:5: ") && err.contains("url"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_cameras_are_all_checked_at_every_heartbeat() {
    let mut cameras = Vec::new();
    for _ in 0..60 {
        cameras.push(camera(Mood::Healthy).await);
    }
    let streams: Vec<String> = cameras.iter().enumerate().map(|(n, c)| stream(&format!("c{n}"), c)).collect();
    let home = Home::new(&config(&streams));
    let daemon = home.start().await;
    let often = |all: &Value| all.as_array().unwrap().iter().all(|camera| recent(camera).len() >= 4);
    let all = daemon.until("/api/streams", PATIENCE * 2, often).await;
    for camera in all.as_array().unwrap() {
        assert_eq!(camera["state"], "up", "{camera:#}");
        let latest = gaps(camera).into_iter().fold(0.0, f64::max);
        assert!(latest <= 10.0, "{}: {latest} s between two checks", camera["id"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_that_break_the_rules_cost_neither_memory_nor_the_others_time() {
    let mut cameras = vec![camera(Mood::Healthy).await];
    for mood in [Mood::Drip, Mood::EndlessHeaders, Mood::HugeBody, Mood::Junk] {
        for protocol in [Protocol::Rtsp, Protocol::HttpMjpeg] {
            cameras.push(Camera::start(Options { protocol, mood, ..Options::default() }).await.unwrap());
        }
    }
    let streams: Vec<String> = cameras.iter().enumerate().map(|(n, c)| stream(&format!("c{n}"), c)).collect();
    let home = Home::new(&config(&streams));
    let daemon = home.start().await;
    let healthy = daemon.until_checked("c0", 5).await;
    let late = gaps(&healthy).into_iter().fold(0.0, f64::max);
    assert!(late < 7.0, "{late} s between two checks of the healthy camera");
    assert!(recent(&healthy).iter().all(|check| check["verdict"] == "ok"), "{healthy:#}");
    for camera in &cameras[1..] {
        assert!(camera.stats().connections_total >= 2, "{:?}", camera.options());
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim();
    let kilobytes: u64 = peak.trim_end_matches(" kB").parse().unwrap();
    assert!(kilobytes < 80 * 1024, "resident memory reached {peak}");
}
