//! Changes settings in the text and leaves the person's comments, order and layout where they are.
//!
//! Each change is made twice: on the tree, which says what the result must mean, and in the text. The
//! edited text is read again; where it does not mean the same (an alias, an odd layout), the stream's
//! block or the section is written anew, and only where that fails too is the edit refused.
//!
//! Settings are JSON values, as they come from the page; JSON is a part of YAML. Comments above a
//! removed stream stay.

use std::rc::Rc;

use serde_json::Value as Json;

use super::model::Config;
use super::problem::{Errors, Problem};
use super::yaml::{self, Node, Value};
use super::{convert, id_from_name, mask, parse};

/// Why a text was not changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The text, before or after the change, is no good configuration. Places are those in the text
    /// that was read.
    #[error("{0}")]
    Bad(#[from] Errors),
    /// No stream has this id.
    #[error("there is no camera `{0}`; look at the list of cameras for its id")]
    NoSuchStream(String),
    /// The text is laid out in a way that the change cannot be written into.
    #[error("this change cannot be written into the file as it is laid out; edit the file by hand")]
    TooOdd,
}

/// Adds a stream at the end; `keys` in the order in which they are to stand.
///
/// # Errors
/// The text or the new stream is bad.
pub fn add_stream(text: &str, keys: &[(&str, Json)]) -> Result<String, EditError> {
    let stream = Item::Map(keys.iter().map(|(key, value)| ((*key).to_owned(), Item::of_json(value))).collect());
    let source = Source::read(text)?;
    let mut wanted = source.tree();
    match wanted.entry("streams") {
        Item::List(items) => items.push(stream.clone()),
        other => *other = Item::List(vec![stream.clone()]),
    }
    source.settle(&wanted, [source.with_stream(&stream)])
}

/// One change within a mapping.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The keys on the way, outermost first, at least one: `alarm`, `failures`.
    pub path: Vec<String>,
    /// The new value; JSON's `null` removes the key, so that its default holds again.
    pub value: Json,
}

impl Change {
    /// `path` dotted: `mqtt.home_assistant.enabled`.
    pub fn new(path: &str, value: Json) -> Self {
        Self { path: path.split('.').map(str::to_owned).collect(), value }
    }
}

