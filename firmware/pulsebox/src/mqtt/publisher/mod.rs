//! One connection's life: what is due goes out, what comes in is heard, and both end together.
//!
//! The library's event loop runs beside the publishing in one task, so neither waits for the other. At most
//! [`WINDOW`] messages wait for the broker's acknowledgement; while they do, what becomes due is only noted.

mod due;
mod heard;
mod say;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use rumqttc::{
    AsyncClient, ClientError, Event as Told, EventLoop, Incoming, PublishOptions, SubscribeFilter, SubscribeNoticeError,
};
use serde_json::Value;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use self::heard::{Heard, Order, hear};
use super::connect::{Connection, broken, is_closed, qos, silent};
use super::outbox::{Due, Outbox};
use super::session::fraction;
use super::{Means, Names, command};
use crate::camera::Fault;
use crate::config::Mqtt;
use crate::monitor::board::Event;
use crate::monitor::overall::Overall;

/// Messages that may wait for the broker's acknowledgement at once.
const WINDOW: usize = 16;
/// A broker that acknowledges nothing for this long is lost.
const ACKNOWLEDGE: Duration = Duration::from_secs(30);
/// The broker is asked whether it is there this often, and answers within this time. With QoS 0 nothing else would
/// tell; the library's own question is only asked when nothing is sent.
const STILL_THERE: Duration = Duration::from_secs(15);
/// Orders and answers that wait.
const ORDERS: usize = 32;
/// What was heard and waits to be looked at; the broker waits where it is full.
const HEARD: usize = 64;
/// Home Assistant has started: all is sent again after this long at most, each box at its own time.
const AFTER_BIRTH: Duration = Duration::from_secs(5);
/// Saying goodbye takes this long at most when the box stops, and when it only changes its settings.
const LAST_WORDS: Duration = Duration::from_millis(1000);
const CHANGE_WORDS: Duration = Duration::from_secs(5);
/// Cameras that only the broker knows are noted while less than this is due; more are left to a later connection.
const NOTED: usize = 8192;
/// The largest payload that is sent, bytes.
const LARGEST: usize = 2 * 1024 * 1024;

/// How a connection ended.
#[derive(Debug)]
pub(super) enum End {
    /// We were told to stop.
    Stopped,
    /// The settings are others.
    Changed,
    /// It broke.
    Lost {
        /// Why.
        fault: Fault,
        /// The broker closed it.
        is_closed: bool,
    },
}

/// Publishes until the connection ends, the settings change or `stop`; in the last two cases says `offline`.
pub(super) async fn publish(
    means: &Means,
    mqtt: &Mqtt,
    connection: Connection,
    changed: impl Future<Output = ()>,
    stop: &CancellationToken,
) -> End {
    let Connection { client, mut events } = connection;
    let (to_heard, heard) = mpsc::channel(HEARD);
    let (to_orders, orders) = mpsc::channel(ORDERS);
    let (to_answers, answers) = mpsc::channel(ORDERS);
    let names = Names::new(&means.box_id, mqtt);
    let mut publisher = Publisher::new(means, mqtt, client.clone(), to_orders);
    let end = {
        let driving = drive(&mut events, &names, to_heard);
        let obeying = obey(means, orders, to_answers);
        let publishing = publisher.run(heard, answers, changed, stop);
        tokio::select! {
            // First: it knows the true reason of what the others only notice.
            biased;
            error = driving => End::Lost { is_closed: is_closed(&error), fault: broken(&error, mqtt) },
            end = publishing => end,
            () = obeying => End::Stopped,
        }
    };
    if !matches!(end, End::Lost { .. }) {
        Connection { client, events }.leave().await;
    }
    end
}

/// Runs the library until the connection breaks; gives why.
async fn drive(events: &mut EventLoop, names: &Names, to_heard: mpsc::Sender<Heard>) -> rumqttc::ConnectionError {
    loop {
        match events.poll().await {
            Ok(Told::Incoming(Incoming::Publish(message))) => {
                if let Some(heard) = hear(message, names) {
                    // Only where the publisher is gone, and then this ends too.
                    let _ = to_heard.send(heard).await;
                }
            }
            Ok(_) => {}
            Err(error) => return error,
        }
    }
}

/// Carries out orders, one after another; ends when no more can come.
async fn obey(means: &Means, mut orders: mpsc::Receiver<Order>, to_answers: mpsc::Sender<(Option<String>, Value)>) {
    while let Some(order) = orders.recv().await {
        let answer = command::obey(means, order.camera.as_deref(), &order.payload, order.is_retained).await;
        let _ = to_answers.send((order.camera, answer)).await;
    }
}

/// One message, ready to go.
struct Message {
    topic: String,
    payload: Vec<u8>,
    how: PublishOptions,
}

