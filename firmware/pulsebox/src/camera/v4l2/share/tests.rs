//! One device and its readers, on a source that is made up.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;

use super::*;
use crate::camera::v4l2::LocalSession;
use crate::camera::v4l2::choose::{Coding, Interval};
use crate::camera::{Codec, Goodbyes, Session};

/// A device that gives what a test sends it; counts how often it was opened, and how many are open now.
#[derive(Clone, Default)]
struct Device {
    choice: Option<Choice>,
    opened: Arc<AtomicU32>,
    open: Arc<AtomicU32>,
}

struct Opened {
    device: Device,
    given: mpsc::Receiver<Result<Got, Fault>>,
}

impl Source for Opened {
    fn choice(&self) -> Option<Choice> {
        self.device.choice
    }

    fn next(&mut self, limit: Duration) -> Result<Got, Fault> {
        self.given.recv_timeout(limit).unwrap_or(Ok(Got::Nothing))
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.device.open.fetch_sub(1, Ordering::SeqCst);
    }
}

type Give = mpsc::Sender<Result<Got, Fault>>;

impl Device {
    fn opener(&self) -> (Give, Opener) {
        let (give, given) = mpsc::channel();
        let device = self.clone();
        let opener = move |reached: &dyn Fn(Stage)| {
            device.opened.fetch_add(1, Ordering::SeqCst);
            assert_eq!(device.open.fetch_add(1, Ordering::SeqCst), 0, "the device admits one");
            reached(Stage::Opened);
            reached(Stage::Started);
            Ok(Box::new(Opened { device, given }) as Box<dyn Source>)
        };
        (give, Box::new(opener))
    }

    fn counts(&self) -> (u32, u32) {
        (self.opened.load(Ordering::SeqCst), self.open.load(Ordering::SeqCst))
    }
}

fn frame(number: u8, key: bool, size: usize) -> Result<Got, Fault> {
    let data = vec![number; size].into();
    let at = Duration::from_millis(u64::from(number) * 40);
    Ok(Got::Frame(Frame { codec: Codec::H264, key, data, raw: None, at, arrived: Instant::now() }))
}

fn wish(query: &str) -> Wish {
    Wish::parse(Some(query)).unwrap()
}

async fn numbers(reader: &mut Reader, count: usize) -> Vec<u8> {
    let mut numbers = Vec::new();
    for _ in 0..count {
        numbers.push(reader.next().await.unwrap().data[0]);
    }
    numbers
}

#[tokio::test]
async fn two_readers_share_one_open_device_which_closes_with_the_last() {
    let device = Device::default();
    let (give, opener) = device.opener();
    let mut one = join(1, Wish::default(), opener).await.unwrap();
    one.reached(Stage::Started).await.unwrap();
    let mut two = join(1, Wish::default(), device.opener().1).await.unwrap();
    for number in 0..3 {
        give.send(frame(number, true, 10)).unwrap();
    }
    assert_eq!(numbers(&mut one, 3).await, [0, 1, 2]);
    assert_eq!(numbers(&mut two, 3).await, [0, 1, 2]);
    assert_eq!(device.counts(), (1, 1));
    let goodbyes = Goodbyes::default();
    goodbyes.spawn(one.far_end());
    drop(one);
    // The first to leave waits for nobody.
    goodbyes.wait(Duration::from_secs(5)).await;
    assert_eq!(device.counts(), (1, 1));
    let far_end = two.far_end();
    drop(two);
    far_end.await;
    assert_eq!(device.counts(), (1, 0), "closed, not only about to");
}

#[tokio::test]
async fn who_comes_while_it_closes_gets_it_opened_anew() {
    let device = Device::default();
    let (_give, opener) = device.opener();
    let mut first = join(2, Wish::default(), opener).await.unwrap();
    first.reached(Stage::Started).await.unwrap();
    drop(first);
    let (give, opener) = device.opener();
    let mut second = join(2, wish("format=yuyv"), opener).await.unwrap();
    give.send(frame(7, true, 1)).unwrap();
    assert_eq!(numbers(&mut second, 1).await, [7]);
    assert_eq!(device.counts(), (2, 1));
}

#[tokio::test]
async fn another_format_than_the_open_one_is_busy_and_no_wish_reads_along() {
    let device = Device::default();
    let (_give, opener) = device.opener();
    let _open = join(3, wish("size=640x480"), opener).await.unwrap();
    let fault = join(3, wish("size=1280x720"), device.opener().1).await.err().unwrap();
    assert_eq!(fault.verdict, Verdict::Busy);
    assert!(fault.detail.contains("same options"), "{fault}");
    assert!(join(3, Wish::default(), device.opener().1).await.is_ok());
    assert!(join(3, wish("size=640x480"), device.opener().1).await.is_ok());
}

#[tokio::test]
async fn who_asks_for_what_was_chosen_anyway_reads_along() {
    let interval = Some(Interval { numerator: 1, denominator: 15 });
    let choice = Choice { fourcc: *b"MJPG", coding: Coding::Mjpeg, width: 1280, height: 720, interval };
    let device = Device { choice: Some(choice), ..Device::default() };
    let (give, opener) = device.opener();
    let mut one = join(9, Wish::default(), opener).await.unwrap();
    give.send(frame(1, true, 1)).unwrap();
    numbers(&mut one, 1).await;
    for query in ["format=mjpeg", "size=1280x720", "format=MJPG&size=1280x720&fps=15"] {
        assert!(join(9, wish(query), device.opener().1).await.is_ok(), "{query}");
    }
    for query in ["format=yuyv", "format=mjpeg&size=640x480", "fps=30"] {
        assert_eq!(join(9, wish(query), device.opener().1).await.err().unwrap().verdict, Verdict::Busy, "{query}");
    }
}

