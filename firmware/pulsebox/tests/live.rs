//! Live sessions through their front door: one upstream however many watch, against simulated cameras that count.

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use common::daemon::PATIENCE;
use common::target;
use mp4_atom::{Atom, Decode, DecodeMaybe, Ftyp, Header, Moof, Moov};
use pulsebox::camera::sessions::{Ending, Item, Limits, LiveFrame, Viewer};
use pulsebox::camera::{CameraUrl, Codec, Rung, Sessions, StreamKind, Transport, Verdict};
use pulsebox::clock::Clock;
use pulsebox::config::CameraConfig;
use pulsebox::live::mjpeg::{self, NoView, Quality};
use pulsebox::live::{Live, Part, TIMESCALE, Track, Watching};
use pulsebox::monitor::look::{Eye, Look, RealEye};
use simcam::{Camera, Mood, Options, Protocol};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

const DEADLINE: Duration = Duration::from_secs(15);

fn sessions(change: impl FnOnce(&mut Limits)) -> Sessions {
    let mut limits = Limits::default();
    change(&mut limits);
    Sessions::new(TaskTracker::new(), limits)
}

async fn camera(change: impl FnOnce(&mut Options)) -> Camera {
    let mut options = Options::default();
    change(&mut options);
    Camera::start(options).await.unwrap()
}

fn join(sessions: &Sessions, camera: &Camera) -> Viewer {
    sessions.join("cam", StreamKind::Main, &target(camera), DEADLINE)
}

async fn next(viewer: &mut Viewer) -> Result<Item, Ending> {
    timeout(PATIENCE, viewer.next()).await.expect("nothing comes")
}

async fn frame(viewer: &mut Viewer) -> Arc<LiveFrame> {
    match next(viewer).await {
        Ok(Item::Frame(frame)) => frame,
        other => panic!("{other:?} instead of a frame"),
    }
}

async fn fault(viewer: &mut Viewer) -> (Verdict, bool) {
    match next(viewer).await {
        Err(Ending::Broken { fault, opened }) => (fault.verdict, opened),
        other => panic!("{other:?} instead of a fault"),
    }
}

fn config(camera: &Camera) -> CameraConfig {
    CameraConfig { tls_insecure: true, ..CameraConfig::new("cam", target(camera).url) }
}

async fn look(eye: &RealEye, camera: CameraConfig) -> Look {
    let looking = eye.look(Arc::new(camera), Clock::system().now(), true);
    timeout(PATIENCE, looking).await.expect("the look does not end").0
}

#[tokio::test]
async fn however_many_watch_the_camera_has_one_session() {
    let camera = camera(|_| {}).await;
    let sessions = sessions(|_| {});
    let mut viewers: Vec<_> = (0..20).map(|_| join(&sessions, &camera)).collect();
    for viewer in &mut viewers {
        assert!(frame(viewer).await.frame.key);
    }
    assert_eq!((camera.stats().sessions_total, sessions.viewers("cam")), (1, 20));
    frame(&mut viewers[0]).await;
    let [open] = &Live::new(sessions.clone()).statistics()[..] else { panic!("one upstream") };
    assert_eq!((open.viewers, open.codec, open.width, open.height), (20, Some(Codec::H264), Some(640), Some(360)));
    assert!(open.fps.is_some_and(|fps| (5.0..20.0).contains(&fps)) && open.gop_frames > 0, "{open:?}");
}

#[tokio::test]
async fn a_viewer_who_comes_later_has_a_picture_at_once() {
    let camera = camera(|o| o.gop = Duration::from_secs(4)).await;
    let sessions = sessions(|_| {});
    let mut first = join(&sessions, &camera);
    let key = frame(&mut first).await;
    for _ in 0..5 {
        frame(&mut first).await;
    }
    let came = Instant::now();
    let mut second = join(&sessions, &camera);
    let start = frame(&mut second).await;
    // The camera's next key frame is three seconds away.
    assert!(came.elapsed() < Duration::from_secs(2), "{:?}", came.elapsed());
    assert!(start.frame.key && start.number == key.number);
}

