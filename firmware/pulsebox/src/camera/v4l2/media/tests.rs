use super::*;

#[test]
fn a_device_that_is_no_camera_answers_with_an_error() {
    let error = node_kind(Path::new("/dev/null")).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::NOTTY.raw_os_error()), "{error}");
    let device = MediaDevice::open(Path::new("/dev/null")).unwrap();
    assert_eq!(device.topology().unwrap_err().raw_os_error(), Some(rustix::io::Errno::NOTTY.raw_os_error()));
}
