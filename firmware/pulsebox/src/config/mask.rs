//! Hides the secrets of a configuration's text, and puts them back where the text comes back masked.
//!
//! Masked are the credentials of every URL and the value of every key that sounds like a password,
//! wherever they stand, comments included. Everything else stays to the character.

use std::collections::HashMap;
use std::rc::Rc;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::convert;
use super::yaml::{self, Node};
use crate::camera::{CameraUrl, url};

/// What stands for a secret.
pub(super) const MASK: &str = "***";
/// A stream's keys with a camera's URL.
const STREAM_URLS: [&str; 2] = ["url", "sub_url"];

/// Whether a password is the mask.
pub(super) fn is_masked(text: &str) -> bool {
    text == MASK
}

/// Whether a URL's user-info or a query parameter is the mask.
pub(crate) fn has_masked_secret(text: &str) -> bool {
    let in_user_info = user_info(text).is_some_and(|(user, password)| user == MASK || password == Some(MASK));
    in_user_info || parameters(text).any(|(_, value)| value == MASK)
}

/// User name and password as written, of a URL whose masked parts hold no `@`.
fn user_info(url: &str) -> Option<(&str, Option<&str>)> {
    let (_, rest) = url.split_once("://")?;
    let (info, _) = rest.split_once('@')?;
    Some(info.split_once(':').map_or((info, None), |(user, password)| (user, Some(password))))
}

fn parameters(url: &str) -> impl Iterator<Item = (&str, &str)> {
    url.split_once('?').map_or("", |(_, query)| query).split('&').filter_map(|pair| pair.split_once('='))
}

/// A URL with `***` for what it keeps secret.
pub(super) fn masked_url(text: &str) -> String {
    let Ok(parsed) = CameraUrl::parse(text) else { return loose(text) };
    let shown = pairs(&parsed.to_string());
    // Exact where there is nothing to hide: printing would normalise it.
    if shown == parsed.bare().as_str() { text.to_owned() } else { shown }
}

/// For text that is nearly a URL: what a misspelt one may hold is masked as well, word by word.
fn loose(text: &str) -> String {
    let text = url::mask(text);
    text.split_inclusive(|c: char| c.is_whitespace() || "\"'`<>".contains(c)).map(loose_word).collect()
}

fn loose_word(word: &str) -> String {
    // With `://` it is done already.
    match word.rsplit_once('@') {
        Some((before, after)) if before.contains([':', '/']) && !word.contains("://") => {
            format!("{MASK}:{MASK}@{}", pairs(after))
        }
        _ => pairs(word),
    }
}

/// `pwd=x&ch=1` becomes `pwd=***&ch=1`, wherever in a URL it stands.
fn pairs(url: &str) -> String {
    let pair = |pair: &str| match pair.split_once('=') {
        Some((name, value)) if names_a_secret(name) => {
            let end = value.find(['&', '"', '\'']).unwrap_or(value.trim_end().len());
            format!("{name}={MASK}{}", &value[end..])
        }
        _ => pair.to_owned(),
    };
    url.split_inclusive(['?', '&']).map(pair).collect()
}

fn names_a_secret(parameter: &str) -> bool {
    let name = parameter.to_ascii_lowercase();
    sounds_secret(&name) || ["user", "usr", "auth", "key", "pw"].iter().any(|part| name.contains(part))
}

/// A key whose value nobody may see.
fn sounds_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["pass", "pasw", "pwd", "pssw", "secret", "token"].iter().any(|part| key.contains(part))
}

/// Known keys but these hold none; a name may be `cam@home`.
fn may_hold_a_url(key: &str) -> bool {
    key == "url" || STREAM_URLS.contains(&key) || super::keys::SECTIONS.iter().all(|section| section.key(key).is_none())
}

/// Replaces spans of characters, given in any order, by other text.
pub(super) fn replace(text: &str, mut spans: Vec<(usize, usize, String)>) -> String {
    spans.sort();
    spans.dedup();
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    let mut at = 0;
    for (from, to, new) in spans {
        if from < at {
            continue;
        }
        out.extend(rest.by_ref().take(from - at));
        out.push_str(&new);
        rest.by_ref().take(to - from).for_each(drop);
        at = to;
    }
    out.extend(rest);
    out
}

/// The text with `***` for every secret. Text that is no YAML is masked line by line.
pub(super) fn masked(text: &str) -> String {
    let (bom, body) = split_bom(text);
    let body = match yaml::parse(body) {
        Ok(root) => {
            let mut spans = Vec::new();
            if let Some(root) = root {
                secrets(None, &root, &mut spans);
            }
            map_lines(&replace(body, spans), masked_comment)
        }
        Err(_) => masked_lines(body),
    };
    format!("{bom}{body}")
}

