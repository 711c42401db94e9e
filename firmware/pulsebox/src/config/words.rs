//! Words for messages: what may be quoted back, and what was probably meant.

/// A sentence as the end of another: no capital, no full stop.
pub(super) fn lower_first(sentence: &str) -> String {
    let mut chars = sentence.trim_end_matches('.').chars();
    chars.next().map(|c| c.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

/// The known word nearest to what was typed, if it is near: a third of its letters may differ.
pub(super) fn nearest<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if typed.chars().count() > 64 {
        return None;
    }
    let plain = |s: &str| s.to_lowercase().replace(['-', ' '], "_");
    let typed = plain(typed);
    let same_start = |word: &str| typed.len() >= 4 && word.starts_with(&typed);
    known
        .map(|word| (if same_start(&plain(word)) { 1 } else { distance(&typed, &plain(word)) }, word))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, word)| *distance <= (word.chars().count() / 3).clamp(1, 4))
        .map(|(_, word)| word)
}

/// Letters to add, remove, replace or swap with their neighbour (Damerau, optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        rows[i][0] = i;
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            rows[i][j] = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                rows[i][j] = rows[i][j].min(rows[i - 2][j - 2] + 1);
            }
        }
    }
    rows[a.len()][b.len()]
}

/// What may be quoted back: short, of letters that keys, numbers and zones are made of, and so no
/// password that slipped into the wrong line with its URL.
pub(super) fn quotable(text: &str) -> Option<&str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-+./".contains(c);
    (!text.is_empty() && text.len() <= 40 && text.chars().all(plain)).then_some(text)
}

/// A number is quoted back only where it is one.
pub(super) fn quoted_number(text: &str) -> String {
    let number = text.len() <= 30 && text.chars().any(|c| c.is_ascii_digit());
    match number && text.chars().all(|c| c.is_ascii_digit() || "+-._,eE".contains(c)) {
        true => format!("`{text}`"),
        false => "this".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_that_was_meant_is_found_and_no_other() {
        let known = ["heartbeat_seconds", "url", "name", "led"];
        let near = |typed| nearest(typed, known.into_iter());
        assert_eq!(near("hearbeat_secnods"), Some("heartbeat_seconds"));
        assert_eq!(near("Heartbeat"), Some("heartbeat_seconds"));
        assert_eq!(near("ulr"), Some("url"));
        assert_eq!(near("LED"), Some("led"));
        assert_eq!(near("password"), None);
        assert_eq!(near("x"), None);
    }

    #[test]
    fn nothing_that_could_be_a_secret_is_quoted() {
        assert_eq!(quotable("Asia/Calcuta"), Some("Asia/Calcuta"));
        assert_eq!(quotable("user:pass@host"), None);
        assert_eq!(quoted_number("-1.5e3"), "`-1.5e3`");
        assert_eq!(quoted_number("hunter2"), "this");
    }
}
