//! What just happened, for browsers: the board's events numbered, the last 100 kept, sent as
//! server-sent events.
//!
//! Cost: each event becomes JSON once, however many listen. One lock, held for microseconds, so that
//! "what was missed" and "what comes" join without a gap. A reader that lags is told `resync` and asks
//! anew; the last events are kept in memory only, so after a restart everyone gets `resync`.

use std::collections::{BTreeSet, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::response::sse::Event as Sse;
use futures::{Stream, StreamExt};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, broadcast};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::monitor::board::{Board, Event, Incident};

/// Events that a reader who comes back can still be given.
pub(super) const KEPT: usize = 100;
/// Events that a listener may be behind before it is told `resync`.
const BEHIND_MAX: usize = 256;
/// How often a silent stream shows that it lives.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(30);
/// After how long a browser tries again.
const RETRY: Duration = Duration::from_secs(2);
/// The types of events; `heartbeat` and `resync` come whatever `?types=` says.
pub(super) const TYPES: [&str; 5] = ["check", "state", "incident", "cameras", "host"];
pub(super) const RESYNC: &str = "resync";

/// One numbered event.
#[derive(Clone, Debug)]
struct Numbered {
    number: u64,
    kind: &'static str,
    data: Arc<str>,
}

#[derive(Debug)]
struct Kept {
    last: VecDeque<Numbered>,
    next: u64,
}

/// The numbered events of this run. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Feed {
    /// Tells this run's ids from another's.
    run: Arc<str>,
    kept: Arc<Mutex<Kept>>,
    sent: broadcast::Sender<Numbered>,
}

/// Which events a listener wants: none, all.
pub(super) type Types = Option<BTreeSet<String>>;

impl Feed {
    pub fn new(started: Timestamp) -> Self {
        Self {
            run: format!("{:x}", started.as_microsecond()).into(),
            kept: Arc::new(Mutex::new(Kept { last: VecDeque::with_capacity(KEPT), next: 1 })),
            sent: broadcast::Sender::new(BEHIND_MAX),
        }
    }

