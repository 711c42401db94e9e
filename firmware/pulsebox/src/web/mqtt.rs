//! `/api/mqtt/try`: one connection to a broker, told step by step, before its settings are saved.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use futures::future::BoxFuture;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::body::JsonBody;
use super::error::{ApiError, ErrorBody};
use super::params::Params;
use super::settings::{key_at, unknown};
use super::{Shared, check};
use crate::camera::{Fault, Rung, RungTime, Verdict};
use crate::config::edit::{Change, set_keys};
use crate::config::{Mqtt, Problem};
use crate::monitor::board::tenth;
use crate::monitor::broker::words;

/// What a connection to a broker came to.
#[derive(Clone, Debug)]
pub struct BrokerTry {
    /// The steps that were reached, each with its own time.
    pub rungs: Vec<RungTime>,
    /// Milliseconds in all.
    pub ms: f64,
    /// Why it did not take us in; none where it did.
    pub fault: Option<Fault>,
}

/// Connects to a broker, signs in and leaves again; ends within 20 s. Given by those who wire the rooms, for `mqtt`
/// is none of this room's.
pub type TryBroker = Arc<dyn Fn(Mqtt) -> BoxFuture<'static, BrokerTry> + Send + Sync>;

/// What a try at a broker came to.
#[derive(Serialize, ToSchema)]
pub(super) struct BrokerTried {
    /// Whether the broker took the box in.
    ok: bool,
    /// The steps reached, in order: `resolve`, `connect`, `encrypt` with TLS, `describe` (the broker's answer).
    rungs: Vec<RungTime>,
    /// The step that failed.
    failed: Option<Rung>,
    /// Milliseconds in all.
    ms: f64,
    /// Why it failed; the next two in a broker's words.
    verdict: Option<Verdict>,
    /// What a person reads first.
    title: Option<&'static str>,
    /// What to do about it.
    advice: Option<&'static str>,
    /// What happened this time.
    message: Option<String>,
}

impl BrokerTried {
    fn new(tried: BrokerTry, mqtt: &Mqtt) -> Self {
        let BrokerTry { rungs, ms, fault } = tried;
        let words = fault.as_ref().map(|fault| words(fault.verdict));
        Self {
            ok: fault.is_none(),
            failed: fault.as_ref().map(|fault| failed(fault.verdict, &rungs, mqtt)),
            rungs,
            ms: tenth(ms),
            verdict: fault.as_ref().map(|fault| fault.verdict),
            title: words.map(|words| words.title),
            advice: words.map(|words| words.advice),
            message: fault.map(|fault| fault.detail),
        }
    }
}

/// The first step that was not reached: a broker that takes the connection and stays silent is a `timeout` too.
fn failed(verdict: Verdict, reached: &[RungTime], mqtt: &Mqtt) -> Rung {
    let steps = [Rung::Resolve, Rung::Connect, Rung::Encrypt, Rung::Describe];
    let mut taken = steps.into_iter().filter(|step| *step != Rung::Encrypt || mqtt.use_tls);
    let open = taken.find(|step| !reached.iter().any(|time| time.rung == *step));
    open.filter(|_| !reached.is_empty()).or(verdict.row().rung).unwrap_or(Rung::Describe)
}

/// Connects to a broker with these settings, signs in and leaves again; nothing is saved. Keys as of
/// `PATCH /api/settings` without `mqtt.`; what is not given is as configured. The password that is kept goes to the
/// configured host and port only, no less encrypted. 20 s at most; 4 at once, checks of cameras among them.
#[utoipa::path(
    post, path = "/api/mqtt/try", tag = "settings",
    request_body(content = super::openapi::BrokerSettings),
    responses(
        (status = 200, description = "What came of it, good or bad", body = BrokerTried),
        (status = 409, description = "The file is in another's hands", body = ErrorBody),
        (status = 422, description = "A key that is not known, a bad value, or a password for another broker", body = ErrorBody),
        (status = 503, description = "4 checks are under way", body = ErrorBody),
    )
)]
pub(super) async fn try_it(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    JsonBody(settings): JsonBody<Map<String, Value>>,
) -> Result<Json<BrokerTried>, ApiError> {
    Params::read(query.as_deref(), &[])?;
    let mqtt = as_if_saved(&shared, &settings).await?;
    keep_the_password_home(settings.get("password"), &mqtt, &shared.config.current().mqtt)?;
    let _place = check::place(&shared)?;
    let tried = (shared.try_broker)(mqtt.clone()).await;
    Ok(Json(BrokerTried::new(tried, &mqtt)))
}

/// What would be in force with these settings.
async fn as_if_saved(shared: &Shared, settings: &Map<String, Value>) -> Result<Mqtt, ApiError> {
    let mut changes = Vec::with_capacity(settings.len() + 1);
    for (name, value) in settings {
        let path = format!("mqtt.{name}");
        if key_at(&path).is_none() {
            return Err(unknown(&path, "Keys are those of `mqtt` without `mqtt.`: GET /api/settings/keys lists them."));
        }
        if name != "enabled" {
            changes.push(Change::new(&path, value.clone()));
        }
    }
    // What must be there once it is switched on must be there now.
    changes.push(Change::new("mqtt.enabled", true.into()));
    Ok(shared.config.preview(move |text| set_keys(text, &changes)).await?.mqtt)
}

/// For what is tried and for what is saved. `typed`: the password as it came, if one came.
///
/// # Errors
/// 422 where the kept password would go to another host or port, or less well protected: who names them is not told it.
pub(super) fn keep_the_password_home(typed: Option<&Value>, wanted: &Mqtt, kept_for: &Mqtt) -> Result<(), ApiError> {
    // What came back as `***` is the kept one by now.
    let is_typed = typed.and_then(Value::as_str) == Some(&wanted.password);
    let is_at_home = wanted.host.eq_ignore_ascii_case(&kept_for.host)
        && ports(wanted) == ports(kept_for)
        && protection(wanted) >= protection(kept_for);
    if is_typed || wanted.password.is_empty() || wanted.host.is_empty() || is_at_home {
        return Ok(());
    }
    let what =
        "The password that is kept goes only to the broker that it was saved for, at its port and no less encrypted.";
    let advice = "Type the password again.";
    let at =
        Problem { line: 1, column: 1, key: Some("mqtt.password".into()), what: what.into(), advice: advice.into() };
    Err(ApiError { problems: vec![at], ..ApiError::unfit(what, advice) })
}

/// All of them: one that is not in use today is tomorrow's, with another transport.
fn ports(mqtt: &Mqtt) -> [u16; 4] {
    [mqtt.port, mqtt.tls_port, mqtt.ws_port, mqtt.tls_ws_port]
}

/// Against whom a password is safe on the way: nobody, listeners, impostors too.
fn protection(mqtt: &Mqtt) -> u8 {
    u8::from(mqtt.use_tls) + u8::from(mqtt.use_tls && !mqtt.tls_insecure)
}