/// What pauses a stream, key by key: until a time as the file writes it, or until somebody resumes it.
pub fn pause(until: Option<&str>) -> [(&'static str, Json); 2] {
    match until {
        Some(until) => [("paused", Json::Null), ("paused_until", until.into())],
        None => [("paused", true.into()), ("paused_until", Json::Null)],
    }
}

/// What ends any pause of a stream, key by key.
pub fn resume() -> [(&'static str, Json); 2] {
    [("paused", Json::Null), ("paused_until", Json::Null)]
}

/// Changes keys of a stream, all or none. A stream whose id is made from its name keeps its id when it
/// gets another name: its history hangs on it.
///
/// # Errors
/// No stream has this id; the text is bad, or would be with these values.
pub fn set_stream_keys(text: &str, id: &str, changes: &[Change]) -> Result<String, EditError> {
    let source = Source::read(text)?;
    let (n, node) = source.stream(id)?;
    let changes = &with_id_kept(&node, id, changes);
    let mut wanted = source.tree();
    let Item::List(items) = wanted.entry("streams") else { return Err(EditError::TooOdd) };
    let stream = items.get_mut(n).ok_or(EditError::TooOdd)?;
    changes.iter().for_each(|change| stream.apply(change));
    let anew = source.replaced(node.from, node.to, &stream.clone().flow());
    let edited = source.edited(changes, |source| Some(source.root.as_ref()?.get("streams")?.items().get(n)?.clone()));
    source.settle(&wanted, [edited, Some(anew)])
}

fn with_id_kept(stream: &Node, id: &str, changes: &[Change]) -> Vec<Change> {
    let new = |key: &str| changes.iter().find(|change| change.path == [key]).map(|change| &change.value);
    let old = |key: &str| stream.get(key).and_then(|node| node.text());
    let name = new("name").map_or(old("name"), Json::as_str);
    let goes = match new("id") {
        Some(id) => id.is_null() && old("id").is_some(),
        None => old("id").is_none() && name != old("name"),
    };
    let mut changes = changes.to_vec();
    if goes && name.and_then(id_from_name).as_deref() != Some(id) {
        changes.retain(|change| change.path != ["id"]);
        changes.push(Change::new("id", id.into()));
    }
    changes
}

/// Removes a stream. The others keep their ids, also those that were made beside the removed one's.
///
/// # Errors
/// No stream has this id, or the text is bad.
pub fn remove_stream(text: &str, id: &str) -> Result<String, EditError> {
    let source = Source::read(text)?;
    let (n, _) = source.stream(id)?;
    let mut kept = source.root.as_ref().map(|root| convert::stream_ids(root)).unwrap_or_default();
    kept.remove(n);
    let mut wanted = source.tree();
    let Item::List(items) = wanted.entry("streams") else { return Err(EditError::TooOdd) };
    items.remove(n);
    let made = yaml::parse(&wanted.flow()).ok().flatten().map(|root| convert::stream_ids(&root)).unwrap_or_default();
    if let Some((moved, _)) = kept.iter().zip(&made).find(|(kept, made)| kept != made) {
        // Ends: each one is written down once.
        let pinned = set_stream_keys(text, moved, &[Change::new("id", moved.as_str().into())])?;
        return if pinned == text { Err(EditError::TooOdd) } else { remove_stream(&pinned, id) };
    }
    source.settle(&wanted, [source.without_stream(n)])
}

/// Changes keys outside the streams, all or none, for instance `mqtt.home_assistant.enabled`.
///
/// # Errors
/// The text is bad, or would be with these values.
pub fn set_keys(text: &str, changes: &[Change]) -> Result<String, EditError> {
    let source = Source::read(text)?;
    let mut wanted = source.tree();
    changes.iter().for_each(|change| wanted.apply(change));
    let edited = source.edited(changes, |source| source.root.clone());
    source.settle(&wanted, [edited])
}

/// The `network:` of a text as JSON, secrets and all; null where there is none.
pub(super) fn network(text: &str) -> Json {
    let Ok(source) = Source::of_yaml(text) else { return Json::Null };
    source.root.as_ref().and_then(|root| root.get("network")).map_or(Json::Null, |node| Item::of_node(node).json())
}

/// What sets every key of a text to the value it has there, secrets and all: the keys at the top, and those of the
/// sections there.
pub(super) fn all_keys(text: &str) -> Vec<Change> {
    let Ok(source) = Source::of_yaml(text) else { return Vec::new() };
    let Some(Item::Map(entries)) = source.root.as_ref().map(Item::of_node) else { return Vec::new() };
    let one = |(key, item): (String, Item)| match item {
        Item::Map(inner) if !inner.is_empty() => {
            let within = |(sub, item): (String, Item)| Change { path: vec![key.clone(), sub], value: item.json() };
            inner.into_iter().map(within).collect()
        }
        item => vec![Change { path: vec![key], value: item.json() }],
    };
    entries.into_iter().flat_map(one).collect()
}

/// The URL of a stream as written, credentials and all; none where there is no such stream.
pub fn stream_url(text: &str, id: &str) -> Option<String> {
    let source = Source::read(text).ok()?;
    let (_, node) = source.stream(id).ok()?;
    node.get("url")?.text().map(str::to_owned)
}

/// A value as it is to be written, on its own.
#[derive(Clone, Debug, PartialEq)]
enum Item {
    Null,
    /// As it stands, without quotes.
    Plain(String),
    Text(String),
    List(Vec<Item>),
    Map(Vec<(String, Item)>),
}

impl Item {
    fn of_node(node: &Rc<Node>) -> Self {
        match &node.value {
            _ if node.is_null() => Item::Null,
            Value::Scalar { text, plain: true } if is_plain(text) => Item::Plain(text.clone()),
            Value::Scalar { text, .. } => Item::Text(text.clone()),
            Value::List { items, .. } => Item::List(items.iter().map(Self::of_node).collect()),
            Value::Map { entries, .. } => {
                let entry = |(key, value): &(Rc<Node>, Rc<Node>)| {
                    (key.text().unwrap_or_default().to_owned(), Self::of_node(value))
                };
                Item::Map(entries.iter().map(entry).collect())
            }
        }
    }

    fn of_json(json: &Json) -> Self {
        match json {
            Json::Null => Item::Null,
            Json::Bool(_) | Json::Number(_) => Item::Plain(json.to_string()),
            Json::String(text) => Item::Text(text.clone()),
            Json::Array(items) => Item::List(items.iter().map(Self::of_json).collect()),
            Json::Object(map) => Item::Map(map.iter().map(|(k, v)| (k.clone(), Self::of_json(v))).collect()),
        }
    }

    /// As [`Item::of_json`] would read it.
    fn json(&self) -> Json {
        match self {
            Item::Null => Json::Null,
            // The other ways in which `check` takes a truth value.
            Item::Plain(text) if matches!(text.as_str(), "True" | "TRUE") => true.into(),
            Item::Plain(text) if matches!(text.as_str(), "False" | "FALSE") => false.into(),
            // A number or truth value only where it is written as JSON would: `0123` is text.
            Item::Plain(text) => match serde_json::from_str::<Json>(text) {
                Ok(value @ (Json::Bool(_) | Json::Number(_)))
                    if serde_json::to_string(&value).is_ok_and(|json| json == *text) =>
                {
                    value
                }
                _ => text.as_str().into(),
            },
            Item::Text(text) => text.as_str().into(),
            Item::List(items) => items.iter().map(Self::json).collect(),
            Item::Map(entries) => Json::Object(entries.iter().map(|(key, item)| (key.clone(), item.json())).collect()),
        }
    }

    /// In one line.
    fn flow(&self) -> String {
        match self {
            Item::Null => "null".into(),
            Item::Plain(text) => text.clone(),
            Item::Text(text) if is_plain(text) && reads_as_text(text) => text.clone(),
            Item::Text(text) => mask::quoted(text),
            Item::List(items) => format!("[{}]", items.iter().map(Item::flow).collect::<Vec<_>>().join(", ")),
            Item::Map(entries) if entries.is_empty() => "{}".into(),
            Item::Map(entries) => {
                let entries: Vec<String> = entries.iter().map(|(key, value)| entry(key, value)).collect();
                format!("{{ {} }}", entries.join(", "))
            }
        }
    }

    /// A key's value in a mapping, made where it is missing; what is no mapping becomes one.
    fn entry(&mut self, key: &str) -> &mut Item {
        if !matches!(self, Item::Map(_)) {
            *self = Item::Map(Vec::new());
        }
        let Item::Map(entries) = self else { return self };
        let n = entries.iter().position(|(other, _)| other == key).unwrap_or_else(|| {
            entries.push((key.to_owned(), Item::Null));
            entries.len() - 1
        });
        &mut entries[n].1
    }

    /// Sets what `change` says; a removal of what is not there changes nothing.
    fn apply(&mut self, change: &Change) {
        let Some((last, sections)) = change.path.split_last() else { return };
        let mut item = self;
        for section in sections {
            let there = matches!(item, Item::Map(entries) if entries.iter().any(|(key, _)| key == section));
            if change.value.is_null() && !there {
                return;
            }
            item = item.entry(section);
        }
        match (item, &change.value) {
            (Item::Map(entries), Json::Null) => entries.retain(|(key, _)| key != last),
            (_, Json::Null) => {}
            (item, value) => *item.entry(last) = Item::of_json(value),
        }
    }
}

/// `key: value`
fn entry(key: &str, value: &Item) -> String {
    let key = if is_plain(key) { key.to_owned() } else { mask::quoted(key) };
    format!("{key}: {}", value.flow())
}

/// Safe without quotes, inside brackets too.
fn is_plain(text: &str) -> bool {
    let good = |c: char| c.is_alphanumeric() || " _-./:@%&=?+".contains(c);
    text.starts_with(char::is_alphanumeric)
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && text.chars().all(good)
}

/// Not taken for a number, a truth value or nothing, by this program or another.
fn reads_as_text(text: &str) -> bool {
    let word = text.to_ascii_lowercase();
    let other = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"].contains(&word.as_str());
    !other && !text.starts_with(|c: char| c.is_ascii_digit())
}

/// A text that is a good configuration, to be edited.
struct Source<'a> {
    bom: &'static str,
    text: &'a str,
    root: Option<Rc<Node>>,
    /// Byte offset of each character, and of the end.
    bytes: Vec<usize>,
    line_end: &'static str,
}

impl<'a> Source<'a> {
    fn read(whole: &'a str) -> Result<Self, Errors> {
        parse(whole)?;
        Ok(Self::of_yaml(whole)?)
    }

    /// Of a text that need not be a good configuration yet.
    fn of_yaml(whole: &'a str) -> Result<Self, Problem> {
        let (bom, text) = whole.strip_prefix('\u{feff}').map_or(("", whole), |text| ("\u{feff}", text));
        let root = yaml::parse(text)?;
        let bytes = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let line_end = if text.contains("\r\n") { "\r\n" } else { "\n" };
        Ok(Self { bom, text, root, bytes, line_end })
    }

    /// The text with `changes` made one after the other in the mapping that `find` finds; without the
    /// byte-order mark. None where one of them cannot be written.
    fn edited(&self, changes: &[Change], find: impl Fn(&Source<'_>) -> Option<Rc<Node>>) -> Option<String> {
        changes.iter().try_fold(self.text.to_owned(), |text, change| {
            let source = Source::of_yaml(&text).ok()?;
            source.with_change(find(&source), change)
        })
    }

    /// The text with one change in a mapping, or in the whole file where that is empty.
    fn with_change(&self, mut node: Option<Rc<Node>>, change: &Change) -> Option<String> {
        // The deepest section that is written out already takes the change; what lies below it is made.
        let mut rest = change.path.as_slice();
        while let (Some(current), [first, _, ..]) = (&node, rest) {
            match current.get(first) {
                Some(inner) if matches!(inner.value, Value::Map { .. }) => node = Some(inner.clone()),
                _ => break,
            }
            rest = &rest[1..];
        }
        if change.value.is_null() && rest.len() > 1 {
            return Some(self.text.to_owned());
        }
        let value = Item::of_json(&change.value);
        let made = rest.iter().skip(1).rev().fold(value, |inner, key| Item::Map(vec![(key.clone(), inner)]));
        match (&node, rest.first()?) {
            (Some(node), key) => self.with_key(node, key, &made),
            (None, _) if change.value.is_null() => Some(self.text.to_owned()),
            (None, key) => Some(self.appended(&format!("{key}: {}", made.flow()))),
        }
    }

    fn tree(&self) -> Item {
        self.root.as_ref().map_or_else(|| Item::Map(Vec::new()), Item::of_node)
    }

    fn stream(&self, id: &str) -> Result<(usize, Rc<Node>), EditError> {
        let missing = || EditError::NoSuchStream(id.to_owned());
        let root = self.root.as_ref().ok_or_else(missing)?;
        let n = convert::stream_ids(root).iter().position(|other| other == id).ok_or_else(missing)?;
        let node = root.get("streams").and_then(|streams| streams.items().get(n)).ok_or_else(missing)?;
        Ok((n, node.clone()))
    }

    /// The first edited text that means what is wanted.
    fn settle<const N: usize>(&self, wanted: &Item, edited: [Option<String>; N]) -> Result<String, EditError> {
        // A secret that comes back masked keeps its value.
        let edited = edited.map(|text| text.map(|text| mask::restored(&text, self.text)));
        // Where even the plain form is refused, the value is bad and not the layout.
        let meant: Config = match parse(&mask::restored(&wanted.flow(), self.text)) {
            Ok((meant, _)) => meant,
            Err(errors) => {
                let placed = edited.iter().flatten().find_map(|text| parse(text).err());
                return Err(placed.unwrap_or(errors).into());
            }
        };
        let means_it = |text: &String| parse(text).is_ok_and(|(config, _)| config == meant);
        edited.into_iter().flatten().map(|text| format!("{}{text}", self.bom)).find(means_it).ok_or(EditError::TooOdd)
    }

    fn byte(&self, character: usize) -> usize {
        self.bytes.get(character).copied().unwrap_or(self.text.len())
    }

    /// The text with the characters `from..to` replaced.
    fn replaced(&self, from: usize, to: usize, new: &str) -> String {
        self.replaced_bytes(self.byte(from), self.byte(to), new)
    }

    fn replaced_bytes(&self, from: usize, to: usize, new: &str) -> String {
        match (self.text.get(..from), self.text.get(to..)) {
            (Some(front), Some(back)) => format!("{front}{new}{back}"),
            _ => self.text.to_owned(),
        }
    }

    /// The byte where the line of a character starts.
    fn line_start(&self, character: usize) -> usize {
        let before = &self.text[..self.byte(character)];
        before.rfind('\n').map_or(0, |at| at + 1)
    }

    /// The byte behind the line break of the line that ends a node.
    fn next_line(&self, character: usize) -> usize {
        let from = self.byte(character);
        self.text[from..].find('\n').map_or(self.text.len(), |at| from + at + 1)
    }

    /// The text with lines put in at a byte where a line starts, or the end.
    fn with_lines(&self, at: usize, lines: &[String]) -> String {
        let open = at == self.text.len() && !self.text.is_empty() && !self.text.ends_with('\n');
        let mut new = if open { self.line_end.to_owned() } else { String::new() };
        for line in lines {
            new.push_str(line);
            new.push_str(self.line_end);
        }
        self.replaced_bytes(at, at, &new)
    }

    fn appended(&self, line: &str) -> String {
        self.with_lines(self.text.len(), &[line.to_owned()])
    }

    /// The text with a key of a mapping set, or removed where the value is null.
    fn with_key(&self, node: &Node, key: &str, value: &Item) -> Option<String> {
        let Value::Map { entries, flow } = &node.value else { return None };
        let at = entries.iter().position(|(other, _)| other.text() == Some(key));
        match (at, value) {
            (Some(n), Item::Null) => Some(self.without_entry(node, n)),
            (None, Item::Null) => Some(self.text.to_owned()),
            // An alias's value stands elsewhere, for others too.
            (Some(n), _) if entries[n].1.from < entries[n].0.to => None,
            (Some(n), _) => {
                let (key, old) = &entries[n];
                if old.is_null() && old.from == old.to {
                    let colon = self.byte(key.to) + self.text[self.byte(key.to)..].find(':')? + 1;
                    return Some(self.replaced_bytes(colon, colon, &format!(" {}", value.flow())));
                }
                Some(self.replaced(old.from, old.to, &value.flow()))
            }
            (None, _) if *flow => {
                let new = entry(key, value);
                match entries.last() {
                    Some((_, last)) => Some(self.replaced(last.to, last.to, &format!(", {new}"))),
                    None => Some(self.replaced(node.from, node.to, &format!("{{ {new} }}"))),
                }
            }
            (None, _) => {
                let indent = " ".repeat(node.start.column - 1);
                Some(self.with_lines(self.next_line(node.to), &[format!("{indent}{}", entry(key, value))]))
            }
        }
    }

    fn without_entry(&self, node: &Node, n: usize) -> String {
        let Value::Map { entries, flow } = &node.value else { return self.text.to_owned() };
        let (key, value) = &entries[n];
        let starts_its_line = self.text[self.line_start(key.from)..self.byte(key.from)].trim().is_empty();
        match (entries.get(n + 1), n.checked_sub(1)) {
            _ if !flow && starts_its_line => {
                self.replaced_bytes(self.line_start(key.from), self.next_line(value.to.max(key.to)), "")
            }
            (Some((next, _)), _) => self.replaced(key.from, next.from, ""),
            (None, Some(before)) => self.replaced(entries[before].1.to, value.to, ""),
            (None, None) => self.replaced(node.from, node.to, "{}"),
        }
    }

    /// The text with one more stream.
    fn with_stream(&self, stream: &Item) -> Option<String> {
        let root = self.root.as_ref();
        let entry = root.and_then(|root| root.entries().iter().find(|(key, _)| key.text() == Some("streams")));
        let Some((key, streams)) = entry else {
            let mut lines = vec!["streams:".to_owned()];
            lines.extend(block(stream, "  "));
            return Some(self.with_lines(self.text.len(), &lines));
        };
        match (&streams.value, streams.items().last()) {
            (Value::List { flow: true, .. }, Some(last)) => {
                Some(self.replaced(last.to, last.to, &format!(", {}", stream.flow())))
            }
            (Value::List { .. }, Some(last)) => {
                let dash = self.dash(last)?;
                let indent = " ".repeat(dash - self.text[..dash].rfind('\n').map_or(0, |at| at + 1));
                Some(self.with_lines(self.next_line(streams.to), &block(stream, &indent)))
            }
            // `streams:` and `streams: []`
            _ => {
                let colon = self.byte(key.to) + self.text[self.byte(key.to)..].find(':')? + 1;
                let end = self.byte(streams.to).max(colon);
                let lines = block(stream, "  ").join(self.line_end);
                Some(self.replaced_bytes(colon, end, &format!("{}{lines}", self.line_end)))
            }
        }
    }

    /// The byte of the dash in front of a list's entry.
    fn dash(&self, item: &Node) -> Option<usize> {
        self.text[..self.byte(item.from)].rfind('-')
    }

    fn without_stream(&self, n: usize) -> Option<String> {
        let streams = self.root.as_ref()?.get("streams")?;
        let Value::List { items, flow } = &streams.value else { return None };
        let item = items.get(n)?;
        if !flow {
            let dash = self.dash(item)?;
            let start = self.text[..dash].rfind('\n').map_or(0, |at| at + 1);
            // Up to the next entry's own comments, which `to` leaves out.
            return Some(self.replaced_bytes(start, self.next_line(item.to), ""));
        }
        Some(match (items.get(n + 1), n.checked_sub(1)) {
            (Some(next), _) => self.replaced(item.from, next.from, ""),
            (None, Some(before)) => self.replaced(items[before].to, item.to, ""),
            (None, None) => self.replaced(streams.from, streams.to, "[]"),
        })
    }
}

/// A stream as an entry of a list, one key a line.
fn block(stream: &Item, indent: &str) -> Vec<String> {
    let Item::Map(entries) = stream else { return vec![format!("{indent}- {}", stream.flow())] };
    let line = |(n, (key, value)): (usize, &(String, Item))| {
        format!("{indent}{} {}", if n == 0 { "-" } else { " " }, entry(key, value))
    };
    entries.iter().enumerate().map(line).collect()
}

#[cfg(test)]
mod tests;
