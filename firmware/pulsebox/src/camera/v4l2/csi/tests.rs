//! The plan, on topologies recorded on real boards: what it does, and that a driver that compares as the kernel does
//! starts after it.

mod recorded;

use std::path::Path;

use super::super::media::Pad;
use super::*;
use recorded::{Driver, Recording};

const IMX477: &str = include_str!("testdata/pi5-imx477.txt");
const IMX219: &str = include_str!("testdata/pi5-imx219-after-libcamera.txt");
const MAINLINE: &str = include_str!("testdata/pi5-imx219-mainline.txt");
const OV5647: &str = include_str!("testdata/pi4-ov5647.txt");
const VIMC: &str = include_str!("testdata/vimc.txt");
const OV9281: &str = include_str!("testdata/pi5-ov9281.txt");

/// The whole plan for a node, a line a step.
fn told(recording: &Recording, node: &str) -> Vec<String> {
    let (steps, _) = planned(recording, node);
    steps.iter().map(|step| recording.tell(*step)).collect()
}

fn planned(recording: &Recording, node: &str) -> (Vec<Step>, Mode) {
    let topology = &recording.topology;
    let route = Route::to(topology, Path::new(node)).unwrap();
    let mode = choose::mode(&recording.views).unwrap();
    let mut steps = links(topology, &route);
    steps.extend(formats(topology, &route, mode));
    (steps, mode)
}

#[test]
fn a_pi_5_after_start_is_linked_past_its_image_processor() {
    assert_eq!(
        told(&Recording::of(IMX477), "/dev/video0"),
        [
            "link csi2:4 -> rp1-cfe-csi2_ch0:0 on",
            "format imx477:0 SRGGB12 2028x1520",
            "format csi2:0 as imx477:0",
            "format csi2:4 as csi2:0",
            // Its embedded data, which nobody fetches, but whose link is compared all the same.
            "format csi2:1 as imx477:1",
        ]
    );
}

#[test]
fn what_libcamera_left_is_undone_first() {
    assert_eq!(
        told(&Recording::of(IMX219), "/dev/video0"),
        [
            "link csi2:4 -> pisp-fe:0 off",
            "link pisp-fe:2 -> rp1-cfe-fe_image0:0 off",
            "link pisp-fe:4 -> rp1-cfe-fe_stats:0 off",
            "link rp1-cfe-fe_config:0 -> pisp-fe:1 off",
            "link csi2:4 -> rp1-cfe-csi2_ch0:0 on",
            "format imx219:0 SBGGR10 1640x1232",
            "format csi2:0 as imx219:0",
            "format csi2:4 as csi2:0",
            "format csi2:1 as imx219:1",
        ]
    );
}

#[test]
fn the_mainline_kernel_is_set_up_by_the_same_rules() {
    assert_eq!(
        told(&Recording::of(MAINLINE), "/dev/video0"),
        [
            "link csi2:1 -> pisp-fe:0 off",
            "link csi2:2 -> rp1-cfe-csi2-ch1:0 off",
            "link pisp-fe:2 -> rp1-cfe-fe-image0:0 off",
            "link pisp-fe:4 -> rp1-cfe-fe-stats:0 off",
            "link rp1-cfe-fe-config:0 -> pisp-fe:1 off",
            "link csi2:1 -> rp1-cfe-csi2-ch0:0 on",
            "format imx219:0 SRGGB10 1640x1232",
            "format csi2:0 as imx219:0",
            "format csi2:1 as csi2:0",
        ]
    );
}

#[test]
fn a_pi_4_with_the_media_controller_on_needs_the_sensors_format_only() {
    assert_eq!(told(&Recording::of(OV5647), "/dev/video0"), ["format ov5647:0 SGBRG10 1296x972"]);
}

#[test]
fn a_branch_that_cannot_be_disabled_gets_the_same_format() {
    assert_eq!(
        told(&Recording::of(VIMC), "/dev/video0"),
        [
            "link DebayerA:1 -> Scaler:0 off",
            "format SensorA:0 SBGGR10 1280x720",
            // Without this step the real driver answered EPIPE.
            "format DebayerA:0 as SensorA:0",
        ]
    );
}

#[test]
fn the_kernel_would_start_after_the_plan_and_not_before() {
    for recording in [IMX477, IMX219, MAINLINE, OV5647] {
        let recording = Recording::of(recording);
        let (steps, mode) = planned(&recording, "/dev/video0");
        let mut driver = Driver::of(&recording);
        driver.start("/dev/video0", mode).expect_err("nothing is set up yet");
        run(&steps, &mut driver).map_err(|(step, error)| format!("{}: {error}", recording.tell(step))).unwrap();
        driver.start("/dev/video0", mode).unwrap();
    }
}

#[test]
fn each_step_of_a_plan_is_needed() {
    for recording in [IMX477, IMX219] {
        let recording = Recording::of(recording);
        let (steps, mode) = planned(&recording, "/dev/video0");
        // Rp1-cfe's source pads follow their sink pads; other drivers' need not.
        let idle = |step: &Step| matches!(step, Step::Same { from, to } if from.entity == to.entity);
        for left_out in (0..steps.len()).filter(|place| !idle(&steps[*place])) {
            let mut steps = steps.clone();
            let step = steps.remove(left_out);
            let mut driver = Driver::of(&recording);
            let is_refused = run(&steps, &mut driver).is_err() || driver.start("/dev/video0", mode).is_err();
            assert!(is_refused, "it starts without: {}", recording.tell(step));
        }
    }
}

