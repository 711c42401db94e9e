//! Many viewers of one live view, for the benches: Python cannot read two hundred streams cheaply.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{WebSocketStream, client_async};

/// How long the first picture may take.
const FIRST: Duration = Duration::from_secs(30);
/// Between one viewer's coming and the next one's.
const APART: Duration = Duration::from_millis(10);

/// What to watch.
#[derive(clap::Args)]
pub(crate) struct Watch {
    /// `ws://HOST:PORT/api/streams/ID/live`
    url: String,
    /// How many viewers; the first one has its picture before the others come.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    viewers: u16,
    /// Seconds, from when all have a picture.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// An access token.
    #[arg(long)]
    token: Option<String>,
}

/// What one viewer saw.
struct Seen {
    /// Media segments after the first, all being there.
    frames: u64,
    bytes: u64,
    /// Frames that it was told to have missed.
    skipped: u64,
}

type Socket = WebSocketStream<TcpStream>;

/// Prints `watching` when all viewers have a picture, and what they saw at the end as one line of JSON. An error
/// where one of them sees nothing or is cut off.
pub(crate) async fn run(watch: Watch) -> io::Result<()> {
    let watch = Arc::new(watch);
    let all = Arc::new(Barrier::new(usize::from(watch.viewers) + 1));
    let (mut viewers, mut firsts) = (JoinSet::new(), Vec::new());
    for _ in 0..watch.viewers {
        let (socket, first) = open(&watch).await?;
        firsts.push(first.as_secs_f64() * 1e3);
        viewers.spawn(stay(socket, all.clone(), Duration::from_secs(watch.seconds)));
        sleep(APART).await;
    }
    all.wait().await;
    println!("watching");
    let mut seen = Vec::new();
    while let Some(joined) = viewers.join_next().await {
        seen.push(joined.map_err(io::Error::other)??);
    }
    println!("{}", told(&watch, &firsts, &seen));
    Ok(())
}

/// `firsts`: milliseconds to each viewer's first picture, in the order of their coming.
fn told(watch: &Watch, firsts: &[f64], seen: &[Seen]) -> serde_json::Value {
    let mut later = firsts.iter().skip(1).copied().collect::<Vec<f64>>();
    later.sort_by(f64::total_cmp);
    let frames = || seen.iter().map(|seen| seen.frames);
    serde_json::json!({
        "viewers": watch.viewers,
        "seconds": watch.seconds,
        // The first viewer waits for the camera; the others find a GOP in hand.
        "first_picture_ms": { "first": firsts.first(), "median": later.get(later.len() / 2), "most": later.last() },
        "frames": { "least": frames().min(), "most": frames().max() },
        "bytes": seen.iter().map(|seen| seen.bytes).sum::<u64>(),
        "skipped": seen.iter().map(|seen| seen.skipped).sum::<u64>(),
    })
}

/// A viewer that has seen its first picture, and how long that took from its start command.
async fn open(watch: &Watch) -> io::Result<(Socket, Duration)> {
    let mut request = watch.url.as_str().into_client_request().map_err(io::Error::other)?;
    if let Some(token) = &watch.token {
        let value = HeaderValue::try_from(format!("Bearer {token}")).map_err(io::Error::other)?;
        request.headers_mut().insert("authorization", value);
    }
    let address = request.uri().authority().ok_or(io::ErrorKind::InvalidInput)?.to_string();
    let stream = TcpStream::connect(address).await?;
    let (mut socket, _) = client_async(request, stream).await.map_err(io::Error::other)?;
    let start = Instant::now();
    socket.send(Message::text(r#"{"cmd":"start","stream":"main"}"#)).await.map_err(io::Error::other)?;
    let picture = async {
        // The first binary message starts the stream, the next is a key frame.
        for _ in 0..2 {
            binary(&mut socket).await?;
        }
        io::Result::Ok(start.elapsed())
    };
    let first = timeout(FIRST, picture).await.map_err(io::Error::other)??;
    Ok((socket, first))
}

/// Reads from when all are there, for so long. What is sent before is read too: nobody falls behind by waiting.
async fn stay(mut socket: Socket, all: Arc<Barrier>, time: Duration) -> io::Result<Seen> {
    let mut here = std::pin::pin!(all.wait());
    loop {
        tokio::select! {
            _ = here.as_mut() => break,
            message = binary(&mut socket) => drop(message?),
        }
    }
    let end = Instant::now() + time;
    let mut seen = Seen { frames: 0, bytes: 0, skipped: 0 };
    while let Ok(message) = timeout_at(end, binary(&mut socket)).await {
        let (bytes, skipped) = message?;
        seen.frames += 1;
        seen.bytes += bytes;
        seen.skipped += skipped;
    }
    Ok(seen)
}

/// The next binary message's length, and how many frames were skipped before it.
async fn binary(socket: &mut Socket) -> io::Result<(u64, u64)> {
    let mut skipped = 0;
    loop {
        match socket.next().await {
            Some(Ok(Message::Binary(data))) => return Ok((data.len() as u64, skipped)),
            Some(Ok(Message::Text(text))) => {
                let told: serde_json::Value = serde_json::from_str(&text).map_err(io::Error::other)?;
                match told["status"].as_str() {
                    Some("skipped") => skipped += told["frames"].as_u64().unwrap_or(0),
                    Some("connecting" | "playing") => {}
                    _ => return Err(io::Error::other(format!("the live view says {text}"))),
                }
            }
            Some(Ok(_)) => {}
            Some(Err(e)) => return Err(io::Error::other(e)),
            None => return Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
}
