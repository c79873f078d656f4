"""The parts `round`, `failover` and `lead` of run.sh: what the real distances (tests/system/wan.py) cost, with real processes.

  round     from the leader's proposal to the last site's release, less the longest signing and the longest verifying of that
            round at any site (staging included): at most 1.0 s
  failover  kill -9 of the leader while an input waits, until every site has released it: at most 10 s
  lead      kill -9 of the lead's site, node and coordinator, and an input at the others, until NSD and Knot, which have all three
            sites as primaries, serve it: at most 15 s

Each prints its figures and their median; no test, for a timing never decides one."""
import datetime
import os
import re
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'system'))
from cluster import COORDINATORS, SITES, Cluster, small_zone, wait_for
from test_chaos import ChaosTest
from test_failover import Failover, traces
from wan import Wan

TIMES = 3
EVENT = re.compile(r'(\S+)Z \S+ \S+ \S+ round\.(sign|signed|verified|released) zone \S+ serial (\d+)')
STAGING = re.compile(r'(\S+)Z \S+ \S+ \S+ trace work .* to staging')


def seconds(text):
    return datetime.datetime.fromisoformat(text + '+00:00').timestamp()


def show(what, figures, limit):
    median = statistics.median(figures)
    print(f'{what}: median {median:.2f} s of {", ".join(f"{figure:.2f}" for figure in figures)}; at most {limit:.1f} s: '
          f'{"reached" if median <= limit else "MISSED"}', flush=True)


# ---------------------------------------------------------------- round

def site_times(c, site, serial):
    """{event: when} of a round at a site; staging is the last before its version was verified."""
    times = {}
    for line in c.log(site).splitlines():
        staging, event = STAGING.match(line), EVENT.match(line)
        if staging and 'verified' not in times:
            times['staging'] = seconds(staging[1])
        elif event and int(event[3]) == serial:
            times.setdefault(event[2], seconds(event[1]))
    return times


def round_cost(c, serial):
    """(whole, signing, verifying) of the round of a serial."""
    proposed = min(at for name in c.coordinators for at, words in traces(c, name, 'proposed')
                   if words[words.index('serial') + 1] == str(serial))
    sites = [site_times(c, site, serial) for site in SITES]
    signing = max(times['signed'] - times['sign'] for times in sites if 'signed' in times)
    verifying = max(times['verified'] - times['staging'] for times in sites if 'verified' in times)
    return max(times['released'] for times in sites) - proposed, signing, verifying


def measure_round():
    with Failover().cluster() as c:
        costs = []
        for serial in range(2, 2 + TIMES):
            c.write_zone(small_zone(serial, f'v{serial}'))
            c.wait_marker(f'v{serial}')
            whole, signing, verifying = round_cost(c, c.serial('zrh'))
            print(f'round of {whole:.2f} s, signing {signing:.2f} s, verifying {verifying:.2f} s', flush=True)
            costs.append(whole - signing - verifying)
        show('a round beyond signing and verifying', costs, 1.0)


# ---------------------------------------------------------------- failover

def measure_failover():
    test = Failover()
    with test.cluster() as c:
        waits = []
        for _ in range(TIMES):
            old = test.wait_leader(c)
            began = test.change(c)
            c.kill(old)
            waits.append(test.wait_change(c) - began)
            c.start(old)
            test.change(c)
            test.wait_change(c)
        show('leader killed to the next release at all sites', waits, 10.0)


# ---------------------------------------------------------------- lead

def lead_of(c):
    """The site that all name as the one that notifies."""
    named = {(c.zone_status(site) or {}).get('lead') for site in SITES}
    return named.pop() if len(named) == 1 else None


def marker(c, port):
    zone = c.transfer(port)
    return zone and zone.texts('marker.xc.')[0]


def lose_lead(c, ports, serial):
    """Seconds until the secondaries serve what the other sites released; then all is as before."""
    lead = wait_for('one lead', lambda: lead_of(c))
    names = [lead] + [name for name in c.coordinators if COORDINATORS[name] == lead]
    rest = [site for site in SITES if site != lead]
    began = time.monotonic()
    for name in names:
        c.kill(name)
    c.write_zone(small_zone(serial, f'v{serial}'), rest)
    for name, port in ports.items():
        wait_for(f'{name} serves v{serial}', lambda: marker(c, port) == f'v{serial}', pause=0.05)
    took = time.monotonic() - began
    c.write_zone(small_zone(serial, f'v{serial}'), [lead])
    c.start(*names)
    c.wait_marker(f'v{serial}')
    return took


def measure_lead():
    with Cluster(small_zone(1, 'v1'), coordinators=3) as c:
        c.wan = Wan(c)
        ports = ChaosTest().start_servers(c)
        waits = [lose_lead(c, ports, serial) for serial in range(2, 2 + TIMES)]
        show('lead lost to both secondaries served by another site', waits, 15.0)


if __name__ == '__main__':
    {'round': measure_round, 'failover': measure_failover, 'lead': measure_lead}[sys.argv[1]]()
