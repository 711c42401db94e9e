//! The kernel's media controller: what a camera receiver is made of, and how its parts are linked and set.
//!
//! Where a video node says `V4L2_CAP_IO_MC`, the driver sets nothing up by itself: sensor, receiver and node are
//! entities with pads, and user space enables the links between them and gives each pad its format. No crate covers
//! these calls; here are the ten that [`super::csi`] needs, as the kernel's headers have them (`linux/media.h`,
//! `linux/v4l2-subdev.h`, `linux/videodev2.h`), and the only unsafe code of this room.

use std::fs::{File, OpenOptions};
use std::io;
use std::marker::PhantomData;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::ioctl::{self, Ioctl, IoctlOutput, Opcode};

mod wire;

use wire::{
    DEVICE_INFO, ENUM_FRAME_SIZE, ENUM_MBUS_CODE, G_FMT, G_SELECTION, G_TOPOLOGY, QUERYCAP, Request, S_FMT, SETUP_LINK,
};

/// An entity that is a camera's sensor (`MEDIA_ENT_F_CAM_SENSOR`).
pub(super) const SENSOR: u32 = 0x0002_0001;
/// An entity that hands on what comes in, such as a CSI-2 receiver (`MEDIA_ENT_F_VID_IF_BRIDGE`).
pub(super) const BRIDGE: u32 = 0x0000_5002;

/// Most of each thing that a topology may have; the largest known receiver has 50 links.
const PARTS_MAX: u32 = 1024;
/// Most formats, and sizes of one, that a sensor is asked for.
const MODES_MAX: u32 = 64;

/// The parts of one media device: plain data, as read or as recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Topology {
    /// The driver's name: `rp1-cfe`.
    pub(super) driver: String,
    /// All its entities.
    pub(super) entities: Vec<Entity>,
    /// The links that carry pictures.
    pub(super) links: Vec<Link>,
}

/// One part: a sensor, a receiver, a video node, …
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entity {
    /// The kernel's number of it.
    pub(super) id: u32,
    /// `imx219 4-0010`.
    pub(super) name: String,
    /// What it is: [`SENSOR`], [`BRIDGE`] or something else.
    pub(super) function: u32,
    /// Its node: `/dev/v4l-subdev0`, `/dev/video0`.
    pub(super) node: Option<PathBuf>,
    /// Its pads, by index.
    pub(super) pads: Vec<Direction>,
}

/// Which way pictures go through a pad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// In.
    Sink,
    /// Out.
    Source,
}

/// One pad: the entity's number and the pad's index there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Pad {
    /// [`Entity::id`].
    pub(super) entity: u32,
    /// Place in [`Entity::pads`].
    pub(super) index: u16,
}

/// One link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// Where pictures come from.
    pub(super) source: Pad,
    /// Where they go.
    pub(super) sink: Pad,
    /// Whether they go.
    pub(super) enabled: bool,
    /// Whether that cannot be changed.
    pub(super) immutable: bool,
}

/// What goes over a pad.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BusFormat {
    /// The media bus code: `MEDIA_BUS_FMT_…`.
    pub(super) code: u32,
    /// Pixels.
    pub(super) width: u32,
    /// Pixels.
    pub(super) height: u32,
    /// Interlacing: `V4L2_FIELD_…`.
    pub(super) field: u32,
    /// How its colours are meant, of which the kernel compares all when it starts.
    pub(super) colour: Colour,
}

/// How colours are meant, in V4L2's numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Colour {
    /// `V4L2_COLORSPACE_…`
    pub(super) space: u32,
    /// `V4L2_YCBCR_ENC_…`
    pub(super) encoding: u16,
    /// `V4L2_QUANTIZATION_…`
    pub(super) quantization: u16,
    /// `V4L2_XFER_FUNC_…`
    pub(super) transfer: u16,
}

/// One way in which a sensor can send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mode {
    /// The media bus code.
    pub(super) code: u32,
    /// Pixels.
    pub(super) width: u32,
    /// Pixels.
    pub(super) height: u32,
}