#[tokio::test]
async fn a_stalled_viewer_goes_on_at_a_key_frame_and_the_other_loses_nothing() {
    let camera = camera(|o| (o.fps, o.gop) = (20, Duration::from_millis(500))).await;
    let sessions = sessions(|limits| limits.lag = Duration::from_millis(700));
    let (mut steady, mut stalled) = (join(&sessions, &camera), join(&sessions, &camera));
    let last = frame(&mut stalled).await.number;
    let mut expected = frame(&mut steady).await.number;
    for _ in 0..50 {
        expected += 1;
        assert_eq!(frame(&mut steady).await.number, expected);
    }
    let skipped = match next(&mut stalled).await {
        Ok(Item::Skipped(frames)) => frames,
        other => panic!("{other:?} instead of a skip"),
    };
    let start = frame(&mut stalled).await;
    assert!(start.frame.key && skipped > 20, "{start:?}, {skipped}");
    assert_eq!(start.number, last + 1 + skipped);
}

#[tokio::test]
async fn when_the_last_viewer_has_gone_the_camera_is_told_goodbye_after_the_grace() {
    const GRACE: Duration = Duration::from_millis(400);
    let camera = camera(|_| {}).await;
    let sessions = sessions(|limits| limits.grace = GRACE);
    for _ in 0..3 {
        frame(&mut join(&sessions, &camera)).await;
    }
    // Those who come back within the grace find the session open.
    assert_eq!((camera.stats().sessions_total, camera.stats().teardowns), (1, 0));
    let gone = Instant::now();
    timeout(PATIENCE, camera.until(|stats| stats.teardowns == 1 && stats.sessions_open == 0)).await.unwrap();
    assert!(gone.elapsed() >= GRACE - Duration::from_millis(50), "{:?}", gone.elapsed());
    assert!(sessions.statistics().is_empty());
    frame(&mut join(&sessions, &camera)).await;
    assert_eq!(camera.stats().sessions_total, 2);
}

#[tokio::test]
async fn a_check_reads_along_where_somebody_watches() {
    // This one has room for one client: a session of the check's own would be refused.
    let camera = camera(|o| o.max_sessions = Some(1)).await;
    let sessions = sessions(|limits| limits.grace = Duration::from_millis(100));
    let eye = RealEye::new(sessions.clone());
    let mut viewer = join(&sessions, &camera);
    frame(&mut viewer).await;
    for _ in 0..2 {
        let look = look(&eye, config(&camera)).await;
        assert_eq!((&look.fault, look.first_packet_ms), (&None, None));
        assert!(look.picture.is_some() && look.stream.fps.is_some_and(|fps| (7.0..14.0).contains(&fps)));
        assert_eq!(look.stream.width, Some(640));
        // Nothing was climbed but the last rung, in the time of this look.
        let [picture] = look.rungs[..] else { panic!("{:?}", look.rungs) };
        assert!(picture.rung == Rung::Picture && picture.ms <= look.ms, "{picture:?} of {}", look.ms);
    }
    assert_eq!(camera.stats().sessions_total, 1);
    drop(viewer);
    timeout(PATIENCE, camera.until(|stats| stats.teardowns == 1)).await.unwrap();
    // Nobody watches: the check opens its own, after the viewers' session has gone.
    assert_eq!(look(&eye, config(&camera)).await.fault, None);
    assert_eq!(camera.stats().sessions_total, 2);
}

#[tokio::test]
async fn the_share_of_packets_that_is_lost_on_the_way_is_told_whichever_way_they_come() {
    use simcam::Codec::{H264, Mjpeg};
    let is_a_tenth = |look: &Look| look.stream.loss_percent.is_some_and(|lost| (4.0..20.0).contains(&lost));
    for (codec, transport) in [(Mjpeg, Transport::Tcp), (Mjpeg, Transport::Udp), (H264, Transport::Tcp)] {
        // Small: what the kernel keeps of UDP where nobody reads for half a second.
        let camera = camera(|o| (o.mood, o.codec, o.width, o.height) = (Mood::PacketLoss, codec, 320, 184)).await;
        let config = CameraConfig { transport, ..config(&camera) };
        let sessions = sessions(|_| {});
        let eye = RealEye::new(sessions.clone());
        let alone = look(&eye, config.clone()).await;
        assert!(alone.first_packet_ms.is_some() && is_a_tenth(&alone), "{codec:?}, {transport:?}: {:?}", alone.stream);
        // The camera spares its key frames: of H.264 a look along, which is short, sees none or little else.
        if codec == Mjpeg {
            let mut viewer = sessions.join("cam", StreamKind::Main, &config.target(), DEADLINE);
            frame(&mut viewer).await;
            let along = look(&eye, config).await;
            assert!(along.first_packet_ms.is_none() && is_a_tenth(&along), "{transport:?}: {:?}", along.stream);
        }
    }
}

