#!/usr/bin/python3
"""Rows of the table from Google Benchmark's JSON: kernels over 256 MB against memcpy.

    q_bench --benchmark_format=json > kernels.json
    /usr/bin/python3 kernel_rates.py kernels.json ISA

Benchmarks are named KERNEL/ROW/256MB and count bytes_per_second; those of memcpy are what the others are held against.
A kernel that has several forms (add_u8, add_f32) is judged by the slowest. The line "peak" gives the limit of the row's
integer products, GMAC/s.
"""

import json
import statistics
import sys

KERNELS = ("quantize", "dequantize", "requantize", "lut", "add", "mul", "minmax", "histogram")


def medians(benchmarks, counter):
    """(kernel, row, shape) to the median of a counter over the repetitions."""
    figures = {}
    for benchmark in benchmarks:
        if benchmark.get("run_type") != "aggregate" and counter in benchmark:
            figures.setdefault(tuple(benchmark["name"].split("/")[:3]), []).append(benchmark[counter])
    return {name: statistics.median(values) for name, values in figures.items()}


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        benchmarks = json.load(file)["benchmarks"]
    isa = sys.argv[2]
    rates = {}
    for (name, row, shape), rate in medians(benchmarks, "bytes_per_second").items():
        if shape == "256MB":
            rates.setdefault((name.split("_")[0], row), []).append(rate / 1e9)
    against = rates.get(("memcpy", "-"))
    for kernel in KERNELS:
        ours = rates.get((kernel, isa))
        print("kernel-" + kernel, *(f"{min(r):.2f}" if r else "no benchmark" for r in (ours, against)), "", sep="\t")
    shares = medians(benchmarks, "percent of limit")
    products = [(name, rate) for name, rate in medians(benchmarks, "MAC/s").items() if name[:2] == ("gemm_u8i8", isa)]
    limits = [100 * rate / shares[name] for name, rate in products]
    if limits:
        print("peak", f"{statistics.median(limits) / 1e9:.2f}", "", "", sep="\t")


if __name__ == "__main__":
    main()
