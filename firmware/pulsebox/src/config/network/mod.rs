//! `network:`, the appliance's name and connections: what may stand there, and the files that bring it about.

mod files;

use std::net::IpAddr;

pub use files::{Part, write};

use super::check::Fields;
use super::model::{Ethernet, Network, Wifi, WifiKey};
use super::problem::{Place, Problem};

/// From checked values.
pub(super) fn network(fields: &Fields, is_given: bool, problems: &mut Vec<Problem>) -> Network {
    let default = Network::default();
    let mut refuse = |place: Place, what: String, advice: &str| problems.push(Problem::new(place, what, advice));
    if !is_given {
        return default;
    }
    Network {
        name: fields.text("name").unwrap_or(default.name),
        wifi: fields.given("wifi").and_then(|_| wifi(fields.map("wifi"), &mut refuse)),
        ethernet: fields.given("ethernet").and_then(|_| ethernet(fields.map("ethernet"), &mut refuse)),
    }
}

type Refuse<'a> = &'a mut dyn FnMut(Place, String, &str);

fn wifi(fields: &Fields, refuse: Refuse<'_>) -> Option<Wifi> {
    let ssid = fields.text("ssid");
    if ssid.as_ref().is_some_and(|ssid| ssid.len() > 32) {
        let what = "`ssid` is longer than 32 bytes, and no network's name is".to_owned();
        refuse(fields.place("ssid"), what, "write it to the letter as the router has it");
    }
    let key = match fields.text("password").filter(|password| !password.is_empty()) {
        None => None,
        Some(raw) if raw.len() == 64 && raw.bytes().all(|b| b.is_ascii_hexdigit()) => {
            Some(WifiKey::Raw(raw.to_ascii_lowercase()))
        }
        Some(password) => {
            let printable = password.bytes().all(|b| matches!(b, b' '..=b'~'));
            let length = password.chars().count();
            if !(8..=63).contains(&length) {
                let what = format!("`password` has {length} characters, and a Wi-Fi password has 8 to 63");
                refuse(
                    fields.place("password"),
                    what,
                    "write it to the letter; without `password` the network is open",
                );
            } else if !printable {
                let what = "`password` holds a character that Wi-Fi passwords cannot have".to_owned();
                refuse(
                    fields.place("password"),
                    what,
                    "letters without accents, digits and plain signs alone are allowed",
                );
            }
            Some(WifiKey::Password(password))
        }
    };
    let country = fields.text("country").map(|country| country.to_ascii_uppercase());
    match country.as_deref() {
        Some("UK") => refuse(fields.place("country"), "`country` is UK, which no country has".into(), "write GB"),
        Some(country) if !country.bytes().all(|b| b.is_ascii_uppercase()) => {
            refuse(fields.place("country"), "`country` is no two letters".into(), "write it such as DE, GB or IN");
        }
        _ => {}
    }
    Some(Wifi { ssid: ssid?, key, country, hidden: fields.bool("hidden").unwrap_or(false) })
}

fn ethernet(fields: &Fields, refuse: Refuse<'_>) -> Option<Ethernet> {
    let dns = fields.texts("dns").iter().filter_map(|text| text.parse().ok()).collect();
    let (address, prefix) = match own_address(&fields.text("address")?) {
        Ok(own) => own,
        Err((what, advice)) => {
            refuse(fields.place("address"), what.into(), advice);
            return None;
        }
    };
    let gateway = match fields.text("gateway").map(|text| text.trim().parse::<IpAddr>()) {
        None => None,
        Some(Ok(gateway)) if gateway != address && is_beside(gateway, address, prefix) => Some(gateway),
        Some(Ok(_)) => {
            let what =
                format!("`gateway` is no other address of the network {address}/{prefix}, and cannot be reached");
            refuse(fields.place("gateway"), what, "write the router's address in the same network");
            None
        }
        Some(Err(_)) => {
            refuse(fields.place("gateway"), "`gateway` is no IP address".into(), "write one such as 192.168.1.1");
            None
        }
    };
    Some(Ethernet { address, prefix, gateway, dns })
}

