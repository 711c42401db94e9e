//! The files that networkd, wpa_supplicant and resolved read, made of `network:` and of where the page is.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use super::super::model::{Config, Ethernet, Web, Wifi, WifiKey};
use super::super::on_disk;

/// What a file is for: who must be told when it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The machine's name.
    Name,
    /// The wireless network.
    Wifi,
    /// The cable's address.
    Ethernet,
    /// Where the page is announced, if not at port 80.
    Page,
    /// The same for programs that look for a Pulsebox.
    Pulsebox,
}

impl Part {
    /// In one word.
    pub fn name(self) -> &'static str {
        match self {
            Part::Name => "name",
            Part::Wifi => "wifi",
            Part::Ethernet => "ethernet",
            Part::Page | Part::Pulsebox => "page",
        }
    }

    /// Below /run.
    fn path(self) -> &'static str {
        match self {
            Part::Name => "pulsebox-network/name",
            Part::Wifi => "wpa_supplicant/wpa_supplicant-wlan0.conf",
            // Before what the image says of any cable.
            Part::Ethernet => "systemd/network/40-pulsebox-ethernet.network",
            // In the place of the image's own of the same name.
            Part::Page => "systemd/dnssd/pulsebox-http.dnssd",
            Part::Pulsebox => "systemd/dnssd/pulsebox.dnssd",
        }
    }

    /// Its text; none where the file is not to be there.
    fn text(self, config: &Config) -> Option<String> {
        let network = &config.network;
        match self {
            Part::Name => Some(format!("{}\n", network.name)),
            Part::Wifi => network.wifi.as_ref().map(wifi),
            Part::Ethernet => network.ethernet.as_ref().map(ethernet),
            Part::Page => page(&config.web, if config.web.tls.is_some() { "_https._tcp" } else { "_http._tcp" }),
            Part::Pulsebox => page(&config.web, "_pulsebox._tcp"),
        }
    }

    /// networkd reads as a user of its own; what holds a password is root's.
    fn mode(self) -> u32 {
        if self == Part::Wifi { 0o600 } else { 0o644 }
    }
}

/// Brings the files below `into` in line with the configuration. Says which differed. Blocks.
///
/// # Errors
/// A file cannot be written or removed.
pub fn write(config: &Config, into: &Path) -> io::Result<Vec<Part>> {
    let mut changed = Vec::new();
    for part in [Part::Name, Part::Wifi, Part::Ethernet, Part::Page, Part::Pulsebox] {
        let path = into.join(part.path());
        let text = part.text(config);
        if fs::read_to_string(&path).ok() == text {
            continue;
        }
        match text {
            Some(text) => replace(&path, &text, part.mode())?,
            None => fs::remove_file(&path)?,
        }
        changed.push(part);
    }
    Ok(changed)
}

fn replace(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
    }
    let temporary = path.with_extension("new");
    on_disk::remove(&temporary)?;
    OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?.write_all(text.as_bytes())?;
    fs::rename(temporary, path)
}

const MADE: &str = "# Made of pulsebox.yaml by `pulsebox config network`: what is changed here is lost.\n";

/// wpa_supplicant.conf(5).
fn wifi(wifi: &Wifi) -> String {
    let mut text = MADE.to_owned();
    if let Some(country) = &wifi.country {
        let _ = writeln!(text, "country={country}");
    }
    // As digits: a name may hold quotes, and line breaks.
    let ssid: String = wifi.ssid.bytes().map(|byte| format!("{byte:02x}")).collect();
    let _ = writeln!(text, "network={{\n\tssid={ssid}");
    if wifi.hidden {
        text.push_str("\tscan_ssid=1\n");
    }
    match &wifi.key {
        None => text.push_str("\tkey_mgmt=NONE\n"),
        // From the first quote to the last one it is taken to the letter.
        Some(WifiKey::Password(password)) => {
            text.push_str("\t# WPA2 and WPA3; management frames protected where the router can.\n");
            let _ = writeln!(text, "\tkey_mgmt=WPA-PSK WPA-PSK-SHA256 SAE\n\tieee80211w=1\n\tpsk=\"{password}\"");
        }
        // WPA3 needs the password.
        Some(WifiKey::Raw(key)) => {
            let _ = writeln!(text, "\tkey_mgmt=WPA-PSK WPA-PSK-SHA256\n\tieee80211w=1\n\tpsk={key}");
        }
    }
    text.push_str("}\n");
    text
}

