//! The kernel's own structs and numbers, field by field. The names are the headers', without their prefixes.

use std::marker::PhantomData;
use std::path::PathBuf;

use rustix::ioctl::{Opcode, opcode};

use super::{BusFormat, Colour, Direction, Entity, Link, Pad, Topology};

/// A struct of plain integers without gaps: any bytes are a value of it.
///
/// Only types of this file have it.
pub(super) trait Plain {}

/// A call's number; it holds the size of `T`, so it fits no other struct.
pub(super) struct Request<T>(pub(super) Opcode, pub(super) PhantomData<T>);

const fn read_write<T: Plain>(group: u8, number: u8) -> Request<T> {
    Request(opcode::read_write::<T>(group, number), PhantomData)
}

pub(super) const DEVICE_INFO: Request<DeviceInfo> = read_write(b'|', 0);
pub(super) const SETUP_LINK: Request<LinkDesc> = read_write(b'|', 3);
pub(super) const G_TOPOLOGY: Request<TopologyHead> = read_write(b'|', 4);
pub(super) const QUERYCAP: Request<Capability> = Request(opcode::read::<Capability>(b'V', 0), PhantomData);
pub(super) const ENUM_MBUS_CODE: Request<MbusCode> = read_write(b'V', 2);
pub(super) const G_FMT: Request<PadFormat> = read_write(b'V', 4);
pub(super) const S_FMT: Request<PadFormat> = read_write(b'V', 5);
pub(super) const G_SELECTION: Request<Selection> = read_write(b'V', 61);
pub(super) const ENUM_FRAME_SIZE: Request<FrameSize> = read_write(b'V', 74);

pub(super) const PAD_SINK: u32 = 1;
pub(super) const PAD_SOURCE: u32 = 1 << 1;
pub(super) const LINK_ENABLED: u32 = 1;
const LINK_IMMUTABLE: u32 = 1 << 1;
const LINK_TYPE: u32 = 0xf << 28;
const LINK_TYPE_DATA: u32 = 0;
const LINK_TYPE_INTERFACE: u32 = 1 << 28;
/// The format in force, and not one that is only tried.
pub(super) const ACTIVE: u32 = 1;
/// The part of the sensor that is shown.
pub(super) const CROP: u32 = 0;

macro_rules! plain {
    ($($name:ident { $($field:ident: $type:ty),* $(,)? } $size:literal)*) => {$(
        #[repr(C)]
        #[derive(Clone, Copy)]
        pub(super) struct $name { $(pub(super) $field: $type),* }
        impl Plain for $name {}
        impl Zero for $name {
            const ZERO: Self = Self { $($field: Zero::ZERO),* };
        }
        impl Default for $name {
            fn default() -> Self {
                Self::ZERO
            }
        }
        // A wrong size would be a wrong opcode, and a gap would be bytes that are no field's.
        const _: () = assert!(size_of::<$name>() == $size && $size == 0 $(+ size_of::<$type>())*);
    )*};
}

/// All bits off: an array of any length has it, which `Default` has not.
trait Zero {
    const ZERO: Self;
}

impl Zero for u8 {
    const ZERO: Self = 0;
}
impl Zero for u16 {
    const ZERO: Self = 0;
}
impl Zero for u32 {
    const ZERO: Self = 0;
}
impl Zero for u64 {
    const ZERO: Self = 0;
}
impl<T: Zero, const N: usize> Zero for [T; N] {
    const ZERO: Self = [T::ZERO; N];
}

plain! {
    // linux/media.h
    DeviceInfo {
        driver: [u8; 16], model: [u8; 32], serial: [u8; 40], bus_info: [u8; 32], media_version: u32, hw_revision: u32,
        driver_version: u32, reserved: [u32; 31],
    } 256
    PadDesc { entity: u32, index: u16, gap: u16, flags: u32, reserved: [u32; 2] } 20
    LinkDesc { source: PadDesc, sink: PadDesc, flags: u32, reserved: [u32; 2] } 52
    V2Entity { id: u32, name: [u8; 64], function: u32, flags: u32, reserved: [u32; 5] } 96
    V2Interface { id: u32, intf_type: u32, flags: u32, reserved: [u32; 9], major: u32, minor: u32, rest: [u32; 14] } 112
    V2Pad { id: u32, entity_id: u32, flags: u32, index: u32, reserved: [u32; 4] } 32
    V2Link { id: u32, source_id: u32, sink_id: u32, flags: u32, reserved: [u32; 6] } 40
    TopologyHead {
        version: u64,
        num_entities: u32, reserved1: u32, ptr_entities: u64,
        num_interfaces: u32, reserved2: u32, ptr_interfaces: u64,
        num_pads: u32, reserved3: u32, ptr_pads: u64,
        num_links: u32, reserved4: u32, ptr_links: u64,
    } 72

    // linux/videodev2.h
    Capability {
        driver: [u8; 16], card: [u8; 32], bus_info: [u8; 32], version: u32, capabilities: u32, device_caps: u32,
        reserved: [u32; 3],
    } 104

    // linux/v4l2-mediabus.h, linux/v4l2-subdev.h
    FrameFormat {
        width: u32, height: u32, code: u32, field: u32, colorspace: u32, ycbcr_enc: u16, quantization: u16,
        xfer_func: u16, flags: u16, reserved: [u16; 10],
    } 48
    PadFormat { which: u32, pad: u32, format: FrameFormat, stream: u32, reserved: [u32; 7] } 88
    MbusCode { pad: u32, index: u32, code: u32, which: u32, flags: u32, stream: u32, reserved: [u32; 6] } 48
    FrameSize {
        index: u32, pad: u32, code: u32, min_width: u32, max_width: u32, min_height: u32, max_height: u32, which: u32,
        stream: u32, reserved: [u32; 7],
    } 64
    Selection {
        which: u32, pad: u32, target: u32, flags: u32, left: u32, top: u32, width: u32, height: u32, stream: u32,
        reserved: [u32; 7],
    } 64
}

