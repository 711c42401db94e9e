//! `docs/api.md` is held to the code: a heading and an example for every route, shaped like a real answer.

use std::collections::BTreeSet;

use serde_json::Value;

use super::fixture::*;
use crate::web::feed::TYPES;
use crate::web::routes::ROUTES;

const DOCS: &str = include_str!("../../../../../docs/api.md");

fn section(path: &str) -> &'static str {
    let heading = format!("\n## GET {path}\n");
    let start = DOCS.find(&heading).unwrap_or_else(|| panic!("docs/api.md has no heading `## GET {path}`"));
    let rest = &DOCS[start + heading.len()..];
    rest.split("\n## ").next().unwrap_or(rest)
}

fn example(path: &str) -> Option<Value> {
    let (_, rest) = section(path).split_once("```json\n")?;
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

#[tokio::test]
async fn every_route_stands_in_the_docs_with_an_example_shaped_like_its_answer() {
    let server = serve(&three()).await;
    for route in ROUTES {
        section(route.path);
        let json = !route.path.ends_with("thumbnail") && route.path != "/api/events";
        let Some(example) = json.then(|| example(route.path).expect(route.path)) else { continue };
        // The camera that is down has the fullest answer; the past knows another.
        let past = route.path.ends_with("history") || route.path.ends_with("incidents");
        let answer = server.get(&route.path.replace("{id}", if past { "gate" } else { "garage" })).await.json();
        let (mut told, mut real) = (BTreeSet::new(), BTreeSet::new());
        names(&example, "", &mut told);
        names(&answer, "", &mut real);
        // By name, only the cameras of the example stand beside `cameras` and `host`.
        let beside = |name: &String| {
            route.path != "/api/status" || !["/Gate", "/Garage", "/New"].iter().any(|c| name.starts_with(c))
        };
        told.retain(beside);
        real.retain(beside);
        assert_eq!(told, real, "docs/api.md, {}", route.path);
    }
    for heading in DOCS.lines().filter_map(|line| line.strip_prefix("## GET ")) {
        assert!(ROUTES.iter().any(|route| route.path == heading), "docs/api.md tells of {heading}, which is not there");
    }
}

#[test]
fn every_type_of_event_stands_in_the_docs() {
    for kind in TYPES.into_iter().chain(["resync", "heartbeat"]) {
        assert!(section("/api/events").contains(&format!("| `{kind}` |")), "{kind}");
    }
}
