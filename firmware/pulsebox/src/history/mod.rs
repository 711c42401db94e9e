//! SQLite on the data partition.
