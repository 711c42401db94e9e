//! What every WebSocket here has in common: how it is let in, pinged, bounded and cut.

use std::time::Duration;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::StatusCode;
use futures::SinkExt;
use futures::stream::SplitSink;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};

use super::Shared;
use super::error::ApiError;

/// What a client may say at once, bytes.
const MESSAGE_MAX: usize = 4 << 10;
/// Between two pings.
const PING_EVERY: Duration = Duration::from_secs(20);
/// A peer that says nothing for this long, not even a pong, is gone.
pub(super) const SILENCE: Duration = Duration::from_secs(45);
/// A message that is not taken by then cuts its reader off.
const UNTAKEN: Duration = Duration::from_secs(10);
/// How long the last word may take.
const FAREWELL: Duration = Duration::from_millis(200);

/// What a client asks with: a WebSocket, or something that is none.
pub(super) type Asked = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

/// The peer has gone, or takes nothing.
pub(super) struct Gone;

/// Lets a client in, to its place among the sockets; the place is to be held as long as the socket is open.
///
/// # Errors
/// 400 or 426 for what is no WebSocket request, 503 where no place is left.
pub(super) fn admit(shared: &Shared, asked: Asked) -> Result<(WebSocketUpgrade, OwnedSemaphorePermit), ApiError> {
    let upgrade = asked.map_err(|rejection| {
        let status = match rejection {
            WebSocketUpgradeRejection::ConnectionNotUpgradable(_) => StatusCode::UPGRADE_REQUIRED,
            _ => StatusCode::BAD_REQUEST,
        };
        ApiError::new(status, "this address speaks WebSocket only", "Open it with a WebSocket client.")
    })?;
    let place = shared.sockets.clone().try_acquire_owned();
    let place = place.map_err(|_| ApiError::busy("as many sockets are open as may be", "Close some pages.", 10))?;
    Ok((upgrade.max_message_size(MESSAGE_MAX).max_frame_size(MESSAGE_MAX), place))
}

/// Ticks when a ping is due.
pub(super) fn pings() -> Interval {
    let mut pings = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pings
}

/// Hands a message over.
pub(super) async fn send(to: &mut SplitSink<WebSocket, Message>, message: Message) -> Result<(), Gone> {
    match timeout(UNTAKEN, to.send(message)).await {
        Ok(Ok(())) => Ok(()),
        _ => Err(Gone),
    }
}

/// Says that the socket ends.
pub(super) async fn farewell(to: &mut SplitSink<WebSocket, Message>) {
    let _ = timeout(FAREWELL, to.send(Message::Close(None))).await;
}
