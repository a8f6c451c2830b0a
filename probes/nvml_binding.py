"""The binding of NVML, nvidia-ml-py, with its errors as codes and its texts as they are, whatever their bytes.

The module itself is handed in: only ``vendors/nvidia.py`` imports it.
"""

from typing import Any

from probes import nvml_codes as codes


class RefusedError(Exception):
    """NVML's answer is an error code (nvml.h, `nvmlReturn_t`)."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Nvml:
    """The functions of NVML by their names."""

    def __init__(self, module: Any) -> None:
        """``module`` is pynvml, or what stands in for it, as ``nvml_calls.Calls`` does."""
        self.n_calls = 0
        self._module = module
        self._driver: str | None = None
        self._driver_version: tuple[int, int] | None = None

    def call(self, name: str, *arguments: Any) -> Any:
        """Raises RefusedError, also where the binding or the driver is too old for the function."""
        self.n_calls += 1
        function = getattr(self._module, name, None)
        if function is None:
            raise RefusedError(codes.FUNCTION_NOT_FOUND)
        try:
            # The binding's decorator fails on a name that is not UTF-8; the function below it gives the bytes.
            return getattr(function, "__wrapped__", function)(*arguments)
        except self._module.NVMLError as error:
            raise RefusedError(error.value) from error

    def driver(self) -> str | None:
        """``580.159.04``, asked for once."""
        if self._driver is None:
            self._driver = self.try_text("nvmlSystemGetDriverVersion")
        return self._driver

    def driver_version(self) -> tuple[int, int] | None:
        """``(580, 159)``; None where the driver does not say."""
        if self._driver_version is None:
            self._driver_version = version_numbers(self.driver())
        return self._driver_version

    def text(self, name: str, *arguments: Any) -> str:
        return decoded(self.call(name, *arguments))

    def try_call(self, name: str, *arguments: Any, lost: frozenset[int] = frozenset()) -> Any:
        """None where the driver refuses; raises only for the codes in ``lost``."""
        try:
            return self.call(name, *arguments)
        except RefusedError as refused:
            if refused.code in lost:
                raise
            return None

    def try_text(self, name: str, *arguments: Any, lost: frozenset[int] = frozenset()) -> str | None:
        text = self.try_call(name, *arguments, lost=lost)
        return None if text is None else decoded(text)


def decoded(text: str | bytes) -> str:
    return text.decode(errors="replace") if isinstance(text, bytes) else text


def version_numbers(text: str | None) -> tuple[int, int] | None:
    """The first two numbers of a driver's version."""
    numbers = (text or "").split(".")[:2]
    is_version = len(numbers) == 2 and all(number.isascii() and number.isdigit() for number in numbers)
    return (int(numbers[0][:9]), int(numbers[1][:9])) if is_version else None