type Acknowledged = BoxFuture<'static, Result<(), ()>>;

struct Publisher<'a> {
    means: &'a Means,
    mqtt: &'a Mqtt,
    names: Names,
    client: AsyncClient,
    to_orders: mpsc::Sender<Order>,
    outbox: Outbox,
    answers: VecDeque<Message>,
    in_flight: FuturesUnordered<Acknowledged>,
    /// Ids of which the broker may keep something.
    known: BTreeSet<String>,
    /// The picture last sent of each camera, and when.
    pictures: HashMap<String, (u64, Instant)>,
    overall: Option<Overall>,
    /// What the devices in Home Assistant say of the box.
    face: (String, Option<String>),
}

impl<'a> Publisher<'a> {
    fn new(means: &'a Means, mqtt: &'a Mqtt, client: AsyncClient, to_orders: mpsc::Sender<Order>) -> Self {
        Self {
            names: Names::new(&means.box_id, mqtt),
            means,
            mqtt,
            client,
            to_orders,
            outbox: Outbox::default(),
            answers: VecDeque::new(),
            in_flight: FuturesUnordered::new(),
            known: BTreeSet::new(),
            pictures: HashMap::new(),
            overall: None,
            face: Default::default(),
        }
    }

    /// Publishes until the end.
    async fn run(
        &mut self,
        heard: mpsc::Receiver<Heard>,
        answers: mpsc::Receiver<(Option<String>, Value)>,
        changed: impl Future<Output = ()>,
        stop: &CancellationToken,
    ) -> End {
        // Subscribed to before all is due: what happens in between is due twice, and nothing is missed.
        let events = self.means.board.events();
        let greeted = self.greet();
        let ended = match greeted {
            Ok(()) => self.follow(events, heard, answers, changed, stop).await,
            Err(fault) => Err(fault),
        };
        match ended {
            Ok(end) => end,
            Err(fault) => End::Lost { fault, is_closed: false },
        }
    }

