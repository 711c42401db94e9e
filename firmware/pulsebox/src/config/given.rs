//! What the file gives, as JSON for the page: typed by the table of [`keys`](super::keys), only what is
//! written, secrets masked; and the keys that problems are about.

use std::rc::Rc;

use serde_json::{Map, Number, Value as Json};

use super::convert;
use super::keys::{self, Kind, Section};
use super::mask;
use super::problem::{Errors, Problem};
use super::yaml::{self, Node};
use crate::camera::CameraUrl;

/// What a good text gives. Each stream has its `id`, written or made, and `has_credentials`.
pub(super) fn given(text: &str) -> Map<String, Json> {
    let Ok(Some(root)) = yaml::parse(text.trim_start_matches('\u{feff}')) else { return Map::new() };
    let mut given = section(&root, &keys::FILE);
    let ids = convert::stream_ids(&root);
    if let Some(Json::Array(streams)) = given.get_mut("streams") {
        for (stream, id) in streams.iter_mut().zip(ids) {
            let Json::Object(stream) = stream else { continue };
            stream.insert("id".into(), id.into());
        }
    }
    given
}

fn section(node: &Rc<Node>, section: &'static Section) -> Map<String, Json> {
    let mut map = Map::new();
    for (name, value) in node.entries() {
        let Some(key) = name.text().and_then(|name| section.key(name)) else { continue };
        if value.is_null() {
            continue;
        }
        if let (Kind::CameraAddress, "url", Some(url)) = (key.kind, key.name, value.text()) {
            let credentials = CameraUrl::parse(url).is_ok_and(|url| url.credentials().is_some());
            map.insert("has_credentials".into(), credentials.into());
        }
        map.insert(key.name.to_owned(), typed(value, key.kind));
    }
    map
}

fn typed(node: &Rc<Node>, kind: Kind) -> Json {
    let text = node.text().unwrap_or_default();
    match kind {
        Kind::Map(inner) => section(node, inner).into(),
        Kind::List(inner, _) => node.items().iter().map(|item| Json::from(section(item, inner))).collect(),
        Kind::Bool => text.parse::<bool>().map_or_else(|_| untyped(node), Json::from),
        Kind::Whole(..) | Kind::Decimal(..) => text.parse::<Number>().map_or_else(|_| untyped(node), Json::from),
        Kind::Secret(_) if text.is_empty() => "".into(),
        Kind::Secret(_) => mask::MASK.into(),
        Kind::CameraAddress | Kind::WebAddress => mask::masked_url(text).into(),
        _ => untyped(node),
    }
}

fn untyped(node: &Rc<Node>) -> Json {
    match node.text() {
        Some(text) => text.into(),
        None => node.items().iter().map(untyped).collect(),
    }
}

/// Says of each problem which key it is about.
pub(super) fn with_keys(errors: Errors, text: &str) -> Errors {
    let Ok(Some(root)) = yaml::parse(text.trim_start_matches('\u{feff}')) else { return errors };
    errors.with_keys(|problem| key_of(problem, &root))
}

fn key_of(problem: &Problem, root: &Rc<Node>) -> Option<String> {
    let at = find(root, problem, "")?;
    // What is missing has no place of its own.
    let missing = problem.what.strip_prefix('`').and_then(|what| Some(what.split_once("` is missing")?.0));
    Some(match missing {
        Some(key) if at.is_empty() => key.to_owned(),
        Some(key) => format!("{at}.{key}"),
        None => at,
    })
    .filter(|key| !key.is_empty())
}

/// The path of the node that starts where the problem stands; the outermost of several.
fn find(node: &Rc<Node>, problem: &Problem, path: &str) -> Option<String> {
    let is_here = |node: &Node| (node.start.line, node.start.column) == (problem.line, problem.column);
    if is_here(node) && !path.is_empty() {
        return Some(path.to_owned());
    }
    for (key, value) in node.entries() {
        let name: String = key.text().unwrap_or_default().chars().take(64).collect();
        let inner = if path.is_empty() { name } else { format!("{path}.{name}") };
        if let Some(found) = find(value, problem, &inner) {
            return Some(found);
        }
        if is_here(key) {
            return Some(inner);
        }
    }
    node.items().iter().enumerate().find_map(|(n, item)| find(item, problem, &format!("{path}[{n}]")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::parse;
    use super::*;

    #[test]
    fn what_is_written_is_given_with_its_types_and_without_its_secrets() {
        let text = "heartbeat_seconds: 20\nstreams:\n  - name: \"12\"\n    url: rtsp://u:geheim@h/\n    alarm: { black: false, covered_detail: 2.5 }\n  - { name: B, url: 'http://h/', id: b }\nmqtt: { enabled: false, password: geheim, port: 1884 }\nmediamtx: [{ name: m, url: 'http://x:geheim@h' }]\nleds:\n";
        let expected = json!({
            "heartbeat_seconds": 20,
            "streams": [
                { "id": "12", "name": "12", "url": "rtsp://***:***@h/", "has_credentials": true,
                  "alarm": { "black": false, "covered_detail": 2.5 } },
                { "id": "b", "name": "B", "url": "http://h/", "has_credentials": false },
            ],
            "mqtt": { "enabled": false, "password": "***", "port": 1884 },
            "mediamtx": [{ "name": "m", "url": "http://***:***@h/" }],
        });
        assert_eq!(Json::from(given(text)), expected);
    }

    #[test]
    fn a_problem_names_its_key() {
        for (text, key) in [
            ("heartbeat_seconds: 1", "heartbeat_seconds"),
            ("streams:\n  - name: A\n    url: gopher://h/", "streams[0].url"),
            ("streams:\n  - name: A", "streams[0].url"),
            ("streams: [{ name: A, url: 'http://h/', alarm: { failures: 0 } }]", "streams[0].alarm.failures"),
            ("mqtt: { prot: 3 }", "mqtt.prot"),
        ] {
            let errors = parse(text).unwrap_err();
            assert_eq!(errors.problems()[0].key.as_deref(), Some(key), "{errors}");
        }
        assert_eq!(parse("a: [").unwrap_err().problems()[0].key, None);
    }
}
