//! One connection's life: what is due goes out, what comes in is heard, and both end together.
//!
//! The library's event loop runs beside the publishing in one task, so neither waits for the other. At most
//! [`WINDOW`] messages wait for the broker's acknowledgement; while they do, what becomes due is only noted. What it
//! does not acknowledge (QoS 0) is followed by a question that it answers: see [`flight`].

mod due;
mod flight;
mod heard;
mod say;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use rumqttc::{
    AsyncClient, ClientError, Event as Told, EventLoop, Incoming, PublishNotice, PublishOptions, QoS, SubscribeFilter,
    SubscribeNoticeError,
};
use serde_json::Value;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use self::flight::{ACKNOWLEDGE, Done, Flight, is_acknowledged};
use self::heard::{Heard, Order, hear};
use super::connect::{Connection, broken, is_closed, qos, silent};
use super::outbox::{Due, Outbox};
use super::session::fraction;
use super::{Means, Names, command};
use crate::camera::Fault;
use crate::config::Mqtt;
use crate::monitor::board::Event;

/// Messages that may wait for the broker's acknowledgement at once.
const WINDOW: usize = 16;
/// The broker is asked whether it is there this often. With QoS 0 nothing else would tell; the library's own question
/// is only asked when nothing is sent.
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
    let (came, last_came) = watch::channel(Instant::now());
    let names = Names::new(&means.box_id, mqtt);
    let mut publisher = Publisher::new(means, mqtt, client.clone(), to_orders, last_came);
    let end = {
        let driving = drive(&mut events, &names, &came, to_heard);
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
async fn drive(
    events: &mut EventLoop,
    names: &Names,
    came: &watch::Sender<Instant>,
    to_heard: mpsc::Sender<Heard>,
) -> rumqttc::ConnectionError {
    loop {
        let event = events.poll().await;
        if matches!(event, Ok(Told::Incoming(_))) {
            came.send_replace(Instant::now());
        }
        match event {
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
    qos: QoS,
    retain: bool,
}

struct Publisher<'a> {
    means: &'a Means,
    mqtt: &'a Mqtt,
    names: Names,
    client: AsyncClient,
    to_orders: mpsc::Sender<Order>,
    outbox: Outbox,
    answers: VecDeque<Message>,
    flight: Flight,
    /// When something last came from the broker.
    last_came: watch::Receiver<Instant>,
    since: Instant,
    /// Ids of which the broker may keep something.
    known: BTreeSet<String>,
    /// The picture last sent of each camera, and when.
    pictures: HashMap<String, (u64, Instant)>,
    /// What of `system` was told last and is told anew when it differs.
    gist: Vec<Value>,
    /// What the devices in Home Assistant say of the box.
    face: (String, Option<String>),
}

impl<'a> Publisher<'a> {
    fn new(
        means: &'a Means,
        mqtt: &'a Mqtt,
        client: AsyncClient,
        to_orders: mpsc::Sender<Order>,
        last_came: watch::Receiver<Instant>,
    ) -> Self {
        Self {
            names: Names::new(&means.box_id, mqtt),
            means,
            mqtt,
            client,
            to_orders,
            outbox: Outbox::default(),
            answers: VecDeque::new(),
            flight: Flight::new(),
            last_came,
            since: Instant::now(),
            known: BTreeSet::new(),
            pictures: HashMap::new(),
            gist: Vec::new(),
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
        self.flight.push(async move {
            match timeout(ACKNOWLEDGE, asked.wait_completion_async()).await {
                Ok(Ok(())) => Some(Done::Message),
                Ok(Err(SubscribeNoticeError::V4SubAckFailure(_))) => {
                    log::warn!("the broker does not let this user read the topics of orders and of Home Assistant");
                    Some(Done::Message)
                }
                Ok(Err(_)) | Err(_) => None,
            }
        });
        self.note_all();
        // Also where Home Assistant is off: it may have been on when we were last here.
        self.outbox.add(Due::BoxDiscovery);
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
            let lost_at = self.flight.lost_at(*self.last_came.borrow());
            let lost = async { sleep_until(lost_at.unwrap_or_else(Instant::now)).await };
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
                Some(answer) = self.flight.next() => {
                    if let Done::Forgotten(id) = answer.ok_or_else(|| silent(self.mqtt))? {
                        self.outbox.add(Due::ForgetState(id));
                    }
                }
                () = lost, if lost_at.is_some() => {
                    // Something may have come meanwhile.
                    if self.flight.lost_at(*self.last_came.borrow()).is_some_and(|at| at <= Instant::now()) {
                        return Err(silent(self.mqtt));
                    }
                }
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
                _ = still_there.tick() => if !self.flight.is_asking() { self.ask()? },
            }
        }
    }

    /// Sends what is due while the broker acknowledges.
    fn fill_window(&mut self) -> Result<(), Fault> {
        while self.flight.len() < WINDOW {
            if self.flight.must_ask() {
                self.ask()?;
            }
            if self.mqtt.qos == 0 && self.flight.is_asking() {
                return Ok(());
            }
            if let Some(answer) = self.answers.pop_front() {
                self.send(answer)?;
                continue;
            }
            match self.outbox.next(!self.flight.is_asking()) {
                Some(Due::Forget(id)) => self.forget(&id)?,
                Some(due) => {
                    if let Some(message) = self.make(&due) {
                        self.send(message)?;
                    }
                }
                None => return Ok(()),
            }
        }
        Ok(())
    }

    fn send(&mut self, message: Message) -> Result<(), Fault> {
        if let Some(sent) = self.hand_over(message)? {
            self.flight.push(async { is_acknowledged(sent).await.then_some(Done::Message) });
        }
        Ok(())
    }

    /// Gives a message to the library; none where it is one that cannot be sent.
    fn hand_over(&mut self, message: Message) -> Result<Option<PublishNotice>, Fault> {
        let bytes = message.payload.len();
        if bytes > LARGEST {
            log::debug!("{}: {bytes} bytes are not sent", message.topic);
            return Ok(None);
        }
        let how = PublishOptions::new(message.qos).retain(message.retain);
        match self.client.try_publish_tracked(message.topic, message.payload, how) {
            Ok(sent) => {
                if message.qos == QoS::AtMostOnce {
                    self.flight.went_unanswered(bytes);
                }
                Ok(Some(sent))
            }
            Err(ClientError::InvalidRequest(_)) => {
                log::debug!("a topic that MQTT does not allow is left out");
                Ok(None)
            }
            Err(_) => Err(silent(self.mqtt)),
        }
    }

    /// Clears what the broker keeps of a camera that is gone, but for its state: that tells the next connection,
    /// should this one break now, and goes when the rest is surely gone.
    fn forget(&mut self, id: &str) -> Result<(), Fault> {
        if !self.is_gone(id) {
            return Ok(());
        }
        let mut sent = Vec::new();
        for topic in [self.names.camera_discovery(id), self.names.camera(id, "attributes")] {
            sent.extend(self.hand_over(self.message(topic, Vec::new(), true))?);
        }
        let id = id.to_owned();
        self.flight.push(async move {
            for sent in sent {
                if !is_acknowledged(sent).await {
                    return None;
                }
            }
            Some(Done::Forgotten(id))
        });
        Ok(())
    }

    /// A question that any broker answers at once, whatever the QoS. After some seconds it ends the sweep; before,
    /// and later, it asks for nothing.
    fn ask(&mut self) -> Result<(), Fault> {
        let filter = if self.since.elapsed() < STILL_THERE { self.names.availability() } else { self.sweep() };
        let asked = self.client.try_unsubscribe_tracked(filter).map_err(|_| silent(self.mqtt))?;
        let answered = async move { timeout(ACKNOWLEDGE, asked.wait_completion_async()).await };
        self.flight.push_question(async { matches!(answered.await, Ok(Ok(()))) });
        Ok(())
    }

    /// The last words: `offline`, and where discovery or StreamPulse's status moves, nothing left of them.
    async fn part(&mut self, limit: Duration, is_forgotten: bool) {
        let mut words = vec![self.message(self.names.availability(), b"offline".to_vec(), true)];
        if is_forgotten {
            words.push(self.message(self.names.box_discovery(), Vec::new(), true));
            let cameras = self.known.iter().map(|id| self.names.camera_discovery(id));
            words.extend(cameras.map(|topic| self.message(topic, Vec::new(), true)));
        }
        if self.is_status_moved() {
            words.push(self.message(self.names.status().to_owned(), Vec::new(), true));
        }
        let said = async {
            for message in words {
                while self.flight.len() >= WINDOW {
                    let _ = self.flight.next().await;
                }
                if self.send(message).is_err() {
                    return;
                }
            }
            while self.flight.next().await.is_some() {}
        };
        let _ = timeout(limit, said).await;
    }

    /// Whether Home Assistant finds us no more where it did.
    fn is_discovery_moved(&self) -> bool {
        let (was, now) = (&self.mqtt.home_assistant, self.means.config.current());
        let is_announced = now.mqtt.enabled && now.mqtt.home_assistant.enabled;
        was.enabled && !(is_announced && was.discovery_prefix == now.mqtt.home_assistant.discovery_prefix)
    }

    /// Whether a status that the broker keeps would grow old there.
    fn is_status_moved(&self) -> bool {
        let now = self.means.config.current();
        self.mqtt.retain && !(now.mqtt.retain && now.mqtt.topic == self.mqtt.topic)
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
            Heard::TooLarge { camera, bytes } => self.answer(camera.as_deref(), &command::too_large(bytes)),
            Heard::Kept(id) => {
                if !self.known.contains(&id) && self.outbox.len() < NOTED {
                    self.outbox.add(Due::Forget(id));
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
