//! `/api/streams/{id}/video`: MJPEG, for clients that know nothing else.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Extension, RawQuery, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use futures::{StreamExt, stream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::error::ApiError;
use super::params::{Id, Params};

use super::server::Cut;
use crate::camera::sessions::Ending;
use crate::camera::{Fault, Verdict};
use crate::config::CameraConfig;
use crate::live::mjpeg::{NoView, Quality, Watched};

/// Between the parts; the first one stands in front of the first part.
const BOUNDARY: &str = "\r\n--frame\r\n";
const CONTENT_TYPE: &str = "multipart/x-mixed-replace; boundary=frame";

/// `/api/streams/{id}/video`.
pub(super) fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::new().routes(routes!(video))
}

/// A camera's picture as MJPEG
///
/// `multipart/x-mixed-replace` of JPEG pictures until the client goes, the camera breaks or its settings change.
/// Pictures keep their aspect and are never enlarged: low fits into 320×240 at 10 a second at most, medium into
/// 640×480 at 15, high into 1280×720 at 20. A client that takes no bytes for 30 s is ended.
#[utoipa::path(
    get,
    path = "/api/streams/{id}/video",
    tag = "live",
    params(
        ("id" = String, Path, description = "The camera's id"),
        ("quality" = Option<String>, Query, description = "`low`, `medium` (the usual) or `high`"),
    ),
    responses(
        (status = 200, description = "Pictures without end", content_type = "multipart/x-mixed-replace; boundary=frame", body = Vec<u8>),
        (status = 400, description = "No such quality"),
        (status = 401, description = "Not signed in"),
        (status = 404, description = "No such camera"),
        (status = 409, description = "The camera's coding cannot be decoded here, H.265 for one"),
        (status = 502, description = "The camera gives no picture; the text names why"),
        (status = 503, description = "Too many clients; Retry-After says when to try again"),
        (status = 504, description = "The camera gives no picture in time"),
    )
)]
async fn video(
    State(shared): State<Arc<Shared>>,
    Id(id): Id,
    RawQuery(query): RawQuery,
    method: Method,
    cut: Option<Extension<Cut>>,
) -> Result<Response, ApiError> {
    let params = Params::read(query.as_deref(), &["quality"])?;
    let quality = quality(params.text("quality"))?;
    let config = shared.config.current();
    let camera = config.camera(&id).ok_or_else(|| ApiError::unknown_camera(&id))?;
    if method == Method::HEAD {
        return Ok(answer(Body::empty()));
    }
    let (live, most) = (shared.live.mjpeg(), config.web.mjpeg_streams);
    let watched = live.watch(camera, quality, most).await.map_err(|none| refusal(&none, camera, most))?;
    // Rendezvous and no queue: what waits here grows old.
    let (parts, taken) = mpsc::channel(1);
    tokio::spawn(feed(watched, parts, live.untaken(), shared.stop.clone(), cut.map(|Extension(cut)| cut)));
    let chunks = stream::unfold(taken, async |mut taken: mpsc::Receiver<Part>| {
        let part = taken.recv().await?;
        Some((stream::iter(part.map(Ok::<_, std::convert::Infallible>)), taken))
    });
    let opening = stream::iter([Ok(Bytes::from_static(&BOUNDARY.as_bytes()[2..]))]);
    Ok(answer(Body::from_stream(opening.chain(chunks.flatten()))))
}

fn answer(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn quality(name: Option<&str>) -> Result<Quality, ApiError> {
    let Some(name) = name else { return Ok(Quality::Medium) };
    Quality::named(name).ok_or_else(|| {
        let shown: String = name.chars().take(40).collect();
        ApiError::bad_request(format!("`quality={shown}` is no quality"), "Write low, medium or high.")
    })
}

/// Hands over the latest picture whenever the client has taken the one before. A client that takes none for
/// the limit loses its connection: nothing else would end it before the kernel does.
async fn feed(
    watched: Watched,
    parts: mpsc::Sender<Part>,
    untaken: Duration,
    stop: CancellationToken,
    cut: Option<Cut>,
) {
    let Watched { first, mut client } = watched;
    let feeding = async {
        if parts.send(part(first)).await.is_err() {
            return;
        }
        loop {
            let free = match timeout(untaken, parts.reserve()).await {
                Ok(Ok(free)) => free,
                Ok(Err(_)) => return,
                Err(_) => {
                    log::info!("an MJPEG client took nothing for {} s and is ended", untaken.as_secs_f32());
                    if let Some(cut) = cut {
                        cut.now();
                    }
                    return;
                }
            };
            tokio::select! {
                picture = client.next() => match picture {
                    Ok(picture) => free.send(part(picture)),
                    Err(_) => return,
                },
                () = parts.closed() => return,
            }
        }
    };
    tokio::select! {
        () = feeding => {}
        () = stop.cancelled() => {}
    }
}

/// A part's head, its picture, and the boundary behind it: browsers show a picture when they see that it is over.
type Part = [Bytes; 3];

fn part(picture: Bytes) -> Part {
    let head = format!("Content-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", picture.len());
    [head.into(), picture, Bytes::from_static(BOUNDARY.as_bytes())]
}

/// Why there is no picture, as an answer.
fn refusal(none: &NoView, camera: &CameraConfig, most: usize) -> ApiError {
    match none {
        NoView::Full => ApiError::busy(
            format!(
                "as many MJPEG streams as there may be are being watched ({most}, `web.mjpeg_streams`; fewer where they are large)"
            ),
            "Close one, or watch GET /api/streams/{id}/live, which costs less.",
            10,
        ),
        NoView::Ended(Ending::Changed) => {
            ApiError::busy(format!("the settings of `{}` have just changed", camera.id), "Try again.", 1)
        }
        NoView::Ended(Ending::Broken { fault, .. }) => broken(fault, camera.url.is_local()),
    }
}

fn broken(fault: &Fault, is_local: bool) -> ApiError {
    let words = fault.verdict.row().words(is_local);
    let what = format!("{}: {}", words.title, fault.detail);
    match fault.verdict {
        Verdict::Unsupported => ApiError::new(
            StatusCode::CONFLICT,
            what,
            "Configure a `sub_url` in H.264 or MJPEG for this camera, or watch GET /api/streams/{id}/live, which \
             decodes nothing.",
        ),
        Verdict::Timeout | Verdict::NoMedia | Verdict::NoKeyframe => {
            ApiError::new(StatusCode::GATEWAY_TIMEOUT, what, words.advice)
        }
        _ => ApiError::new(StatusCode::BAD_GATEWAY, what, words.advice),
    }
}
