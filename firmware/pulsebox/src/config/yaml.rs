//! YAML text as a tree that knows where each node stands.
//!
//! Limits hold whatever the text is: 32 levels, 100 000 nodes with aliases counted at the size of what
//! they stand for, so a bomb of anchors is refused while it is read. Aliased nodes are shared, not copied.

use std::collections::HashMap;
use std::rc::Rc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span};

use super::problem::{Place, Problem};

const LEVELS: usize = 32;
const NODES: usize = 100_000;

/// One node of the tree.
#[derive(Debug)]
pub(super) struct Node {
    /// Its first character; of an aliased node: where the anchored node stands.
    pub start: Place,
    /// Its first character, counted from the start of the text, in characters.
    pub from: usize,
    /// Just behind its last character, counted alike.
    pub to: usize,
    /// Nodes in it, itself included, aliases at their full size.
    size: usize,
    pub value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    /// As written (plain) or as quoted; a plain empty one is a missing value.
    Scalar { text: String, plain: bool },
    List {
        items: Vec<Rc<Node>>,
        /// `[a, b]` and not one item a line.
        flow: bool,
    },
    Map {
        entries: Vec<(Rc<Node>, Rc<Node>)>,
        /// `{ a: b }` and not one key a line.
        flow: bool,
    },
}

impl Node {
    /// Nothing, `~` or `null`.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The entries of a mapping; none of anything else.
    pub fn entries(&self) -> &[(Rc<Node>, Rc<Node>)] {
        match &self.value {
            Value::Map { entries, .. } => entries,
            _ => &[],
        }
    }

    /// The items of a list; none of anything else.
    pub fn items(&self) -> &[Rc<Node>] {
        match &self.value {
            Value::List { items, .. } => items,
            _ => &[],
        }
    }

    /// The value of a key of a mapping.
    pub fn get(&self, key: &str) -> Option<&Rc<Node>> {
        self.entries().iter().find(|(k, _)| k.text() == Some(key)).map(|(_, value)| value)
    }
}

/// A list or mapping that is being read.
struct Open {
    start: Place,
    from: usize,
    anchor: usize,
    flow: bool,
    map: bool,
    children: Vec<Rc<Node>>,
    /// Where the last child ends; an alias ends where it is written.
    to: usize,
}

#[derive(Default)]
struct Tree {
    text: Vec<char>,
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    nodes: usize,
    root: Option<Rc<Node>>,
}

/// Reads a text without byte-order mark. None: the text holds nothing but comments.
pub(super) fn parse(text: &str) -> Result<Option<Rc<Node>>, Problem> {
    let mut tree = Tree { text: text.chars().collect(), ..Tree::default() };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|e| syntax(text, &e))?;
        tree.take(event, span)?;
    }
    Ok(tree.root)
}

