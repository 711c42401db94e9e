//! The way from a sensor to a video node.

use std::path::Path;

use super::super::super::{Fault, Verdict};
use super::super::media::{BRIDGE, Direction, Entity, Link, Pad, SENSOR, Topology};

/// More parts in a row than any receiver has.
const HOPS_MAX: usize = 8;

/// The way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    /// Where the sensor puts its pictures out.
    pub(super) sensor: Pad,
    /// The links, from the sensor to the node: source and sink.
    pub(super) links: Vec<(Pad, Pad)>,
}

impl Route {
    /// The way to a node, found backwards from there.
    ///
    /// # Errors
    /// `unsupported`: no sensor leads to it; names the node that one leads to, if any.
    pub(super) fn to(topology: &Topology, node: &Path) -> Result<Self, Fault> {
        Self::found(topology, node).ok_or_else(|| {
            let other = topology
                .entities
                .iter()
                .filter(|entity| entity.is_video_node())
                .filter_map(|entity| entity.node.as_deref())
                .find(|node| Self::found(topology, node).is_some());
            let hint = match other {
                Some(other) => format!("; the camera's own node is {}", other.display()),
                None => ". Is a camera connected, and named in config.txt?".to_owned(),
            };
            Fault::new(Verdict::Unsupported, format!("no sensor leads to {}{hint}", node.display()))
        })
    }

    fn found(topology: &Topology, node: &Path) -> Option<Self> {
        let end = topology.entities.iter().find(|entity| entity.node.as_deref() == Some(node))?;
        let mut sink = Pad { entity: end.id, index: 0 };
        let mut links = Vec::new();
        for _ in 0..HOPS_MAX {
            let link = topology.links.iter().filter(|l| l.sink == sink).find(|l| topology.leads_on(l))?;
            links.insert(0, (link.source, sink));
            let before = topology.entity(link.source.entity)?;
            if before.function == SENSOR {
                return Some(Self { sensor: link.source, links });
            }
            sink = before.sink_of(link.source.index)?;
        }
        None
    }
}

impl Topology {
    pub(super) fn entity(&self, id: u32) -> Option<&Entity> {
        self.entities.iter().find(|entity| entity.id == id)
    }

    pub(super) fn name_of(&self, id: u32) -> &str {
        self.entity(id).map_or("?", |entity| &entity.name)
    }

    /// Whether a link comes from a sensor's first pad out, which has its pictures (others have its embedded data), or
    /// from a part that hands on what comes in. An image processor (`pisp-fe`) does not: it wants its own programs.
    fn leads_on(&self, link: &Link) -> bool {
        self.entity(link.source.entity).is_some_and(|entity| match entity.function {
            SENSOR => entity.pads(Direction::Source).next() == Some(link.source.index),
            BRIDGE => true,
            _ => false,
        })
    }
}

impl Entity {
    /// Whether it is where pictures are fetched, and has no pad format of its own.
    pub(super) fn is_video_node(&self) -> bool {
        /// `MEDIA_ENT_F_IO_V4L`
        const VIDEO_NODE: u32 = 0x0001_0001;
        self.function == VIDEO_NODE
    }

    fn pads(&self, direction: Direction) -> impl Iterator<Item = u16> + '_ {
        (0..).zip(&self.pads).filter(move |(_, of)| **of == direction).map(|(index, _)| index)
    }

    /// The pad whose pictures leave by `source`. Topologies do not say: with one pad in, that; with as many in as out
    /// (`rp1-cfe` of Raspberry Pi's kernel), the one at the same place.
    fn sink_of(&self, source: u16) -> Option<Pad> {
        let place = self.pads(Direction::Source).position(|index| index == source)?;
        let sinks: Vec<u16> = self.pads(Direction::Sink).collect();
        let index = match sinks.len() {
            1 => sinks[0],
            many if many == self.pads(Direction::Source).count() => sinks[place],
            _ => return None,
        };
        Some(Pad { entity: self.id, index })
    }
}
