//! Checks a tree against the table of [`keys`](super::keys) and gives back typed values with their places.
//!
//! Every problem is noted and the walk goes on: a bad value is noted and then treated as not given.

use std::net::SocketAddr;
use std::rc::Rc;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;

use super::id;
use super::keys::{Absent, Entry, Key, Kind, Section};
use super::mask;
use super::problem::{Place, Problem, REPORTED};
use super::words::{lower_first, nearest, quotable, quoted_number};
use super::yaml::{self, Node, Value};
use crate::camera::CameraUrl;

/// A checked value.
pub(super) enum Typed {
    Bool(bool),
    Whole(u64),
    Decimal(f64),
    Text(String),
    Camera(CameraUrl),
    Web(url::Url),
    Zone(TimeZone),
    Address(SocketAddr),
    Hours(Time, Time),
    Moment(Moment),
    Map(Fields),
    List(Vec<Fields>),
    Texts(Vec<String>),
    /// Written, and no good.
    Refused,
}

/// A day and time as written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Moment {
    /// With its offset: one moment.
    At(Timestamp),
    /// Without: the file's time zone says which.
    Local(DateTime),
}

/// The values that one mapping gives.
#[derive(Default)]
pub(super) struct Fields {
    /// Where the mapping starts.
    pub place: Place,
    values: Vec<(&'static str, Place, Typed)>,
}

/// The typed getters: none where the key is not given or its value was refused.
macro_rules! getters {
    ($($name:ident -> $type:ty: $variant:ident;)*) => {
        $(pub fn $name(&self, key: &str) -> Option<$type> {
            match self.find(key) {
                Some(Typed::$variant(value)) => Some(value.clone()),
                _ => None,
            }
        })*
    };
}

impl Fields {
    getters! {
        bool -> bool: Bool;
        u64 -> u64: Whole;
        f64 -> f64: Decimal;
        text -> String: Text;
        camera -> CameraUrl: Camera;
        web -> url::Url: Web;
        zone -> TimeZone: Zone;
        address -> SocketAddr: Address;
        moment -> Moment: Moment;
    }

    fn find(&self, key: &str) -> Option<&Typed> {
        self.values.iter().find(|(name, ..)| *name == key).map(|(.., value)| value)
    }

    pub fn hours(&self, key: &str) -> Option<(Time, Time)> {
        match self.find(key) {
            Some(Typed::Hours(from, to)) => Some((*from, *to)),
            _ => None,
        }
    }

    /// A group's values; empty where it is not given.
    pub fn map(&self, key: &str) -> &Fields {
        static NOTHING: Fields = Fields { place: Place { line: 1, column: 1 }, values: Vec::new() };
        match self.find(key) {
            Some(Typed::Map(fields)) => fields,
            _ => &NOTHING,
        }
    }

    pub fn list(&self, key: &str) -> &[Fields] {
        match self.find(key) {
            Some(Typed::List(items)) => items,
            _ => &[],
        }
    }

    pub fn texts(&self, key: &str) -> &[String] {
        match self.find(key) {
            Some(Typed::Texts(items)) => items,
            _ => &[],
        }
    }

    /// Where a key's value stands, if it is given, good or refused.
    pub fn given(&self, key: &str) -> Option<Place> {
        self.values.iter().find(|(name, ..)| *name == key).map(|(_, place, _)| *place)
    }