#[tokio::test]
async fn a_check_that_reads_along_sees_the_stream_stop() {
    let camera = camera(|o| o.gop = Duration::from_millis(300)).await;
    let sessions = sessions(|_| {});
    let mut viewer = join(&sessions, &camera);
    frame(&mut viewer).await;
    camera.set_mood(Mood::NoMedia).await;
    // What was under way comes before the look.
    let emptied = async { while matches!(timeout(Duration::from_millis(300), viewer.next()).await, Ok(Ok(_))) {} };
    timeout(PATIENCE, emptied).await.expect("the camera sends on");
    let timeout = Duration::from_secs(1);
    let look = look(&RealEye::new(sessions.clone()), CameraConfig { timeout, ..config(&camera) }).await;
    assert_eq!(look.fault.map(|fault| fault.verdict), Some(Verdict::NoMedia));
    assert!(look.ms < 2500.0 && look.rungs.is_empty(), "{} {:?}", look.ms, look.rungs);
    assert_eq!(camera.stats().sessions_total, 1);
}

/// A camera that sends key frames no more, and a viewer; the last key frame has left the window.
async fn with_its_key_frame_gone(deadline: Duration) -> (Camera, Sessions, Viewer) {
    let camera = camera(|o| o.gop = Duration::from_millis(300)).await;
    let sessions = sessions(|limits| limits.frames = 5);
    let mut viewer = sessions.join("cam", StreamKind::Main, &target(&camera), deadline);
    frame(&mut viewer).await;
    camera.set_mood(Mood::NoKeyframe).await;
    let gone = async {
        while sessions.statistics()[0].gop_frames > 0 {
            let _ = viewer.next().await;
        }
    };
    timeout(PATIENCE, gone).await.expect("key frames go on");
    (camera, sessions, viewer)
}

#[tokio::test]
async fn a_watched_camera_whose_key_frames_are_rare_is_well_while_its_frames_flow() {
    let (camera, sessions, _viewer) = with_its_key_frame_gone(DEADLINE).await;
    let timeout = Duration::from_secs(1);
    let camera_config = CameraConfig { timeout, ..config(&camera) };
    let look = look(&RealEye::new(sessions.clone()), camera_config).await;
    assert_eq!(look.fault, None);
    assert!(look.picture.is_some() && look.stream.width == Some(640), "{:?}", look.stream);
    assert_eq!(camera.stats().sessions_total, 1);
}

#[tokio::test]
async fn a_viewer_who_finds_no_key_frame_to_begin_with_is_told_and_the_others_watch_on() {
    let (camera, sessions, mut viewer) = with_its_key_frame_gone(Duration::from_secs(2)).await;
    let mut late = join(&sessions, &camera);
    assert_eq!(fault(&mut late).await, (Verdict::NoKeyframe, false));
    assert_eq!(fault(&mut late).await, (Verdict::NoKeyframe, false), "from then on always the same");
    // It has fallen behind meanwhile, and here too no key frame comes.
    assert!(matches!(next(&mut viewer).await, Err(Ending::Broken { opened: true, .. })));
    assert_eq!(camera.stats().sessions_open, 1);
}

#[tokio::test]
async fn a_picture_that_nobody_decodes_reaches_no_picture_rung() {
    let camera = camera(|o| o.codec = simcam::Codec::H265).await;
    let look = look(&RealEye::default(), config(&camera)).await;
    assert_eq!((look.fault, look.picture.is_some()), (None, true));
    assert_eq!(look.rungs.last().map(|rung| rung.rung), Some(Rung::FirstKeyFrame));
}

#[tokio::test]
async fn a_viewer_that_comes_while_a_check_holds_the_only_place_waits_for_it() {
    let camera = camera(|o| o.max_sessions = Some(1)).await;
    let sessions = sessions(|_| {});
    let eye = RealEye::new(sessions.clone());
    let checking = tokio::spawn({
        let config = config(&camera);
        async move { look(&eye, config).await }
    });
    timeout(PATIENCE, camera.until(|stats| stats.sessions_open == 1)).await.unwrap();
    let mut viewer = join(&sessions, &camera);
    assert!(frame(&mut viewer).await.frame.key);
    assert_eq!(checking.await.unwrap().fault, None);
}