fn split_bom(text: &str) -> (&str, &str) {
    text.strip_prefix('\u{feff}').map_or(("", text), |body| ("\u{feff}", body))
}

fn secrets(key: Option<&str>, node: &Rc<Node>, spans: &mut Vec<(usize, usize, String)>) {
    for (key, value) in node.entries() {
        // A key may be half of a damaged URL.
        secrets(None, key, spans);
        secrets(key.text(), value, spans);
    }
    for item in node.items() {
        secrets(key, item, spans);
    }
    let Some(text) = node.text().filter(|text| !text.is_empty()) else { return };
    if key.is_some_and(sounds_secret) && !node.is_null() {
        spans.push((node.from, node.to, quoted(MASK)));
    } else if text.contains("://") || key.is_none_or(may_hold_a_url) {
        let masked = masked_url(text);
        if masked != text {
            // Credentials are replaced by letters and asterisks: as good in quotes as a plain value.
            spans.push((node.from, node.to, quoted(&masked)));
        }
    }
}

/// A double-quoted YAML scalar; JSON's strings are a part of YAML's.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn map_lines(text: &str, change: impl Fn(&str) -> String) -> String {
    text.split_inclusive('\n').map(change).collect()
}

fn masked_comment(line: &str) -> String {
    let start = if line.trim_start().starts_with('#') { Some(0) } else { line.rfind(" #") };
    match start {
        Some(start) => format!("{}{}", &line[..start], masked_line(&line[start..])),
        None => line.to_owned(),
    }
}

/// URLs, and what stands behind the colon of a key that sounds like a password.
fn masked_line(line: &str) -> String {
    if let Some((key, value)) = line.split_once(':')
        && sounds_secret(key)
        && !value.trim().is_empty()
    {
        let end = &line[line.trim_end().len()..];
        return format!("{key}: \"{MASK}\"{end}");
    }
    loose(line)
}

/// For text that is no YAML. A password may go on in deeper lines.
fn masked_lines(text: &str) -> String {
    let mut hidden_below: Option<usize> = None;
    text.split_inclusive('\n')
        .filter_map(|line| {
            let indent = line.len() - line.trim_start().len();
            if hidden_below.is_some_and(|above| indent > above || line.trim().is_empty()) {
                return None;
            }
            hidden_below = line.split(':').next().is_some_and(sounds_secret).then_some(indent);
            Some(masked_line(line))
        })
        .collect()
}

/// What the text in force keeps secret.
#[derive(Default)]
struct Kept {
    /// By id of the stream and key.
    streams: HashMap<(String, &'static str), String>,
    /// By name of the server.
    servers: HashMap<String, String>,
    mqtt_password: Option<String>,
    /// Name and password of the wireless network.
    wifi: Option<(String, String)>,
}

impl Kept {
    fn of(text: &str) -> Self {
        let Ok(Some(root)) = yaml::parse(split_bom(text).1) else { return Self::default() };
        let mut kept = Self::default();
        for (id, key, url) in streams(&root) {
            kept.streams.insert((id, key), url.text().unwrap_or_default().to_owned());
        }
        for (name, url) in servers(&root) {
            kept.servers.insert(name, url.text().unwrap_or_default().to_owned());
        }
        kept.mqtt_password = password(&root).and_then(|node| node.text().map(str::to_owned));
        kept.wifi = wifi(&root).and_then(|(name, node)| Some((name, node.text()?.to_owned())));
        kept
    }

