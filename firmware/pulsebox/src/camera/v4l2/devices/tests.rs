//! Lists made of invented machines: a tree as the kernel's `/sys`, nodes and links as udev's `/dev`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::named::Machine;
use super::probe::Answer;
use super::{Ask, HANGS, LocalCamera, list};
use crate::camera::CameraUrl;

/// A machine that is being put together.
struct Invented {
    folder: TempDir,
}

impl Invented {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for part in ["class", "dev/v4l/by-id", "dev/v4l/by-path", "drivers"] {
            fs::create_dir_all(folder.path().join(part)).unwrap();
        }
        Self { folder }
    }

    /// A node of the device at `place`, run by `driver`.
    fn node(self, node: &str, name: &[u8], place: &str, driver: &str, index: u32) -> Self {
        let root = self.folder.path();
        let (entry, device) = (root.join("class").join(node), root.join("devices").join(place));
        fs::create_dir_all(&entry).unwrap();
        fs::create_dir_all(&device).unwrap();
        fs::create_dir_all(root.join("drivers").join(driver)).unwrap();
        let _ = symlink(root.join("drivers").join(driver), device.join("driver"));
        symlink(&device, entry.join("device")).unwrap();
        fs::write(entry.join("name"), [name, b"\n"].concat()).unwrap();
        fs::write(entry.join("index"), format!("{index}\n")).unwrap();
        fs::write(root.join("dev").join(node), "").unwrap();
        self
    }

    /// What the USB device at `place` says of itself.
    fn usb(self, place: &str, serial: &str) -> Self {
        let device = self.folder.path().join("devices").join(place);
        fs::create_dir_all(&device).unwrap();
        for (name, text) in [("idVendor", "046d"), ("idProduct", "0825"), ("serial", serial)] {
            fs::write(device.join(name), format!("{text}\n")).unwrap();
        }
        self
    }

    fn link(self, link: &str, node: &str) -> Self {
        symlink(Path::new("../..").join(node), self.folder.path().join("dev/v4l").join(link)).unwrap();
        self
    }

    fn list(&self, deadline: Duration, ask: Ask) -> Vec<LocalCamera> {
        let root = self.folder.path();
        let machine = Machine { class: root.join("class"), dev: root.join("dev") };
        let mut cameras = list(&machine, deadline, ask);
        let dev = root.join("dev").display().to_string();
        for camera in &mut cameras {
            camera.url = camera.url.replace(&dev, "/dev");
            camera.node = camera.node.replace(&dev, "/dev");
        }
        cameras
    }

    fn all(&self) -> Vec<LocalCamera> {
        self.list(Duration::from_secs(20), willing)
    }
}

fn willing(_: &Path) -> Answer {
    Answer::Camera { bus: "usb-1".into(), formats: vec!["MJPEG 1280×720 15/s".into()] }
}

fn urls(cameras: &[LocalCamera]) -> Vec<(&str, bool)> {
    cameras.iter().map(|camera| (camera.url.as_str(), camera.stable)).collect()
}

#[test]
fn a_camera_is_named_by_what_it_is_then_by_its_port_then_by_its_node() {
    let machine = Invented::new()
        .usb("usb1/1-1", "A1")
        .node("video10", b"By node", "platform/bare", "unicam", 0)
        .node("video2", b"By path", "platform/cfe", "rp1-cfe", 0)
        .node("video0", b"C270", "usb1/1-1/1-1:1.0", "uvcvideo", 0)
        .link("by-id/usb-046d_C270_A1-video-index0", "video0")
        .link("by-path/platform-usb-0:1:1.0-video-index0", "video0")
        .link("by-path/platform-cfe-video-index0", "video2");
    let cameras = machine.all();
    let expected = [
        ("v4l2:///dev/v4l/by-id/usb-046d_C270_A1-video-index0", true),
        ("v4l2:///dev/v4l/by-path/platform-cfe-video-index0", true),
        ("v4l2:///dev/video10", false),
    ];
    assert_eq!(urls(&cameras), expected);
    let told: Vec<_> = cameras.iter().map(|c| (c.name.as_str(), c.driver.as_str(), c.node.as_str())).collect();
    assert_eq!(told[0], ("C270", "uvcvideo", "/dev/video0"));
    assert_eq!(told[2], ("By node", "unicam", "/dev/video10"));
}