#[tokio::test]
async fn a_refused_password_is_tried_once_for_all_viewers_and_those_who_come_back() {
    let camera = camera(|o| {
        o.credentials = Some(("u".into(), "p".into()));
        o.mood = Mood::WrongPassword;
    })
    .await;
    let sessions = sessions(|_| {});
    for round in 0..2 {
        // Longer than nothing: what was just refused is remembered.
        tokio::time::sleep(Duration::from_millis(20) * round).await;
        let mut viewers: Vec<_> = (0..25).map(|_| join(&sessions, &camera)).collect();
        for viewer in &mut viewers {
            assert_eq!(fault(viewer).await, (Verdict::Auth, false));
        }
    }
    assert_eq!(camera.stats().auth_failures, 1);
    assert!(sessions.statistics().is_empty());
}

#[tokio::test]
async fn viewers_are_told_when_the_camera_breaks_and_can_open_it_again() {
    // A key frame must come before it vanishes: a camera that could not be opened is not asked again at once.
    let camera = camera(|o| (o.mood, o.gop) = (Mood::Vanish, Duration::from_millis(200))).await;
    let sessions = sessions(|_| {});
    let mut viewers = [join(&sessions, &camera), join(&sessions, &camera)];
    for viewer in &mut viewers {
        loop {
            match next(viewer).await {
                Ok(_) => {}
                Err(Ending::Broken { fault, .. }) => break assert_eq!(fault.verdict, Verdict::Protocol),
                Err(other) => panic!("{other:?}"),
            }
        }
    }
    camera.set_mood(Mood::Healthy).await;
    let mut again = join(&sessions, &camera);
    assert!(frame(&mut again).await.frame.key);
}

#[tokio::test]
async fn a_changed_address_ends_the_session_for_its_viewers() {
    let (old, new) = (camera(|_| {}).await, camera(|_| {}).await);
    let sessions = sessions(|_| {});
    let mut viewer = join(&sessions, &old);
    frame(&mut viewer).await;
    let now = target(&new);
    sessions.keep(|_, _| Some(now.clone()));
    while let Ok(Item::Frame(_)) = next(&mut viewer).await {}
    assert_eq!(next(&mut viewer).await.unwrap_err(), Ending::Changed);
    timeout(PATIENCE, old.until(|stats| stats.teardowns == 1)).await.unwrap();
    let mut viewer = join(&sessions, &new);
    frame(&mut viewer).await;
    assert_eq!(new.stats().sessions_total, 1);
}

#[tokio::test]
async fn a_still_camera_is_fetched_again_and_again() {
    let camera = camera(|o| o.protocol = Protocol::HttpStill).await;
    let sessions = sessions(|_| {});
    let mut viewer = join(&sessions, &camera);
    let (first, second) = (frame(&mut viewer).await, frame(&mut viewer).await);
    assert!(first.frame.key && second.frame.data.starts_with(&[0xff, 0xd8]));
    assert!(second.frame.arrived - first.frame.arrived >= Duration::from_millis(900));
    assert!(!viewer.is_stream() && viewer.fps().is_none());
    let look = look(&RealEye::new(sessions.clone()), config(&camera)).await;
    assert_eq!((look.fault, look.stream.fps), (None, None));
}

#[tokio::test]
async fn closing_ends_every_session_with_teardown() {
    let camera = camera(|_| {}).await;
    let sessions = sessions(|_| {});
    let mut viewer = join(&sessions, &camera);
    frame(&mut viewer).await;
    sessions.close().await;
    timeout(PATIENCE, camera.until(|stats| stats.teardowns == 1)).await.unwrap();
}

#[tokio::test]
async fn many_upstreams_share_the_bytes_that_may_be_kept() {
    let camera = camera(|_| {}).await;
    let sessions = sessions(|limits| limits.all_bytes = 400_000);
    let key_is_kept = || sessions.statistics()[0].gop_frames > 0;
    let mut viewer = join(&sessions, &camera);
    for _ in 0..15 {
        frame(&mut viewer).await;
        assert!(key_is_kept(), "alone it has room for a GOP");
    }
    let join_as = |n: usize| sessions.join(&format!("of-many-{n}"), StreamKind::Main, &target(&camera), DEADLINE);
    let _others: Vec<Viewer> = (0..40).map(join_as).collect();
    let full = async {
        while key_is_kept() {
            let _ = viewer.next().await;
        }
    };
    timeout(PATIENCE, full).await.expect("each keeps as much as one alone");
}

