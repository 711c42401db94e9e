//! How the daemon tells systemd.
