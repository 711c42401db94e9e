//! `/metrics`: what is, for Prometheus (text format 0.0.4).

use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::error::ApiError;
use super::params::Params;
use super::system::Connections;
use crate::camera::Severity;
use crate::monitor::board::{Board, BrokerState, CameraStatus, ClockState, Event, State as CameraState};

/// Checks since the start, by camera; bounded by the cameras there are.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<BTreeMap<String, Checks>>);

#[derive(Clone, Copy, Debug, Default)]
struct Checks {
    all: u64,
    failed: u64,
}

impl Tally {
    /// Counts until `stop`. Checks that were missed because too much happened at once are not counted.
    pub async fn follow(&self, board: &Board, mut events: broadcast::Receiver<Event>, stop: CancellationToken) {
        loop {
            let event = tokio::select! {
                () = stop.cancelled() => return,
                event = events.recv() => event,
            };
            match event {
                Ok(Event::Checked { camera, report, .. }) => {
                    let mut checks = self.checks();
                    let checks = checks.entry(camera).or_default();
                    checks.all += 1;
                    checks.failed += u64::from(report.verdict.severity() == Severity::Fault);
                }
                Ok(Event::CamerasChanged) => {
                    let there = board.now().order.clone();
                    self.checks().retain(|camera, _| there.contains(camera));
                }
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    }

    fn checks(&self) -> MutexGuard<'_, BTreeMap<String, Checks>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, camera: &str) -> Checks {
        self.checks().get(camera).copied().unwrap_or_default()
    }
}

/// Cameras and box in Prometheus' text format; times in seconds.
#[utoipa::path(
    get, path = "/metrics", tag = "box",
    responses((status = 200, description = "Now", body = String, content_type = "text/plain"))
)]
pub(super) async fn metrics(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    Params::read(query.as_deref(), &[])?;
    let mut response = text(&shared).into_response();
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

fn text(shared: &Shared) -> String {
    let mut page = Page(String::with_capacity(16 << 10));
    let snapshot = shared.board.now().clone();
    let cameras: Vec<&Arc<CameraStatus>> = snapshot.in_order().collect();
    of_cameras(&mut page, &cameras, shared);
    of_box(&mut page, shared);
    page.0
}

fn of_cameras(page: &mut Page, cameras: &[&Arc<CameraStatus>], shared: &Shared) {
    // A camera's name may change and its id not; both are on each line, as dashboards want the name.
    let mut each = |name: &str, kind: &str, help: &str, value: &dyn Fn(&CameraStatus) -> Option<f64>| {
        page.family(name, kind, help);
        for camera in cameras {
            if let Some(value) = value(camera) {
                page.sample(name, &[("camera", &camera.id), ("name", &camera.name)], value);
            }
        }
    };
    each(
        "pulsebox_camera_up",
        "gauge",
        "1 with a living picture, 0 without; nothing while not known or paused.",
        &|c| match c.state {
            CameraState::Up | CameraState::Degraded => Some(1.0),
            CameraState::Down => Some(0.0),
            CameraState::Unknown | CameraState::Paused => None,
        },
    );
    let seconds = |ms: Option<f64>| ms.map(|ms| ms / 1e3);
    each("pulsebox_camera_first_packet_seconds", "gauge", "Time to the first packet at the last check.", &|c| {
        seconds(c.last.as_ref()?.first_packet_ms)
    });
    each("pulsebox_camera_first_frame_seconds", "gauge", "Time to the first key frame at the last check.", &|c| {
        seconds(c.last.as_ref()?.first_frame_ms)
    });
    each("pulsebox_camera_check_seconds", "gauge", "Time that the last check took.", &|c| {
        seconds(c.last.as_ref().map(|last| last.ms))
    });
    each("pulsebox_camera_fps", "gauge", "Frames a second at the last check.", &|c| {
        c.last.as_ref()?.stream.fps.map(f64::from)
    });
    each("pulsebox_camera_kbps", "gauge", "Kilobits a second at the last check.", &|c| {
        c.last.as_ref()?.stream.kbps.map(f64::from)
    });
    each("pulsebox_camera_loss_percent", "gauge", "Packets lost at the last check.", &|c| {
        c.last.as_ref()?.stream.loss_percent.map(f64::from)
    });
    each("pulsebox_camera_last_check_timestamp_seconds", "gauge", "When the last check began.", &|c| {
        c.last.as_ref().map(|last| last.at.as_millisecond() as f64 / 1e3)
    });
    each("pulsebox_camera_viewers", "gauge", "Live viewers.", &|c| Some(shared.live.viewers(&c.id) as f64));
    each("pulsebox_camera_checks_total", "counter", "Checks since the start.", &|c| {
        Some(shared.tally.of(&c.id).all as f64)
    });
    each("pulsebox_camera_failures_total", "counter", "Checks since the start that found a fault.", &|c| {
        Some(shared.tally.of(&c.id).failed as f64)
    });

    page.family("pulsebox_camera_state", "gauge", "1 for the state that the camera is in.");
    for camera in cameras {
        for state in CameraState::ALL {
            let labels = [("camera", camera.id.as_str()), ("name", &camera.name), ("state", state.name())];
            page.sample("pulsebox_camera_state", &labels, u8::from(camera.state == state));
        }
    }
    page.family("pulsebox_camera_verdict_info", "gauge", "What the last check said.");
    for camera in cameras {
        if let Some(last) = &camera.last {
            let labels = [("camera", camera.id.as_str()), ("name", &camera.name), ("verdict", last.verdict.name())];
            page.sample("pulsebox_camera_verdict_info", &labels, 1);
        }
    }
}

fn of_box(page: &mut Page, shared: &Shared) {
    let host = shared.board.now().host.clone();
    let mut one = |name: &str, kind: &str, help: &str, value: f64| {
        page.family(name, kind, help);
        page.sample(name, &[], value);
    };
    one("pulsebox_network_up", "gauge", "Whether the box has a network.", f64::from(u8::from(host.network)));
    if host.broker.state != BrokerState::Off {
        let connected = f64::from(u8::from(host.broker.state == BrokerState::Connected));
        one(
            "pulsebox_broker_connected",
            "gauge",
            "Whether the box is on its MQTT broker; nothing while off.",
            connected,
        );
    }
    one("pulsebox_storage_fault", "gauge", "Whether the history is not written to disk.", flag(&host.storage_fault));
    one("pulsebox_config_fault", "gauge", "Whether the file is not in force for a mistake.", flag(&host.config_fault));
    let trusted = f64::from(u8::from(host.clock == ClockState::Trusted));
    one("pulsebox_clock_trusted", "gauge", "Whether the wall clock can be believed.", trusted);
    one("pulsebox_uptime_seconds", "gauge", "Since the box was started.", host.uptime_seconds as f64);
    one("pulsebox_cpu_percent", "gauge", "Share of all cores that is busy.", host.cpu_percent.into());
    one("pulsebox_load1", "gauge", "Load average of the last minute.", host.load1.into());
    one("pulsebox_memory_total_bytes", "gauge", "Memory.", host.memory_total as f64);
    one("pulsebox_memory_used_bytes", "gauge", "Memory not available to a new program.", host.memory_used as f64);
    if let Some(celsius) = host.temperature_c {
        one("pulsebox_temperature_celsius", "gauge", "Of the processor.", celsius.into());
    }
    one("pulsebox_data_total_bytes", "gauge", "The data partition.", host.data_total as f64);
    one("pulsebox_data_free_bytes", "gauge", "What is free of it.", host.data_free as f64);
    one("pulsebox_bytes_written_total", "counter", "Written to disk since the start.", host.bytes_written as f64);
    one("pulsebox_daemon_memory_bytes", "gauge", "Memory of Pulsebox itself.", host.daemon_memory as f64);
    one("pulsebox_daemon_cpu_percent", "gauge", "Pulsebox' own share of a core.", host.daemon_cpu_percent.into());

    page.family("pulsebox_connections", "gauge", "Connections by kind.");
    let Connections { http, events, sockets, mjpeg, limits } = Connections::of(shared);
    let kinds = [("http", http), ("events", events), ("sockets", sockets), ("mjpeg", mjpeg)];
    for (kind, count) in kinds {
        page.sample("pulsebox_connections", &[("kind", kind)], count);
    }
    page.family("pulsebox_connections_limit", "gauge", "The most of each kind.");
    let kinds =
        [("http", limits.http), ("events", limits.events), ("sockets", limits.sockets), ("mjpeg", limits.mjpeg)];
    for (kind, count) in kinds {
        page.sample("pulsebox_connections_limit", &[("kind", kind)], count);
    }
    page.family("pulsebox_build_info", "gauge", "The version.");
    page.sample("pulsebox_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
}

fn flag<T>(fault: &Option<T>) -> f64 {
    f64::from(u8::from(fault.is_some()))
}

/// The text as it grows. Writing to a string cannot fail.
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (n, (label, value)) in labels.iter().enumerate() {
            let _ = write!(self.0, "{}{label}=\"{}\"", if n == 0 { "{" } else { "," }, escaped(value));
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }
}

/// A label's value as the format wants it.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