#[tokio::test]
async fn what_is_decoded_for_mjpeg_is_bounded_by_its_pixels() {
    let (first, second) = (camera(|_| {}).await, camera(|_| {}).await);
    let limits = mjpeg::Limits { pixels: 640 * 360 + 1, ..mjpeg::Limits::default() };
    let live = Live::new(sessions(|_| {})).with_mjpeg_limits(limits);
    let other = CameraConfig { id: "other".into(), ..config(&second) };
    let watched = live.mjpeg().watch(&config(&first), Quality::Low, 10).await.unwrap();
    // A second quality of the same camera costs no decoder.
    let again = live.mjpeg().watch(&config(&first), Quality::Medium, 10).await.unwrap();
    assert!(matches!(live.mjpeg().watch(&other, Quality::Low, 10).await, Err(NoView::Full)));
    drop((watched, again));
    let room = async { while live.mjpeg().watch(&other, Quality::Low, 10).await.is_err() {} };
    timeout(PATIENCE, room).await.expect("room is not given back");
}

// ---- what browsers play ------------------------------------------------------------------------------------------

/// The track and `n` segments.
async fn watch(camera: &Camera, n: usize) -> (Arc<Track>, Vec<Bytes>) {
    let live = Live::new(sessions(|_| {}));
    let mut watching = live.watch(&config(camera), StreamKind::Main).unwrap();
    let track = match part(&mut watching).await {
        Part::Track(track) => track,
        other => panic!("{other:?} instead of a track"),
    };
    let mut media = Vec::new();
    while media.len() < n {
        match part(&mut watching).await {
            Part::Media(bytes) => media.push(bytes),
            other => panic!("{other:?} instead of media"),
        }
    }
    (track, media)
}

async fn part(watching: &mut Watching) -> Part {
    timeout(PATIENCE, watching.next()).await.expect("nothing comes").unwrap()
}

/// What ffmpeg says of the stream: the number of frames it decoded and everything it complained of. None where there
/// is no ffmpeg.
async fn ffmpeg(init: &Bytes, media: &[Bytes]) -> Option<(usize, String)> {
    let file = tempfile::NamedTempFile::new().unwrap();
    let whole: Vec<u8> = std::iter::once(init).chain(media).flatten().copied().collect();
    std::fs::write(file.path(), whole).unwrap();
    let mut command = tokio::process::Command::new("ffmpeg");
    command.args(["-v", "warning", "-i"]).arg(file.path());
    command.args(["-vsync", "passthrough", "-f", "framemd5", "-"]);
    let output = timeout(PATIENCE, command.output()).await.expect("ffmpeg hangs").ok()?;
    let frames = String::from_utf8_lossy(&output.stdout).lines().filter(|line| !line.starts_with('#')).count();
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    Some((frames, complaints.lines().filter(|line| !line.contains("vsync")).collect()))
}

fn moof(segment: &Bytes) -> (Moof, Header, usize) {
    let mut rest = &segment[..];
    let moof = Moof::decode(&mut rest).unwrap();
    let header = Header::decode(&mut rest).unwrap();
    (moof, header, rest.len())
}

/// The units of a sample, each after its length in four bytes (ISO/IEC 14496-15).
fn nal_units(mut sample: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = sample.split_first_chunk::<4>()?;
        let (nal, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
        sample = rest;
        Some(nal)
    })
}

