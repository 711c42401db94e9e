//! Listens to what boxes publish: `pulsebox mqtt watch`.

use std::ops::ControlFlow;
use std::time::Duration;

use bytes::Bytes;
use rumqttc::{Event, Incoming, QoS, SubscribeFilter, SubscribeReasonCode};
use tokio::time::timeout;

use super::Names;
use super::connect::{Connection, Who, broken, connect, place, random_id};
use crate::camera::{Fault, Verdict};
use crate::config::Mqtt;

/// The largest packet that is taken, bytes: a picture has a tenth of it.
const LARGEST: usize = 4 << 20;
/// A broker that has taken us in answers a subscription within this time.
const SUBSCRIBED: Duration = Duration::from_secs(10);

/// One message.
#[derive(Clone, Debug)]
pub struct Heard {
    /// As the broker spells it; anybody may have chosen it.
    pub topic: String,
    /// Anything, 4 MiB at most.
    pub payload: Bytes,
    /// The broker had kept it from before.
    pub is_retained: bool,
}

/// Tells every message of Pulsebox's topics to `heard` until that breaks off. `box_id`: of one box only, beside
/// StreamPulse's topic. `subscribed` is told the broker's place, `HOST:PORT`, once it has taken the subscription. Connects
/// once.
///
/// # Errors
/// The broker cannot be reached, does not take the subscription, or the connection is lost.
pub async fn watch(
    mqtt: &Mqtt,
    box_id: Option<&str>,
    subscribed: impl FnOnce(&str),
    mut heard: impl FnMut(Heard) -> ControlFlow<()>,
) -> Result<(), Fault> {
    // Never one that somebody else listens with: each would throw the other off.
    let client_id = format!("pulsebox-watch-{}", random_id());
    let mut connection = connect(mqtt, Who { client_id, will: None, largest_in: LARGEST }).await?;
    let filters: Vec<_> = filters(mqtt, box_id).into_iter().map(|f| SubscribeFilter::new(f, QoS::AtMostOnce)).collect();
    let wanted = filters.len();
    connection.client.subscribe_many(filters).await.map_err(|_| unsubscribed(mqtt, "did not take the subscription"))?;
    let granted = timeout(SUBSCRIBED, taken(&mut connection, mqtt, &mut heard)).await;
    match granted.map_err(|_| unsubscribed(mqtt, "did not answer the subscription"))?? {
        Some(granted) if granted < wanted => {
            let what = format!("allows {granted} of the {wanted} subscriptions that this user needs");
            return Err(unsubscribed(mqtt, &what));
        }
        Some(_) => subscribed(&place(mqtt)),
        None => {
            connection.leave().await;
            return Ok(());
        }
    }
    loop {
        let event = connection.events.poll().await.map_err(|error| broken(&error, mqtt))?;
        if tell(event, &mut heard).is_break() {
            connection.leave().await;
            return Ok(());
        }
    }
}

/// Waits until the broker has answered the subscription: how many filters it took; none where `heard` broke off.
async fn taken(
    connection: &mut Connection,
    mqtt: &Mqtt,
    heard: &mut impl FnMut(Heard) -> ControlFlow<()>,
) -> Result<Option<usize>, Fault> {
    loop {
        match connection.events.poll().await.map_err(|error| broken(&error, mqtt))? {
            Event::Incoming(Incoming::SubAck(answer)) => {
                let refused = answer.return_codes.iter().filter(|code| **code == SubscribeReasonCode::Failure).count();
                return Ok(Some(answer.return_codes.len() - refused));
            }
            // Some brokers send what they kept before they answer.
            event => {
                if tell(event, heard).is_break() {
                    return Ok(None);
                }
            }
        }
    }
}

fn tell(event: Event, heard: &mut impl FnMut(Heard) -> ControlFlow<()>) -> ControlFlow<()> {
    match event {
        Event::Incoming(Incoming::Publish(message)) => heard(Heard {
            topic: String::from_utf8_lossy(&message.topic).into_owned(),
            is_retained: message.retain,
            payload: message.payload,
        }),
        _ => ControlFlow::Continue(()),
    }
}

/// What is subscribed to.
fn filters(mqtt: &Mqtt, box_id: Option<&str>) -> Vec<String> {
    let names = Names::new(box_id.unwrap_or("+"), mqtt);
    let devices = format!("{}/device/+/config", mqtt.home_assistant.discovery_prefix);
    vec![format!("{}/#", names.root()), names.status().to_owned(), devices]
}

fn unsubscribed(mqtt: &Mqtt, what: &str) -> Fault {
    let advice = "look at the broker's log and at what it allows this user";
    Fault::new(Verdict::Protocol, format!("{} {what}: {advice}", place(mqtt)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_box_or_all_are_listened_to() {
        let mqtt = Mqtt::default();
        assert_eq!(filters(&mqtt, None), ["pulsebox/+/#", "streampulse/status", "homeassistant/device/+/config"]);
        assert_eq!(filters(&mqtt, Some("0123abcd"))[0], "pulsebox/0123abcd/#");
    }
}
