//! `GET /api/leds`: what the LEDs show, and what that means.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use serde::Serialize;

use super::Shared;
use super::error::ApiError;
use super::params::Params;
use crate::leds::card::{CARD, Row, Wave};
use crate::monitor::board::LedsStatus;

/// Blinks in the steps of a row that counts.
const BLINKS: usize = 2;

/// The LEDs and their card.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Leds {
    #[serde(flatten)]
    now: LedsStatus,
    /// The card; the first row that holds is shown.
    card: Vec<CardRow>,
}

/// One row of the card.
#[derive(Serialize, utoipa::ToSchema)]
struct CardRow {
    /// Its name; `shows` is one of these.
    sign: &'static str,
    /// What holds.
    holds: &'static str,
    /// The green LED, in words.
    green: &'static str,
    /// The red LED, in words.
    red: &'static str,
    /// The Pi's own LED, in words.
    act: &'static str,
    /// What to do about it.
    advice: &'static str,
    /// Whether it blinks as often as cameras are down; `steps` are for two then.
    counts: bool,
    /// The same as light, again and again.
    steps: Vec<LedStep>,
}

/// One piece of a pattern.
#[derive(Serialize, utoipa::ToSchema)]
struct LedStep {
    /// How bright the green LED is, percent.
    green: u8,
    /// How bright the red LED is, percent.
    red: u8,
    /// How bright the Pi's own LED is, percent.
    act: u8,
    /// For how long, milliseconds.
    ms: u32,
}

impl From<&Row> for CardRow {
    fn from(row: &Row) -> Self {
        let steps = row.steps(BLINKS).into_iter();
        Self {
            sign: row.name,
            holds: row.holds,
            green: row.green,
            red: row.red,
            act: row.act,
            advice: row.advice,
            counts: matches!(row.wave, Wave::Counted),
            steps: steps
                .map(|step| LedStep {
                    green: step.lights.green,
                    red: step.lights.red,
                    act: step.lights.act,
                    ms: step.ms,
                })
                .collect(),
        }
    }
}

/// What the LEDs show now, each LED with its problem if it has one, and the card that says what it means.
#[utoipa::path(
    get, path = "/api/leds", tag = "box",
    responses((status = 200, description = "The LEDs and their card", body = Leds))
)]
pub(super) async fn leds(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Result<Json<Leds>, ApiError> {
    Params::read(query.as_deref(), &[])?;
    let now = shared.board.now().host.leds.clone();
    Ok(Json(Leds { now, card: CARD.iter().map(CardRow::from).collect() }))
}
