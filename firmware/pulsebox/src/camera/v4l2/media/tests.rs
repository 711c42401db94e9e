//! The media controller's answers, from bytes and from nodes that have none.

use super::*;

#[test]
fn a_device_that_is_no_camera_answers_with_an_error() {
    let error = node_kind(Path::new("/dev/null")).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::NOTTY.raw_os_error()), "{error}");
    let device = MediaDevice::open(Path::new("/dev/null")).unwrap();
    assert_eq!(device.topology().unwrap_err().raw_os_error(), Some(rustix::io::Errno::NOTTY.raw_os_error()));
    assert!(is_free(Path::new("/dev/null")).is_err());
    let controls = Controls::open(Path::new("/dev/null")).unwrap();
    assert!(controls.range(1).is_none() && controls.value(1).is_err() && controls.set(1, 1).is_err());
}

#[test]
fn a_webcam_whose_name_is_cut_within_a_character_is_known_all_the_same() {
    let mut told = wire::Capability { device_caps: NodeKind::CAPTURE, ..Default::default() };
    told.card[..31].copy_from_slice(
        &"USB 2.0 \u{9ad8}\u{6e05}\u{6444}\u{50cf}\u{5934}\u{9ad8}\u{6e05}\u{6444}\u{50cf}".as_bytes()[..31],
    );
    told.bus_info[..9].copy_from_slice(b"usb-1-1.2");
    let kind = NodeKind::from(&told);
    assert!(std::str::from_utf8(&told.card).is_err() && kind.captures() && !kind.converts());
    assert_eq!((kind.bus.as_str(), kind.is_set_up_from_outside), ("usb-1-1.2", false));
}
