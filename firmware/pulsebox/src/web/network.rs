//! `/api/network`: by which name and addresses the box is found, and whether its settings are on trial.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::Shared;
use super::error::{ApiError, ErrorBody};
use super::params::Params;
use crate::config::WriteError;
use crate::host::{Interfaces, LinkState};

/// How the box is found.
#[derive(Serialize, ToSchema)]
pub(super) struct NetworkView {
    /// Its name in the network, without `.local`; with a number behind it where another box has the name.
    name: String,
    /// Its addresses, loopback and link-local ones apart.
    #[schema(value_type = Vec<String>)]
    addresses: Vec<IpAddr>,
    /// How far the cable is.
    cable: LinkState,
    /// How far the wireless network is; null where none is set up.
    wifi: Option<LinkState>,
    /// Settings of the network that nobody has confirmed yet; null: none.
    trial: Option<Trial>,
}

/// Settings on trial: they go back to what they were.
#[derive(Serialize, ToSchema)]
struct Trial {
    /// Unless they are confirmed within this time, seconds.
    seconds_left: u64,
}

/// How the box is found, and whether a change of `network` waits for a word (appliance only). Such a change goes back
/// after two minutes, and when the box restarts, unless `POST /api/network/keep` says that the box is still reached.
#[utoipa::path(
    get, path = "/api/network", tag = "box",
    responses((status = 200, description = "Now", body = NetworkView))
)]
pub(super) async fn read(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
) -> Result<Json<NetworkView>, ApiError> {
    Params::read(query.as_deref(), &[])?;
    let host = shared.board.now().host.clone();
    let name = host.appliance.and_then(|appliance| appliance.name).unwrap_or(host.name);
    let trial = shared.config.network_trial().map(|left| Trial { seconds_left: left.as_secs_f64().ceil() as u64 });
    let interfaces = Interfaces::default();
    let wifi = shared.config.current().network.wifi.is_some().then(|| interfaces.state(true));
    let cable = interfaces.state(false);
    Ok(Json(NetworkView { name, addresses: host.addresses, cable, wifi, trial }))
}

/// Confirms the network's settings that are on trial.
#[utoipa::path(
    post, path = "/api/network/keep", tag = "box",
    responses(
        (status = 204, description = "They stay"),
        (status = 409, description = "None are on trial, or they went back already", body = ErrorBody),
        (status = 503, description = "That they stay cannot be written to the disk: say it again", body = ErrorBody),
    )
)]
pub(super) async fn keep(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Result<StatusCode, ApiError> {
    Params::read(query.as_deref(), &[])?;
    let kept = shared.config.keep_network().await.map_err(|error| match error {
        WriteError::NotWritten { .. } => {
            log::error!("{error}");
            let advice = "Say it again, within the two minutes; where that fails too, the SD card may be worn.";
            ApiError::busy("that the network's settings stay cannot be written to the disk", advice, 5)
        }
        error => error.into(),
    })?;
    if kept {
        return Ok(StatusCode::NO_CONTENT);
    }
    let advice =
        "Look at the settings: where they are the former ones, change them again and confirm within two minutes.";
    Err(ApiError::conflict("no settings of the network are on trial", advice))
}