    /// Where a key's value stands, or else its mapping.
    pub fn place(&self, key: &str) -> Place {
        self.given(key).unwrap_or(self.place)
    }
}

/// Walks a mapping.
pub(super) fn fields(node: &Node, section: &'static Section, problems: &mut Vec<Problem>) -> Fields {
    let mut fields = Fields { place: node.start, values: Vec::new() };
    if node.is_null() {
        return missing(fields, section, problems);
    }
    let Value::Map { entries, .. } = &node.value else {
        let place = if section.path.is_empty() { "the file".to_owned() } else { format!("`{}`", section.path) };
        let example = section.keys.first().map_or("", |key| key.name);
        let advice = match node.text().and_then(|text| text.split_once(':')) {
            Some((key, _)) if section.key(key.trim()).is_some() => {
                format!("put a space behind the colon: `{}: …`", key.trim())
            }
            _ => format!("write keys such as `{example}: …`, one a line"),
        };
        problems.push(Problem::new(
            node.start,
            format!("{place} holds keys with values, and this is {}", a_kind_of(node)),
            advice,
        ));
        return fields;
    };
    let mut seen: Vec<(&str, Place)> = Vec::new();
    let mut meant: Vec<&str> = Vec::new();
    for (key, value) in entries {
        let name = match known(key, section, problems) {
            Known::Key(name) => name,
            Known::Meant(name) => {
                meant.push(name);
                continue;
            }
            Known::No => continue,
        };
        if let Some((_, first)) = seen.iter().find(|(other, _)| *other == name.name) {
            problems.push(Problem::new(
                key.start,
                format!("`{}` stands here twice, first in line {}", name.name, first.line),
                "keep one of the two",
            ));
            continue;
        }
        seen.push((name.name, key.start));
        if value.is_null() && !matches!(name.absent, Absent::Required) {
            continue;
        }
        // A missing value has no characters: its key is where a person looks.
        let place = if value.is_null() { key.start } else { value.start };
        let typed = typed(name, value, place, problems).unwrap_or(Typed::Refused);
        fields.values.push((name.name, place, typed));
    }
    let given: Vec<&str> = seen.iter().map(|(name, _)| *name).chain(meant).collect();
    lacking(&fields, section, &given, problems);
    fields
}

fn missing(fields: Fields, section: &'static Section, problems: &mut Vec<Problem>) -> Fields {
    lacking(&fields, section, &[], problems);
    fields
}

fn lacking(fields: &Fields, section: &'static Section, given: &[&str], problems: &mut Vec<Problem>) {
    for key in section.keys {
        if matches!(key.absent, Absent::Required) && !given.contains(&key.name) {
            let what = format!("`{}` is missing here", key.name);
            problems.push(Problem::new(
                fields.place,
                what,
                format!("add `{}: …`: {}", key.name, lower_first(key.about)),
            ));
        }
    }
}

/// What a written key is.
enum Known {
    Key(&'static Key),
    /// Misspelt: this one is meant, and not missing as well.
    Meant(&'static str),
    No,
}

fn known(key: &Node, section: &'static Section, problems: &mut Vec<Problem>) -> Known {
    let Some(name) = key.text() else {
        problems.push(Problem::new(key.start, "a list or group stands where a key should", "write `key: value`"));
        return Known::No;
    };
    if let Some(known) = section.key(name) {
        return Known::Key(known);
    }
    if problems.len() > REPORTED {
        return Known::No; // nobody will read it, and finding the nearest key takes its time
    }
    if name.starts_with(|c: char| c.is_whitespace()) {
        problems.push(yaml::odd_space(key.start));
        return Known::No;
    }
    let meant = synonym(name, section).or_else(|| nearest(name, section.keys.iter().map(|key| key.name)));
    let what = match quotable(name) {
        Some(name) => format!("there is no key `{name}`{}", at(section)),
        None => format!("there is no such key{}", at(section)),
    };
    let advice = if name == "<<" {
        "merge keys are not read: write the keys out".to_owned()
    } else if name.contains(yaml::is_smart_quote) {
        "type straight quotes, or none".to_owned()
    } else if let Some(meant) = meant {
        format!("did you mean `{meant}`?")
    } else if let Some(other) = elsewhere(name, section) {
        format!("`{name}` belongs {other}")
    } else {
        let names: Vec<&str> = section.keys.iter().map(|key| key.name).collect();
        format!("remove it; known here are {}", names.join(", "))
    };
    problems.push(Problem::new(key.start, what, advice));
    meant.map_or(Known::No, Known::Meant)
}

/// Words that others use for a key.
fn synonym(name: &str, section: &'static Section) -> Option<&'static str> {
    let synonyms =
        [("cameras", "streams"), ("user", "username"), ("broker", "host"), ("tz", "timezone"), ("address", "url")];
    let (_, meant) = synonyms.into_iter().find(|(other, _)| *other == name)?;
    section.key(meant).map(|key| key.name)
}

fn at(section: &Section) -> String {
    if section.path.is_empty() { " at the top of the file".to_owned() } else { format!(" in `{}`", section.path) }
}

/// Where else a key of exactly this name is known.
fn elsewhere(name: &str, here: &Section) -> Option<String> {
    let section = super::keys::SECTIONS.into_iter().find(|s| s.path != here.path && s.key(name).is_some())?;
    Some(match section.path {
        "" => "at the top of the file".to_owned(),
        path => format!("under `{path}`"),
    })
}

fn a_kind_of(node: &Node) -> &'static str {
    match node.value {
        Value::Scalar { .. } if node.is_null() => "nothing",
        Value::Scalar { .. } => "a single value",
        Value::List { .. } => "a list",
        Value::Map { .. } => "a group of keys",
    }
}

fn typed(key: &'static Key, node: &Node, at: Place, problems: &mut Vec<Problem>) -> Option<Typed> {
    match key.kind {
        Kind::Map(section) => Some(Typed::Map(fields(node, section, problems))),
        Kind::List(section, max) => list(key, node, section, max, problems).map(Typed::List),
        Kind::Texts(entry, max) => texts(key, node, entry, max, problems).map(Typed::Texts),
        _ => scalar(key, node).map_err(|(what, advice)| problems.push(Problem::new(at, what, advice))).ok(),
    }
}

fn list(
    key: &Key,
    node: &Node,
    section: &'static Section,
    max: usize,
    problems: &mut Vec<Problem>,
) -> Option<Vec<Fields>> {
    let items = items(key, node, max, problems)?;
    Some(items.iter().map(|item| fields(item, section, problems)).collect())
}

/// A list's entries, `max` at most.
fn items<'a>(key: &Key, node: &'a Node, max: usize, problems: &mut Vec<Problem>) -> Option<&'a [Rc<Node>]> {
    let Value::List { items, .. } = &node.value else {
        let what = format!("`{}` is a list, and this is {}", key.name, a_kind_of(node));
        problems.push(Problem::new(node.start, what, "start each entry with `- ` on a line of its own"));
        return None;
    };
    if let Some(one) = items.get(max) {
        let what = format!("`{}` has {} entries; at most {max} are read", key.name, items.len());
        problems.push(Problem::new(one.start, what, "remove some, or use a second box"));
    }
    Some(&items[..items.len().min(max)])
}

fn texts(key: &Key, node: &Node, entry: Entry, max: usize, problems: &mut Vec<Problem>) -> Option<Vec<String>> {
    let mut read = Vec::new();
    for item in items(key, node, max, problems)? {
        let text = item.text().unwrap_or_default();
        let checked = match entry {
            Entry::HostName => host_name(text),
            Entry::Origin => origin(text),
            Entry::IpAddress => ip_address(text),
        };
        match checked {
            Ok(text) => read.push(text),
            Err((what, advice)) => problems.push(Problem::new(item.start, what, advice)),
        }
    }
    Some(read)
}

/// In lower case.
fn host_name(text: &str) -> Result<String, Refused> {
    let good = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    if text.is_empty() || text.len() > 253 || !text.chars().all(good) {
        return refuse("this is no host name", "write a name such as cameras.example.org, without scheme and port");
    }
    Ok(text.trim_end_matches('.').to_ascii_lowercase())
}

fn ip_address(text: &str) -> Result<String, Refused> {
    match text.parse::<std::net::IpAddr>() {
        Ok(address) => Ok(address.to_string()),
        Err(_) => refuse("this is no IP address", "write one such as 192.168.1.1"),
    }
}

/// As a browser writes it.
fn origin(text: &str) -> Result<String, Refused> {
    let url = url::Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let bare = |url: &url::Url| {
        url.path() == "/" && url.query().is_none() && url.username().is_empty() && url.password().is_none()
    };
    match url {
        Some(url) if bare(&url) && url.fragment().is_none() => Ok(url.origin().ascii_serialization()),
        _ => refuse("this is no origin", "write scheme, host and port alone, for instance https://dash.example.org"),
    }
}

/// What is wrong, and what to do.
type Refused = (String, String);

fn refuse<T>(what: impl Into<String>, advice: impl Into<String>) -> Result<T, Refused> {
    Err((what.into(), advice.into()))
}

fn scalar(key: &Key, node: &Node) -> Result<Typed, Refused> {
    let name = key.name;
    let Value::Scalar { text, plain } = &node.value else {
        return refuse(
            format!("`{name}` takes a single value, and this is {}", a_kind_of(node)),
            format!("write `{name}: …` with one value: {}", key.kind.range()),
        );
    };
    if node.is_null() {
        return refuse(
            format!("`{name}` has no value"),
            format!("write one behind the colon: {}", lower_first(key.about)),
        );
    }
    if *plain && text.starts_with(yaml::is_smart_quote) {
        let smart = yaml::smart_quote(node.start);
        return Err((smart.what, smart.advice));
    }
    match key.kind {
        Kind::Bool => boolean(name, text, *plain).map(Typed::Bool),
        Kind::Whole(min, max) => whole(key, text, min, max).map(Typed::Whole),
        Kind::Decimal(min, max) => decimal(key, text, min, max).map(Typed::Decimal),
        Kind::Text(min, max) => line(name, text, min, max).map(Typed::Text),
        Kind::Secret(_) if mask::is_masked(text) => {
            refuse(format!("`{name}` is masked (`***`)"), "write it out: there is no older one to keep")
        }
        Kind::Secret(max) => line(name, text, 0, max).map(Typed::Text),
        Kind::OneOf(words) => one_of(name, text, words).map(Typed::Text),
        Kind::Id => camera_id(text).map(Typed::Text),
        Kind::CameraAddress => camera(text).map(Typed::Camera),
        Kind::WebAddress => web(text).map(Typed::Web),
        Kind::Host => host(name, text).map(Typed::Text),
        Kind::Label => label(name, text).map(Typed::Text),
        Kind::Zone => zone(text).map(Typed::Zone),
        Kind::Address => address(name, text).map(Typed::Address),
        Kind::Hours => hours(name, text),
        Kind::Time => moment(name, text).map(Typed::Moment),
        Kind::Map(_) | Kind::List(..) | Kind::Texts(..) => {
            refuse(format!("`{name}` is a group"), "write its keys below it")
        }
    }
}

fn boolean(name: &str, text: &str, plain: bool) -> Result<bool, Refused> {
    match (text, plain) {
        ("true" | "True" | "TRUE", true) => Ok(true),
        ("false" | "False" | "FALSE", true) => Ok(false),
        ("true" | "false", false) => refuse(format!("`{name}` is text here"), format!("write {text} without quotes")),
        _ => {
            let meant = match text.to_ascii_lowercase().as_str() {
                "yes" | "on" | "y" | "1" => "write true",
                "no" | "off" | "n" | "0" => "write false",
                _ => "write true or false",
            };
            refuse(format!("`{name}` is either true or false"), meant)
        }
    }
}

fn unit(key: &Key) -> String {
    if key.unit.is_empty() { String::new() } else { format!(" ({})", key.unit) }
}

fn whole(key: &Key, text: &str, min: u64, max: u64) -> Result<u64, Refused> {
    let advice = format!("write a whole number from {min} to {max}{}", unit(key));
    match text.parse::<u64>() {
        Ok(n) if (min..=max).contains(&n) => Ok(n),
        _ if text.parse::<f64>().is_ok_and(|n| n.fract() != 0.0 && n.is_finite()) => {
            refuse(format!("`{}` is {}, and that is no whole number", key.name, quoted_number(text)), advice)
        }
        _ if text.parse::<f64>().is_ok_and(f64::is_finite) => {
            refuse(format!("`{}` is {}, and that is out of range", key.name, quoted_number(text)), advice)
        }
        _ => refuse(format!("`{}` is a number, and {} is none", key.name, quoted_number(text)), advice),
    }
}

fn decimal(key: &Key, text: &str, min: f64, max: f64) -> Result<f64, Refused> {
    let advice = format!("write a number from {min} to {max}{}", unit(key));
    match text.parse::<f64>() {
        Ok(n) if (min..=max).contains(&n) => Ok(n),
        Ok(n) if n.is_finite() => {
            refuse(format!("`{}` is {}, and that is out of range", key.name, quoted_number(text)), advice)
        }
        _ => refuse(format!("`{}` is a number, and {} is none", key.name, quoted_number(text)), advice),
    }
}

fn line(name: &str, text: &str, min: usize, max: usize) -> Result<String, Refused> {
    let length = text.chars().count();
    if text.contains(char::is_control) {
        return refuse(format!("`{name}` holds a line break or another control character"), "write it in one line");
    }
    if length < min || (min > 0 && text.trim().is_empty()) {
        return refuse(format!("`{name}` is empty"), "write something into it");
    }
    if length > max {
        return refuse(format!("`{name}` is {length} characters long"), format!("shorten it to at most {max}"));
    }
    Ok(text.to_owned())
}

fn one_of(name: &str, text: &str, words: &[&str]) -> Result<String, Refused> {
    if words.contains(&text) {
        return Ok(text.to_owned());
    }
    let advice = match nearest(text, words.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("write {}", words.join(" or ")),
    };
    refuse(format!("`{name}` knows no such value"), advice)
}

fn moment(name: &str, text: &str) -> Result<Moment, Refused> {
    // With an offset first: the civil form would not take it.
    let at = text.parse::<Timestamp>().map(Moment::At);
    at.or_else(|_| text.parse::<DateTime>().map(Moment::Local)).or_else(|_| {
        refuse(
            format!("`{name}` is no day and time"),
            "write it such as 2026-11-23T08:00:00Z, or 2026-11-23 08:00 in the file's time zone",
        )
    })
}

fn camera_id(text: &str) -> Result<String, Refused> {
    if id::is_valid(text) {
        return Ok(text.to_owned());
    }
    let example = id::id_from_name(text).filter(|_| text.len() <= 40 && !text.contains("://"));
    let example = example.map(|id| format!(", for instance `{id}`")).unwrap_or_default();
    refuse("this is no id", format!("use 1 to 64 of a-z, 0-9, _ and -{example}"))
}

fn camera(text: &str) -> Result<CameraUrl, Refused> {
    if text.contains(yaml::is_smart_quote) {
        return refuse("the URL holds a typographic quote", "type straight quotes around it, or none");
    }
    if mask::has_masked_secret(text) {
        return refuse("the URL's credentials are masked (`***`)", "write them out: there are no older ones to keep");
    }
    CameraUrl::parse(text).map_err(|sentence| ("this is no camera's URL".to_owned(), sentence))
}

fn web(text: &str) -> Result<url::Url, Refused> {
    if mask::has_masked_secret(text) {
        return refuse("the URL's credentials are masked (`***`)", "write them out: there are no older ones to keep");
    }
    match url::Url::parse(text.trim()) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.port() != Some(0) => Ok(url),
        _ => refuse("this is no http or https URL", "write it like http://127.0.0.1:9997"),
    }
}

