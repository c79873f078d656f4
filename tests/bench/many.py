"""Many zones: many.py COUNT. With 100 zones: octets a second that each site sends over the mesh while nothing happens, as the
kernel counts them (ss). With more: COUNT zones of 10 records released from nothing, then refreshed in one go: seconds and the
most memory of each daemon. One coordinator; everything on this machine, which each site has a third of."""
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'system'))
import many_zones  # noqa: E402
from cluster import SITES, Cluster, run, small_zone, wait_for  # noqa: E402

IDLE_S, LIMIT_S = 30, 7200


def count_released(c, site):
    done = run('grep', '-c', ' round\\.released ', c.path(site, 'log'), check=False)
    return int(done.stdout or 0)


def wait_released(c, count):
    """Until each site has released so often; seconds."""
    begin = time.monotonic()
    wait_for(f'{count} releases', lambda: all(count_released(c, site) >= count for site in SITES), LIMIT_S, pause=0.5)
    return time.monotonic() - begin


def sent(c, name):
    """Octets that the TCP connections of a process have sent, by connection."""
    lines = run('ss', '-tinpHO').stdout.splitlines()
    mine = [line for line in lines if f'pid={c.processes[name].pid},' in line]
    return {' '.join(line.split()[3:5]): int(found[1]) for line in mine if (found := re.search(r' bytes_sent:(\d+)', line))}


def print_idle(c):
    time.sleep(15)  # what changed is said again for 5 s
    before = {name: sent(c, name) for name in c.names}
    time.sleep(IDLE_S)
    rates = {}
    for name in c.names:
        after = sent(c, name)
        rates[name] = sum(after[link] - before[name].get(link, 0) for link in after) / IDLE_S / 1000
    for site in SITES:
        here = [name for name in c.names if c.place(name) == site]
        print(f'  {site}: {sum(rates[name] for name in here):.2f} kB/s '
              f'({", ".join(f"{name} {rates[name]:.2f}" for name in here)})', flush=True)


def print_memory(c):
    for name in c.names:
        with open(f'/proc/{c.processes[name].pid}/status') as file:
            most = int(re.search(r'VmHWM:\s+(\d+)', file.read())[1]) / 1024
        print(f'  {name}: {most:.0f} MiB at most', flush=True)


def main(count):
    idle = count <= 100
    with Cluster(small_zone(1), log_level='info', coordinators=3 if idle else 1) as c:
        many_zones.add(c, count)
        c.start()
        first = wait_released(c, count + 1)
        if idle:
            print(f'{count} zones, idle: sent by each site', flush=True)
            print_idle(c)
            return
        print(f'{count} zones of 10 records: released from nothing in {first:.1f} s', flush=True)
        print_memory(c)
        begin = time.monotonic()
        many_zones.write(c, range(count), 2, marker='refreshed')
        wait_released(c, 2 * count + 1)
        print(f'  refreshed in one go in {time.monotonic() - begin:.1f} s', flush=True)
        print_memory(c)


main(int(sys.argv[1]))
