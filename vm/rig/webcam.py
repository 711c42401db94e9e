"""A USB camera that speaks MJPEG, played on the host: the guest's own `uvcvideo` drives it over USB/IP.

Of the two ways that cameras have, this one sends its pictures in bulk, not isochronously as most do: above the USB
core there is no difference. Plugging in and out is as with a real plug: the connection (`vhci-hcd`) comes and goes.
"""

import socket
import struct
import threading
import time
from collections import OrderedDict

from vm.rig.machine import Machine
from vm.rig.simcam import HOST_SEEN_BY_GUEST

# USB/IP (Documentation/usb/usbip_protocol.rst).
SUBMIT, UNLINK, SUBMITTED, UNLINKED = 1, 2, 3, 4
HEADER = 48
STALLED, NO_LONGER = -32, -104  # -EPIPE, -ECONNRESET
SPEED_HIGH = 3
PORT_OF_HUB = 0

STREAM_ENDPOINT = 1
PACKET = 512
# What one request of the driver takes: 32 packets, and so the most that one payload may have.
PAYLOAD = 32 * PACKET
# In 100 ns, as UVC counts.
TICK = 10_000_000
VENDOR, PRODUCT = 0x1209, 0x0001
STRINGS = ("", "Rig", "Paper Webcam", "R1G0001")


class Webcam:
    """`with Webcam(pictures, (width, height)) as camera: camera.plug(machine)`.

    `pictures` are JPEGs, shown in turn for ever, `fps` a second. While `is_silent` holds it takes all requests and
    sends nothing.
    """

    def __init__(self, pictures: list[bytes], size: tuple[int, int], fps: int = 10) -> None:
        self.pictures, self.size, self.fps = pictures, size, fps
        self.is_silent = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> "Webcam":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self.pull()

    def plug(self, machine: Machine) -> None:
        """Puts the plug in. The guest's kernel takes the connection over from the shell that makes it."""
        machine.ask("modprobe vhci-hcd && modprobe uvcvideo")
        port = self._listener.getsockname()[1]
        attach = f"echo '{PORT_OF_HUB} 3 65537 {SPEED_HIGH}' >/sys/devices/platform/vhci_hcd.0/attach"
        machine.ask(f"bash -c \"exec 3<>/dev/tcp/{HOST_SEEN_BY_GUEST}/{port} && {attach}\"")

    def pull(self) -> None:
        """Pulls the plug: the connection is gone, and with it the device."""
        for connection in self._sockets:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # The guest was quicker.
            connection.close()
        self._sockets.clear()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(connection)
            threading.Thread(target=_Plugged(self, connection).run, daemon=True).start()


class _Plugged:
    """The camera from one plugging in to the next pulling out."""

    def __init__(self, camera: Webcam, connection: socket.socket) -> None:
        self._camera, self._socket = camera, connection
        self._sending = threading.Lock()
        self._waiting: OrderedDict[int, int] = OrderedDict()  # requests for pictures: number, bytes
        self._asked = threading.Condition()
        self._is_gone = False
        self._settings = _settings(camera)

    def run(self) -> None:
        threading.Thread(target=self._show, daemon=True).start()
        try:
            while True:
                self._take(self._read(HEADER))
        except (OSError, EOFError):
            with self._asked:
                self._is_gone = True
                self._asked.notify()

    def _read(self, size: int) -> bytes:
        read = b""
        while len(read) < size:
            more = self._socket.recv(size - len(read))
            if not more:
                raise EOFError
            read += more
        return read

    def _take(self, header: bytes) -> None:
        command, number, _, is_in, endpoint = struct.unpack(">5I", header[:20])
        if command == UNLINK:
            self._unlink(number, struct.unpack(">I", header[20:24])[0])
            return
        length = struct.unpack(">i", header[24:28])[0]
        data = b"" if is_in else self._read(length)
        if endpoint == STREAM_ENDPOINT:
            with self._asked:
                self._waiting[number] = length
                self._asked.notify()
            return
        answer = self._control(header[40:48], data)
        if answer is None:
            self._answer(number, STALLED, b"", 0)
        else:
            self._answer(number, 0, answer[:length] if is_in else b"", length)

    def _unlink(self, number: int, which: int) -> None:
        # Told under the lock: an answer after this to a request that the driver took back makes it pull the plug.
        with self._asked:
            was_waiting = self._waiting.pop(which, None) is not None
            self._send(struct.pack(">5Ii24x", UNLINKED, number, 0, 0, 0, NO_LONGER if was_waiting else 0))

    def _answer(self, number: int, status: int, data: bytes, length: int) -> None:
        done = len(data) or length
        self._send(struct.pack(">5I5i8x", SUBMITTED, number, 0, 0, 0, status, done, 0, 0, 0) + data)

    def _send(self, message: bytes) -> None:
        with self._sending:
            self._socket.sendall(message)

    def _control(self, setup: bytes, data: bytes) -> bytes | None:
        """The answer to a control request; none is a stall."""
        kind, request, value, index, _ = struct.unpack("<BBHHH", setup)
        if kind == 0x80 and request == 6:
            return _descriptor(self._camera, value >> 8, value & 0xFF)
        if kind in (0x21, 0xA1) and index == 1 and value >> 8 in (1, 2):
            return self._negotiate(request, data)
        if kind in (0x80, 0x81, 0x82):
            return bytes(2)  # status, configuration, setting
        return b"" if kind in (0x00, 0x01, 0x02) else None

    def _negotiate(self, request: int, data: bytes) -> bytes | None:
        """UVC 1.0, 4.3.1.1: there is one format and one size, so whatever is asked for, this is what is given."""
        if request == 0x01:
            return b""
        if request == 0x86:
            return b"\x03"
        if request == 0x85:
            return struct.pack("<H", len(self._settings))
        return self._settings if request in (0x81, 0x82, 0x83, 0x87) else None

    def _show(self) -> None:
        """Gives the driver the pictures in turn, as fast as it asks and no faster than they come."""
        shown, due = 0, time.monotonic()
        try:
            while True:
                with self._asked:
                    self._until_asked()
                time.sleep(max(0.0, due - time.monotonic()))
                # Chosen only now: between two streams a test may give it other pictures.
                picture = self._camera.pictures[shown % len(self._camera.pictures)]
                self._give(picture, shown & 1)
                shown, due = shown + 1, max(due, time.monotonic()) + 1 / self._camera.fps
        except (OSError, EOFError):
            pass

    def _give(self, picture: bytes, frame: int) -> None:
        at = 0
        while at < len(picture):
            with self._asked:
                self._until_asked()
                number, length = self._waiting.popitem(last=False)
                part = picture[at : at + length - 2]
                at += len(part)
                # UVC 1.0, 2.4.3.3: bit 0 changes with each frame, bit 1 ends it.
                head = bytes((2, 0x80 | frame | (2 if at >= len(picture) else 0)))
                self._answer(number, 0, head + part, 0)

    def _until_asked(self) -> None:
        """Waits, with the lock, for a request."""
        while not self._is_gone and (not self._waiting or self._camera.is_silent):
            self._asked.wait(0.1)
        if self._is_gone:
            raise EOFError


