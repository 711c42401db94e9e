//! `pulsebox check` against a server that is not ours: GStreamer's, as Debian ships it.
//!
//! `scripts/need test` installs it. Every test starts its own server on a port of its own.

mod real;

use real::{Certificates, Server, check, check_trusting};

const CODECS: [&str; 3] = ["h264", "h265", "mjpeg"];

#[tokio::test]
async fn every_codec_is_proved_over_tcp_and_over_udp() {
    for codec in CODECS {
        let server = Server::start(&["--codec", codec]).await;
        for way in ["tcp", "udp"] {
            check(&server.url(""), &["--transport", way]).await.assert_living(codec);
        }
    }
}

#[tokio::test]
async fn a_sound_track_in_front_of_the_video_is_stepped_over() {
    let server = Server::start(&["--codec", "h265", "--audio-first"]).await;
    check(&server.url(""), &[]).await.assert_living("h265");
}

#[tokio::test]
async fn parameter_sets_that_stand_only_in_the_description_are_enough() {
    let server = Server::start(&["--codec", "h264", "--sdp-only"]).await;
    check(&server.url(""), &[]).await.assert_living("h264");
}

#[tokio::test]
async fn basic_and_digest_admit_the_right_password_and_name_the_wrong_one_auth() {
    for method in ["basic", "digest"] {
        let server = Server::start(&["--auth", method, "--user", "gate", "--password", "s3cret/ä"]).await;
        for way in ["tcp", "udp"] {
            // As a URL must write it.
            check(&server.url("gate:s3cret%2F%C3%A4@"), &["--transport", way]).await.assert_living("h264");
        }
        for login in ["gate:wr0ngword@", "nobody:s3cret%2F%C3%A4@", ""] {
            let answer = check(&server.url(login), &[]).await;
            assert_eq!(answer.verdict(), "auth", "{method}, {login}: {}", answer.message());
            for secret in ["wr0ngword", "s3cret"] {
                assert!(!answer.output.contains(secret), "{method}: the password is shown: {}", answer.output);
            }
        }
    }
}

#[tokio::test]
async fn rtsps_is_ok_only_with_a_certificate_that_is_trusted_or_with_leave_to_take_any() {
    let made = Certificates::made_for("127.0.0.1");
    let server =
        Server::start(&["--tls", &made.server(), "--auth", "digest", "--user", "gate", "--password", "pw"]).await;
    let url = server.tls_url("gate:pw@");

    let answer = check_trusting(Some(&made.authority()), &url, &[]).await;
    answer.assert_living("h264");
    assert!(answer.rung("encrypt").is_some(), "{}", answer.output);

    let stranger = Certificates::made_for("127.0.0.1");
    let answer = check_trusting(Some(&stranger.authority()), &url, &[]).await;
    assert_eq!(answer.verdict(), "tls", "{}", answer.message());
    assert!(answer.message().contains("tls_insecure"), "it says what to do: {}", answer.message());

    check_trusting(Some(&stranger.authority()), &url, &["--tls-insecure"]).await.assert_living("h264");
}

#[tokio::test]
async fn a_certificate_for_another_host_is_tls() {
    let made = Certificates::made_for("camera.example");
    let server = Server::start(&["--tls", &made.server()]).await;
    let answer = check_trusting(Some(&made.authority()), &server.tls_url(""), &[]).await;
    assert_eq!(answer.verdict(), "tls", "{}", answer.message());
}

#[tokio::test]
async fn tls_where_none_is_spoken_is_tls() {
    let server = Server::start(&[]).await;
    let answer = check(&server.tls_url(""), &["--timeout", "5"]).await;
    assert_eq!(answer.verdict(), "tls", "{}", answer.message());
}

#[tokio::test]
async fn a_camera_that_sends_one_way_only_is_proved_that_way_and_names_it_when_asked_for_the_other() {
    for (only, other) in [("tcp", "udp"), ("udp", "tcp")] {
        let server = Server::start(&["--protocols", only]).await;
        check(&server.url(""), &["--transport", only]).await.assert_living("h264");
        let answer = check(&server.url(""), &["--transport", other]).await;
        assert_eq!(answer.verdict(), "unsupported", "{}", answer.message());
        let advice = format!("transport: {only}");
        assert!(answer.message().contains(&advice), "it says what to do: {}", answer.message());
    }
}

#[tokio::test]
async fn a_wrong_path_is_not_found() {
    let server = Server::start(&[]).await;
    let answer = check(&server.url("").replace("/stream", "/strem"), &[]).await;
    assert_eq!(answer.verdict(), "not_found", "{}", answer.message());
}

#[tokio::test]
async fn joining_a_ten_second_gop_waits_for_the_key_frame_or_says_that_none_came() {
    // Somebody watches already, and six seconds of the GOP have passed. GStreamer keys shared streams by port
    // and path: a request that named another port than the viewer's would start a stream of its own.
    let server = Server::start(&["--gop", "10", "--watched-frames", "60"]).await;
    let hasty = check(&server.url(""), &["--timeout", "1.5"]).await;
    assert_eq!(hasty.verdict(), "no_keyframe", "{}", hasty.message());

    let patient = check(&server.url(""), &["--timeout", "15"]).await;
    patient.assert_living("h264");
    let waited = patient.rung("first_key_frame").unwrap();
    assert!((500.0..=4000.0).contains(&waited), "four seconds of the GOP were left at most, it waited {waited} ms");
}

#[tokio::test]
async fn every_session_ends_with_teardown_also_when_time_runs_out() {
    let mut server = Server::start(&["--gop", "10"]).await;
    // The first viewer starts the stream, and gets its key frame at once.
    check(&server.url(""), &[]).await.assert_living("h264");
    assert_eq!(server.teardown().await, 1);
    drop(server);

    let mut server = Server::start(&["--gop", "10", "--watched-frames", "20"]).await;
    assert_eq!(check(&server.url(""), &["--timeout", "1.5"]).await.verdict(), "no_keyframe");
    assert_eq!(server.teardown().await, 1);
}
