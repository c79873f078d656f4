"""Goal: who only connects to a site's mesh and bulk ports, and never ends a TLS handshake, is cut, counted and logged once, and
keeps no site from voting, releasing or coming back.
Method: sites that may open 256 files; a flood that holds 400 connections at one of them, silent ones and such as begin a
handshake, and renews each that is closed; the third site is down, so that nothing is released without the flooded one."""
import os
import resource
import selectors
import socket
import threading
import unittest

import cluster
from cluster import SITES, Cluster, small_zone, wait_for

FILES = 256
FLOOD = 400
# The head of a TLS record with a ClientHello of 512 octets, and no more.
HALF_HELLO = bytes([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3])


class Flood:
    """Holds connections to these ports until it is ended; `closed` counts those that the other side ended."""

    def __init__(self, ports):
        self.ports, self.closed, self.opened, self.is_over = ports, 0, 0, False
        self.selector = selectors.DefaultSelector()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _open(self):
        stream = socket.socket()
        stream.setblocking(False)
        stream.connect_ex(('127.0.0.1', self.ports[self.opened % len(self.ports)]))
        talks = self.opened // len(self.ports) % 2
        self.selector.register(stream, selectors.EVENT_READ | (selectors.EVENT_WRITE if talks else 0))
        self.opened += 1

    def _move(self, stream, events):
        try:
            if events & selectors.EVENT_WRITE:
                stream.send(HALF_HELLO)
                self.selector.modify(stream, selectors.EVENT_READ)
                return
            ended = not stream.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            ended = True
        if ended:
            self.selector.unregister(stream)
            stream.close()
            self.closed += 1

    def _run(self):
        while not self.is_over:
            while len(self.selector.get_map()) < FLOOD:
                self._open()
            for key, events in self.selector.select(0.05):
                self._move(key.fileobj, events)
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.is_over = True
        self.thread.join()


def few_files():
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))


def count_files(c, site):
    return len(os.listdir(f'/proc/{c.processes[site].pid}/fd'))


class Strangers(unittest.TestCase):
    def test_flood_of_unfinished_handshakes_does_not_stop_releases(self):
        with Cluster(small_zone(1, 'v1')) as c:
            c.before = {site: few_files for site in SITES}
            c.start()
            c.wait_marker('v1')
            pids = {site: c.processes[site].pid for site in SITES}
            before = count_files(c, 'zrh')
            c.stop('sin')
            with Flood([c.ports['zrh', 'mesh'], c.ports['zrh', 'bulk']]) as flood:
                for serial in range(2, 8):
                    c.write_zone(small_zone(serial, f'v{serial}'))
                    c.wait_marker(f'v{serial}', ('zrh', 'sjc'))
                c.start('sin')
                c.wait_marker('v7', ['sin'])
                wait_for('strangers cut', lambda: flood.closed > FLOOD)
                self.assertTrue(c.is_alive('zrh'))
            self.assertEqual(c.processes['zrh'].pid, pids['zrh'])
            self.assertEqual(len([line for line in c.log_lines('zrh', 'mesh.drop') if 'TLS handshake' in line]), 1)
            self.assertFalse(c.log_lines('zrh', 'mesh.stuck'))
            wait_for('files given back', lambda: count_files(c, 'zrh') <= before + 8)
            c.write_zone(small_zone(9, 'v9'))
            c.wait_marker('v9')
            c.assert_same_everywhere()
            wait_for('health 0', lambda: c.health('zrh')[0] == 0)


if __name__ == '__main__':
    cluster.main()
