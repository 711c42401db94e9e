//! Which pins a device drives, by the device tree that firmware and overlays (`dtoverlay=` in config.txt) made.
//!
//! The device names groups of pins by number (`pinctrl-0`); somewhere in the tree each group says what it holds.

use std::fs;
use std::path::Path;

/// Where the kernel shows the tree.
pub const DEVICE_TREE: &str = "/proc/device-tree";
/// Deeper than any group of pins lies (`/soc@107c000000/…/gpio@d0000/group`).
const DEPTH: usize = 6;
/// As the Pi's own trees have it: numbers; and as all others do: names.
const BY_NUMBER: &str = "brcm,pins";
const BY_NAME: &str = "pins";
const NUMBER: usize = 4;

/// The lines of the header's chip that this device has in its first state; none where it says nothing.
pub fn pins(device: &Path, tree: &Path) -> Vec<u32> {
    let groups = numbers(&device.join("pinctrl-0"));
    let mut found = Vec::new();
    if !groups.is_empty() {
        look(tree, &groups, DEPTH, &mut found);
    }
    found
}

fn look(folder: &Path, groups: &[u32], deep: usize, found: &mut Vec<u32>) {
    if numbers(&folder.join("phandle")).first().is_some_and(|number| groups.contains(number)) {
        found.extend(of_group(folder));
    }
    if deep == 0 {
        return;
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        // Not through links: the tree has none, and what is no tree may go round in a circle.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            look(&entry.path(), groups, deep - 1, found);
        }
    }
}

fn of_group(folder: &Path) -> Vec<u32> {
    let named = fs::read(folder.join(BY_NAME)).unwrap_or_default();
    let named = String::from_utf8_lossy(&named)
        .split('\0')
        .filter_map(|name| name.strip_prefix("gpio")?.parse().ok())
        .collect::<Vec<u32>>();
    [numbers(&folder.join(BY_NUMBER)), named].concat()
}

/// A property of big-endian numbers.
fn numbers(file: &Path) -> Vec<u32> {
    let bytes = fs::read(file).unwrap_or_default();
    bytes.chunks_exact(NUMBER).filter_map(|it| Some(u32::from_be_bytes(it.try_into().ok()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn property(node: &Path, name: &str, numbers: &[u32]) {
        fs::create_dir_all(node).unwrap();
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
        fs::write(node.join(name), bytes).unwrap();
    }

    #[test]
    fn a_pwm_has_the_pins_that_its_overlay_gave_it_and_no_others() {
        let tree = tempfile::tempdir().unwrap();
        let soc = tree.path().join("soc");
        // dtoverlay=pwm-2chan,pin=12,func=4,pin2=13,func2=4
        for (group, number, lines) in
            [("pwm_pins", 7, &[12, 13][..]), ("audio_pins", 8, &[40, 41]), ("spi0_pins", 9, &[18])]
        {
            property(&soc.join("gpio@7e200000").join(group), "phandle", &[number]);
            property(&soc.join("gpio@7e200000").join(group), BY_NUMBER, lines);
        }
        property(&soc.join("pwm@7e20c000"), "pinctrl-0", &[7]);
        assert_eq!(pins(&soc.join("pwm@7e20c000"), tree.path()), [12, 13]);
        property(&soc.join("pwm@7e20c000"), "pinctrl-0", &[7, 8]);
        let mut both = pins(&soc.join("pwm@7e20c000"), tree.path());
        both.sort_unstable();
        assert_eq!(both, [12, 13, 40, 41]);
    }

    #[test]
    fn pins_by_name_are_known_too() {
        let tree = tempfile::tempdir().unwrap();
        let group = tree.path().join("axi/pcie@1000120000/rp1/gpio@d0000/rp1_pwm0_gpio18");
        property(&group, "phandle", &[0x1_0001]);
        fs::write(group.join(BY_NAME), "gpio18\0gpio19\0").unwrap();
        let pwm = tree.path().join("axi/pcie@1000120000/rp1/pwm@98000");
        property(&pwm, "pinctrl-0", &[0x1_0001]);
        assert_eq!(pins(&pwm, tree.path()), [18, 19]);
    }

    #[test]
    fn a_pwm_that_has_no_pins_of_its_own_has_none() {
        let tree = tempfile::tempdir().unwrap();
        property(&tree.path().join("gpio/group"), BY_NUMBER, &[18]);
        fs::create_dir(tree.path().join("pwm")).unwrap();
        assert_eq!(pins(&tree.path().join("pwm"), tree.path()), Vec::<u32>::new());
    }
}