def _settings(camera: Webcam) -> bytes:
    """UVC 1.0, table 4-47."""
    largest = 2 * max(map(len, camera.pictures))
    return struct.pack("<HBBIHHHHHII", 1, 1, 1, TICK // camera.fps, 0, 0, 0, 0, 0, largest, PAYLOAD)


def _descriptor(camera: Webcam, kind: int, index: int) -> bytes | None:
    if kind == 1:
        return struct.pack(
            "<BBHBBBBHHHBBBB", 18, 1, 0x0200, 0xEF, 2, 1, 64, VENDOR, PRODUCT, 0x0100, 1, 2, 3, 1
        )
    if kind == 2:
        return _configuration(camera)
    if kind == 3:
        text = "\u0409" if index == 0 else STRINGS[index] if index < len(STRINGS) else ""
        encoded = text.encode("utf-16-le")
        return bytes((2 + len(encoded), 3)) + encoded
    return None


def _configuration(camera: Webcam) -> bytes:
    """UVC 1.0, chapter 3: a camera, straight into a stream of one MJPEG format and size."""
    width, height = camera.size
    interval = TICK // camera.fps
    camera_terminal = struct.pack("<BBBBHBBHHHBBBB", 18, 0x24, 2, 1, 0x0201, 0, 0, 0, 0, 0, 3, 0, 0, 0)
    stream_terminal = struct.pack("<BBBBHBBB", 9, 0x24, 3, 2, 0x0101, 0, 1, 0)
    length = 13 + len(camera_terminal) + len(stream_terminal)
    control = struct.pack("<BBBHHIBB", 13, 0x24, 1, 0x0100, length, 48_000_000, 1, 1)
    form = struct.pack("<11B", 11, 0x24, 6, 1, 1, 1, 1, 0, 0, 0, 0)
    largest, rate = 2 * max(map(len, camera.pictures)), 8 * camera.fps * max(map(len, camera.pictures))
    sizes = struct.pack(
        "<BBBBBHHIIIIBI", 30, 0x24, 7, 1, 0, width, height, rate, rate, largest, interval, 1, interval
    )
    colours = struct.pack("<6B", 6, 0x24, 0x0D, 1, 1, 4)
    length = 14 + len(form) + len(sizes) + len(colours)
    streaming = struct.pack("<BBBBHBBBBBBBB", 14, 0x24, 1, 1, length, 0x80 | STREAM_ENDPOINT, 0, 2, 0, 0, 0, 1, 0)
    parts = (
        struct.pack("<8B", 8, 0x0B, 0, 2, 0x0E, 3, 0, 0),
        struct.pack("<9B", 9, 4, 0, 0, 0, 0x0E, 1, 0, 0),
        control, camera_terminal, stream_terminal,
        struct.pack("<9B", 9, 4, 1, 0, 1, 0x0E, 2, 0, 0),
        streaming, form, sizes, colours,
        struct.pack("<BBBBHB", 7, 5, 0x80 | STREAM_ENDPOINT, 2, PACKET, 0),
    )  # fmt: skip
    whole = b"".join(parts)
    return struct.pack("<BBHBBBBB", 9, 2, 9 + len(whole), 2, 1, 0, 0x80, 250) + whole
