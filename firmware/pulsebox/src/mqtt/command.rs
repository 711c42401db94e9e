//! Orders that come over the broker, checked and carried out as if they came from the page.

use serde_json::Value;

use super::Means;

/// Does what a message to a `cmd` topic asks; the answer for `cmd/result`. `camera` none: the box's topic.
/// Never fails: what cannot be understood or done is answered with `ok: false` and why.
pub async fn obey(_means: &Means, _camera: Option<&str>, _payload: &[u8], _is_retained: bool) -> Value {
    Value::Null
}