/// What a video node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NodeKind {
    /// The driver's name.
    pub(super) driver: String,
    /// Whether user space must set up what lies before it (`V4L2_CAP_IO_MC`).
    pub(super) is_set_up_from_outside: bool,
}

/// Asks a video node what it is.
///
/// # Errors
/// The node's: not there, not allowed, not a video node.
pub(super) fn node_kind(node: &Path) -> io::Result<NodeKind> {
    const IO_MC: u32 = 0x2000_0000;
    let mut told = wire::Capability::default();
    call(&open(node)?, QUERYCAP, &mut told)?;
    Ok(NodeKind { driver: wire::text(&told.driver), is_set_up_from_outside: told.device_caps & IO_MC != 0 })
}

/// An open media device: `/dev/media0`.
pub(super) struct MediaDevice {
    file: File,
}

impl MediaDevice {
    /// Opens it.
    ///
    /// # Errors
    /// The device's: not there, not allowed.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: open(path)? })
    }

    /// Its parts as they are now.
    ///
    /// # Errors
    /// The kernel's; or the parts changed while they were read, three times.
    pub(super) fn topology(&self) -> io::Result<Topology> {
        let mut info = wire::DeviceInfo::default();
        call(&self.file, DEVICE_INFO, &mut info)?;
        for _ in 0..3 {
            if let Some(parts) = self.parts()? {
                return Ok(parts.topology(wire::text(&info.driver), node_of));
            }
        }
        Err(io::Error::other("the media device changes while it is read"))
    }

    /// `None` where they changed meanwhile.
    fn parts(&self) -> io::Result<Option<wire::Parts>> {
        let mut counts = wire::TopologyHead::default();
        call(&self.file, G_TOPOLOGY, &mut counts)?;
        let most = counts.num_entities.max(counts.num_interfaces).max(counts.num_pads).max(counts.num_links);
        if most > PARTS_MAX {
            return Err(io::Error::other(format!("the media device has {most} parts, and {PARTS_MAX} are the limit")));
        }
        let mut parts = wire::Parts::sized(&counts);
        let mut head = parts.head(&counts);
        match call(&self.file, G_TOPOLOGY, &mut head) {
            // More of them than a moment ago.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NOSPC.raw_os_error()) => Ok(None),
            Err(error) => Err(error),
            Ok(()) => Ok((head.version == counts.version).then_some(parts)),
        }
    }

    /// Enables or disables a link.
    ///
    /// # Errors
    /// The kernel's: `EBUSY` while pictures go over it, `EINVAL` where there is no such link.
    pub(super) fn set_link(&self, source: Pad, sink: Pad, enabled: bool) -> io::Result<()> {
        let mut link = wire::LinkDesc {
            source: wire::PadDesc {
                entity: source.entity,
                index: source.index,
                flags: wire::PAD_SOURCE,
                ..Default::default()
            },
            sink: wire::PadDesc { entity: sink.entity, index: sink.index, flags: wire::PAD_SINK, ..Default::default() },
            flags: if enabled { wire::LINK_ENABLED } else { 0 },
            ..Default::default()
        };
        call(&self.file, SETUP_LINK, &mut link)
    }
}

/// An open part with pads that can be set: `/dev/v4l-subdev0`.
pub(super) struct Subdevice {
    file: File,
}

