#!/usr/bin/python3
"""Starts a command again and again and prints what it took, without a shell in between.

    /usr/bin/python3 launch.py [--runs N] COMMAND...

One line: median, fastest and slowest wall time in milliseconds, and the most memory a run held, in kilobytes. The kernel
counts the memory of the starting program too, about 10 MB: smaller figures cannot be told. A command that fails ends
the measurement.
"""

import os
import statistics
import sys
import time


def main():
    command, runs = sys.argv[1:], 1
    if command[:1] == ["--runs"]:
        runs, command = int(command[1]), command[2:]
    if not command:
        raise SystemExit("usage: launch.py [--runs N] COMMAND...")
    nowhere = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, mode, 0) for fd, mode in ((0, os.O_RDONLY), (1, os.O_WRONLY))]
    times, memory = [], 0
    for _ in range(runs):
        start = time.perf_counter()
        child = os.posix_spawnp(command[0], command, os.environ, file_actions=nowhere)
        _, status, usage = os.wait4(child, 0)
        times.append(1e3 * (time.perf_counter() - start))
        memory = max(memory, usage.ru_maxrss)
        if status != 0:
            raise SystemExit(f"launch.py: {command[0]}: status {os.waitstatus_to_exitcode(status)}")
    print(f"{statistics.median(times):.3f} {min(times):.3f} {max(times):.3f} {memory}")


if __name__ == "__main__":
    main()