impl Tree {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        let start = place(span.start);
        match event {
            Event::DocumentStart(_) if self.root.is_some() => Err(Problem::new(
                start,
                "a second document starts here",
                "keep one document in the file, without `---` lines",
            )),
            Event::Scalar(text, style, anchor, tag) => {
                no_tag(start, tag.is_some())?;
                let plain = style == ScalarStyle::Plain;
                let value = Value::Scalar { text: text.into_owned(), plain };
                let (from, to) = self.written(span, style);
                self.put(Node { start, from, to, size: 1, value }, anchor)
            }
            Event::SequenceStart(anchor, tag) => self.begin(span, anchor, tag.is_some(), false),
            Event::MappingStart(anchor, tag) => self.begin(span, anchor, tag.is_some(), true),
            Event::SequenceEnd | Event::MappingEnd => self.finish(span.end.index()),
            Event::Alias(anchor) => self.alias(span, anchor),
            _ => Ok(()),
        }
    }

    /// From where to where a scalar is written: the parser counts the blanks and the comment behind a
    /// quoted one as well, and leaves out the `|` or `>` of a block.
    fn written(&self, span: Span, style: ScalarStyle) -> (usize, usize) {
        let (from, to) = (span.start.index(), span.end.index());
        if !matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
            return (from, quoted_end(&self.text, from, style).unwrap_or(to));
        }
        let to = to.min(self.text.len());
        let searched = self.open.last().map_or(0, |open| open.to)..from.min(to);
        let mut before = self.text.get(searched.clone()).unwrap_or_default().iter();
        let header = before.position(|c| matches!(c, '|' | '>')).map_or(from, |at| searched.start + at);
        let blanks = self.text[header..to].iter().rev().take_while(|c| c.is_whitespace()).count();
        (header, to - blanks)
    }

    fn begin(&mut self, span: Span, anchor: usize, tagged: bool, map: bool) -> Result<(), Problem> {
        let start = place(span.start);
        no_tag(start, tagged)?;
        if self.open.len() >= LEVELS {
            return Err(Problem::new(
                start,
                format!("more than {LEVELS} levels inside one another"),
                "no setting lies so deep: look for brackets that are not closed",
            ));
        }
        // A block's start has no characters of its own; a bracket has one.
        let flow = !span.is_empty();
        self.open.push(Open {
            start,
            from: span.start.index(),
            anchor,
            flow,
            map,
            children: Vec::new(),
            to: span.start.index(),
        });
        Ok(())
    }

    fn finish(&mut self, to: usize) -> Result<(), Problem> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        // A block's own end lies at the next token, behind any comments: its last child's end is meant.
        let to = if open.flow { to } else { open.to };
        let size = 1 + open.children.iter().map(|child| child.size).sum::<usize>();
        let value = if open.map {
            let mut children = open.children.into_iter();
            let mut entries = Vec::with_capacity(children.len() / 2);
            while let (Some(key), Some(value)) = (children.next(), children.next()) {
                entries.push((key, value));
            }
            Value::Map { entries, flow: open.flow }
        } else {
            Value::List { items: open.children, flow: open.flow }
        };
        self.put(Node { start: open.start, from: open.from, to, size, value }, open.anchor)
    }

    fn alias(&mut self, span: Span, anchor: usize) -> Result<(), Problem> {
        let start = place(span.start);
        let Some(node) = self.anchors.get(&anchor).cloned() else {
            return Err(Problem::new(start, "this alias stands inside its own anchor", "write the value out"));
        };
        self.count(start, node.size)?;
        self.put_shared(node, span.end.index());
        Ok(())
    }

    fn put(&mut self, node: Node, anchor: usize) -> Result<(), Problem> {
        self.count(node.start, 1)?;
        let (to, node) = (node.to, Rc::new(node));
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        self.put_shared(node, to);
        Ok(())
    }

    fn put_shared(&mut self, node: Rc<Node>, to: usize) {
        match self.open.last_mut() {
            Some(open) => {
                open.children.push(node);
                open.to = to;
            }
            None => self.root = Some(node),
        }
    }

    fn count(&mut self, at: Place, nodes: usize) -> Result<(), Problem> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > NODES {
            let what = format!("the file unfolds to more than {NODES} values");
            return Err(Problem::new(at, what, "write fewer cameras, or fewer aliases of anchors"));
        }
        Ok(())
    }
}

/// Where a quoted scalar ends: the parser counts the blanks and the comment behind it as well.
fn quoted_end(text: &[char], from: usize, style: ScalarStyle) -> Option<usize> {
    let quote = match style {
        ScalarStyle::SingleQuoted => '\'',
        ScalarStyle::DoubleQuoted => '"',
        _ => return None,
    };
    let mut at = from + 1;
    loop {
        let (this, next) = (*text.get(at)?, text.get(at + 1));
        let escaped = this == '\\' && quote == '"' || this == '\'' && quote == '\'' && next == Some(&'\'');
        match this {
            _ if escaped => at += 2,
            _ if this == quote => return Some(at + 1),
            _ => at += 1,
        }
    }
}

fn no_tag(at: Place, tagged: bool) -> Result<(), Problem> {
    if tagged {
        return Err(Problem::new(at, "a YAML tag (`!…`) is not read here", "remove it, or put the value in quotes"));
    }
    Ok(())
}

fn place(marker: Marker) -> Place {
    Place { line: marker.line(), column: marker.col() + 1 }
}

pub(super) fn is_smart_quote(c: char) -> bool {
    matches!(c, '\u{2018}'..='\u{201f}' | '\u{ab}' | '\u{bb}')
}

