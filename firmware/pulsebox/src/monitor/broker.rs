//! What is said of the broker: the ladder's verdicts in a broker's words. [`crate::camera::LADDER`] tells the same
//! verdicts of a camera.

use jiff::Timestamp;
use serde::Serialize;

use super::board::{BrokerState, BrokerStatus};
use crate::camera::{Verdict, Words};

/// A broker's words for `verdict`. What no broker comes to is told as [`Verdict::Protocol`].
pub fn words(verdict: Verdict) -> Words {
    let (title, advice) = match verdict {
        Verdict::Dns => {
            ("The broker's name cannot be found", "Check the spelling of `host`, or use the broker's IP address.")
        }
        Verdict::Refused => (
            "No broker listens on this port",
            "A machine is at this address: check that the broker runs there, and its port. Mosquitto hears only its \
             own machine until its configuration has a line `listener` with this port.",
        ),
        Verdict::Unreachable => (
            "No way to the broker's address",
            "Check that the broker's machine is on and has network, and that its address has not changed.",
        ),
        Verdict::Timeout => (
            "The broker does not answer",
            "Check the address, that the broker runs, and that no firewall is in between. A port for TLS says nothing \
             to a connection that is not encrypted: check `use_tls` and the port.",
        ),
        Verdict::Tls => (
            "No secure connection to the broker",
            "If the broker's certificate is of a CA of your own, name that CA's file in `ca_file`, or take any \
             certificate with `tls_insecure`. Check also that the port is the one for TLS.",
        ),
        Verdict::Auth => (
            "The broker refuses the user name or password",
            "Correct them. The Mosquitto add-on of Home Assistant takes those of any Home Assistant user, and nobody \
             without.",
        ),
        _ => (
            "The broker ends the connection, or is none",
            "Check the port, `use_tls` and `use_websocket`. The broker's own log says more.",
        ),
    };
    Words { title, advice }
}

/// [`BrokerStatus`] as the API tells it: with the words of its verdict.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct BrokerView {
    /// Now.
    state: BrokerState,
    /// Since when; null where it was never enabled.
    since: Option<Timestamp>,
    /// Why the connection is lost, with `title` and `advice` in a broker's words.
    verdict: Option<Verdict>,
    title: Option<&'static str>,
    advice: Option<&'static str>,
    /// What happened this time.
    message: Option<String>,
}

impl From<BrokerStatus> for BrokerView {
    fn from(status: BrokerStatus) -> Self {
        let BrokerStatus { state, since, verdict, message } = status;
        let words = verdict.map(words);
        Self {
            state,
            since,
            verdict,
            title: words.map(|words| words.title),
            advice: words.map(|words| words.advice),
            message,
        }
    }
}
