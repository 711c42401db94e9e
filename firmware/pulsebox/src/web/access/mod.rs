//! Who may do what: the password, sessions, tokens.

use std::path::Path;
use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;

use super::Shared;
use crate::clock::Clock;

/// Who may do what. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Access {}

impl Access {
    /// Reads what is kept in `data`; without a folder (tests) everything is kept in memory only.
    pub fn open(data: Option<&Path>, clock: Clock) -> Self {
        let _ = (data, clock);
        Self {}
    }
}

/// Sign-in, password, tokens.
pub(super) fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::new()
}
