"""llama.cpp's own HTTP server, for what xllamacpp has no Python call: tokens of a text, and the prompt of a chat.

Who may come in: this process alone. The server listens on a socket file in a folder that only this user may enter
(0700), or, where there are no such sockets, on a port of the loopback. Either way every route wants a key of 256
random bits, which is made here, kept in memory and told nobody; without it there is /health, which says "ok". Who
could read that key could read the model, too. And it opens little: the same model may be asked, and its settings
read. Slots, files, tools, the proxy, other models and the web page are off: see runtime.py.

The folder goes when the engine closes, when nobody holds the door any more, or when the process ends by itself.
"""

import os
import secrets
import shutil
import socket
import sys
import tempfile
import weakref
from http.client import HTTPConnection

# Only a broken server takes as long: some megabytes of text are a matter of seconds.
_PATIENCE_SECONDS = 120.0


class SideDoor:
    """`socket_path`: None where there are no such sockets. `port`: of the loopback, once the server stands."""

    def __init__(self) -> None:
        self.key = secrets.token_hex(32)
        self.port = 0
        self.socket_path: str | None = None
        if sys.platform != "win32":
            folder = tempfile.mkdtemp(prefix="llm-")
            self.socket_path = os.path.join(folder, "s.sock")
            self._remove = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)

    def ask(self, path: str, body: bytes) -> bytes:
        """The answer, which may be {"error": …}. Blocks. Raises OSError, HTTPException."""
        connection = _Connection(self)
        try:
            # Its one thread would wait for more on a connection that stays.
            headers = {
                "authorization": f"Bearer {self.key}",
                "content-type": "application/json",
                "connection": "close",
            }
            connection.request("POST", path, body, headers)
            return connection.getresponse().read()
        finally:
            connection.close()

    def close(self) -> None:
        """Safe twice."""
        if self.socket_path is not None:
            self._remove()


class _Connection(HTTPConnection):
    def __init__(self, door: SideDoor) -> None:
        super().__init__("127.0.0.1", door.port or None, timeout=_PATIENCE_SECONDS)
        self._socket_path = door.socket_path

    def connect(self) -> None:
        if self._socket_path is None or sys.platform == "win32":
            super().connect()
            return
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._socket_path)