#[tokio::test]
async fn h264_goes_out_as_fragments_that_players_take() {
    let camera = camera(|_| {}).await;
    let (track, media) = watch(&camera, 25).await;
    assert!(track.mime.starts_with("video/mp4; codecs=\"avc1."), "{}", track.mime);
    assert_eq!((track.codec, track.width, track.height), (Codec::H264, 640, 360));
    let mut rest = &track.init[..];
    Ftyp::decode(&mut rest).unwrap();
    let moov = Moov::decode(&mut rest).unwrap();
    assert!(Moov::decode_maybe(&mut rest).unwrap().is_none() && moov.mvex.is_some() && moov.trak.len() == 1);

    let (mut before, mut keys, mut next): (Option<(u64, u32)>, usize, usize) = (None, 0, 0);
    for (n, segment) in media.iter().enumerate() {
        let (moof, mdat, body) = moof(segment);
        let traf = &moof.traf[0];
        let sample = &traf.trun[0].entries[0];
        assert_eq!((mdat.kind, mdat.size, sample.size), (mp4_atom::Mdat::KIND, Some(body), u32::try_from(body).ok()));
        assert_eq!(traf.trun[0].data_offset, i32::try_from(segment.len() - body).ok());
        assert_eq!(segment[41] & 2, 2, "default-base-is-moof");
        let is_key = sample.flags.unwrap() & 0x0001_0000 == 0;
        assert_eq!(is_key, nal_units(&segment[segment.len() - body..]).any(|nal| nal[0] & 0x1f == 5), "frame {n}");
        assert!(is_key || n > 0, "a key frame comes first");
        keys += usize::from(is_key);
        let time = traf.tfdt.as_ref().unwrap().base_media_decode_time;
        if let Some((before, lasts)) = before {
            // 10 frames a second by the camera's clock, not our arrival times; those that it draws much too late it leaves out.
            let (step, tenth) = (time - before, u64::from(TIMESCALE) / 10);
            let frames = (step + tenth / 2) / tenth;
            assert!(frames > 0 && step.abs_diff(frames * tenth) < 100, "{step}");
            next += usize::from(frames == 1);
            assert!(lasts > 0);
        }
        before = Some((time, sample.duration.unwrap()));
    }
    assert!(
        keys >= 2 && next > 12,
        "{keys} key frames, one a second; {next} of 24 frames a tenth after the one before"
    );
    if let Some((frames, complaints)) = ffmpeg(&track.init, &media).await {
        assert_eq!((frames, complaints.as_str()), (25, ""));
    }
}

#[tokio::test]
async fn h265_goes_out_as_hvc1() {
    let camera = camera(|o| o.codec = simcam::Codec::H265).await;
    let (track, media) = watch(&camera, 12).await;
    assert!(track.mime.starts_with("video/mp4; codecs=\"hvc1.1.6.L"), "{}", track.mime);
    assert_eq!((track.codec, track.width, track.height), (Codec::H265, 320, 180));
    if let Some((frames, complaints)) = ffmpeg(&track.init, &media).await {
        assert_eq!((frames, complaints.as_str()), (12, ""));
    }
}

#[tokio::test]
async fn jpeg_pictures_go_out_as_they_are() {
    for protocol in [Protocol::Rtsp, Protocol::HttpMjpeg] {
        let camera = camera(|o| (o.codec, o.protocol) = (simcam::Codec::Mjpeg, protocol)).await;
        let (track, media) = watch(&camera, 3).await;
        assert_eq!((track.mime.as_str(), track.width, track.init.len()), ("image/jpeg", 640, 0));
        assert!(media.iter().all(|jpeg| jpeg.starts_with(&[0xff, 0xd8]) && jpeg.ends_with(&[0xff, 0xd9])));
    }
}

#[tokio::test]
async fn segments_are_made_once_for_all_viewers() {
    let camera = camera(|_| {}).await;
    let live = Live::new(sessions(|_| {}));
    let mut viewers: Vec<_> = (0..3).map(|_| live.watch(&config(&camera), StreamKind::Main).unwrap()).collect();
    let mut first = Vec::new();
    for viewer in &mut viewers {
        part(viewer).await;
        match part(viewer).await {
            Part::Media(bytes) => first.push(bytes.as_ptr()),
            other => panic!("{other:?} instead of media"),
        }
    }
    assert!(first.iter().all(|at| *at == first[0]));
}

#[tokio::test]
async fn a_second_stream_is_opened_with_the_first_ones_password() {
    let camera = camera(|o| o.credentials = Some(("user".into(), "p@ss".into()))).await;
    let main = target(&camera).url;
    let bare = CameraUrl::parse(&camera.url_without_credentials()).unwrap();
    let sub_url = Some(bare.clone().with_credentials_of(&main));
    let live = Live::new(sessions(|_| {}));
    let mut watching = live.watch(&CameraConfig { sub_url, ..config(&camera) }, StreamKind::Sub).unwrap();
    assert!(matches!(part(&mut watching).await, Part::Track(_)));
    // …but it goes to no other host.
    let elsewhere = CameraUrl::parse("rtsp://10.0.0.9/sub").unwrap().with_credentials_of(&main);
    assert!(elsewhere.credentials().is_none());
    let missing = live.watch(&config(&camera), StreamKind::Sub).unwrap_err();
    assert_eq!(missing.verdict, Verdict::NotFound);
}
