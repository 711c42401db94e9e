//! The machine's video nodes as the kernel lists them, and the most stable name that each has.

use std::fs;
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// What would end or change a URL's path.
const IN_PATH: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b'?').add(b'#').add(b'\\').add(b'"').add(b'<').add(b'>');
/// The longest text that is read of a device.
const TEXT_MAX: usize = 80;

/// Where to look. Tests have machines of their own.
pub(super) struct Machine {
    /// The kernel's list of video nodes.
    pub(super) class: PathBuf,
    /// The device nodes.
    pub(super) dev: PathBuf,
}

/// A video node.
pub(super) struct Node {
    /// `/dev/video0`.
    pub(super) path: PathBuf,
    /// What the device calls itself.
    pub(super) name: String,
    /// The kernel's driver.
    pub(super) driver: String,
    /// Which of its device's nodes it is.
    index: String,
    /// The device's place in the kernel's tree.
    place: PathBuf,
    /// What udev makes a USB device's name of: vendor, product and serial number. Empty for others.
    identity: String,
}

impl Machine {
    pub(super) fn this() -> Self {
        Self { class: "/sys/class/video4linux".into(), dev: "/dev".into() }
    }

    /// Every video node by its number. None where the kernel has no V4L2.
    pub(super) fn nodes(&self) -> Vec<Node> {
        let Ok(entries) = fs::read_dir(&self.class) else { return Vec::new() };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut numbered: Vec<(u32, String)> =
            names.filter_map(|name| Some((name.strip_prefix("video")?.parse().ok()?, name))).collect();
        numbered.sort_unstable();
        numbered.into_iter().map(|(_, name)| self.node(&name)).collect()
    }

    fn node(&self, name: &str) -> Node {
        let entry = self.class.join(name);
        let place = fs::canonicalize(entry.join("device")).unwrap_or_default();
        let driver = fs::canonicalize(place.join("driver")).unwrap_or_default();
        let told = text(&entry.join("name"));
        Node {
            path: self.dev.join(name),
            name: if told.is_empty() { name.to_owned() } else { told },
            driver: driver.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            index: text(&entry.join("index")),
            identity: identity(&place),
            place,
        }
    }

    /// The URL by the most stable name of a node, and whether that name outlives a restart.
    ///
    /// udev makes the names of what devices say of themselves: where two say the same, one link stands for whichever
    /// came last, and is no name.
    pub(super) fn url(&self, node: &Node, all: &[Node]) -> (String, bool) {
        let others = || all.iter().filter(|other| other.path != node.path && other.index == node.index);
        let has_twin = others().any(|other| !node.identity.is_empty() && other.identity == node.identity);
        let shares_place = others().any(|other| other.place == node.place);
        let by_id = || self.link("v4l/by-id", node).filter(|_| !has_twin && !shares_place);
        let by_path = || self.link("v4l/by-path", node).filter(|_| !shares_place);
        let link = by_id().or_else(by_path);
        let path = link.as_deref().unwrap_or(&node.path);
        (format!("v4l2://{}", utf8_percent_encode(&path.to_string_lossy(), IN_PATH)), link.is_some())
    }

    /// The first link of a folder, by name, that leads to the node.
    fn link(&self, folder: &str, node: &Node) -> Option<PathBuf> {
        let target = fs::canonicalize(&node.path).ok()?;
        let links = fs::read_dir(self.dev.join(folder)).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
        links.filter(|link| fs::canonicalize(link).is_ok_and(|end| end == target)).min()
    }
}

/// Of the USB device that the interface at `place` belongs to.
fn identity(place: &Path) -> String {
    let Some(device) = place.parent().filter(|device| device.join("idVendor").is_file()) else {
        return String::new();
    };
    ["idVendor", "idProduct", "serial"].map(|name| text(&device.join(name))).join("_")
}

/// A short text of the kernel's; what is no text in it is replaced.
fn text(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    text.trim_matches(|c: char| c.is_whitespace() || c == '\0')
        .chars()
        .filter(|c| !c.is_control())
        .take(TEXT_MAX)
        .collect()
}
