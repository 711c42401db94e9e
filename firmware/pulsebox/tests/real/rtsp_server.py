"""A real RTSP server for the tests: GStreamer's, on loopback, as its arguments say.

Prints one JSON object a line: `{"port": N}` once it can be asked, then `{"teardown": N}` for each TEARDOWN
it receives, counted. Ends when its standard input closes, so that it never outlives the test that started it.
"""

import argparse
import json
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402 (versions must be named first)

# Source, encoder and payloader of one video track; `gop` is in frames.
VIDEO = {
    "h264": "x264enc name=encoder tune=zerolatency speed-preset=superfast bitrate=1500 key-int-max={gop} "
    "option-string=scenecut=0 ! video/x-h264,profile=main ! rtph264pay name=pay{n} pt=96 config-interval={config}",
    "h265": "x265enc name=encoder tune=zerolatency speed-preset=ultrafast bitrate=1000 key-int-max={gop} "
    "option-string=scenecut=0 ! h265parse ! rtph265pay name=pay{n} pt=96 config-interval={config}",
    "mjpeg": "jpegenc name=encoder quality=70 ! rtpjpegpay name=pay{n} pt=26",
}
AUDIO = "( audiotestsrc is-live=true ! audio/x-raw,rate=8000 ! mulawenc ! rtppcmupay name=pay0 pt=0 "
PROTOCOLS = {
    "tcp": GstRtsp.RTSPLowerTrans.TCP,
    "udp": GstRtsp.RTSPLowerTrans.UDP,
    "both": GstRtsp.RTSPLowerTrans.TCP | GstRtsp.RTSPLowerTrans.UDP,
}
ROLE = "viewer"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--codec", choices=VIDEO, default="h264")
    parser.add_argument("--size", default="640x360", help="WIDTHxHEIGHT in pixels")
    parser.add_argument("--fps", type=int, default=10)
    parser.add_argument("--gop", type=int, default=1, help="seconds between key frames")
    parser.add_argument("--audio-first", action="store_true", help="a PCMU track before the video track")
    parser.add_argument("--sdp-only", action="store_true", help="parameter sets in the SDP only, never in band")
    parser.add_argument("--protocols", choices=PROTOCOLS, default="both")
    parser.add_argument("--auth", choices=["none", "basic", "digest"], default="none")
    parser.add_argument("--user", default="")
    parser.add_argument("--password", default="")
    parser.add_argument("--tls", metavar="PEM", help="certificate and key in one file")
    parser.add_argument("--mount", action="append", default=[], metavar="PATH", help="default: /stream")
    parser.add_argument(
        "--watched-frames", type=int, default=0, help="ready only when a viewer of its own has seen so many frames"
    )
    return parser.parse_args()


def launch_line(args):
    """The pipeline as GStreamer's own description."""
    width, height = args.size.split("x")
    track = VIDEO[args.codec].format(
        n=1 if args.audio_first else 0, gop=args.gop * args.fps, config=0 if args.sdp_only else -1
    )
    caps = f"video/x-raw,format=I420,width={width},height={height},framerate={args.fps}/1"
    video = f"videotestsrc is-live=true pattern=smpte ! {caps} ! {track} )"
    return (AUDIO if args.audio_first else "( ") + video


def keep_rhythm(_factory, media):
    """Lets no client rewind the picture, which would start a new GOP: a camera cannot be rewound."""

    def on_query(_pad, info):
        seeking = info.get_query().type == Gst.QueryType.SEEKING
        return Gst.PadProbeReturn.DROP if seeking else Gst.PadProbeReturn.OK

    source = media.get_element().get_by_name("encoder").get_static_pad("src")
    source.add_probe(Gst.PadProbeType.QUERY_UPSTREAM, on_query)


def factory(args):
    media = GstRtspServer.RTSPMediaFactory()
    media.set_launch(launch_line(args))
    media.set_shared(True)  # later clients join the running stream, in the middle of a GOP, as with a camera
    media.set_protocols(PROTOCOLS[args.protocols])
    permissions = GstRtspServer.RTSPPermissions.new()
    for permission in ("media.factory.access", "media.factory.construct"):
        permissions.add_permission_for_role(ROLE, permission, True)
    media.set_permissions(permissions)
    media.connect("media-configure", keep_rhythm)
    return media


def door(args):
    """Who is admitted, and behind which certificate."""
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken.new()
    token.set_string("media.factory.role", ROLE)
    if args.auth == "basic":
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(args.user, args.password), token)
    elif args.auth == "digest":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(args.user, args.password, token)
    else:
        auth.set_default_token(token)
    if args.tls:
        auth.set_tls_certificate(Gio.TlsCertificate.new_from_file(args.tls))
    return auth


def say(**what):
    print(json.dumps(what), flush=True)


def watch(url, frames, ready):
    """Plays `url` for ever; calls `ready` after so many frames."""
    viewer = Gst.parse_launch(f"rtspsrc location={url} protocols=tcp latency=0 ! identity name=seen ! fakesink sync=false")
    left = [frames]

    def on_buffer(_element, packet):
        if packet.extract_dup(1, 1)[0] & 0x80:  # RTP's marker: the last packet of a frame (RFC 6184, section 5.1)
            left[0] -= 1
            if left[0] == 0:
                ready()

    viewer.get_by_name("seen").connect("handoff", on_buffer)
    viewer.set_state(Gst.State.PLAYING)
    return viewer


def main():
    Gst.init(None)
    args = arguments()
    loop = GLib.MainLoop()
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service("0")
    server.set_auth(door(args))
    for path in args.mount or ["/stream"]:
        server.get_mount_points().add_factory(path, factory(args))

    teardowns = [0]

    def on_teardown(_client, _context):
        teardowns[0] += 1
        say(teardown=teardowns[0])

    server.connect("client-connected", lambda _server, client: client.connect("teardown-request", on_teardown))
    server.attach(None)
    port = server.get_bound_port()

    def end_with_parent():
        sys.stdin.read()
        loop.quit()

    threading.Thread(target=end_with_parent, daemon=True).start()
    if args.watched_frames:
        viewer = watch(f"rtsp://127.0.0.1:{port}/stream", args.watched_frames, lambda: say(port=port))
    else:
        viewer = None
        say(port=port)
    loop.run()
    if viewer:
        viewer.set_state(Gst.State.NULL)


main()