fn host(name: &str, text: &str) -> Result<String, Refused> {
    let text = text.trim();
    if text.contains("://") {
        return refuse(
            format!("`{name}` is a URL here"),
            "write the host name or address alone; ports have keys of their own",
        );
    }
    let is_v6 = text.parse::<std::net::Ipv6Addr>().is_ok();
    if text.contains(':') && !is_v6 {
        return refuse(
            format!("`{name}` holds a port"),
            "write the host name or address alone; ports have keys of their own",
        );
    }
    let good = |c: char| c.is_alphanumeric() || "-._".contains(c);
    if text.len() > 253 || !(is_v6 || text.chars().all(good)) {
        return refuse(format!("`{name}` is no host name"), "write a name such as broker.local or an IP address");
    }
    Ok(text.to_owned())
}

/// RFC 1123's label, in lower case.
fn label(name: &str, text: &str) -> Result<String, Refused> {
    let text = text.trim().to_ascii_lowercase();
    let bare = text.strip_suffix(".local").unwrap_or(&text);
    if bare != text {
        return refuse(
            format!("`{name}` ends in .local"),
            format!("write `{}` alone", quotable(bare).unwrap_or("pulsebox")),
        );
    }
    let good = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if text.is_empty() || text.len() > 63 || !text.chars().all(good) || text.starts_with('-') || text.ends_with('-') {
        return refuse(
            format!("`{name}` is no name for a machine"),
            "use 1 to 63 of a-z, 0-9 and -, with no - at its ends",
        );
    }
    Ok(text)
}

