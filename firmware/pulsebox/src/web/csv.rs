//! Tables as CSV (RFC 4180): UTF-8, a line of names first, CR LF line ends.
//!
//! Text that a spreadsheet would take for a formula gets an apostrophe in front: names come from people,
//! and a table may be opened by another.

use std::fmt::Display;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;

/// One cell.
pub(super) struct Cell(String);

impl Cell {
    /// Text, made harmless and quoted where it must be.
    pub fn text(text: &str) -> Self {
        let mark = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
        let text = format!("{mark}{text}");
        Self(if text.contains([',', '"', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text })
    }
}

macro_rules! numbers {
    ($($type:ty)*) => { $(
        impl From<$type> for Cell {
            fn from(number: $type) -> Self {
                Self(number.to_string())
            }
        }
    )* };
}
numbers!(u32 i64 Timestamp);

impl<T: Display> From<Option<T>> for Cell {
    /// A number; empty where there is none.
    fn from(number: Option<T>) -> Self {
        Self(number.map(|number| number.to_string()).unwrap_or_default())
    }
}

/// A table as it grows.
pub(super) struct Table(String);

impl Table {
    /// With the names of its columns.
    pub fn new(columns: &[&str]) -> Self {
        let mut table = Self(String::new());
        table.row(columns.iter().map(|name| Cell::text(name)));
        table
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        for (n, Cell(cell)) in cells.into_iter().enumerate() {
            if n > 0 {
                self.0.push(',');
            }
            self.0.push_str(&cell);
        }
        self.0.push_str("\r\n");
    }

    /// To be saved under this name, which is of an id's letters.
    pub fn answer(self, name: &str) -> Response {
        let mut response = self.0.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8; header=present"));
        if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
            headers.insert(header::CONTENT_DISPOSITION, value);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_be_and_no_formula_gets_through() {
        for (text, cell) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\""),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@a", "'@a"),
            ("two\nlines", "\"two\nlines\""),
        ] {
            assert_eq!(Cell::text(text).0, cell);
        }
        assert_eq!(Cell::from(-1_i64).0, "-1", "numbers are numbers");
        let mut table = Table::new(&["a", "b"]);
        table.row([Cell::from(None::<u32>), Cell::from(Some(2.5_f32))]);
        assert_eq!(table.0, "a,b\r\n,2.5\r\n");
    }
}
