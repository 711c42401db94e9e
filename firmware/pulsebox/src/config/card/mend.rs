//! What a file from somebody's PC says: its encoding, and what editors and web pages put in without being asked.
//!
//! A mended text is taken only where it can mean one thing. Where it can mean two, the place is named.

use super::super::model::Config;
use super::super::problem::{Errors, Place, Problem};
use super::super::{Machine, edit, mask, on_disk, parse_on, yaml};

/// Columns a tab may stand for.
const TAB_WIDTHS: [usize; 3] = [2, 4, 8];

/// The text of a file's bytes: UTF-8, or UTF-16 with a byte-order mark. Without the mark.
pub(super) fn decoded(bytes: Vec<u8>) -> Result<String, Problem> {
    let start = Place { line: 1, column: 1 };
    let text = match bytes[..] {
        [0xff, 0xfe, ref rest @ ..] => utf16(rest, u16::from_le_bytes)?,
        [0xfe, 0xff, ref rest @ ..] => utf16(rest, u16::from_be_bytes)?,
        _ => String::from_utf8(bytes)
            .map_err(|error| on_disk::not_utf8(error.as_bytes(), error.utf8_error().valid_up_to()))?,
    };
    let text = text.trim_start_matches('\u{feff}');
    if !text.is_empty() && text.chars().all(|c| c == '\0') {
        return Err(Problem::new(
            start,
            "the file holds nothing but zeros: it was not copied to its end",
            "copy it again, and have your PC eject the card before you take it out",
        ));
    }
    if text.trim().is_empty() {
        return Err(Problem::new(start, "the file is empty", "write your cameras into it, or delete it"));
    }
    Ok(text.to_owned())
}

fn utf16(bytes: &[u8], unit: impl Fn([u8; 2]) -> u16) -> Result<String, Problem> {
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    char::decode_utf16(units).collect::<Result<String, _>>().map_err(|_| {
        let start = Place { line: 1, column: 1 };
        Problem::new(start, "the file starts as UTF-16 and is none", "save the file as UTF-8 in your editor")
    })
}

/// A text that is a good configuration, as it is or mended, with the masked secrets of `old` put back.
pub(super) fn understood(text: &str, old: &str) -> Result<(String, Config), Errors> {
    let nothing = matches!(yaml::parse(text), Ok(None));
    if nothing {
        let (start, what) = (Place { line: 1, column: 1 }, "the file holds nothing but comments");
        return Err(Problem::new(start, what, "remove the # before what shall hold, or delete the file").into());
    }
    let as_it_is = meaning(text, old);
    let Err(first) = as_it_is else { return as_it_is };
    let mended: String = text.split_inclusive('\n').map(|line| straight_quotes(&plain_spaces(line))).collect();
    if !mended.lines().any(has_tab) {
        // A character for a character: places are those of the file.
        return meaning(&mended, old);
    }
    let spaced: Vec<_> = TAB_WIDTHS.iter().map(|width| meaning(&without_tabs(&mended, *width), old)).collect();
    let mut good: Vec<(String, Config)> = Vec::new();
    let mut narrowest = None;
    for tried in spaced {
        match tried {
            Ok(one) => good.push(one),
            Err(errors) => _ = narrowest.get_or_insert(errors),
        }
    }
    let mut good = good.into_iter();
    match good.next() {
        Some(one) if good.all(|other| other.1 == one.1) => Ok(one),
        // Indented by tabs alone, each is one step: what is wrong is something else.
        None if !mended.lines().any(|line| line.starts_with(' ')) => {
            Err(narrowest.map_or(first, |errors| errors.moved(|place| before_tabs(&mended, place))))
        }
        _ => Err(first_tab(&mended).into()),
    }
}

/// `text` and its configuration where it has `streams`. Without, it is no whole configuration but says what is to change
/// of `old`: whoever writes the Wi-Fi onto the card of a box with ten cameras wants to keep them. Third: whether it was so.
///
/// # Errors
/// The two do not fit, a clause.
pub(super) fn joined(text: String, config: Config, old: &str) -> Result<(String, Config, bool), String> {
    let had = !old.is_empty() && parse_on(old, Machine::Appliance).is_ok();
    let changes = edit::all_keys(&text);
    if !had || changes.iter().any(|change| change.path == ["streams"]) {
        return Ok((text, config, false));
    }
    let joined = edit::set_keys(old, &changes).map_err(|error| error.to_string())?;
    let (config, _) = parse_on(&joined, Machine::Appliance).map_err(|errors| errors.to_string())?;
    Ok((joined, config, true))
}

