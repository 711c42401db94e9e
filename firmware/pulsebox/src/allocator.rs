//! The allocator, by C library.
//!
//! glibc (the machines it is developed on): its own, kept from holding on to what was freed. It makes an arena for
//! each thread that allocates and raises the size from which it asks the kernel for pages of their own as large
//! blocks are freed. With a decoder that takes and frees megabytes on changing threads, 100 cameras then hold over
//! 100 MB of which 20 are in use (measured: docs/measured.md).
//!
//! musl (the appliance): mimalloc. musl's own has one lock for all threads.

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Call it first in `main`, before any thread is started.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)] // there is no safe face for mallopt(3)
pub fn tame() {
    for (parameter, value) in
        [(libc::M_ARENA_MAX, 2), (libc::M_MMAP_THRESHOLD, 128 << 10), (libc::M_TRIM_THRESHOLD, 256 << 10)]
    {
        // SAFETY: mallopt takes two numbers and touches only the allocator's own settings; no other thread
        // runs yet. It refuses what it does not know by returning 0, and then all stays as it was.
        let _ = unsafe { libc::mallopt(parameter, value) };
    }
}

/// Nothing to tame in this C library.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn tame() {}
