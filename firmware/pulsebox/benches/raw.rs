//! What a 1080p picture that is not coded costs, each form: judged, judged with a thumbnail, and as a whole JPEG for a
//! live view; beside it ffmpeg, which makes the same JPEG of the same bytes on one thread.
//!
//! `cargo bench --bench raw`; without ffmpeg its column stays empty.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pulsebox::camera::raw::{BayerDepth, BayerOrder};
use pulsebox::camera::{Codec, Frame, RawFormat, RawLayout};
use pulsebox::picture::{develop, look};

const SIZE: (u32, u32) = (1920, 1080);
const ROUNDS: usize = 30;

/// The form, bytes a row, rows of that length, and ffmpeg's name for it where it has one.
fn forms() -> [(RawFormat, u32, u32, Option<&'static str>); 6] {
    let (width, height) = SIZE;
    let bayer = |depth| RawFormat::Bayer { order: BayerOrder::Bggr, depth };
    [
        (RawFormat::Yuyv, width * 2, height, Some("yuyv422")),
        (RawFormat::Nv12, width, height * 3 / 2, Some("nv12")),
        (bayer(BayerDepth::Eight), width, height, Some("bayer_bggr8")),
        (bayer(BayerDepth::Wide(16)), width * 2, height, Some("bayer_bggr16le")),
        (bayer(BayerDepth::Packed10), width / 4 * 5, height, None),
        (bayer(BayerDepth::Packed12), width / 2 * 3, height, None),
    ]
}

/// A smooth scene with fine grain: neither too easy nor too hard for a JPEG encoder.
fn frame(format: RawFormat, stride: u32, rows: u32) -> Frame {
    let mut grain = 1_u32;
    let mut byte = |at: u32| {
        grain ^= grain << 13;
        grain ^= grain >> 17;
        grain ^= grain << 5;
        (at % stride * 160 / stride + 40 + grain % 8) as u8
    };
    let data: Vec<u8> = (0..stride * rows).map(&mut byte).collect();
    let raw = Some(RawLayout { format, width: SIZE.0, height: SIZE.1, stride, full_range: true });
    let arrived = Instant::now().into();
    Frame { codec: Codec::Raw, key: true, data: data.into(), raw, at: Duration::ZERO, arrived }
}

/// The median of some rounds, milliseconds.
fn median(mut run: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let began = Instant::now();
            run();
            began.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[ROUNDS / 2]
}

/// Milliseconds a picture that ffmpeg takes, its start taken off: of many pictures less one.
fn ffmpeg(name: &str, data: &[u8]) -> Option<f64> {
    let run = |pictures: usize| {
        let began = Instant::now();
        let mut child = Command::new("ffmpeg")
            .args(["-v", "error", "-threads", "1", "-filter_threads", "1", "-f", "rawvideo", "-pixel_format", name])
            .args([
                "-video_size",
                &format!("{}x{}", SIZE.0, SIZE.1),
                "-i",
                "-",
                "-threads",
                "1",
                "-pix_fmt",
                "yuvj420p",
            ])
            .args(["-q:v", "4", "-f", "mjpeg", "-y", "/dev/null"])
            .stdin(Stdio::piped())
            .spawn()
            .ok()?;
        let mut input = child.stdin.take()?;
        for _ in 0..pictures {
            input.write_all(data).ok()?;
        }
        drop(input);
        child.wait().ok()?.success().then(|| began.elapsed().as_secs_f64() * 1e3)
    };
    Some((run(ROUNDS + 1)? - run(1)?) / ROUNDS as f64)
}

fn main() {
    let mut out = std::io::stdout();
    let _ = writeln!(out, "| form, 1920×1080 | judged, ms | with thumbnail, ms | live JPEG, ms | ffmpeg's JPEG, ms |");
    let _ = writeln!(out, "| --- | --- | --- | --- | --- |");
    for (format, stride, rows, peer) in forms() {
        let frame = frame(format, stride, rows);
        let judged = median(|| assert!(look(&frame, false).is_ok()));
        let shown = median(|| assert!(look(&frame, true).is_ok()));
        let live = median(|| assert!(develop(&frame).is_ok()));
        let peer = peer.and_then(|name| ffmpeg(name, &frame.data)).map_or("–".into(), |ms| format!("{ms:.1}"));
        let _ = writeln!(out, "| {format} | {judged:.1} | {shown:.1} | {live:.1} | {peer} |");
    }
}
