//! CSI cameras that must be set up before they send: the Raspberry Pi 5's receiver (`rp1-cfe`), and any other driver
//! whose node says so (`V4L2_CAP_IO_MC`).
//!
//! From the device's topology [`links`] and [`formats`] make lists of steps; [`run`] takes them, over [`Bus`]. The
//! plan is data, so that it is tested against topologies recorded on real boards (`testdata/`). docs/csi-cameras.md
//! says what to run on a board.
//!
//! 1. Disable every other link that can be: while one leads to another node, the driver waits for that node as well.
//! 2. Enable the links from the sensor to the node.
//! 3. Set the sensor's format: code and size, which the sensor completes with its colours.
//! 4. Set the same on each pad along the way, colours too, and where links branch off that cannot be disabled: the
//!    kernel compares both ends of every enabled link when the stream starts, and answers `EPIPE`.
//!
//! The node's own format is set by whoever opens it: [`Fixed`].

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::super::{Fault, Verdict};
use super::media::{self, BusFormat, Link, MediaDevice, Mode, Pad, Subdevice, Topology};

mod choose;
mod route;

use choose::View;
use route::Route;

/// What the node must be set to, exactly: the pads before it are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fixed {
    /// The pixel format: `pRAA`.
    pub(super) fourcc: [u8; 4],
    /// Pixels.
    pub(super) width: u32,
    /// Pixels.
    pub(super) height: u32,
}

/// One step on the way to pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// `MEDIA_IOC_SETUP_LINK`
    Link { source: Pad, sink: Pad, enabled: bool },
    /// `VIDIOC_SUBDEV_S_FMT`: this code and size, progressive; the rest as the driver likes.
    Format { at: Pad, mode: Mode },
    /// `VIDIOC_SUBDEV_G_FMT` there, `VIDIOC_SUBDEV_S_FMT` here.
    Same { from: Pad, to: Pad },
}

/// What a plan is carried out on.
trait Bus {
    /// Enables or disables a link.
    fn set_link(&mut self, source: Pad, sink: Pad, enabled: bool) -> io::Result<()>;
    /// A pad's format.
    fn format(&mut self, at: Pad) -> io::Result<BusFormat>;
    /// Sets a pad's format; gives what it became.
    fn set_format(&mut self, at: Pad, format: BusFormat) -> io::Result<BusFormat>;
}

/// Sets up all that lies before a node. Blocks for some milliseconds. Call it before the node's format is set; not
/// while it streams.
///
/// `None` where there is nothing to do: the driver sets itself up (USB, vivid, `unicam` with `media-controller=0`).
///
/// # Errors
/// `not_found`, `auth`, `busy` (another program watches), `unsupported` (no sensor leads here, or it sends nothing
/// that is read here), `protocol` (the driver refused a step, which the text names).
pub(super) fn prepare(node: &Path) -> Result<Option<Fixed>, Fault> {
    let Some(found) = Found::by(node)? else { return Ok(None) };
    let mut board = Board { found: &found };
    let refused = |(step, error)| refused(&found.topology, step, &error);
    // Links first: they are refused while another program watches, and the sensor must not be touched then.
    run(&links(&found.topology, &found.route), &mut board).map_err(refused)?;
    let views = board.views().map_err(refused)?;
    let mode = choose::mode(&views).ok_or_else(|| {
        let sensor = found.topology.name_of(found.route.sensor.entity);
        let why = "sends no Bayer picture of 8, 10 or 12 bits, and nothing else is read from a sensor";
        Fault::new(Verdict::Unsupported, format!("{sensor} {why}"))
    })?;
    run(&formats(&found.topology, &found.route, mode), &mut board).map_err(refused)?;
    Ok(choose::fourcc(mode.code).map(|fourcc| Fixed { fourcc, width: mode.width, height: mode.height }))
}

/// The device that has the camera's exposure and gain controls: the sensor's, where the node is set up from outside,
/// else the node itself. `None` where neither is there.
pub(super) fn sensor_controls(node: &Path) -> Option<PathBuf> {
    match Found::by(node) {
        Ok(Some(found)) => found.topology.entity(found.route.sensor.entity)?.node.clone(),
        Ok(None) => Some(node.to_path_buf()),
        Err(_) => None,
    }
}

/// Whether a camera can be watched through this node: not where it is set up from outside and no sensor leads to it,
/// as with most of the nodes of `rp1-cfe`.
pub(super) fn is_camera(node: &Path) -> bool {
    !matches!(Found::by(node), Err(fault) if fault.verdict == Verdict::Unsupported)
}

/// A node that must be set up, and what lies before it.
struct Found {
    device: MediaDevice,
    topology: Topology,
    route: Route,
}

