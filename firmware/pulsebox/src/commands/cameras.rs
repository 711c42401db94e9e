//! `pulsebox cameras`: what is plugged in at this machine, and what to write for it.

use std::io::{self, Write};
use std::process::ExitCode;

use pulsebox::camera::v4l2::devices::{LocalCamera, plugged_in};
use serde_json::json;

/// The options of `pulsebox cameras`.
#[derive(clap::Args)]
pub struct Args {
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// What to look at where there is none.
const NONE: &str = "\
No camera is plugged in at this machine.

  USB    Is it plugged in, and does its light come on? `dmesg` tells what the kernel sees of it.
  CSI    The board needs its line in config.txt, for instance dtoverlay=imx219,media-controller=0 (Pi 4 and older).
  In a container the cameras' nodes must be passed in: --device /dev/video0.
  docs/local-cameras.md has the rest. Cameras on the network are not listed here.";

/// Runs the command.
pub fn run(args: &Args) -> ExitCode {
    let cameras = plugged_in();
    let text = if args.json {
        json!({ "cameras": cameras }).to_string()
    } else if cameras.is_empty() {
        NONE.to_owned()
    } else {
        told(&cameras)
    };
    // A reader that has gone away is no failure.
    let _ = writeln!(io::stdout(), "{text}");
    ExitCode::SUCCESS
}

fn told(cameras: &[LocalCamera]) -> String {
    let blocks: Vec<String> = cameras.iter().map(block).collect();
    let usable: Vec<&LocalCamera> = cameras.iter().filter(|camera| camera.problem.is_none()).collect();
    let mut text = blocks.join("\n");
    if !usable.is_empty() {
        text += "\nIn pulsebox.yaml:\n\nstreams:\n";
        for camera in usable {
            // JSON's strings are YAML's, whatever a camera calls itself.
            let (name, url) = (json!(camera.name), json!(camera.url));
            text += &format!("  - name: {name}\n    url: {url}\n");
        }
    }
    text.trim_end().to_owned()
}

fn block(camera: &LocalCamera) -> String {
    let LocalCamera { url, name, driver, bus, node, stable, formats, problem } = camera;
    let mut text = format!("{name}\n  url      {url}\n");
    if !stable {
        text += "           (this name may mean another camera after a restart: it has no better one)\n";
    }
    let at: Vec<&str> = [node, bus].into_iter().filter(|part| !part.is_empty()).map(String::as_str).collect();
    text += &format!("  driver   {driver}, at {}\n", at.join(", "));
    if let Some(problem) = problem {
        text += &format!("  problem  {problem}\n");
    }
    for (n, format) in formats.iter().enumerate() {
        text += &format!("  {}{format}\n", if n == 0 { "formats  " } else { "         " });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_says_what_to_write_and_only_of_cameras_that_can_be_watched() {
        let well = LocalCamera {
            url: "v4l2:///dev/v4l/by-id/usb-046d_C270-video-index0".into(),
            name: "C270: \"HD\"".into(),
            driver: "uvcvideo".into(),
            bus: "usb-1".into(),
            node: "/dev/video0".into(),
            stable: true,
            formats: vec!["MJPEG 1280×720 15/s".into(), "YUYV 640×480 30/s".into()],
            problem: None,
        };
        let hung = LocalCamera {
            name: "Hung".into(),
            url: "v4l2:///dev/video9".into(),
            stable: false,
            formats: Vec::new(),
            problem: Some("its driver does not answer".into()),
            ..well.clone()
        };
        let text = told(&[well, hung]);
        let (list, yaml) = text.split_once("In pulsebox.yaml:\n\n").unwrap();
        assert!(list.contains("problem  its driver does not answer"), "{list}");
        assert!(list.contains("may mean another camera"), "{list}");
        let (config, _) = pulsebox::config::parse(yaml).unwrap_or_else(|e| panic!("{e}: {yaml}"));
        let cameras: Vec<_> = config.cameras.iter().map(|c| (c.name.as_str(), c.url.to_string())).collect();
        let expected = "v4l2:///dev/v4l/by-id/usb-046d_C270-video-index0".to_owned();
        assert_eq!(cameras, [("C270: \"HD\"", expected)]);
    }
}