fn zone(text: &str) -> Result<TimeZone, Refused> {
    // `TimeZone::get` would also take what the TZ variable may hold; a file wants names only.
    if let Ok(zone) = TimeZone::get(text) {
        return Ok(zone);
    }
    let names: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
    let what = match quotable(text) {
        Some(text) => format!("`{text}` is no time zone"),
        None => "this is no time zone".to_owned(),
    };
    match nearest(text, names.iter().map(String::as_str)) {
        Some(near) => refuse(what, format!("did you mean `{near}`?")),
        None => refuse(what, "write an IANA name such as Europe/Berlin, Asia/Kolkata or UTC"),
    }
}

fn address(name: &str, text: &str) -> Result<SocketAddr, Refused> {
    let advice = "write an IP address and a port from 0 (any free one) to 65535, for instance \"0.0.0.0:8080\" or \
                  \"[::]:8080\"";
    match SocketAddr::from_str(text.trim()) {
        Ok(address) => Ok(address),
        Err(_) => refuse(format!("`{name}` is no address with a port"), advice),
    }
}

fn hours(name: &str, text: &str) -> Result<Typed, Refused> {
    let time = |text: &str| Time::strptime("%H:%M", text.trim()).ok();
    let times = text.split_once(['-', '–']).and_then(|(from, to)| Some((time(from)?, time(to)?)));
    match times {
        Some((from, to)) if from == to => {
            refuse(format!("`{name}` starts and ends at the same time"), "write two times, or remove it")
        }
        Some((from, to)) => Ok(Typed::Hours(from, to)),
        None => refuse(format!("`{name}` is no pair of times"), "write it like \"22:00-07:00\""),
    }
}