#[test]
fn twins_without_serial_numbers_are_told_apart_by_their_ports() {
    let machine = Invented::new()
        .usb("usb1/1-1", "")
        .usb("usb1/1-2", "")
        .node("video0", b"C270", "usb1/1-1/1-1:1.0", "uvcvideo", 0)
        .node("video2", b"C270", "usb1/1-2/1-2:1.0", "uvcvideo", 0)
        .link("by-id/usb-046d_C270-video-index0", "video2")
        .link("by-path/usb-0:1:1.0-video-index0", "video0")
        .link("by-path/usb-0:2:1.0-video-index0", "video2");
    let expected = [
        ("v4l2:///dev/v4l/by-path/usb-0:1:1.0-video-index0", true),
        ("v4l2:///dev/v4l/by-path/usb-0:2:1.0-video-index0", true),
    ];
    assert_eq!(urls(&machine.all()), expected);
}

#[test]
fn two_cameras_of_one_device_that_share_a_link_are_known_by_their_nodes() {
    let machine = Invented::new()
        .node("video0", b"vivid", "platform/vivid.0", "vivid", 0)
        .node("video1", b"vivid", "platform/vivid.0", "vivid", 0)
        .link("by-path/platform-vivid.0-video-index0", "video1");
    assert_eq!(urls(&machine.all()), [("v4l2:///dev/video0", false), ("v4l2:///dev/video1", false)]);
}

#[test]
fn every_url_is_one_that_the_configuration_takes() {
    let machine = Invented::new()
        .node("video0", b"Odd", "usb1/1-1/1-1:1.0", "uvcvideo", 0)
        .link("by-id/usb-Odd 50% #1? \u{fc}-video-index0", "video0");
    let url = CameraUrl::parse(&machine.all()[0].url).unwrap();
    assert_eq!(url.device().unwrap(), Path::new("/dev/v4l/by-id/usb-Odd 50% #1? \u{fc}-video-index0"));
}

#[test]
fn codecs_are_not_even_asked_and_other_nodes_are_left_out() {
    let machine = Invented::new()
        .node("video10", b"bcm2835-codec-decode", "platform/codec", "bcm2835-codec", 0)
        .node("video13", b"bcm2835-isp", "platform/isp", "bcm2835-isp", 0)
        .node("video20", b"pispbe-input", "platform/pispbe", "pispbe", 0)
        .node("video1", b"C270", "usb1/1-1/1-1:1.0", "uvcvideo", 1)
        .node("video0", b"C270", "usb1/1-1/1-1:1.0", "uvcvideo", 0);
    let cameras = machine.list(Duration::from_secs(20), |node| {
        let name = node.file_name().unwrap().to_str().unwrap();
        assert!(["video0", "video1"].contains(&name), "{name} was opened");
        if name == "video1" { Answer::Other } else { willing(node) }
    });
    assert_eq!(urls(&cameras), [("v4l2:///dev/video0", false)]);
}

#[test]
fn a_device_that_hangs_is_told_of_and_holds_up_neither_the_rest_nor_the_next_list() {
    let machine = Invented::new()
        .node("video0", b"Hung", "usb1/1-1/1-1:1.0", "uvcvideo", 0)
        .node("video1", b"Panics", "usb1/1-2/1-2:1.0", "uvcvideo", 0)
        .node("video2", b"Well", "usb1/1-3/1-3:1.0", "uvcvideo", 0);
    let ask: Ask = |node| match node.file_name().unwrap().to_str().unwrap() {
        "video0" => loop {
            std::thread::park();
        },
        "video1" => panic!("a name that is no text"),
        _ => willing(node),
    };
    let cameras = machine.list(Duration::from_millis(500), ask);
    let problems: Vec<_> = cameras.iter().map(|camera| camera.problem.as_deref()).collect();
    assert_eq!((problems.len(), problems[0], problems[2]), (3, Some(HANGS), None));
    assert!(problems[1].unwrap().contains("V4L2 has no meaning"), "{problems:?}");
    assert_eq!(cameras[2].formats, ["MJPEG 1280×720 15/s"]);
    // It still hangs: nobody waits for it again.
    let began = Instant::now();
    let again = machine.list(Duration::from_secs(20), ask);
    assert_eq!(again[0].problem.as_deref(), Some(HANGS));
    assert!(began.elapsed() < Duration::from_secs(10), "it was asked again");
}

#[test]
fn names_from_outside_are_cleaned_and_shortened() {
    let machine = Invented::new().node("video0", b"\x1b[31mCam\xff\0", "usb1/1-1/1-1:1.0", "uvcvideo", 0).node(
        "video1",
        &[b'x'; 500],
        "usb1/1-2/1-2:1.0",
        "uvcvideo",
        0,
    );
    let names: Vec<String> = machine.all().into_iter().map(|camera| camera.name).collect();
    assert_eq!(names[0], "[31mCam\u{fffd}");
    assert_eq!(names[1].len(), 80);
}

#[test]
fn a_machine_without_v4l2_has_no_cameras() {
    let machine = Machine { class: "/nowhere".into(), dev: "/nowhere".into() };
    assert_eq!(list(&machine, Duration::from_secs(1), willing), []);
}