/// `192.168.1.5/24`, an address that a machine may have.
fn own_address(text: &str) -> Result<(IpAddr, u8), (&'static str, &'static str)> {
    let advice = "write address and length such as 192.168.1.5/24";
    let Some((address, prefix)) = text.trim().split_once('/') else {
        return Err((
            "`address` lacks the length of the network's part",
            "write it behind the address: 192.168.1.5/24",
        ));
    };
    let address: IpAddr = address.parse().map_err(|_| ("`address` is no IP address", advice))?;
    let longest = if address.is_ipv4() { 31 } else { 127 };
    let prefix = prefix.parse::<u8>().ok().filter(|prefix| (1..=longest).contains(prefix));
    let prefix = prefix.ok_or(("`address` has no such length of the network's part", advice))?;
    if let IpAddr::V4(own) = address {
        let host = own.to_bits() & (u32::MAX >> prefix);
        if prefix < 31 && (host == 0 || host == u32::MAX >> prefix) {
            return Err(("`address` is the network's own address, not a machine's", "choose one that is free in it"));
        }
    }
    if address.is_loopback() || address.is_multicast() || address.is_unspecified() {
        return Err(("`address` is one that no machine has", "choose one that is free in the network"));
    }
    Ok((address, prefix))
}

/// Whether two addresses are of one network; a router may have an address of its link alone in IPv6.
fn is_beside(one: IpAddr, other: IpAddr, prefix: u8) -> bool {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (one.to_bits() ^ other.to_bits()) >> (32 - u32::from(prefix)) == 0,
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            one.is_unicast_link_local() || (one.to_bits() ^ other.to_bits()) >> (128 - u32::from(prefix)) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    #[test]
    fn a_network_is_read() {
        let text = "network:\n  name: Barn\n  wifi: { ssid: My Wi-Fi, password: 12345678, country: de, hidden: true }\n  \
                    ethernet: { address: 10.0.0.5/8, gateway: 10.1.0.1, dns: [10.1.0.1, 2001:db8::1] }\n";
        let network = parse(text).unwrap().0.network;
        assert_eq!(network.name, "barn");
        let wifi = network.wifi.unwrap();
        assert_eq!((wifi.ssid.as_str(), wifi.country.as_deref(), wifi.hidden), ("My Wi-Fi", Some("DE"), true));
        assert!(wifi.key == Some(WifiKey::Password("12345678".into())));
        let ethernet = network.ethernet.unwrap();
        assert_eq!((ethernet.address.to_string(), ethernet.prefix), ("10.0.0.5".into(), 8));
        assert_eq!((ethernet.gateway.unwrap().to_string(), ethernet.dns.len()), ("10.1.0.1".into(), 2));
        assert_eq!(parse("").unwrap().0.network, Network::default());
    }

    #[test]
    fn a_mistake_is_named_with_its_place_and_no_password() {
        for (text, wrong) in [
            ("name: my_box", "1:18: `name` is no name for a machine"),
            ("name: barn.local", "1:18: `name` ends in .local"),
            ("wifi: { password: geheim00 }", "1:18: `ssid` is missing"),
            ("wifi: { ssid: ääääääääääääääääää, password: geheim00 }", "1:26: `ssid` is longer than 32 bytes"),
            ("wifi: { ssid: x, password: geheim }", "1:39: `password` has 6 characters"),
            ("wifi: { ssid: x, password: geheimgehéim }", "1:39: `password` holds a character"),
            ("wifi: { ssid: x, country: UK }", "1:38: `country` is UK"),
            ("wifi: { ssid: x, country: \"49\" }", "1:38: `country` is no two letters"),
            ("ethernet: { address: 192.168.1.5 }", "1:33: `address` lacks the length"),
            ("ethernet: { address: 192.168.1.0/24 }", "1:33: `address` is the network's own"),
            ("ethernet: { address: 192.168.1.5/24, gateway: 192.168.2.1 }", "1:58: `gateway` is no other address"),
            ("ethernet: { address: 192.168.1.5/24, dns: [dns.example] }", "1:55: this is no IP address"),
        ] {
            let errors = parse(&format!("network: {{ {text} }}\n")).unwrap_err().to_string();
            assert!(errors.starts_with(wrong) && !errors.contains("geheim"), "{text}: {errors}");
        }
    }
}
