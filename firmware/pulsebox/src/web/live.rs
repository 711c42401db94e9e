//! Live views: the WebSocket of fragmented MP4, and MJPEG.

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;

use super::Shared;

/// `/api/streams/{id}/live` and `/api/streams/{id}/video`.
pub(super) fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::new()
}