impl Found {
    /// `None` where nothing must be set up.
    fn by(node: &Path) -> Result<Option<Self>, Fault> {
        // Topologies know nodes by their own names, and people by links to them.
        let node = node.canonicalize().map_err(|error| unopened(node, &error))?;
        let kind = media::node_kind(&node).map_err(|error| unopened(&node, &error))?;
        if !kind.is_set_up_from_outside {
            return Ok(None);
        }
        let mut unread = None;
        for path in media_devices() {
            match MediaDevice::open(&path).and_then(|device| Ok((device.topology()?, device))) {
                Ok((topology, device))
                    if topology.entities.iter().any(|entity| entity.node.as_ref() == Some(&node)) =>
                {
                    let route = Route::to(&topology, &node)?;
                    return Ok(Some(Self { device, topology, route }));
                }
                Ok(_) => {}
                Err(error) => unread = unread.or(Some(unopened(&path, &error))),
            }
        }
        Err(unread.unwrap_or_else(|| {
            let (node, driver) = (node.display(), kind.driver);
            let why = format!("no media device has {node}, whose driver {driver} must be set up through one");
            Fault::new(Verdict::Unsupported, why)
        }))
    }
}

/// `/dev/media0` and on, in the order of their numbers.
fn media_devices() -> Vec<PathBuf> {
    let Ok(all) = Path::new("/dev").read_dir() else { return Vec::new() };
    let number = |entry: std::fs::DirEntry| entry.file_name().to_str()?.strip_prefix("media")?.parse::<u32>().ok();
    let mut numbers: Vec<u32> = all.flatten().filter_map(number).collect();
    numbers.sort_unstable();
    numbers.into_iter().map(|number| PathBuf::from(format!("/dev/media{number}"))).collect()
}

/// The steps that make the links right, from how they are now.
fn links(topology: &Topology, route: &Route) -> Vec<Step> {
    let on_route = |link: &Link| route.links.contains(&(link.source, link.sink));
    let change = |link: &Link, enabled| Step::Link { source: link.source, sink: link.sink, enabled };
    let mutable = || topology.links.iter().filter(|link| !link.immutable);
    let off = mutable().filter(|link| link.enabled && !on_route(link)).map(|link| change(link, false));
    let on = mutable().filter(|link| !link.enabled && on_route(link)).map(|link| change(link, true));
    off.chain(on).collect()
}

/// The steps that make the formats equal, from the sensor on.
fn formats(topology: &Topology, route: &Route, mode: Mode) -> Vec<Step> {
    let mut steps = vec![Step::Format { at: route.sensor, mode }];
    // Of each two links: what comes in leaves as it is. The last leads to the node, which has no pad format.
    for pair in route.links.windows(2) {
        let ((source, sink), (onward, _)) = (pair[0], pair[1]);
        steps.push(Step::Same { from: source, to: sink });
        steps.push(Step::Same { from: sink, to: onward });
    }
    steps.extend(beside(topology, route).map(|(from, to)| Step::Same { from, to }));
    steps
}

/// Links that branch off the way and cannot be disabled, as the one of the sensor's embedded data; where both ends have
/// a format.
fn beside<'a>(topology: &'a Topology, route: &'a Route) -> impl Iterator<Item = (Pad, Pad)> + 'a {
    let is_node = |entity: u32| topology.entity(entity).is_none_or(|entity| entity.is_video_node());
    let on_route = |entity: u32| route.links.iter().any(|(source, _)| source.entity == entity);
    topology
        .links
        .iter()
        .filter(|link| link.immutable && link.enabled && !route.links.contains(&(link.source, link.sink)))
        .filter(move |link| on_route(link.source.entity) && !is_node(link.sink.entity))
        .map(|link| (link.source, link.sink))
}

/// Takes the steps; at the first that fails, which and why.
fn run(steps: &[Step], bus: &mut impl Bus) -> Result<(), (Step, io::Error)> {
    steps.iter().try_for_each(|step| take(*step, bus).map_err(|error| (*step, error)))
}

fn take(step: Step, bus: &mut impl Bus) -> io::Result<()> {
    /// `V4L2_FIELD_NONE`
    const PROGRESSIVE: u32 = 1;
    let (wanted, got) = match step {
        Step::Link { source, sink, enabled } => return bus.set_link(source, sink, enabled),
        Step::Format { at, mode } => {
            let Mode { code, width, height } = mode;
            let now = bus.format(at)?;
            let got = bus.set_format(at, BusFormat { code, width, height, field: PROGRESSIVE, ..now })?;
            (BusFormat { code, width, height, ..got }, got)
        }
        Step::Same { from, to } => {
            let wanted = bus.format(from)?;
            (wanted, bus.set_format(to, wanted)?)
        }
    };
    if (wanted.code, wanted.width, wanted.height) != (got.code, got.width, got.height) {
        let show = |f: BusFormat| format!("{:#06x} {}×{}", f.code, f.width, f.height);
        return Err(io::Error::other(format!("it made {} of {}", show(got), show(wanted))));
    }
    Ok(())
}

