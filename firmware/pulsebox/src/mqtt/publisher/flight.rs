//! What waits for the broker's answer, and how much may go out without one.

use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use rumqttc::PublishNotice;
use tokio::time::{Instant, timeout};

/// The broker is lost where nothing at all has come from it for this long while an answer is due,
const SILENT: Duration = Duration::from_secs(30);
/// and the answer has been due for this long.
const ANSWER: Duration = Duration::from_secs(10);
/// However much else comes: what is not answered within this time never will be.
pub(super) const ACKNOWLEDGE: Duration = Duration::from_secs(180);
/// With QoS 0 a message counts as sent when the system has it, and the system takes megabytes that a slow line
/// does not. So after this many bytes, or one picture, the broker is asked a question, and no more goes out at QoS 0
/// before it has answered.
const UNASKED: usize = 16 * 1024;

/// What was answered.
#[derive(Debug, PartialEq)]
pub(super) enum Done {
    /// A message.
    Message,
    /// The question whether the broker is still there.
    Question,
    /// The broker keeps nothing more of this camera but its state.
    Forgotten(String),
}

/// None is a broker that did not answer.
type Answer = Option<Done>;

/// What is under way.
pub(super) struct Flight {
    waiting: FuturesUnordered<BoxFuture<'static, Answer>>,
    /// Since when without a break something waits.
    since: Instant,
    /// Bytes sent at QoS 0 since the last question.
    unasked: usize,
    /// Whether a question waits for its answer.
    is_asking: bool,
}

impl Flight {
    pub fn new() -> Self {
        Self { waiting: FuturesUnordered::new(), since: Instant::now(), unasked: 0, is_asking: false }
    }

    /// Something to wait for, none where the broker fails to answer.
    pub fn push(&mut self, answer: impl Future<Output = Answer> + Send + 'static) {
        if self.waiting.is_empty() {
            self.since = Instant::now();
        }
        self.waiting.push(Box::pin(answer));
    }

    /// The same, a question: it opens the way for QoS 0 again.
    pub fn push_question(&mut self, answered: impl Future<Output = bool> + Send + 'static) {
        (self.is_asking, self.unasked) = (true, 0);
        self.push(async move { answered.await.then_some(Done::Question) });
    }

    /// Counts a message at QoS 0.
    pub fn went_unanswered(&mut self, bytes: usize) {
        self.unasked += bytes;
    }

    /// Whether enough went out at QoS 0 to ask.
    pub fn must_ask(&self) -> bool {
        !self.is_asking && self.unasked >= UNASKED
    }

    /// Whether a question is under way, and so nothing more goes out at QoS 0.
    pub fn is_asking(&self) -> bool {
        self.is_asking
    }

    /// The next answer; none where nothing waits.
    pub async fn next(&mut self) -> Option<Answer> {
        let answer = self.waiting.next().await?;
        if answer == Some(Done::Question) {
            self.is_asking = false;
        }
        Some(answer)
    }

    /// How much waits.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// When the broker is lost, if nothing comes; `heard`: when something last came. None while nothing waits.
    pub fn lost_at(&self, heard: Instant) -> Option<Instant> {
        (!self.waiting.is_empty()).then(|| (heard + SILENT).max(self.since + ANSWER))
    }
}

/// Whether the broker has taken the message in the end.
pub(super) async fn is_acknowledged(sent: PublishNotice) -> bool {
    matches!(timeout(ACKNOWLEDGE, sent.wait_completion_async()).await, Ok(Ok(())))
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_broker_is_lost_when_nothing_comes_and_not_while_anything_does() {
        let mut flight = Flight::new();
        let connected = Instant::now();
        assert_eq!(flight.lost_at(connected), None, "nothing is due");
        tokio::time::advance(Duration::from_secs(25)).await;
        flight.push(pending());
        assert_eq!(flight.lost_at(connected), Some(connected + Duration::from_secs(35)), "time to answer");
        tokio::time::advance(Duration::from_secs(300)).await;
        let heard = Instant::now();
        assert_eq!(flight.lost_at(heard), Some(heard + SILENT), "slow, and there");
    }

    #[tokio::test]
    async fn after_a_picture_the_broker_is_asked_and_after_its_answer_the_next_may_go() {
        let mut flight = Flight::new();
        flight.went_unanswered(500);
        assert!(!flight.must_ask());
        flight.went_unanswered(45_000);
        assert!(flight.must_ask());
        flight.push_question(ready(true));
        assert!(flight.is_asking() && !flight.must_ask());
        assert_eq!(flight.next().await, Some(Some(Done::Question)));
        assert!(!flight.is_asking() && !flight.must_ask() && flight.next().await.is_none());
    }
}