impl Subdevice {
    /// Opens it.
    ///
    /// # Errors
    /// The device's: not there, not allowed.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: open(path)? })
    }

    /// A pad's format.
    ///
    /// # Errors
    /// The kernel's: `EINVAL` where there is no such pad.
    pub(super) fn format(&self, pad: u16) -> io::Result<BusFormat> {
        let mut asked = wire::PadFormat { which: wire::ACTIVE, pad: pad.into(), ..Default::default() };
        call(&self.file, G_FMT, &mut asked)?;
        Ok(asked.format.into())
    }

    /// Sets a pad's format, and gives what the driver made of it.
    ///
    /// # Errors
    /// The kernel's: `EBUSY` while pictures go over it, `EINVAL` where there is no such pad.
    pub(super) fn set_format(&self, pad: u16, format: BusFormat) -> io::Result<BusFormat> {
        let mut asked =
            wire::PadFormat { which: wire::ACTIVE, pad: pad.into(), format: format.into(), ..Default::default() };
        call(&self.file, S_FMT, &mut asked)?;
        Ok(asked.format.into())
    }

    /// Every way in which a pad can send, in the driver's order.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn modes(&self, pad: u16) -> io::Result<Vec<Mode>> {
        let mut modes = Vec::new();
        for index in 0..MODES_MAX {
            let mut code = wire::MbusCode { pad: pad.into(), index, which: wire::ACTIVE, ..Default::default() };
            if !more(call(&self.file, ENUM_MBUS_CODE, &mut code))? {
                break;
            }
            for index in 0..MODES_MAX {
                let mut size = wire::FrameSize {
                    index,
                    pad: pad.into(),
                    code: code.code,
                    which: wire::ACTIVE,
                    ..Default::default()
                };
                if !more(call(&self.file, ENUM_FRAME_SIZE, &mut size))? {
                    break;
                }
                // A sensor that takes any size in between gets one that is large enough (`csi::choose`).
                let width = 1280.min(size.max_width).max(size.min_width);
                let height = 720.min(size.max_height).max(size.min_height);
                modes.push(Mode { code: code.code, width, height });
            }
        }
        Ok(modes)
    }

    /// The part of the sensor's face that the format now set shows, in its pixels: width and height.
    ///
    /// # Errors
    /// The kernel's: `ENOTTY` where the driver does not say.
    pub(super) fn crop(&self, pad: u16) -> io::Result<(u32, u32)> {
        let mut asked =
            wire::Selection { which: wire::ACTIVE, pad: pad.into(), target: wire::CROP, ..Default::default() };
        call(&self.file, G_SELECTION, &mut asked)?;
        Ok((asked.width, asked.height))
    }
}

/// The kernel ends an enumeration with `EINVAL`.
fn more(answer: io::Result<()>) -> io::Result<bool> {
    match answer {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::INVAL.raw_os_error()) => Ok(false),
        Err(error) => Err(error),
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

/// The path of a device node, by its number.
fn node_of(major: u32, minor: u32) -> Option<PathBuf> {
    let told = std::fs::read_to_string(format!("/sys/dev/char/{major}:{minor}/uevent")).ok()?;
    let name = told.lines().find_map(|line| line.strip_prefix("DEVNAME="))?;
    Some(Path::new("/dev").join(name))
}

/// One call into the kernel, and the memory that it reads and writes.
struct Call<'a, T> {
    opcode: Opcode,
    value: &'a mut T,
}

// SAFETY: `call` alone makes these. The opcode was computed from the size of `T` (`Request`), so the kernel copies that
// many bytes in and out; `value` is borrowed for as long; and every `T` is a `repr(C)` struct of plain integers
// (`wire::Plain`), for which any bytes that the kernel writes are good.
#[allow(unsafe_code)] // the kernel's calls have no safe face
unsafe impl<T: wire::Plain> Ioctl for Call<'_, T> {
    type Output = ();
    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        self.opcode
    }

    fn as_ptr(&mut self) -> *mut std::ffi::c_void {
        std::ptr::from_mut(self.value).cast()
    }

    unsafe fn output_from_ptr(_: IoctlOutput, _: *mut std::ffi::c_void) -> rustix::io::Result<()> {
        Ok(())
    }
}

fn call<T: wire::Plain>(file: impl AsFd, request: Request<T>, value: &mut T) -> io::Result<()> {
    let Request(opcode, PhantomData) = request;
    // SAFETY: see `Ioctl for Call`. Only `TopologyHead` holds addresses, and `Parts::head` makes them of vectors as
    // long as it says, which live in the caller until after this call; a head without them holds zeros, which the
    // kernel takes for "only count". A device that does not know the opcode answers ENOTTY.
    #[allow(unsafe_code)]
    unsafe { ioctl::ioctl(file, Call { opcode, value }) }?;
    Ok(())
}

#[cfg(test)]
mod tests;