/// The real thing.
struct Board<'a> {
    found: &'a Found,
}

impl Board<'_> {
    fn subdevice(&self, at: Pad) -> io::Result<Subdevice> {
        let entity = self.found.topology.entity(at.entity);
        let node = entity.and_then(|entity| entity.node.as_deref());
        Subdevice::open(node.ok_or_else(|| io::Error::other("it has no device node"))?)
    }

    /// What the sensor can send, and how much of its face each shows. Sets each for a moment: drivers tell the part
    /// only of the one in force.
    fn views(&mut self) -> Result<Vec<View>, (Step, io::Error)> {
        let sensor = self.found.route.sensor;
        let blank = Step::Format { at: sensor, mode: Mode::default() };
        let subdevice = self.subdevice(sensor).map_err(|error| (blank, error))?;
        let before = subdevice.format(sensor.index).map_err(|error| (blank, error))?;
        let modes = subdevice.modes(sensor.index).map_err(|error| (blank, error))?;
        modes
            .into_iter()
            .filter(|mode| choose::fourcc(mode.code).is_some())
            .map(|mode| {
                let Mode { code, width, height } = mode;
                subdevice
                    .set_format(sensor.index, BusFormat { code, width, height, ..before })
                    .map_err(|error| (Step::Format { at: sensor, mode }, error))?;
                Ok(View { mode, shown: subdevice.crop(sensor.index).ok() })
            })
            .collect()
    }
}

impl Bus for Board<'_> {
    fn set_link(&mut self, source: Pad, sink: Pad, enabled: bool) -> io::Result<()> {
        self.found.device.set_link(source, sink, enabled)
    }

    fn format(&mut self, at: Pad) -> io::Result<BusFormat> {
        self.subdevice(at)?.format(at.index)
    }

    fn set_format(&mut self, at: Pad, format: BusFormat) -> io::Result<BusFormat> {
        self.subdevice(at)?.set_format(at.index, format)
    }
}

/// Why a step was refused, in words.
fn refused(topology: &Topology, step: Step, error: &io::Error) -> Fault {
    let pad = |at: Pad| format!("\"{}\":{}", topology.name_of(at.entity), at.index);
    let what = match step {
        Step::Link { source, sink, enabled: true } => format!("enabling the link {} -> {}", pad(source), pad(sink)),
        Step::Link { source, sink, enabled: false } => format!("disabling the link {} -> {}", pad(source), pad(sink)),
        Step::Format { at, .. } => format!("setting the sensor's format at {}", pad(at)),
        Step::Same { from, to } => format!("setting the format of {} at {}", pad(from), pad(to)),
    };
    let verdict = match Errno::from_io_error(error) {
        Some(Errno::BUSY) => Verdict::Busy,
        Some(Errno::NODEV | Errno::NOENT | Errno::NXIO) => Verdict::NotFound,
        Some(Errno::ACCESS | Errno::PERM) => Verdict::Auth,
        _ => Verdict::Protocol,
    };
    let hint = match verdict {
        Verdict::Busy => ". Another program uses the camera: end it",
        Verdict::Auth => ". Add the user that Pulsebox runs as to the group `video`",
        _ => "",
    };
    Fault::new(
        verdict,
        format!("setting up the camera's receiver ({}) failed at {what}: {error}{hint}", topology.driver),
    )
}

/// Why a device could not be opened or asked.
fn unopened(path: &Path, error: &io::Error) -> Fault {
    let (verdict, hint) = match Errno::from_io_error(error) {
        Some(Errno::NODEV | Errno::NOENT | Errno::NXIO) => (Verdict::NotFound, ""),
        Some(Errno::ACCESS | Errno::PERM) => {
            (Verdict::Auth, ". Add the user that Pulsebox runs as to the group `video`")
        }
        Some(Errno::BUSY) => (Verdict::Busy, ""),
        // It answers, but does not know the question.
        Some(Errno::NOTTY | Errno::INVAL) => (Verdict::Unsupported, ": this is not a camera's device"),
        _ => (Verdict::Protocol, ""),
    };
    Fault::new(verdict, format!("{}: {error}{hint}", path.display()))
}

#[cfg(test)]
mod tests;
