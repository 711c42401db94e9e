//! A camera's id, made from its name.

/// Letters that people write names with, by the letters that stand for them in an id.
const LATIN: [(&str, &str); 24] = [
    ("äæ", "ae"),
    ("öœø", "oe"),
    ("ü", "ue"),
    ("ß", "ss"),
    ("àáâãåāăą", "a"),
    ("çćčĉċ", "c"),
    ("ďđð", "d"),
    ("èéêëēĕėęě", "e"),
    ("ĝğġģ", "g"),
    ("ĥħ", "h"),
    ("ìíîïĩīĭįı", "i"),
    ("ĵ", "j"),
    ("ķ", "k"),
    ("ĺļľłŀ", "l"),
    ("ñńņň", "n"),
    ("òóôõōŏő", "o"),
    ("ŕŗř", "r"),
    ("śŝşšș", "s"),
    ("ţťŧț", "t"),
    ("ùúûũūŭůűų", "u"),
    ("ŵ", "w"),
    ("ýÿŷ", "y"),
    ("źżž", "z"),
    ("þ", "th"),
];

/// The longest id, characters.
pub(super) const LONGEST: usize = 64;

/// The id that a camera called `name` gets, unless it gives its own: `GateCamera` → `gatecamera`,
/// `Front door #2` → `front-door-2`. None where nothing of the name can be written in `[a-z0-9_-]`.
pub fn id_from_name(name: &str) -> Option<String> {
    let mut id = String::new();
    for c in name.chars().flat_map(char::to_lowercase) {
        match c {
            'a'..='z' | '0'..='9' | '_' => id.push(c),
            // Combining accents follow the letter that they change: `e` and U+0301 are `é`.
            '\u{300}'..='\u{36f}' | '\'' | '\u{2019}' => {}
            _ => match LATIN.iter().find(|(letters, _)| letters.contains(c)) {
                Some((_, plain)) => id.push_str(plain),
                None if id.ends_with('-') || id.is_empty() => {}
                None => id.push('-'),
            },
        }
    }
    id.truncate(LONGEST); // all of it is ASCII
    let id = id.trim_matches('-');
    id.contains(|c: char| c.is_ascii_alphanumeric()).then(|| id.to_owned())
}

/// Whether `id` may be given: `[a-z0-9_-]{1,64}`.
pub(crate) fn is_valid(id: &str) -> bool {
    (1..=LONGEST).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'))
}

/// The id for the `n`th camera (from 1) called `name`, given what is taken: made ids get `-2`, `-3`, …
pub(super) fn free_id(name: &str, n: usize, taken: impl Fn(&str) -> bool) -> String {
    let base = id_from_name(name).unwrap_or_else(|| format!("camera-{n}"));
    if !taken(&base) {
        return base;
    }
    let numbered = |n: usize| {
        let tail = format!("-{n}");
        format!("{}{tail}", &base[..base.len().min(LONGEST - tail.len())])
    };
    // Ends: each taken id stops it once at most.
    (2..).map(numbered).find(|id| !taken(id)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_made_of_the_names_letters_and_digits() {
        for (name, id) in [
            ("GateCamera", "gatecamera"),
            ("Front door #2", "front-door-2"),
            ("Garage (Süd)", "garage-sued"),
            ("Café d’été", "cafe-dete"),
            ("  LabCam_1 ", "labcam_1"),
            ("Łódź", "lodz"),
        ] {
            assert_eq!(id_from_name(name).as_deref(), Some(id), "{name}");
        }
        assert_eq!(id_from_name("门口"), None);
        assert_eq!(id_from_name("#--_"), None);
        assert!(is_valid(&id_from_name(&"Long ".repeat(40)).unwrap()));
    }

    #[test]
    fn a_name_with_no_letter_we_know_gets_its_number() {
        assert_eq!(free_id("门口", 3, |_| false), "camera-3");
        assert_eq!(free_id("Gate", 3, |id| id == "gate" || id == "gate-2"), "gate-3");
    }
}
