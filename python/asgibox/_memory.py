"""The memory that request bodies and what is made of them take in this process."""

import threading


class Memory:
    """A limit that all handlers share. Many threads may use it."""

    def __init__(self) -> None:
        self.limit = 0  # in bytes; 0 if there is none
        self._lock = threading.Lock()  # guards _used
        self._used = 0

    def take(self, size: int) -> bool:
        """Takes some bytes and reports whether there were enough."""
        with self._lock:
            if self.limit and self._used + size > self.limit:
                return False
            self._used += size
            return True

    def give_back(self, size: int) -> None:
        with self._lock:
            self._used -= size


memory = Memory()
