"""OpenCV's part of `make bench`: one long-lived process that checks cameras as a script would.

Reads one URL a line, opens it, decodes one picture, closes it, and answers `ok` or `failed`.
"""

import os
import sys

os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "rtsp_transport;tcp"
import cv2  # noqa: E402 (reads the environment when it is loaded)

print("ready", flush=True)
for url in map(str.strip, sys.stdin):
    capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG)
    lives, _picture = capture.read()
    capture.release()
    print("ok" if lives else "failed", flush=True)