    /// Takes the board's events in until `stop`.
    pub async fn follow(&self, board: Board, mut events: broadcast::Receiver<Event>, stop: CancellationToken) {
        loop {
            let event = tokio::select! {
                () = stop.cancelled() => return,
                event = events.recv() => event,
            };
            match event {
                Ok(event) => {
                    let (kind, data) = tell(&event, &board);
                    self.put(kind, &data);
                }
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    self.put(RESYNC, &json!({ "reason": format!("{missed} events were missed") }));
                }
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, kind: &'static str, data: &Value) {
        let data = data.to_string().into();
        let mut kept = self.kept();
        let event = Numbered { number: kept.next, kind, data };
        kept.next += 1;
        if kept.last.len() == KEPT {
            kept.last.pop_front();
        }
        kept.last.push_back(event.clone());
        // No listener is no failure.
        let _ = self.sent.send(event);
    }

    /// What came after `last_id` and what comes: either all that was missed, or none of it and `resync`.
    fn listen(&self, last_id: Option<&str>) -> (VecDeque<Numbered>, broadcast::Receiver<Numbered>) {
        let kept = self.kept();
        let coming = self.sent.subscribe();
        let newest = kept.next - 1;
        let missed = match last_id {
            None => VecDeque::new(),
            Some(id) => match self.number(id) {
                Some(seen) if seen <= newest && newest - seen <= kept.last.len() as u64 => {
                    kept.last.iter().filter(|event| event.number > seen).cloned().collect()
                }
                _ => VecDeque::from([resync(newest, "the last event seen is not known any more")]),
            },
        };
        (missed, coming)
    }

    fn number(&self, id: &str) -> Option<u64> {
        id.strip_prefix(&*self.run)?.strip_prefix('-')?.parse().ok()
    }

    fn sse(&self, event: &Numbered) -> Sse {
        Sse::default().id(format!("{}-{}", self.run, event.number)).event(event.kind).data(&*event.data)
    }

    /// For who listens by other means than server-sent events.
    pub fn ear(&self) -> Ear {
        Ear(self.sent.subscribe())
    }

    /// One listener's events until `stop`. `place` is held as long as the stream lives.
    pub fn stream(
        &self,
        last_id: Option<&str>,
        types: Types,
        place: OwnedSemaphorePermit,
        stop: CancellationToken,
    ) -> impl Stream<Item = Result<Sse, Infallible>> + Send + use<> {
        let (missed, coming) = self.listen(last_id);
        let mut heartbeat = tokio::time::interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
        heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let listener = Listener { feed: self.clone(), missed, coming, heartbeat, types, _place: place };
        let hello = futures::stream::once(async { Ok(Sse::default().retry(RETRY).comment("watching")) });
        let events = futures::stream::unfold(listener, |mut listener| async move {
            let event = listener.next().await?;
            Some((Ok(event), listener))
        });
        hello.chain(events).take_until(async move { stop.cancelled().await })
    }
}

/// What happens from now on, as it happens, without ids.
pub(super) struct Ear(broadcast::Receiver<Numbered>);

impl Ear {
    /// The next event's type and data; `resync` where some were missed; none at the end. Safe to cancel.
    pub async fn next(&mut self) -> Option<(&'static str, Arc<str>)> {
        match self.0.recv().await {
            Ok(event) => Some((event.kind, event.data)),
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                let event = resync(0, &format!("{missed} events were missed"));
                Some((event.kind, event.data))
            }
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

struct Listener {
    feed: Feed,
    missed: VecDeque<Numbered>,
    coming: broadcast::Receiver<Numbered>,
    heartbeat: tokio::time::Interval,
    types: Types,
    _place: OwnedSemaphorePermit,
}

impl Listener {
    async fn next(&mut self) -> Option<Sse> {
        loop {
            let event = match self.missed.pop_front() {
                Some(event) => event,
                None => tokio::select! {
                    // Heartbeats have no id: they must not move the reader's place.
                    _ = self.heartbeat.tick() => return Some(Sse::default().event("heartbeat").data("{}")),
                    event = self.coming.recv() => match event {
                        Ok(event) => event,
                        Err(broadcast::error::RecvError::Lagged(missed)) => {
                            let newest = self.feed.kept().next - 1 - self.coming.len() as u64;
                            resync(newest, &format!("{missed} events were missed"))
                        }
                        Err(broadcast::error::RecvError::Closed) => return None,
                    },
                },
            };
            let wanted = self.types.as_ref().is_none_or(|types| types.contains(event.kind));
            if wanted || event.kind == RESYNC {
                return Some(self.feed.sse(&event));
            }
        }
    }
}

fn resync(number: u64, reason: &str) -> Numbered {
    Numbered { number, kind: RESYNC, data: json!({ "reason": reason }).to_string().into() }
}

/// An event's type and data.
fn tell(event: &Event, board: &Board) -> (&'static str, Value) {
    match event {
        Event::Checked { camera, report, state } => (
            "check",
            json!({
                "camera": camera,
                "at": report.at,
                "verdict": report.verdict,
                "severity": report.verdict.severity(),
                "state": state,
                "ms": report.ms,
                "message": report.message,
            }),
        ),
        Event::StateChanged { camera, from, to, at } => {
            ("state", json!({ "camera": camera, "from": from, "to": to, "at": at }))
        }
        Event::IncidentOpened(incident) => ("incident", incident_told("opened", incident)),
        Event::IncidentClosed(incident) => ("incident", incident_told("closed", incident)),
        Event::CamerasChanged | Event::SettingsChanged { .. } => ("cameras", json!({ "cameras": &*board.now().order })),
        Event::HostChanged => ("host", json!(board.now().host)),
    }
}

fn incident_told(phase: &str, incident: &Incident) -> Value {
    json!({ "phase": phase, "camera": incident.camera, "incident": incident })
}
