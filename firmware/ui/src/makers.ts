// Where common makers' cameras serve their streams: hints for the person who adds one.
//
// Models and firmware differ; a hint is a start and "Try it" is the proof. No user names, no passwords: makers'
// defaults belong to nobody's camera.

/** One way to write a camera's URL. Paths begin with `/`; `{…}` is for the person to fill in. */
export interface Maker {
  id: string;
  name: string;
  scheme: "rtsp" | "rtsps" | "http";
  /** Only where it is not the scheme's own. */
  port?: number;
  main: string;
  /** The smaller stream, where the maker has one. */
  sub?: string;
  /** What to know before trying. */
  note?: string;
}

const ALLOW_RTSP = "RTSP may be off when the camera is new: switch it on in its own settings.";

/** By name, as people look for them. */
export const MAKERS: readonly Maker[] = [
  {
    id: "axis", name: "Axis", scheme: "rtsp",
    main: "/axis-media/media.amp?videocodec=h264", sub: "/axis-media/media.amp?videocodec=h264&resolution=640x360",
  },
  {
    id: "bosch", name: "Bosch", scheme: "rtsp", main: "/?inst=1", sub: "/?inst=2",
    note: "inst is the number of the camera's stream.",
  },
  {
    id: "dahua", name: "Dahua, Amcrest, Lorex, Imou", scheme: "rtsp",
    main: "/cam/realmonitor?channel=1&subtype=0", sub: "/cam/realmonitor?channel=1&subtype=1",
    note: "On a recorder, channel is the camera's number there.",
  },
  {
    id: "esp32", name: "ESP32-CAM", scheme: "http", port: 81, main: "/stream",
    note: "Most sketches serve one viewer at a time: while somebody watches, Pulsebox reads along only if it is watched here.",
  },
  {
    id: "foscam", name: "Foscam", scheme: "rtsp", main: "/videoMain", sub: "/videoSub",
    note: "Older models serve RTSP on port 88.",
  },
  {
    id: "frigate", name: "Frigate or go2rtc (restream)", scheme: "rtsp", port: 8554, main: "/{name of the stream}",
    note: "The name is the one under go2rtc: streams: in its configuration.",
  },
  {
    id: "hanwha", name: "Hanwha Vision, Wisenet, Samsung", scheme: "rtsp",
    main: "/profile2/media.smp", sub: "/profile3/media.smp", note: "The number is that of the camera's video profile.",
  },
  {
    id: "hikvision", name: "Hikvision, HiLook, EZVIZ, Annke", scheme: "rtsp",
    main: "/Streaming/Channels/101", sub: "/Streaming/Channels/102",
    note: "On a recorder, 301 is camera 3's main stream and 302 its sub stream.",
  },
  {
    id: "mediamtx", name: "MediaMTX (restream)", scheme: "rtsp", port: 8554, main: "/{path}",
  },
  {
    id: "mjpeg", name: "MJPEG over HTTP, any maker", scheme: "http", main: "/video.mjpg",
    note: "Other usual paths: /mjpg/video.mjpg, /video, /?action=stream. A still picture (.jpg) works too.",
  },
  {
    id: "mobotix", name: "Mobotix", scheme: "rtsp", main: "/stream0/mobotix.h264", sub: "/stream1/mobotix.h264",
    note: "Older models: http, /control/faststream.jpg?stream=full",
  },
  {
    id: "onvif", name: "ONVIF, any maker", scheme: "rtsp", main: "/onvif1", sub: "/onvif2",
    note: "ONVIF fixes no path. If this one fails, the camera's own page or an ONVIF tool shows it as “stream URI”.",
  },
  {
    id: "reolink", name: "Reolink", scheme: "rtsp", main: "/h264Preview_01_main", sub: "/h264Preview_01_sub",
    note: `${ALLOW_RTSP} Its 4K main streams are H.265: the sub stream is H.264. Battery models have no RTSP.`,
  },
  {
    id: "tapo", name: "TP-Link Tapo, VIGI", scheme: "rtsp", main: "/stream1", sub: "/stream2",
    note: "Make a “camera account” in the app (Advanced settings); the app's own sign-in does not work here.",
  },
  {
    id: "unifi", name: "Ubiquiti UniFi Protect", scheme: "rtsps", port: 7441, main: "/{token}?enableSrtp",
    note: "Switch RTSP on for the camera in Protect and copy the address from there; the host is the console's. Its certificate is self-made.",
  },
  {
    id: "uniview", name: "Uniview", scheme: "rtsp", main: "/media/video1", sub: "/media/video2",
  },
  {
    id: "vivotek", name: "Vivotek", scheme: "rtsp", main: "/live.sdp", sub: "/live2.sdp",
    note: "Newer models: /live1s1.sdp and /live1s2.sdp.",
  },
  {
    id: "wyze", name: "Wyze (RTSP firmware)", scheme: "rtsp", main: "/live",
    note: "Only with Wyze's RTSP firmware; the app shows the address.",
  },
];

/** The host of what was typed, `192.168.1.20:8554/x` and whole URLs alike; empty where there is none. */
export function hostOf(typed: string): string {
  const rest = typed.trim().replace(/^[a-z0-9+.-]*:\/\//i, "");
  const authority = rest.split(/[/?#]/, 1)[0] ?? "";
  const bare = authority.slice(authority.lastIndexOf("@") + 1);
  return /^(\[[^\]]*\]|[^:]*)/.exec(bare)?.[0] ?? "";
}

/** The maker's URL for the host that was typed; without one, a host to write over. */
export function fill(maker: Maker, typed: string, stream: "main" | "sub"): string | null {
  const path = stream === "main" ? maker.main : maker.sub;
  if (path === undefined) return null;
  const port = maker.port === undefined ? "" : `:${maker.port}`;
  return `${maker.scheme}://${hostOf(typed) || "192.168.1.20"}${port}${path}`;
}
