//! Recorded topologies, and a driver that behaves as `rp1-cfe` and the kernel's media framework do.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::super::super::media::{self, BusFormat, Colour, Direction, Entity, Link, Mode, Pad, Topology};
use super::super::{Bus, Step, View, choose};

/// A file of `testdata/`.
pub(super) struct Recording {
    pub(super) topology: Topology,
    pub(super) views: Vec<View>,
}

impl Recording {
    pub(super) fn of(text: &str) -> Self {
        let mut recording = Self { topology: Topology::default(), views: Vec::new() };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["driver", driver] => recording.topology.driver = driver.to_owned(),
                ["entity", name, what, node, ref pads @ ..] => recording.entity(name, what, node, pads),
                ["link", source, sink, ref flags @ ..] => recording.link(source, sink, flags),
                ["mode", code, size, "shows", shown] => {
                    let code = u32::from_str_radix(&code[2..], 16).unwrap();
                    let (width, height) = pair(size, 'x');
                    recording.views.push(View { mode: Mode { code, width, height }, shown: Some(pair(shown, 'x')) });
                }
                _ => panic!("not understood: {line}"),
            }
        }
        recording
    }

    fn entity(&mut self, name: &str, what: &str, node: &str, pads: &[&str]) {
        let function = match what {
            "sensor" => media::SENSOR,
            "bridge" => media::BRIDGE,
            "node" => 0x0001_0001,
            _ => 0x4005,
        };
        self.topology.entities.push(Entity {
            // Far from places in lists, as the kernel's are.
            id: 100 + self.topology.entities.len() as u32,
            name: name.to_owned(),
            function,
            node: Some(PathBuf::from(node)),
            pads: pads.iter().map(|pad| if *pad == "in" { Direction::Sink } else { Direction::Source }).collect(),
        });
    }

    fn link(&mut self, source: &str, sink: &str, flags: &[&str]) {
        let (source, sink) = (self.pad(source), self.pad(sink));
        let (enabled, immutable) = (flags.contains(&"enabled"), flags.contains(&"immutable"));
        self.topology.links.push(Link { source, sink, enabled, immutable });
    }

    fn pad(&self, text: &str) -> Pad {
        let (name, index) = text.rsplit_once(':').unwrap();
        let entity = self.topology.entities.iter().find(|entity| entity.name == name).unwrap();
        Pad { entity: entity.id, index: index.parse().unwrap() }
    }

    /// A step for people.
    pub(super) fn tell(&self, step: Step) -> String {
        let pad = |at: Pad| format!("{}:{}", self.topology.name_of(at.entity), at.index);
        match step {
            Step::Link { source, sink, enabled } => {
                format!("link {} -> {} {}", pad(source), pad(sink), if enabled { "on" } else { "off" })
            }
            Step::Format { at, mode } => {
                format!("format {} {} {}x{}", pad(at), name_of_code(mode.code), mode.width, mode.height)
            }
            Step::Same { from, to } => format!("format {} as {}", pad(to), pad(from)),
        }
    }
}

fn pair(text: &str, between: char) -> (u32, u32) {
    let (a, b) = text.split_once(between).unwrap();
    (a.parse().unwrap(), b.parse().unwrap())
}

fn name_of_code(code: u32) -> &'static str {
    match code {
        0x3007 => "SBGGR10",
        0x300e => "SGBRG10",
        0x300f => "SRGGB10",
        0x3012 => "SRGGB12",
        _ => "?",
    }
}

/// `rp1-cfe` (and, having no receiver between, `unicam`) as far as a plan can tell.
pub(super) struct Driver {
    pub(super) topology: Topology,
    formats: HashMap<Pad, BusFormat>,
    /// No format is wider.
    pub(super) width_max: u32,
    /// Somebody watches.
    pub(super) is_streaming: bool,
    /// How often a format was set.
    pub(super) formats_set: usize,
}

const RAW: Colour = Colour { space: 11, encoding: 1, quantization: 1, transfer: 5 };
/// What a sensor says of its colours is not what the receiver starts with.
const SENSORS: Colour = Colour { space: 11, encoding: 0, quantization: 0, transfer: 0 };
const EMBEDDED: BusFormat = BusFormat {
    code: 0x7002,
    width: 8192,
    height: 1,
    field: 1,
    colour: Colour { space: 0, encoding: 0, quantization: 0, transfer: 0 },
};

