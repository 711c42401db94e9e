//! The box on a real broker.

mod common;

use common::broker::{Broker, Setup};
use common::daemon::PATIENCE;

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_starts() {
    let broker = Broker::with(Setup { password: true, ..Setup::default() }).await;
    let listener = broker.listen(&["a/#"]).await;
    listener.publish("a/b", b"hello", false).await;
    listener.on("a/b", PATIENCE, |heard| heard.text() == "hello").await;
    for port in broker.ports {
        std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    }
}