/// Says in a person's words why the text is no YAML. The usual reasons are looked for in the line itself:
/// the parser's own words describe what it expected and not what was typed.
fn syntax(text: &str, error: &ScanError) -> Problem {
    let at = place(*error.marker());
    // The parser often stops at the line after the one that is wrong, or at the end of the one before.
    for number in [at.line, at.line.saturating_sub(1), at.line + 1] {
        let Some(line) = number.checked_sub(1).and_then(|n| text.lines().nth(n)) else { continue };
        if let Some(problem) = typed_wrong(line, number) {
            return problem;
        }
    }
    let above = at.line.checked_sub(2).and_then(|n| text.lines().nth(n)).unwrap_or_default();
    let (what, advice) = match error.info() {
        i if i.contains("mapping values are not allowed") && no_key(above) => {
            ("the line above has no colon", "write `key: value` there, with a space behind the colon")
        }
        i if i.contains("mapping values are not allowed") => (
            "a second `: ` in one line",
            "put a value that holds a colon and a space in quotes, and check that this line starts in the same column as its neighbours",
        ),
        i if i.contains("unexpected character") || i.contains("cannot start any token") => (
            "a plain value cannot start with this character",
            "put the value in quotes, for instance password: \"@home\"",
        ),
        i if i.contains("quoted scalar") || i.contains("unexpected end of stream") => (
            "a quote is opened and not closed",
            "add the closing quote; in double quotes write \\\" for a quote and \\\\ for a backslash",
        ),
        i if i.contains("escape") => (
            "in double quotes a backslash starts an escape, and this is none",
            "write \\\\ for a backslash, or use single quotes",
        ),
        i if i.contains("flow") || i.contains("bracket") || i.contains("',' or") => {
            ("a bracket is not closed, or a comma is missing", "close every { and [, with commas between the entries")
        }
        i if i.contains("unknown anchor") => ("this alias has no anchor before it", "write the value out"),
        i if i.contains("unprintable") || i.contains("control") => {
            ("a character that cannot be printed", "retype this line; the file may be damaged")
        }
        i if i.contains("recursion") => {
            ("too many brackets inside one another", "look for brackets that are not closed")
        }
        i if i.contains("indent") || i.contains("block") || i.contains("simple key") || i.contains("key") => (
            "this line does not fit the lines around it",
            "start keys of one block in the same column, indent with spaces, and write `key: value` with a space after the colon",
        ),
        _ => ("this is no YAML", "write `key: value` lines, lists with `- `, and indent with spaces"),
    };
    Problem::new(at, what, advice)
}

/// A line of words that is no key, no list entry, no comment.
fn no_key(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with(['#', '-']) && !line.contains(": ") && !line.ends_with(':')
}

/// Tabs, smart quotes and no-break spaces: what editors and web pages put in without being asked.
fn typed_wrong(line: &str, number: usize) -> Option<Problem> {
    let column = |wanted: &dyn Fn(char) -> bool| line.chars().position(wanted).map_or(1, |n| n + 1);
    let indent: &str = &line[..line.len() - line.trim_start().len()];
    let at = |column| Place { line: number, column };
    if indent.contains('\t') {
        return Some(Problem::new(
            at(column(&|c| c == '\t')),
            "a tab indents this line",
            "use spaces: YAML allows no tabs for indentation",
        ));
    }
    if indent.contains(|c| c != ' ') {
        return Some(odd_space(at(column(&|c| c != ' '))));
    }
    let code = line.split(" #").next().unwrap_or(line);
    if !code.trim_start().starts_with('#') && code.contains(is_smart_quote) {
        return Some(smart_quote(at(column(&is_smart_quote))));
    }
    None
}

pub(super) fn odd_space(at: Place) -> Problem {
    Problem::new(
        at,
        "this line starts with a space that is no plain space, as copied from a web page",
        "delete it and type spaces",
    )
}

pub(super) fn smart_quote(at: Place) -> Problem {
    Problem::new(at, "a typographic quote, which YAML does not know as a quote", "type straight quotes: \" or '")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, node: &Node) -> String {
        text.chars().skip(node.from).take(node.to - node.from).collect()
    }

    #[test]
    fn a_node_knows_its_characters() {
        let text =
            "# Höfe\r\nä: 'x y'   # z\r\nb: { c: d }\r\ne:\r\n  - f: 1\r\n    g: h i\r\n\r\n# end\r\nj: [1, 2]\r\n";
        let root = parse(text).unwrap().unwrap();
        assert_eq!(cut(text, root.get("ä").unwrap()), "'x y'");
        assert_eq!(cut(text, root.get("b").unwrap()), "{ c: d }");
        assert_eq!(cut(text, root.get("e").unwrap()), "- f: 1\r\n    g: h i");
        assert_eq!(cut(text, &root.get("e").unwrap().items()[0]), "f: 1\r\n    g: h i");
        assert_eq!(cut(text, root.get("j").unwrap()), "[1, 2]");
        assert_eq!(root.get("e").unwrap().items()[0].get("g").unwrap().start, Place { line: 6, column: 8 });
    }

    #[test]
    fn a_bomb_of_anchors_is_refused() {
        let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for n in 1..12 {
            let aliases = vec![format!("*a{}", n - 1); 10].join(",");
            text += &format!("a{n}: &a{n} [{aliases}]\n");
        }
        assert!(parse(&text).unwrap_err().what.contains("unfolds"));
        assert!(parse("a: &a [*a]").unwrap_err().what.contains("own anchor"));
        assert!(parse(&"[".repeat(5000)).is_err());
        assert!(parse(&"- ".repeat(5000)).is_err());
    }
}
