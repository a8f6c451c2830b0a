"""What a file is that should have been a model, told by its first bytes, and what to do about it."""

from estimator.errors import UnreadableModel

HEAD_BYTES = 256
"""As much of a file's start as `explain` looks at."""

# First bytes -> what the file is; what to do.
MAGICS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "a Git LFS pointer, not the model; run `git lfs pull` beside it"),
    (b"<", "a web page, not a model (the download asked for a sign-in or failed); download it again"),
    (b"PK\x03\x04", "a PyTorch or zip archive; convert it with llama.cpp's convert_hf_to_gguf.py"),
    (b"\x80", "a Python pickle (old PyTorch weights); convert it with llama.cpp's convert_hf_to_gguf.py"),
    # GGUF's predecessors, little-endian: ggml, ggmf, ggjt, ggla.
    (b"lmgg", "a GGML file from before GGUF (August 2023); look for a newer conversion of the model"),
    (b"fmgg", "a GGML file from before GGUF (August 2023); look for a newer conversion of the model"),
    (b"tjgg", "a GGML file from before GGUF (August 2023); look for a newer conversion of the model"),
    (b"algg", "a GGML adapter from before GGUF (August 2023); give a model"),
    (b"\x89HDF", "an HDF5 file (Keras weights); look for a GGUF conversion of the model"),
    (b"\x1f\x8b", "compressed with gzip; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd; unpack it first"),
    (b"\xfd7zXZ", "compressed with xz; unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive; unpack it first"),
    (b"Rar!", "a RAR archive; unpack it first"),
    (b"{", "a JSON file, not a model; give the model it belongs to"),
    (b"\0" * 16, "nothing but zeros at its start: a download that has not finished; wait, or download it again"),
)


def explain(head: bytes, name: str) -> UnreadableModel:
    """The error for a file of another format, from its first `HEAD_BYTES`."""
    if not head:
        return UnreadableModel(f"{name}: empty; download it again")
    # A safetensors file is the length of its JSON header, then the header.
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 32:
        return UnreadableModel(f"{name}: a safetensors file; give a GGUF conversion of the model, or its name")
    for magic, what in MAGICS:
        if head.lstrip(b"\xef\xbb\xbf \r\n").startswith(magic):
            return UnreadableModel(f"{name}: {what}")
    return UnreadableModel(f"{name}: not a GGUF file (it does not start with GGUF); give a .gguf file")
