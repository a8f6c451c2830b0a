"""Work on a thread of its own: reading a file may take as long as the network it lies on.

A daemon thread, not a worker of the screen's library: the library waits for its workers before it ends, and leaving
must never wait for a file.
"""

from collections.abc import Callable
from threading import Lock, Thread
from typing import Generic, TypeVar

from estimator.errors import EstimatorError

T = TypeVar("T")


class Aside(Generic[T]):
    """Starts at once. The result is the value, or the error that says in a sentence why there is none."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._lock = Lock()
        self._results: list[T | EstimatorError] = []
        self._callbacks: list[Callable[[T | EstimatorError], object]] = []
        self._work = work
        Thread(target=self._run, name="aside", daemon=True).start()

    def then(self, callback: Callable[[T | EstimatorError], object]) -> None:
        """Call back once it is done, on the thread that did it; at once where it is done."""
        with self._lock:
            if not self._results:
                self._callbacks.append(callback)
                return
        callback(self._results[0])

    def _run(self) -> None:
        """Whatever happens, there is a result: who waits for one would wait for ever."""
        result: T | EstimatorError = EstimatorError("failed unexpectedly, please report it")
        try:
            result = self._work()
        except EstimatorError as error:
            result = error
        except OSError as error:
            result = EstimatorError(f"it cannot be read: {error.strerror or error}")
        finally:
            with self._lock:
                self._results.append(result)
            for callback in self._callbacks:
                callback(result)