    /// `online`, what we listen to, and all that there is to say.
    fn greet(&mut self) -> Result<(), Fault> {
        let online = self.message(self.names.availability(), b"online".to_vec(), true);
        self.send(online)?;
        let orders = [self.names.command(), self.names.camera("+", "cmd")].into_iter().filter(|_| self.mqtt.commands);
        let filters = orders
            .chain([self.names.birth(), self.sweep()])
            .map(|path| SubscribeFilter::new(path, qos(self.mqtt.qos.min(1))));
        let asked = self.client.try_subscribe_many_tracked(filters).map_err(|_| silent(self.mqtt))?;
        self.in_flight.push(Box::pin(async move {
            match timeout(ACKNOWLEDGE, asked.wait_completion_async()).await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(SubscribeNoticeError::V4SubAckFailure(_))) => {
                    log::warn!("the broker does not let this user read the topics of orders and of Home Assistant");
                    Ok(())
                }
                Ok(Err(_)) | Err(_) => Err(()),
            }
        }));
        self.note_all();
        Ok(())
    }

    /// States that the broker keeps, those of cameras that are gone among them.
    fn sweep(&self) -> String {
        self.names.camera("+", "state")
    }

    async fn follow(
        &mut self,
        mut events: broadcast::Receiver<Event>,
        mut heard: mpsc::Receiver<Heard>,
        mut answers: mpsc::Receiver<(Option<String>, Value)>,
        changed: impl Future<Output = ()>,
        stop: &CancellationToken,
    ) -> Result<End, Fault> {
        let (mut status, mut still_there) = (every(self.mqtt.interval), every(STILL_THERE));
        let mut birth: Option<Instant> = None;
        tokio::pin!(changed);
        loop {
            self.fill_window()?;
            let born = async { sleep_until(birth.unwrap_or_else(Instant::now)).await };
            tokio::select! {
                () = stop.cancelled() => {
                    // Nobody listens from here on, and the library must not wait for that.
                    heard.close();
                    self.part(LAST_WORDS, false).await;
                    return Ok(End::Stopped);
                }
                () = &mut changed => {
                    heard.close();
                    let is_forgotten = self.is_discovery_moved();
                    self.part(CHANGE_WORDS, is_forgotten).await;
                    return Ok(End::Changed);
                }
                Some(acknowledged) = self.in_flight.next() => acknowledged.map_err(|()| silent(self.mqtt))?,
                Some(heard) = heard.recv() => match heard {
                    Heard::Birth => {
                        birth.get_or_insert_with(|| Instant::now() + AFTER_BIRTH.mul_f64(fraction()));
                    }
                    heard => self.hear(heard),
                },
                Some((camera, answer)) = answers.recv() => self.answer(camera.as_deref(), &answer),
                event = events.recv() => match event {
                    Ok(event) => self.note(event),
                    Err(RecvError::Lagged(_)) => self.note_all(),
                    Err(RecvError::Closed) => return Ok(End::Stopped),
                },
                () = born, if birth.is_some() => {
                    birth = None;
                    self.pictures.clear();
                    self.note_all();
                }
                _ = status.tick() => {
                    self.outbox.add(Due::System);
                    self.outbox.add(Due::Status);
                }
                _ = still_there.tick() => self.ask_still_there()?,
            }
        }
    }

    /// Sends what is due while the broker acknowledges.
    fn fill_window(&mut self) -> Result<(), Fault> {
        while self.in_flight.len() < WINDOW {
            let message = match self.answers.pop_front() {
                Some(answer) => Some(answer),
                None => match self.outbox.next() {
                    Some(due) => self.make(&due),
                    None => return Ok(()),
                },
            };
            if let Some(message) = message {
                self.send(message)?;
            }
        }
        Ok(())
    }

    fn send(&mut self, message: Message) -> Result<(), Fault> {
        if message.payload.len() > LARGEST {
            log::debug!("{}: {} bytes are not sent", message.topic, message.payload.len());
            return Ok(());
        }
        match self.client.try_publish_tracked(message.topic, message.payload, message.how) {
            Ok(sent) => {
                self.in_flight.push(Box::pin(async move {
                    match timeout(ACKNOWLEDGE, sent.wait_completion_async()).await {
                        Ok(Ok(())) => Ok(()),
                        Ok(Err(_)) | Err(_) => Err(()),
                    }
                }));
                Ok(())
            }
            Err(ClientError::InvalidRequest(_)) => {
                log::debug!("a topic that MQTT does not allow is left out");
                Ok(())
            }
            Err(_) => Err(silent(self.mqtt)),
        }
    }

    /// A question that any broker answers at once, whatever the QoS: it ends the sweep the first time, and nothing
    /// later.
    fn ask_still_there(&mut self) -> Result<(), Fault> {
        let asked = self.client.try_unsubscribe_tracked(self.sweep()).map_err(|_| silent(self.mqtt))?;
        self.in_flight.push(Box::pin(async move {
            match timeout(STILL_THERE, asked.wait_completion_async()).await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) | Err(_) => Err(()),
            }
        }));
        Ok(())
    }

    /// The last words: `offline`, and where discovery moves, nothing left of it.
    async fn part(&mut self, limit: Duration, is_forgotten: bool) {
        let mut words = vec![self.message(self.names.availability(), b"offline".to_vec(), true)];
        if is_forgotten {
            words.push(self.message(self.names.box_discovery(), Vec::new(), true));
            let cameras = self.known.iter().map(|id| self.names.camera_discovery(id));
            words.extend(cameras.map(|topic| self.message(topic, Vec::new(), true)));
        }
        let said = async {
            for message in words {
                while self.in_flight.len() >= WINDOW {
                    let _ = self.in_flight.next().await;
                }
                if self.send(message).is_err() {
                    return;
                }
            }
            while self.in_flight.next().await.is_some() {}
        };
        let _ = timeout(limit, said).await;
    }

    /// Whether Home Assistant finds us no more where it did.
    fn is_discovery_moved(&self) -> bool {
        let (was, now) = (&self.mqtt.home_assistant, self.means.config.current());
        let is_announced = now.mqtt.enabled && now.mqtt.home_assistant.enabled;
        was.enabled && !(is_announced && was.discovery_prefix == now.mqtt.home_assistant.discovery_prefix)
    }

    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Order(order) => {
                if let Err(mpsc::error::TrySendError::Full(order)) = self.to_orders.try_send(order) {
                    let error = "too many orders at once; send this one again in a few seconds";
                    let answer = serde_json::json!({ "command": null, "id": null, "ok": false, "error": error });
                    self.answer(order.camera.as_deref(), &answer);
                }
            }
            Heard::Kept(id) => {
                if !self.known.contains(&id) && self.outbox.len() < NOTED {
                    self.outbox.add(Due::State(id.clone()));
                    self.outbox.add(Due::Attributes(id.clone()));
                    self.outbox.add(Due::CameraDiscovery(id));
                }
            }
            Heard::Birth => {}
        }
    }

    fn answer(&mut self, camera: Option<&str>, answer: &Value) {
        if self.answers.len() >= ORDERS {
            log::debug!("an answer is left out: the broker takes them too slowly");
            return;
        }
        let topic = match camera {
            Some(id) => self.names.camera(id, "cmd/result"),
            None => self.names.command() + "/result",
        };
        self.answers.push_back(self.message(topic, answer.to_string().into_bytes(), false));
    }
}

fn every(period: Duration) -> Interval {
    let mut ticks = interval_at(Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
