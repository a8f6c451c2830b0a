"""Functions of shared libraries, called through ctypes with their exact prototypes.

Without one, ctypes passes and returns C ints: a 64-bit address is cut to 32 bits, and the program ends at once.
"""

from typing import Any

Prototypes = dict[str, tuple[Any, list[Any]]]
"""Function -> what it gives, what it takes."""


def declare(library: Any, prototypes: Prototypes) -> dict[str, Any]:
    """The functions of a library by name.

    Raises:
        AttributeError: the library lacks one.
    """
    functions = {}
    for name, (result, arguments) in prototypes.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
        functions[name] = function
    return functions
