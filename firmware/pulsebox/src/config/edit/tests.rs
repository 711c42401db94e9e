//! Changes of single keys and streams: what else stands in the file stays as it was.

use serde_json::json;

use super::*;

const TEXT: &str = "\
# mine
heartbeat_seconds: 15   # often
streams:
  # the gate
  - name: Gate   # by the road
    url: rtsp://u:p@10.0.0.5/live   # main
    alarm:
      failures: 3   # patient

  - { name: Yard, url: \"rtsp://10.0.0.6/\" }   # one line
# the end
leds: { green: 27 }
";

fn set_key(text: &str, path: &str, value: Json) -> Result<String, EditError> {
    set_keys(text, &[Change::new(path, value)])
}

fn set_stream_key(text: &str, id: &str, path: &str, value: Json) -> Result<String, EditError> {
    set_stream_keys(text, id, &[Change::new(path, value)])
}

#[test]
fn one_setting_changes_one_line() {
    let changed = |new: String, line: &str| {
        let different: Vec<&str> = new.lines().filter(|l| !TEXT.lines().any(|old| old == *l)).collect();
        assert_eq!(different, [line], "{new}");
    };
    changed(set_key(TEXT, "heartbeat_seconds", json!(20)).unwrap(), "heartbeat_seconds: 20   # often");
    changed(set_key(TEXT, "leds.red", json!(17)).unwrap(), "leds: { green: 27, red: 17 }");
    changed(set_key(TEXT, "web.listen", json!("[::1]:80")).unwrap(), "web: { listen: \"[::1]:80\" }");
    changed(set_stream_key(TEXT, "gate", "name", json!("GATE!")).unwrap(), "  - name: \"GATE!\"   # by the road");
    changed(set_stream_key(TEXT, "gate", "paused", json!(true)).unwrap(), "    paused: true");
    changed(
        set_stream_key(TEXT, "yard", "led", json!(22)).unwrap(),
        "  - { name: Yard, url: \"rtsp://10.0.0.6/\", led: 22 }   # one line",
    );
}

#[test]
fn a_null_removes_a_key() {
    let text = set_stream_key(TEXT, "gate", "alarm", Json::Null).unwrap();
    assert!(!text.contains("alarm") && !text.contains("failures") && text.contains("# by the road"), "{text}");
    let text = set_key(TEXT, "leds.green", Json::Null).unwrap();
    assert!(text.ends_with("leds: {}\n"), "{text}");
}

#[test]
fn streams_come_and_go_and_comments_stay() {
    let new = [("name", json!("No")), ("url", json!("http://10.0.0.7/a,b")), ("expect", json!({ "codec": "mjpeg" }))];
    let text = add_stream(TEXT, &new).unwrap();
    let added =
        "  # one line\n  - name: \"No\"\n    url: \"http://10.0.0.7/a,b\"\n    expect: { codec: mjpeg }\n# the end\n";
    assert!(text.contains(added), "{text}");
    let text = remove_stream(&remove_stream(&text, "gate").unwrap(), "yard").unwrap();
    assert!(text.contains("streams:\n  # the gate\n\n  - name: \"No\"\n"), "{text}");
    let text = remove_stream(&text, "no").unwrap();
    assert!(parse(&text).unwrap().0.cameras.is_empty() && text.contains("# the end"), "{text}");
    assert_eq!(parse(&add_stream(&text, &new).unwrap()).unwrap().0.cameras.len(), 1);
}

#[test]
fn every_usual_layout_takes_a_stream() {
    let new = [("name", json!("A")), ("url", json!("http://10.0.0.7/"))];
    for text in [
        "",
        "# nothing yet",
        "streams:\n",
        "streams: []  # none\nleds:\n",
        "streams: [{name: B, url: 'http://h/'}]\n",
        "streams:\n- name: B\n  url: http://h/",
        "\u{feff}leds:\r\nstreams:\r\n  - name: Ü\r\n    url: http://h/\r\n",
    ] {
        let edited = add_stream(text, &new).unwrap_or_else(|e| panic!("{text:?}: {e}"));
        assert_eq!(parse(&edited).unwrap().0.cameras.last().unwrap().id, "a", "{edited:?}");
        assert_eq!(edited.matches('\n').count() == edited.matches("\r\n").count(), text.contains('\r'), "{edited:?}");
    }
}

#[test]
fn an_alias_is_written_out_rather_than_changed_for_all() {
    let text = "streams:\n  - name: A\n    url: http://h/a\n    alarm: &x { failures: 1 }\n  - name: B\n    url: http://h/b\n    alarm: *x\n";
    let edited = set_stream_key(text, "b", "alarm", json!({ "failures": 9 })).unwrap();
    let config = parse(&edited).unwrap().0;
    assert_eq!((config.cameras[0].alarm.failures, config.cameras[1].alarm.failures), (1, 9), "{edited}");
}

#[test]
fn a_masked_secret_is_kept_where_it_is_known_and_refused_where_it_is_not() {
    let moved = set_stream_key(TEXT, "gate", "url", json!("rtsp://***:***@10.0.0.9/live")).unwrap();
    assert!(moved.contains("u:p@10.0.0.9/live\"   # main"), "{moved}");
    let refused = set_stream_key(TEXT, "yard", "url", json!("rtsp://***:***@10.0.0.9/")).unwrap_err();
    assert!(refused.to_string().contains("masked"), "{refused}");
    let text = "mqtt: { password: geheim }   # x\n";
    assert_eq!(set_key(text, "mqtt.password", json!("***")).unwrap(), "mqtt: { password: \"geheim\" }   # x\n");
}

#[test]
fn several_settings_change_together_or_not_at_all() {
    let change = |path: &str, value: Json| Change::new(path, value);
    let together = [
        change("alarm.failures", Json::Null),
        change("alarm.black", json!(false)),
        change("expect.codec", json!("h264")),
        change("expect.width", Json::Null),
        change("heartbeat_seconds", json!(60)),
    ];
    let text = set_stream_keys(TEXT, "gate", &together).unwrap();
    let camera = &parse(&text).unwrap().0.cameras[0];
    assert_eq!((camera.alarm.failures, camera.alarm.black), (2, false), "{text}");
    assert_eq!((camera.expect.codec.is_some(), camera.heartbeat.as_secs()), (true, 60));
    assert!(text.contains("# by the road") && text.contains("# main") && text.contains("# one line"), "{text}");
    let bad = [change("name", json!("Other")), change("led", json!(99))];
    assert!(set_stream_keys(TEXT, "gate", &bad).is_err());
    assert_eq!(set_keys(TEXT, &[change("mqtt.port", Json::Null)]).unwrap(), TEXT, "not there, not removed");
    assert_eq!(set_keys("", &[change("mqtt.port", Json::Null)]).unwrap(), "");
}

#[test]
fn a_renamed_camera_keeps_its_id_and_so_do_those_beside_a_removed_one() {
    let text = set_stream_key(TEXT, "gate", "name", json!("Front")).unwrap();
    assert_eq!(parse(&text).unwrap().0.cameras[0].id, "gate", "{text}");
    assert!(!set_stream_key(TEXT, "gate", "name", json!("GATE")).unwrap().contains("id:"), "the same id is made");
    let alike = "streams:\n  - { name: A, url: 'http://h/1' }\n  - { name: A, url: 'http://h/2' }\n  - { name: A, url: 'http://h/3' }\n";
    let text = remove_stream(alike, "a").unwrap();
    let ids: Vec<_> = parse(&text).unwrap().0.cameras.into_iter().map(|camera| camera.id).collect();
    assert_eq!(ids, ["a-2", "a-3"], "{text}");
    let put = [Change::new("name", json!("B")), Change::new("id", Json::Null)];
    let text = set_stream_keys(&text, "a-2", &put).unwrap();
    assert_eq!(parse(&text).unwrap().0.cameras[0].id, "a-2", "{text}");
}

#[test]
fn a_bad_value_is_refused_with_its_place() {
    let refused = set_stream_key(TEXT, "gate", "led", json!(99)).unwrap_err().to_string();
    assert!(refused.contains("`led` is `99`"), "{refused}");
    assert!(matches!(remove_stream(TEXT, "x"), Err(EditError::NoSuchStream(_))));
    assert!(add_stream(TEXT, &[("name", json!("A"))]).unwrap_err().to_string().contains("`url` is missing"));
}