/// A name as the kernel writes it: up to the first zero.
pub(super) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// What `G_TOPOLOGY` fills.
pub(super) struct Parts {
    pub(super) entities: Vec<V2Entity>,
    pub(super) interfaces: Vec<V2Interface>,
    pub(super) pads: Vec<V2Pad>,
    pub(super) links: Vec<V2Link>,
}

impl Parts {
    /// Room for so many.
    pub(super) fn sized(counts: &TopologyHead) -> Self {
        Self {
            entities: vec![V2Entity::default(); counts.num_entities as usize],
            interfaces: vec![V2Interface::default(); counts.num_interfaces as usize],
            pads: vec![V2Pad::default(); counts.num_pads as usize],
            links: vec![V2Link::default(); counts.num_links as usize],
        }
    }

    /// The question that fills them. It holds their addresses: use it while they live, and before they are touched.
    pub(super) fn head(&mut self, counts: &TopologyHead) -> TopologyHead {
        TopologyHead {
            ptr_entities: self.entities.as_mut_ptr() as u64,
            ptr_interfaces: self.interfaces.as_mut_ptr() as u64,
            ptr_pads: self.pads.as_mut_ptr() as u64,
            ptr_links: self.links.as_mut_ptr() as u64,
            ..*counts
        }
    }

    /// The same as plain data; `node_of` knows the path of a device by its number.
    pub(super) fn topology(&self, driver: String, node_of: impl Fn(u32, u32) -> Option<PathBuf>) -> Topology {
        let node = |entity: u32| {
            let link = self.links.iter().find(|l| l.flags & LINK_TYPE == LINK_TYPE_INTERFACE && l.sink_id == entity)?;
            let interface = self.interfaces.iter().find(|i| i.id == link.source_id)?;
            node_of(interface.major, interface.minor)
        };
        let entities = self.entities.iter().map(|entity| Entity {
            id: entity.id,
            name: text(&entity.name),
            function: entity.function,
            node: node(entity.id),
            pads: self.pads_of(entity.id),
        });
        let links = self.links.iter().filter(|link| link.flags & LINK_TYPE == LINK_TYPE_DATA).filter_map(|link| {
            Some(Link {
                source: self.pad(link.source_id)?,
                sink: self.pad(link.sink_id)?,
                enabled: link.flags & LINK_ENABLED != 0,
                immutable: link.flags & LINK_IMMUTABLE != 0,
            })
        });
        Topology { driver, entities: entities.collect(), links: links.collect() }
    }

    fn pads_of(&self, entity: u32) -> Vec<Direction> {
        let mut pads: Vec<&V2Pad> = self.pads.iter().filter(|pad| pad.entity_id == entity).collect();
        pads.sort_by_key(|pad| pad.index);
        pads.iter().map(|pad| if pad.flags & PAD_SOURCE != 0 { Direction::Source } else { Direction::Sink }).collect()
    }

    fn pad(&self, id: u32) -> Option<Pad> {
        let pad = self.pads.iter().find(|pad| pad.id == id)?;
        Some(Pad { entity: pad.entity_id, index: u16::try_from(pad.index).ok()? })
    }
}

impl From<FrameFormat> for BusFormat {
    fn from(f: FrameFormat) -> Self {
        let colour =
            Colour { space: f.colorspace, encoding: f.ycbcr_enc, quantization: f.quantization, transfer: f.xfer_func };
        Self { code: f.code, width: f.width, height: f.height, field: f.field, colour }
    }
}

impl From<BusFormat> for FrameFormat {
    fn from(f: BusFormat) -> Self {
        Self {
            width: f.width,
            height: f.height,
            code: f.code,
            field: f.field,
            colorspace: f.colour.space,
            ycbcr_enc: f.colour.encoding,
            quantization: f.colour.quantization,
            xfer_func: f.colour.transfer,
            ..Self::default()
        }
    }
}