impl Driver {
    pub(super) fn of(recording: &Recording) -> Self {
        let receiver = BusFormat { code: 0x300f, width: 640, height: 480, field: 1, colour: RAW };
        let sensor =
            BusFormat { code: recording.views[0].mode.code, width: 3280, height: 2464, field: 1, colour: SENSORS };
        let mut formats = HashMap::new();
        for entity in &recording.topology.entities {
            for index in 0..entity.pads.len() as u16 {
                let format = match (entity.function, index) {
                    (media::SENSOR, 0) => sensor,
                    (media::SENSOR, _) => EMBEDDED,
                    (_, 1) => BusFormat { width: 16384, ..EMBEDDED },
                    _ => receiver,
                };
                formats.insert(Pad { entity: entity.id, index }, format);
            }
        }
        let topology = recording.topology.clone();
        Self { topology, formats, width_max: u32::MAX, is_streaming: false, formats_set: 0 }
    }

    fn function(&self, at: Pad) -> u32 {
        self.topology.entity(at.entity).unwrap().function
    }

    /// `VIDIOC_STREAMON` of a node that was set to this mode.
    pub(super) fn start(&self, node: &str, mode: Mode) -> Result<(), String> {
        let node = self.topology.entities.iter().find(|e| e.node.as_deref() == Some(Path::new(node))).unwrap();
        let enabled = || self.topology.links.iter().filter(|link| link.enabled);
        let Some(link) = enabled().find(|link| link.sink.entity == node.id) else {
            return Err("EINVAL: the node's link is not enabled".to_owned());
        };
        // cfe_start_streaming: the sensor starts when all nodes stream whose links are enabled.
        if let Some(other) = enabled().find(|l| l != &link && self.is_node(l.sink) || self.is_node(l.source)) {
            return Err(format!("it waits for {}", self.topology.name_of(other.sink.entity)));
        }
        // v4l2_subdev_link_validate_default: both ends of every link between parts that have pad formats.
        for link in enabled().filter(|link| !self.is_node(link.sink)) {
            if self.formats[&link.source] != self.formats[&link.sink] {
                return Err(format!("EPIPE: {:?} is not {:?}", self.formats[&link.source], self.formats[&link.sink]));
            }
        }
        // cfe_video_link_validate
        let at_node = self.formats[&link.source];
        if (at_node.code, at_node.width, at_node.height) != (mode.code, mode.width, mode.height) {
            return Err(format!("EINVAL: {at_node:?} comes to a node that is set to {mode:?}"));
        }
        choose::fourcc(mode.code).map(|_| ()).ok_or_else(|| "EINVAL: no such pixel format".to_owned())
    }

    fn is_node(&self, pad: Pad) -> bool {
        self.topology.entity(pad.entity).unwrap().is_video_node()
    }
}

impl Bus for Driver {
    fn set_link(&mut self, source: Pad, sink: Pad, enabled: bool) -> io::Result<()> {
        if self.is_streaming {
            return Err(Errno::BUSY.into());
        }
        let into = |link: &Link| link.sink == sink && link.enabled && link.source != source;
        assert!(!enabled || !self.topology.links.iter().any(into), "one pad takes pictures from two");
        let link = self.topology.links.iter_mut().find(|link| (link.source, link.sink) == (source, sink));
        let link = link.filter(|link| !link.immutable).ok_or(Errno::INVAL)?;
        link.enabled = enabled;
        Ok(())
    }

    fn format(&mut self, at: Pad) -> io::Result<BusFormat> {
        self.formats.get(&at).copied().ok_or(Errno::INVAL.into())
    }

    fn set_format(&mut self, at: Pad, format: BusFormat) -> io::Result<BusFormat> {
        self.formats_set += 1;
        let mut made = BusFormat { width: format.width.min(self.width_max), ..format };
        match self.function(at) {
            media::SENSOR => made.colour = SENSORS,
            media::BRIDGE => {
                // csi2_pad_set_fmt: a source pad follows its sink pad, and takes nothing but a code.
                let sinks =
                    self.topology.entity(at.entity).unwrap().pads.iter().filter(|p| **p == Direction::Sink).count()
                        as u16;
                if at.index >= sinks {
                    return Ok(self.formats[&at]);
                }
                self.formats.insert(Pad { index: at.index + sinks, ..at }, made);
            }
            _ => return Err(Errno::INVAL.into()),
        }
        self.formats.insert(at, made);
        Ok(made)
    }
}