fn meaning(text: &str, old: &str) -> Result<(String, Config), Errors> {
    let text = mask::restored(text, old);
    let (config, _) = parse_on(&text, Machine::Appliance)?;
    Ok((text, config))
}

fn indent(line: &str) -> &str {
    &line[..line.len() - line.trim_start_matches(|c: char| c.is_whitespace() && c != '\n').len()]
}

fn has_tab(line: &str) -> bool {
    indent(line).contains('\t')
}

/// Plain spaces for what looks like them, where YAML needs plain ones: before the text, and around `:`, `-` and `#`.
fn plain_spaces(line: &str) -> String {
    let odd = |c: char| c.is_whitespace() && !matches!(c, ' ' | '\t' | '\n' | '\r');
    let before = indent(line).chars().count();
    let characters: Vec<char> = line.chars().collect();
    let mended = characters.iter().enumerate().map(|(n, c)| {
        let beside = |c: Option<&char>| c.is_some_and(|c| matches!(c, ':' | '-' | '#' | ',' | ' '));
        let matters =
            n < before || beside(n.checked_sub(1).and_then(|n| characters.get(n))) || beside(characters.get(n + 1));
        if odd(*c) && matters { ' ' } else { *c }
    });
    mended.collect()
}

/// Straight quotes for a pair of typographic ones that stands around a whole value or key.
fn straight_quotes(line: &str) -> String {
    let mut characters: Vec<char> = line.chars().collect();
    let mut at = 0;
    while at < characters.len() {
        if yaml::is_smart_quote(characters[at]) && opens(&characters[..at]) {
            let close = (at + 1..characters.len())
                .find(|n| yaml::is_smart_quote(characters[*n]) && closes(&characters[n + 1..]));
            let Some(close) = close else { break };
            let inner = &characters[at + 1..close];
            // In single quotes nothing but the quote itself is special.
            let quote = if !inner.contains(&'\'') { Some('\'') } else { None };
            let quote = quote.or((!inner.contains(&'"') && !inner.contains(&'\\')).then_some('"'));
            if let Some(quote) = quote {
                (characters[at], characters[close]) = (quote, quote);
            }
            at = close;
        }
        at += 1;
    }
    characters.into_iter().collect()
}

/// Whether a value or key may start behind this.
fn opens(before: &[char]) -> bool {
    let last = before.iter().rev().find(|c| !c.is_whitespace());
    let spaced = before.last().is_none_or(|c| c.is_whitespace());
    last.is_none_or(|c| matches!(c, '[' | '{' | ',') || matches!(c, ':' | '-') && spaced)
}

/// Whether a value or key may end before this.
fn closes(behind: &[char]) -> bool {
    let next = behind.iter().find(|c| !c.is_whitespace());
    next.is_none_or(|c| matches!(c, ']' | '}' | ',' | '#' | ':'))
}

fn without_tabs(text: &str, width: usize) -> String {
    let spaced = |line: &str| {
        let indent = indent(line);
        format!("{}{}", indent.replace('\t', &" ".repeat(width)), &line[indent.len()..])
    };
    text.split_inclusive('\n').map(spaced).collect()
}

/// A place in the text with narrow tabs, as it is in the text with tabs.
fn before_tabs(text: &str, place: Place) -> Place {
    let line = place.line.checked_sub(1).and_then(|n| text.lines().nth(n)).unwrap_or_default();
    let tabs = indent(line).chars().filter(|c| *c == '\t').count();
    let added = tabs * (TAB_WIDTHS[0] - 1);
    Place { line: place.line, column: place.column.saturating_sub(added).max(1) }
}

fn first_tab(text: &str) -> Problem {
    let line = text.lines().position(has_tab).unwrap_or_default();
    let column = text.lines().nth(line).and_then(|line| line.chars().position(|c| c == '\t')).unwrap_or_default();
    Problem::new(
        Place { line: line + 1, column: column + 1 },
        "this line starts with a tab and others with spaces, and how wide a tab is nobody says",
        "indent every line with spaces",
    )
}
