# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks share: who takes part, statistics, and one JSON line a figure."""

import json
import os
import platform
import statistics

DEBIAN_ORIGINAL = os.environ.get("RK_ORIGINAL", "/usr/bin/rootlesskit")


def ours():
    return os.path.join(os.environ.get("RK_BIN_DIR", "build/bin"), "rootlesskit")


def original():
    """Debian's package of the original (RK_ORIGINAL: elsewhere), or None where it is not there."""
    return DEBIAN_ORIGINAL if os.access(DEBIAN_ORIGINAL, os.X_OK) else None


def emit(bench, **figures):
    print(json.dumps({"bench": bench, **figures}), flush=True)


def emit_machine(bench):
    model = "unknown"
    with open("/proc/cpuinfo", encoding="utf-8") as cpuinfo:
        for line in cpuinfo:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    emit(bench, machine={"kernel": platform.release(), "cpu": model, "cpus": os.cpu_count()})


def summary(samples):
    ordered = sorted(samples)
    return {
        "median": round(statistics.median(ordered), 3),
        "p10": round(ordered[len(ordered) // 10], 3),
        "p90": round(ordered[len(ordered) * 9 // 10], 3),
        "runs": len(ordered),
    }
