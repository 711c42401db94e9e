//! `docs/api.md` is held to the code: a heading and an example for every route, shaped like a real answer.

use std::collections::BTreeSet;

use serde_json::Value;

use super::fixture::*;
use crate::web::feed::TYPES;
use crate::web::openapi;

const DOCS: &str = include_str!("../../../../../docs/api.md");

/// Every call of the document: `GET /api/health`.
pub(super) fn calls() -> Vec<(String, String)> {
    let (_, document) = openapi::documented();
    let document: Value = serde_json::from_str(&document.0).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let of = |(path, item): (&String, &Value)| {
        let methods = ["get", "put", "post", "delete", "patch"].into_iter().filter(|method| item.get(method).is_some());
        methods.map(|method| (method.to_uppercase(), path.clone())).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of).collect()
}

fn section(method: &str, path: &str) -> &'static str {
    let heading = format!("\n## {method} {path}\n");
    let start = DOCS.find(&heading).unwrap_or_else(|| panic!("docs/api.md has no heading `## {method} {path}`"));
    let rest = &DOCS[start + heading.len()..];
    rest.split("\n## ").next().unwrap_or(rest)
}

fn example(path: &str) -> Option<Value> {
    let (_, rest) = section("GET", path).split_once("```json\n")?;
    let text = rest.split("```").next()?;
    Some(serde_json::from_str(text).unwrap_or_else(|e| panic!("the example of {path} is not JSON: {e}")))
}

/// The names in an answer; of a list, those of all its entries.
fn names(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                found.insert(format!("{at}/{name}"));
                names(value, &format!("{at}/{name}"), found);
            }
        }
        Value::Array(list) => list.iter().for_each(|entry| names(entry, &format!("{at}[]"), found)),
        _ => {}
    }
}

/// Calls whose examples are held to real answers, and the camera that has the fullest one: the one that is down;
/// the past knows another.
const ANSWERED: [(&str, &str); 11] = [
    ("/api/health", ""),
    ("/api/status", ""),
    ("/api/streams", ""),
    ("/api/streams/{id}", "garage"),
    ("/api/streams/{id}/history", "gate"),
    ("/api/streams/{id}/checks", "gate"),
    ("/api/streams/{id}/uptime", "gate"),
    ("/api/streams/{id}/incidents", "gate"),
    ("/api/thumbnails", ""),
    ("/api/ladder", ""),
    ("/api/leds", ""),
];

#[tokio::test]
async fn the_examples_of_the_docs_are_shaped_like_real_answers() {
    let server = serve(&three()).await;
    for (path, camera) in ANSWERED {
        let example = example(path).expect(path);
        let answer = server.get(&path.replace("{id}", camera)).await.json();
        let (mut told, mut real) = (BTreeSet::new(), BTreeSet::new());
        names(&example, "", &mut told);
        names(&answer, "", &mut real);
        // By name, only the cameras of the example stand beside `cameras` and `host`. The settings are what the
        // file gives, and the invented cameras are in none.
        let beside = |name: &String| {
            !name.starts_with("/settings/")
                && (path != "/api/status" || !["/Gate", "/Garage", "/New"].iter().any(|c| name.starts_with(c)))
        };
        told.retain(beside);
        real.retain(beside);
        assert_eq!(told, real, "docs/api.md, {path}");
    }
}

#[test]
fn every_call_stands_in_the_docs_and_none_that_is_not_there() {
    let calls = calls();
    assert!(calls.len() > 30, "{calls:?}");
    for (method, path) in &calls {
        section(method, path);
    }
    for heading in DOCS.lines().filter_map(|line| line.strip_prefix("## ")) {
        let Some((method, path)) = heading.split_once(' ').filter(|(_, path)| path.starts_with("/")) else { continue };
        let told = (method.to_owned(), path.to_owned());
        assert!(calls.contains(&told), "docs/api.md tells of {heading}");
    }
}

#[test]
fn every_type_of_event_stands_in_the_docs() {
    for kind in TYPES.into_iter().chain(["resync", "heartbeat"]) {
        assert!(section("GET", "/api/events").contains(&format!("| `{kind}` |")), "{kind}");
    }
}