#[tokio::test]
async fn lost_pictures_are_told_as_a_part_of_all() {
    let device = Device::default();
    let (give, opener) = device.opener();
    let reader = join(10, Wish::default(), opener).await.unwrap();
    let mut session = Session::Local(Box::new(LocalSession { reader }));
    assert_eq!(session.reception(), Some(Reception { packets: 0, lost: 0 }));
    for (number, damaged, lost) in [(1, 2, 0), (2, 3, 3)] {
        for _ in 0..damaged {
            give.send(Ok(Got::Damaged("cut short"))).unwrap();
        }
        give.send(frame(number, true, 1)).unwrap();
        session.next().await.unwrap();
        assert_eq!(
            session.reception(),
            Some(Reception { packets: number.into(), lost }),
            "those before the first are none"
        );
    }
    assert_eq!(session.reception().unwrap().loss_percent(), Some(60.0));
}

#[tokio::test]
async fn a_slow_reader_goes_on_at_the_newest_key_frame_and_the_camera_is_not_blamed() {
    let device = Device::default();
    let (give, opener) = device.opener();
    let (mut slow, mut quick) =
        (join(4, Wish::default(), opener).await.unwrap(), join(4, Wish::default(), device.opener().1).await.unwrap());
    // Three of them are as much as is kept.
    for number in 0..12 {
        give.send(frame(number, number % 5 == 0, BYTES / 3)).unwrap();
        assert_eq!(numbers(&mut quick, 1).await, [number]);
        if number == 0 {
            assert_eq!(numbers(&mut slow, 1).await, [0]);
        }
    }
    let frame = slow.next().await.unwrap();
    assert_eq!(frame.data[0], 10);
    assert_eq!(numbers(&mut slow, 1).await, [11]);
    // Judged by all that the device gave: else one damaged picture would be a larger part of fewer.
    assert_eq!(slow.reception(), Reception { packets: 12, lost: 0 });
}

#[tokio::test]
async fn a_new_reader_gets_no_picture_from_before_it_came() {
    let device = Device::default();
    let (give, opener) = device.opener();
    let mut old = join(5, Wish::default(), opener).await.unwrap();
    give.send(frame(1, true, 1)).unwrap();
    numbers(&mut old, 1).await;
    let mut new = join(5, Wish::default(), device.opener().1).await.unwrap();
    let waited = tokio::time::timeout(Duration::from_millis(150), new.next()).await;
    assert!(waited.is_err() && new.first_buffer().is_none(), "the device stands still");
    give.send(frame(2, true, 1)).unwrap();
    assert_eq!(numbers(&mut new, 1).await, [2]);
    assert!(new.first_buffer().is_some());
}

#[tokio::test]
async fn a_device_that_goes_away_tells_all_readers_and_is_closed_before_they_hear_of_it() {
    let device = Device::default();
    let (give, opener) = device.opener();
    let mut one = join(6, Wish::default(), opener).await.unwrap();
    let mut two = join(6, Wish::default(), device.opener().1).await.unwrap();
    give.send(frame(1, true, 1)).unwrap();
    give.send(Err(Fault::new(Verdict::NotFound, "unplugged"))).unwrap();
    for reader in [&mut one, &mut two] {
        assert_eq!(numbers(reader, 1).await, [1]);
        assert_eq!(reader.next().await.err().unwrap().verdict, Verdict::NotFound);
        assert_eq!(device.counts(), (1, 0));
    }
    // Whoever still holds on does not keep it from being opened again.
    let (_give, opener) = device.opener();
    join(6, Wish::default(), opener).await.unwrap().reached(Stage::Started).await.unwrap();
}

#[tokio::test]
async fn damaged_pictures_are_counted_and_nothing_but_them_is_a_fault() {
    let device = Device::default();
    let (give, opener) = device.opener();
    let mut reader = join(7, Wish::default(), opener).await.unwrap();
    for _ in 0..3 {
        give.send(Ok(Got::Damaged("cut short"))).unwrap();
    }
    give.send(frame(1, true, 1)).unwrap();
    let frame = reader.next().await.unwrap();
    assert_eq!(frame.data[0], 1);
    let feeding = std::thread::spawn(move || {
        // As a camera does it: picture after picture, until it is closed.
        while give.send(Ok(Got::Damaged("cut short"))).is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let fault = reader.next().await.err().unwrap();
    assert_eq!(fault.verdict, Verdict::Undecodable);
    assert!(fault.detail.contains("cut short"), "{fault}");
    assert!(reader.reception().lost >= DAMAGED.into());
    feeding.join().unwrap();
}

#[tokio::test]
async fn a_driver_that_makes_the_library_panic_is_a_fault_and_not_the_end() {
    let opener: Opener = Box::new(|_| panic!("Invalid colorspace"));
    let mut reader = join(8, Wish::default(), opener).await.unwrap();
    assert_eq!(reader.reached(Stage::Opened).await.err().unwrap().verdict, Verdict::Protocol);
    let device = Device::default();
    let (_give, opener) = device.opener();
    assert!(join(8, Wish::default(), opener).await.unwrap().reached(Stage::Started).await.is_ok());
}
