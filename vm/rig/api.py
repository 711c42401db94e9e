"""The daemon's API in a guest, as a program on the network uses it."""

import json
import time
import urllib.error
import urllib.request
from typing import Any

PASSWORD = "garden path 7"


class ApiError(Exception):
    """The API answered with a failure: its status and what it said."""

    def __init__(self, what: str, status: int, body: bytes) -> None:
        super().__init__(f"{what}: {status} {body[:1000].decode(errors='replace')}")
        self.status = status
        self.body = body


class Api:
    """What can be asked of a box from outside. Who inherits says where its page is, and what its log says."""

    page: str
    _token: str | None = None

    def log(self, lines: int = 40) -> str:
        """The last of the daemon's own log, for a failure."""
        raise NotImplementedError

    def claim(self) -> None:
        """Sets the password of a box that has none, and goes on as a program with a token."""
        self._token = self._made_token("/api/claim")

    def sign_in(self) -> None:
        """As `claim`, on a box that was claimed before, by the rig."""
        self._token = self._made_token("/api/session")

    def is_healthy(self) -> bool:
        """Whether /api/health answers; what it says is another matter."""
        try:
            self.call("GET", "/api/health", seconds=5)
        except ApiError as error:
            return error.status == 503
        except OSError:
            return False
        return True

    def get(self, path: str) -> Any:
        """GET, with the answer's JSON."""
        return json.loads(self.call("GET", path) or b"null")

    def post(self, path: str, body: object = None) -> Any:
        """POST of JSON, with the answer's JSON."""
        return json.loads(self.call("POST", path, body) or b"null")

    def call(self, method: str, path: str, body: object = None, seconds: float = 60) -> bytes:
        """Any call; the answer's body. ApiError where the status is 400 or more, OSError where nobody answers."""
        headers = {"Content-Type": "application/json"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        return self._ask(method, path, body, headers, seconds)[1]

    def camera(self, camera: str) -> dict[str, Any]:
        """One camera as the board has it."""
        return self.get(f"/api/streams/{camera}")

    def until(self, what: str, holds, seconds: float = 120) -> Any:
        """What `holds` gives as soon as it is true; asked five times a second."""
        deadline = time.monotonic() + seconds
        while not (found := holds()):
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds:.0f} s: {what}\n{self.log()}")
            time.sleep(0.2)
        return found

    def _made_token(self, door: str) -> str:
        headers = {"Content-Type": "application/json"}
        answer, _ = self._ask("POST", door, {"password": PASSWORD}, headers, 120)
        headers |= {"Cookie": answer["Set-Cookie"].split(";")[0], "Origin": self.page}
        _, made = self._ask("POST", "/api/tokens", {"name": "rig", "scope": "admin"}, headers, 120)
        return json.loads(made)["token"]

    def _ask(self, method: str, path: str, body: object, headers: dict[str, str], seconds: float):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.page + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=seconds) as answer:
                return answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            raise ApiError(f"{method} {path}", error.code, error.read()) from None
