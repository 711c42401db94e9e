//! Reading a device: what its driver may answer, and what becomes of it.

use super::*;
use crate::camera::raw::{BayerDepth, BayerOrder};

fn choice(fourcc: &[u8; 4]) -> Choice {
    let coding = choose::coding(*fourcc).unwrap();
    Choice { fourcc: *fourcc, coding, width: 640, height: 480, interval: None }
}

fn answer(fourcc: &[u8; 4], width: u32, height: u32, stride: u32) -> Format {
    Format { stride, size: stride.saturating_mul(height), ..Format::new(width, height, FourCC::new(fourcc)) }
}

fn refused(fourcc: &[u8; 4], format: &Format, query: &str) -> Fault {
    agreed(choice(fourcc), format, &Wish::parse(Some(query)).unwrap()).err().unwrap()
}

#[test]
fn a_driver_that_breaks_its_word_is_named_and_not_believed() {
    let cases = [
        (refused(b"YUYV", &answer(b"NV12", 640, 480, 640), ""), Verdict::Protocol, "offers YUYV and then sets NV12"),
        (refused(b"YUYV", &answer(b"YUYV", 0, 480, 0), ""), Verdict::Protocol, "0×480"),
        (refused(b"YUYV", &answer(b"YUYV", 640, 480, 640), ""), Verdict::Protocol, "640 pixels take 1280"),
        (refused(b"YUYV", &answer(b"YUYV", 320, 240, 640), "size=640x480"), Verdict::Unsupported, "320×240"),
        (refused(b"RG16", &answer(b"RG16", 9152, 6944, 18304), ""), Verdict::Unsupported, "16 MB"),
        (refused(b"YUYV", &answer(b"YUYV", u32::MAX, u32::MAX, 0), "size=640x480"), Verdict::Unsupported, ""),
    ];
    for (fault, verdict, words) in cases {
        assert!(fault.verdict == verdict && fault.detail.contains(words), "{fault}");
    }
}

#[test]
fn a_driver_without_a_stride_gets_the_least_there_can_be() {
    let wish = Wish::default();
    let layout = |fourcc: &[u8; 4], stride| {
        agreed(choice(fourcc), &answer(fourcc, 640, 480, stride), &wish).ok().unwrap().layout.unwrap()
    };
    assert_eq!(layout(b"YUYV", 0).stride, 1280);
    assert_eq!(layout(b"pRAA", 0).stride, 800);
    assert_eq!(layout(b"YUYV", 1536).stride, 1536);
    assert_eq!((layout(b"BA81", 0).full_range, layout(b"YUYV", 0).full_range), (true, false));
}

#[test]
fn a_buffer_is_taken_only_if_it_holds_a_whole_picture() {
    let format = RawFormat::Bayer { order: BayerOrder::Bggr, depth: BayerDepth::Eight };
    let layouts = [(RawFormat::Yuyv, 20, 20 * 3 + 16), (RawFormat::Nv12, 8, 8 * 5 + 8), (format, 10, 10 * 3 + 8)];
    for (format, stride, least) in layouts {
        let layout = RawLayout { format, width: 8, height: 4, stride, full_range: true };
        let mut sets = ParameterSets::default();
        let mut taken = |bytes: usize| {
            whole(Coding::Raw(format), Some(layout), vec![0; bytes].into(), &mut sets).map(|(_, data, _)| data.len())
        };
        assert_eq!(taken(least), Ok(least), "{format:?}");
        assert!(taken(least - 1).is_err() && taken(0).is_err(), "{format:?}");
    }
}

#[test]
fn absurd_buffers_are_damaged_pictures() {
    let about = |bytesused, flags| Metadata { bytesused, flags, ..Metadata::default() };
    let none = buffer::Flags::empty();
    assert_eq!(used(&[1, 2, 3], &about(2, none)), Ok(Bytes::from_static(&[1, 2])));
    assert!(used(&[1, 2, 3], &about(4, none)).unwrap_err().contains("more bytes"));
    assert!(used(&[1, 2, 3], &about(u32::MAX, none)).is_err());
    assert!(used(&[1, 2, 3], &about(0, none)).unwrap_err().contains("empty"));
    assert!(used(&[1, 2, 3], &about(3, buffer::Flags::ERROR)).unwrap_err().contains("lost on the way"));
    let odd = Metadata { timestamp: v4l::Timestamp::new(-5, i64::MAX), ..Metadata::default() };
    assert_eq!(time(&odd), Duration::from_micros(i64::MAX.unsigned_abs()));
}

#[test]
fn each_error_of_the_kernel_has_its_word() {
    let node = Path::new("/dev/video7");
    for (errno, verdict, words) in [
        (Errno::NOENT, Verdict::NotFound, "nothing is plugged in"),
        (Errno::NODEV, Verdict::NotFound, "unplugged"),
        (Errno::ACCESS, Verdict::Auth, "group `video`"),
        (Errno::PERM, Verdict::Auth, "DeviceAllow="),
        (Errno::TIMEDOUT, Verdict::Protocol, "power"),
        (Errno::BUSY, Verdict::Busy, "another program"),
        (Errno::NOSPC, Verdict::Busy, "USB bus"),
        (Errno::PIPE, Verdict::Protocol, "not linked"),
        (Errno::IO, Verdict::Protocol, "could not start"),
    ] {
        let fault = fault(&io::Error::from(errno), node, "start");
        assert!(fault.verdict == verdict && fault.detail.contains(words), "{fault}");
    }
}

#[test]
fn only_a_video_device_is_opened() {
    let refused = |node: &str| device_number(Path::new(node)).unwrap_err();
    assert_eq!(refused("/dev/null").verdict, Verdict::Unsupported);
    assert_eq!(refused("/dev/video0/none").verdict, Verdict::NotFound);
    assert_eq!(refused("/dev/no-such-camera").verdict, Verdict::NotFound);
    let file = tempfile::NamedTempFile::new().unwrap();
    assert_eq!(device_number(file.path()).unwrap_err().verdict, Verdict::Unsupported);
}
