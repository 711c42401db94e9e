//! What this process costs the card.

/// Bytes that this process caused to be written to a disk since it started, as Linux counts them
/// (`write_bytes` in `/proc/self/io`: whole pages, when they become dirty); 0 where that cannot be read.
pub fn bytes_written() -> u64 {
    std::fs::read_to_string("/proc/self/io").map_or(0, |io| parse(&io))
}

fn parse(io: &str) -> u64 {
    io.lines().find_map(|line| line.strip_prefix("write_bytes: ")?.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_kernels_count_is_read_and_anything_else_is_zero() {
        assert_eq!(super::parse("rchar: 5\nwrite_bytes: 4096\ncancelled_write_bytes: 1\n"), 4096);
        assert_eq!(super::parse("write_bytes: many"), 0);
    }
}