    /// The old URL of a stream: its id's, where that looks the same; of one that took another name (and with it
    /// another id), the one that looks the same; of one that moved, its id's. None where several look the same and
    /// hide different secrets: a guess would send one camera's password to another.
    fn stream(&self, id: String, key: &'static str, url: &str) -> Option<&String> {
        let own = self.streams.get(&(id, key));
        if own.is_some_and(|old| masked_url(old) == url) {
            return own;
        }
        let mut alike =
            self.streams.iter().filter(|((_, of), old)| *of == key && masked_url(old) == url).map(|(_, old)| old);
        match alike.next() {
            None => own,
            Some(one) => alike.all(|other| other == one).then_some(one),
        }
    }
}

/// The URLs of all streams, with the stream's id and their key.
fn streams(root: &Rc<Node>) -> Vec<(String, &'static str, Rc<Node>)> {
    let items = root.get("streams").map_or(&[][..], |streams| streams.items());
    let with_id = convert::stream_ids(root).into_iter().zip(items);
    let urls = |(id, item): (String, &Rc<Node>)| {
        STREAM_URLS.map(|key| item.get(key).map(|url| (id.clone(), key, url.clone()))).into_iter().flatten()
    };
    with_id.flat_map(urls).collect()
}

fn servers(root: &Rc<Node>) -> Vec<(String, Rc<Node>)> {
    let items = root.get("mediamtx").map_or(&[][..], |servers| servers.items());
    items.iter().filter_map(|item| Some((item.get("name")?.text()?.to_owned(), item.get("url")?.clone()))).collect()
}

fn password(root: &Rc<Node>) -> Option<Rc<Node>> {
    root.get("mqtt")?.get("password").cloned()
}

/// The wireless network's name, and its password's node.
fn wifi(root: &Rc<Node>) -> Option<(String, Rc<Node>)> {
    let wifi = root.get("network")?.get("wifi")?;
    Some((wifi.get("ssid")?.text()?.to_owned(), wifi.get("password")?.clone()))
}

/// Puts the secrets of `old` back into `new` where they are masked: a stream's by its id and URL, a MediaMTX server's
/// and a wireless network's by its name, a comment's by the rest of its line. What has no old secret stays masked, and
/// is refused by the parser with its place.
pub(super) fn restored(new: &str, old: &str) -> String {
    let (bom, body) = split_bom(new);
    let mut body = body.to_owned();
    if let Ok(Some(root)) = yaml::parse(&body) {
        let kept = Kept::of(old);
        let mut spans = Vec::new();
        let mut put = |node: &Node, secret: Option<String>| {
            spans.extend(secret.map(|secret| (node.from, node.to, quoted(&secret))));
        };
        for (id, key, url) in streams(&root) {
            put(&url, url.text().and_then(|text| with_old_secrets(text, kept.stream(id, key, text)?)));
        }
        for (name, url) in servers(&root) {
            put(&url, url.text().and_then(|text| with_old_secrets(text, kept.servers.get(&name)?)));
        }
        if let Some(node) = password(&root).filter(|node| node.text().is_some_and(is_masked)) {
            put(&node, kept.mqtt_password);
        }
        if let Some((name, node)) = wifi(&root).filter(|(_, node)| node.text().is_some_and(is_masked)) {
            // Another network is not told this one's.
            put(&node, kept.wifi.filter(|(old, _)| *old == name).map(|(_, password)| password));
        }
        body = replace(&body, spans);
    }
    format!("{bom}{}", restored_comments(&body, old))
}

/// A masked URL with the secrets of the old one; none where nothing is masked.
pub(super) fn with_old_secrets(new: &str, old: &str) -> Option<String> {
    if !has_masked_secret(new) {
        return None;
    }
    if masked_url(old) == new {
        return Some(old.to_owned());
    }
    let mut url = new.to_owned();
    if let (Some((user, password)), Ok(parsed)) = (user_info(new), CameraUrl::parse(old))
        && let Some(credentials) = parsed.credentials()
    {
        let encoded = |secret: &str| utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
        let keep = |new: &str, old: &str| if new == MASK { encoded(old) } else { new.to_owned() };
        let (scheme, rest) = new.split_once("://")?;
        let (_, place) = rest.split_once('@')?;
        let user = keep(user, &credentials.username);
        let password = keep(password.unwrap_or_default(), &credentials.password);
        url = format!("{scheme}://{user}:{password}@{place}");
    }
    if let Some((front, query)) = url.split_once('?') {
        let keep = |pair: &str| match pair.split_once('=') {
            Some((name, MASK)) => parameters(old)
                .find(|(other, _)| *other == name)
                .map_or_else(|| pair.to_owned(), |(name, value)| format!("{name}={value}")),
            _ => pair.to_owned(),
        };
        url = format!("{front}?{}", query.split('&').map(keep).collect::<Vec<_>>().join("&"));
    }
    Some(url)
}

fn restored_comments(new: &str, old: &str) -> String {
    let is_comment = |line: &str| line.trim_start().starts_with('#');
    let mut hidden: Vec<(String, &str)> = old
        .lines()
        .filter(|line| is_comment(line))
        .map(|line| (masked_comment(line), line))
        .filter(|(masked, line)| masked != line)
        .collect();
    new.split_inclusive('\n')
        .map(|line| {
            let bare = line.trim_end_matches(['\r', '\n']);
            // Each old line once, in order: two masked lines may look alike.
            match hidden.iter().position(|(masked, _)| masked == bare) {
                Some(n) if is_comment(bare) => format!("{}{}", hidden.remove(n).1, &line[bare.len()..]),
                _ => line.to_owned(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "\
streams:
  # - { name: Old, url: rtsp://u:geheim@10.0.0.9/ }
  - name: Gate   # by the road
    url: rtsp://admin:geheim@10.0.0.5:554/live
    sub_url: rtsp://admin:geheim@10.0.0.5:554/live2
  - { name: Yard, url: 'http://10.0.0.6/cgi?user=admin&pwd=geheim&ch=1' }
  - { name: Bare, url: http://10.0.0.7/cam@home/live }
mqtt:
  password: geheim   # password: geheim
mediamtx: [{ name: m, url: \"http://x:geheim@h:9997\" }]
";

    #[test]
    fn no_secret_is_shown_and_all_else_stays() {
        let shown = masked(OLD);
        assert!(!shown.contains("geheim"), "{shown}");
        assert!(shown.contains("  - name: Gate   # by the road\n"), "{shown}");
        assert!(shown.contains("url: http://10.0.0.7/cam@home/live"), "{shown}");
        assert_eq!(shown.lines().count(), OLD.lines().count());
    }

    #[test]
    fn text_that_is_no_yaml_is_masked_too() {
        let broken = "mqtt:\n  password: geheim\n pass: >\n    geheim\n  url: rtsp://a:geheim@h/\n]: {\n";
        assert!(!masked(broken).contains("geheim"), "{}", masked(broken));
    }

    #[test]
    fn a_wireless_password_is_kept_for_its_own_network_alone() {
        let old = "network: { wifi: { ssid: Home, password: geheim00 } }\n";
        let shown = masked(old);
        assert!(!shown.contains("geheim"), "{shown}");
        assert_eq!(restored(&shown, old).replace('"', ""), old);
        let other = shown.replace("Home", "Evil");
        assert_eq!(restored(&other, old), other);
    }

    #[test]
    fn a_misspelt_url_is_masked_too() {
        for url in ["admin:geheim@10.0.0.5/live", "http//10.0.0.6/cgi?user=admin&pwd=geheim&ch=1", "rtsp:/a:geheim@h/"]
        {
            for text in [format!("streams: [{{ name: a@b, url: '{url}' }}]"), format!("streams:\n url: {url}\n]: x")] {
                assert!(!masked(&text).contains("geheim"), "{}", masked(&text));
            }
        }
    }

    #[test]
    fn a_masked_text_sent_back_keeps_its_secrets() {
        let back = restored(&masked(OLD), OLD);
        let (config, _) = super::super::parse(&back).unwrap();
        assert_eq!(config, super::super::parse(OLD).unwrap().0);
        assert_eq!(back.lines().nth(1), OLD.lines().nth(1), "the comment's secret is kept");
    }

    #[test]
    fn a_part_of_a_secret_can_be_changed_and_the_host_too() {
        for (new, expected) in [
            ("rtsp://boss:***@10.0.0.8/live", "rtsp://boss:geh%40eim@10.0.0.8/live"),
            ("rtsp://***:new@10.0.0.8/", "rtsp://admin:new@10.0.0.8/"),
        ] {
            assert_eq!(with_old_secrets(new, "rtsp://admin:geh@eim@10.0.0.5/live").as_deref(), Some(expected));
        }
        let renamed = masked(OLD).replace("name: Gate", "name: Road");
        assert!(restored(&renamed, OLD).contains("admin:geheim@10.0.0.5"));
    }

    #[test]
    fn a_mask_without_an_old_secret_is_refused_with_its_place() {
        let text = "streams:\n  - name: New\n    url: rtsp://***:***@10.9.9.9/\n";
        let errors = super::super::parse(&restored(text, OLD)).unwrap_err();
        assert!(errors.to_string().starts_with("3:10: the URL's credentials are masked"), "{errors}");
    }

    #[test]
    fn secrets_in_every_style_of_scalar_are_hidden() {
        for value in [
            "geheim",
            "'geheim ''x'",
            "\"ge\\\"heim geheim\"",
            "|\n    geheim\n    geheim\n",
            ">-\n    geheim\n",
            "geheim\n    geheim",
        ] {
            let text = format!("mqtt:\n  password: {value}   \n  host: x # y\nleds: {{}}\n");
            let shown = masked(&text);
            assert!(!shown.contains("geheim") && shown.contains("host: x # y"), "{text}\n{shown}");
            assert!(shown.contains("password: \"***\""), "{shown}");
            let password = |text: &str| super::super::parse(text).map(|(config, _)| config.mqtt.password).ok();
            assert_eq!(password(&restored(&shown, &text)), password(&text), "{text}\n{shown}");
        }
    }

    #[test]
    fn masking_a_damaged_text_shows_no_secret() {
        // Every text that lacks one part of the line with the secret, and every text cut short.
        for end in 0..OLD.len() {
            for text in [&OLD[..end], &format!("{}{}", &OLD[..end], &OLD[(end + 3).min(OLD.len())..])] {
                let shown = masked(text);
                let whole = OLD.match_indices("geheim").all(|(at, _)| end + 12 < at || end > at + 8);
                assert!(!whole || !shown.contains("geheim"), "{text}\n--\n{shown}");
            }
        }
    }
}