/// systemd.network(5).
fn ethernet(ethernet: &Ethernet) -> String {
    let mut text = format!("{MADE}[Match]\nType=ether\nKind=!*\n\n[Network]\n");
    let _ = writeln!(text, "Address={}/{}", ethernet.address, ethernet.prefix);
    if let Some(gateway) = ethernet.gateway {
        let _ = writeln!(text, "Gateway={gateway}");
    }
    for server in &ethernet.dns {
        let _ = writeln!(text, "DNS={server}");
    }
    text.push_str("MulticastDNS=yes\nLLMNR=no\n");
    text
}

/// systemd.dnssd(5); none where what the image says is right.
fn page(web: &Web, kind: &str) -> Option<String> {
    let port = web.listen.port();
    let is_as_ever = port == 80 && web.tls.is_none();
    (!is_as_ever).then(|| format!("{MADE}[Service]\nName=%H\nType={kind}\nPort={port}\n"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::super::{Machine, parse_on};
    use super::*;

    fn config(text: &str) -> Config {
        parse_on(text, Machine::Appliance).unwrap().0
    }

    fn network(text: &str) -> Config {
        config(&format!("network: {{ {text} }}\n"))
    }

    fn wpa(text: &str) -> String {
        network(text).network.wifi.as_ref().map(wifi).unwrap()
    }

    #[test]
    fn files_are_written_where_they_differ_and_go_with_their_settings() {
        let run = tempfile::tempdir().unwrap();
        let both = network("wifi: { ssid: x, password: geheim00 }, ethernet: { address: 192.168.1.5/24 }");
        assert_eq!(write(&both, run.path()).unwrap(), [Part::Name, Part::Wifi, Part::Ethernet]);
        assert_eq!(write(&both, run.path()).unwrap(), []);
        let conf = run.path().join(Part::Wifi.path());
        assert_eq!(fs::metadata(&conf).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(write(&network("name: barn"), run.path()).unwrap(), [Part::Name, Part::Wifi, Part::Ethernet]);
        assert!(!conf.exists() && !run.path().join(Part::Ethernet.path()).exists());
        assert_eq!(fs::read_to_string(run.path().join(Part::Name.path())).unwrap(), "barn\n");
    }

    #[test]
    fn no_name_and_no_password_breaks_out_of_its_line() {
        let text = wpa(r#"wifi: { ssid: "a\"}b", password: "a\"b # c}d", country: in, hidden: true }"#);
        let lines = ["country=IN", "\tssid=61227d62", "\tscan_ssid=1", "\tpsk=\"a\"b # c}d\""];
        for line in lines {
            assert!(text.lines().any(|one| one == line), "{line}: {text}");
        }
        assert!(text.contains("SAE"));
    }

    #[test]
    fn each_kind_of_network_has_its_keys() {
        assert!(wpa("wifi: { ssid: x }").contains("key_mgmt=NONE"));
        let raw = wpa(&format!("wifi: {{ ssid: x, password: {} }}", "A1".repeat(32)));
        assert!(raw.contains(&format!("psk={}\n", "a1".repeat(32))) && !raw.contains("SAE"), "{raw}");
    }

    #[test]
    fn a_page_elsewhere_is_announced_where_it_is() {
        let run = tempfile::tempdir().unwrap();
        let moved = config("web: { listen: '0.0.0.0:443', tls: { self_made: true } }\n");
        assert_eq!(write(&moved, run.path()).unwrap(), [Part::Name, Part::Page, Part::Pulsebox]);
        let text = fs::read_to_string(run.path().join(Part::Page.path())).unwrap();
        assert!(text.ends_with("Type=_https._tcp\nPort=443\n"), "{text}");
        assert_eq!(write(&config(""), run.path()).unwrap(), [Part::Page, Part::Pulsebox]);
    }

    #[test]
    fn a_fixed_address_is_networkds() {
        let fixed = network("ethernet: { address: 192.168.1.5/24, gateway: 192.168.1.1, dns: [192.168.1.1] }");
        let text = ethernet(fixed.network.ethernet.as_ref().unwrap());
        assert!(
            text.ends_with(
                "Address=192.168.1.5/24\nGateway=192.168.1.1\nDNS=192.168.1.1\nMulticastDNS=yes\nLLMNR=no\n"
            )
        );
    }
}