#[test]
fn a_second_time_no_link_is_touched() {
    let recording = Recording::of(IMX219);
    let (steps, _) = planned(&recording, "/dev/video0");
    let mut driver = Driver::of(&recording);
    run(&steps, &mut driver).unwrap_or_else(|_| panic!("refused"));
    let route = Route::to(&driver.topology, Path::new("/dev/video0")).unwrap();
    assert_eq!(links(&driver.topology, &route), []);
}

#[test]
fn a_driver_that_makes_something_else_of_a_format_is_not_believed() {
    let recording = Recording::of(IMX477);
    let (steps, _) = planned(&recording, "/dev/video0");
    let mut driver = Driver::of(&recording);
    driver.width_max = 1920;
    let (step, error) = run(&steps, &mut driver).unwrap_err();
    assert_eq!(recording.tell(step), "format imx477:0 SRGGB12 2028x1520");
    let fault = refused(&recording.topology, step, &error);
    assert_eq!(fault.verdict, Verdict::Protocol);
    assert!(fault.detail.contains("made 0x3012 1920×1520 of 0x3012 2028×1520"), "{}", fault.detail);
}

#[test]
fn a_camera_that_another_program_watches_is_busy_and_its_sensor_is_left_alone() {
    let recording = Recording::of(IMX219);
    let (steps, _) = planned(&recording, "/dev/video0");
    let mut driver = Driver::of(&recording);
    driver.is_streaming = true;
    let (step, error) = run(&steps, &mut driver).unwrap_err();
    assert_eq!(driver.formats_set, 0);
    let fault = refused(&recording.topology, step, &error);
    assert_eq!(fault.verdict, Verdict::Busy);
    assert!(fault.detail.contains("disabling the link \"csi2\":4 -> \"pisp-fe\":0"), "{}", fault.detail);
}

#[test]
fn nodes_that_no_sensor_leads_to_name_the_one_that_does() {
    // Embedded data, an empty channel, the image processor; one behind a scaler.
    let nodes = ["/dev/video1", "/dev/video2", "/dev/video4", "/dev/video7"].map(|node| (IMX477, node));
    for (recording, node) in nodes.into_iter().chain([(VIMC, "/dev/video2")]) {
        let fault = Route::to(&Recording::of(recording).topology, Path::new(node)).unwrap_err();
        assert_eq!(fault.verdict, Verdict::Unsupported);
        assert_eq!(fault.detail, format!("no sensor leads to {node}; the camera's own node is /dev/video0"));
    }
}

#[test]
fn links_in_a_circle_end_in_an_answer() {
    let mut topology = Recording::of(MAINLINE).topology;
    let (csi2, fe) = (topology.entities[0].id, topology.entities[1].id);
    topology.links.retain(|link| link.sink.entity != csi2);
    topology.entities[1].function = media::BRIDGE;
    topology.entities[1].pads = vec![media::Direction::Sink, media::Direction::Sink, media::Direction::Source];
    let circle = |source: Pad, sink| media::Link { source, sink, enabled: true, immutable: false };
    topology.links.push(circle(Pad { entity: csi2, index: 1 }, Pad { entity: csi2, index: 0 }));
    topology.links.push(circle(Pad { entity: fe, index: 2 }, Pad { entity: csi2, index: 0 }));
    let fault = Route::to(&topology, Path::new("/dev/video0")).unwrap_err();
    assert!(fault.detail.contains("Is a camera connected"), "{}", fault.detail);
}

#[test]
fn the_mode_shows_all_that_the_sensor_sees_with_few_pixels() {
    let view = |code, width, height, shown| View { mode: Mode { code, width, height }, shown };
    let chosen = |views: &[View]| choose::mode(views).map(|mode| (mode.code, mode.width, mode.height));
    // IMX708 (Camera Module 3): 1536x864 is smaller, but sees two thirds of the width.
    let imx708 = [
        view(0x300f, 4608, 2592, Some((4608, 2592))),
        view(0x300f, 2304, 1296, Some((4608, 2592))),
        view(0x300f, 1536, 864, Some((3072, 1728))),
    ];
    assert_eq!(chosen(&imx708), Some((0x300f, 2304, 1296)));
    // A driver that does not say what it shows: the smallest that is large enough.
    assert_eq!(chosen(&imx708.map(|v| View { shown: None, ..v })), Some((0x300f, 1536, 864)));
    // Only a small one: better than nothing.
    assert_eq!(chosen(&[view(0x3014, 640, 480, None)]), Some((0x3014, 640, 480)));
    // The one with colours but without a shown part, beside one that cannot be read (14 bits).
    assert_eq!(chosen(&[view(0x3019, 4096, 4096, None)]), None);
    assert_eq!(choose::mode(&Recording::of(OV9281).views), None);
}

#[test]
fn what_is_no_camera_is_told_so() {
    for (node, verdict) in [("/dev/null", Verdict::Unsupported), ("/dev/video-not-there", Verdict::NotFound)] {
        assert_eq!(prepare(Path::new(node)).unwrap_err().verdict, verdict, "{node}");
        assert_eq!(sensor_controls(Path::new(node)), None);
    }
}
