"""A cluster of real processes on loopback for the system tests: makes it with deploy/cluster.sh, starts, stops and kills its
processes by pid, and looks at it as operators, secondaries and third-party tools do.

Every test runs alone (`python3 tests/system/test_x.py`) or under ctest, which sets
  CONSIGN_BIN      folder of consign-node and the others (default build/bin)
  CONSIGN_SUPPORT  folder of p11wrap.so and killpoint.so (default beside CONSIGN_BIN, lib/hsm and tests/system)
  CONSIGN_DATA     real zones (default ../shared/data beside the project); without them their tests are skipped
Exit status: 0 passed, 1 failed, 77 all skipped. What is skipped says `SKIP name: reason`. A cluster's folder is kept when its
test failed."""
import base64
import concurrent.futures
import contextlib
import ctypes
import fcntl
import hashlib
import hmac
import json
import os
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get('CONSIGN_BIN', os.path.join(ROOT, 'build', 'bin'))
DATA = os.environ.get('CONSIGN_DATA', os.path.join(os.path.dirname(ROOT), 'shared', 'data'))
SUPPORT = os.environ.get('CONSIGN_SUPPORT', '').split(':')
SITES = ('zrh', 'sjc', 'sin')
VERIFIER = 'fra'  # a fourth member where a test asks for it
COORDINATOR = 'zrh-lead'
COORDINATORS = {COORDINATOR: 'zrh', 'sjc-lead': 'sjc', 'sin-lead': 'sin'}  # and the sites where they stand

# Two busy cores are slow, not wrong: a deadline only has to tell "late" from "never".
PATIENCE_S = float(os.environ.get('CONSIGN_PATIENCE_S', '60'))

NAMES_IN_RDATA = {2: (0, 1), 5: (0, 1), 6: (0, 2), 12: (0, 1), 15: (2, 1)}  # type: octets before the names, how many names

SOA, NS, A, TXT, RRSIG, NSEC, DNSKEY, TSIG, OPT, IXFR, AXFR = 6, 2, 1, 16, 46, 47, 48, 250, 41, 251, 252
NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5


class Late(AssertionError):
    """Something that had to happen did not, within its deadline."""


def wait_for(what, condition, seconds=None, pause=0.1):
    """The first true value of condition(); Late with the last one when the deadline passes. A condition may look into a status
    that is None, since its daemon is not there or late: then it is not true."""
    deadline = time.monotonic() + (seconds or PATIENCE_S)
    while True:
        try:
            value = seen = condition()
        except TypeError as error:
            value, seen = None, error
        if value:
            return value
        if time.monotonic() >= deadline:
            raise Late(f'{what}: not within {seconds or PATIENCE_S:.0f} s; last seen: {seen!r}')
        time.sleep(pause)


def run(*words, check=True, **more):
    """A command with its output as text; CalledProcessError shows what it said."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=900, **more)
    if check and done.returncode != 0:
        raise AssertionError(f'{shlex.join(words)}: exit {done.returncode}\n{done.stdout}{done.stderr}')
    return done


def find_tool(name):
    path = shutil.which(name, path=os.environ.get('PATH', '') + ':/usr/sbin:/sbin')
    if path is None:
        raise unittest.SkipTest(f'{name} is not installed')
    return path


def support(name):
    """A library built for the tests."""
    build = os.path.dirname(BIN)
    for folder in SUPPORT + [os.path.join(build, 'lib', 'hsm'), os.path.join(build, 'tests', 'system')]:
        if folder and os.path.exists(os.path.join(folder, name)):
            return os.path.join(folder, name)
    raise AssertionError(f'{name} is not built: {SUPPORT}')


def data(*names):
    path = os.path.join(DATA, *names)
    if not os.path.exists(path):
        raise unittest.SkipTest(f'{path} is not here (CONSIGN_DATA)')
    return path


class Ports:
    """Ports that no other test of this machine gives out: a slot of them is a locked file, freed with this process. They lie
    below those that the kernel picks by itself, and below deploy/demo.sh's."""
    FIRST, SLOT, SLOTS = 11000, 150, 60

    def __init__(self):
        folder = os.path.join(tempfile.gettempdir(), f'consign-ports.{os.getuid()}')
        os.makedirs(folder, exist_ok=True)
        self.next, self.end, self.lock = 0, 0, None
        for slot in range(self.SLOTS):
            lock = open(os.path.join(folder, str(slot)), 'w')
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                continue
            self.next, self.lock = self.FIRST + slot * self.SLOT, lock
            self.end = self.next + self.SLOT
            return
        raise AssertionError(f'{folder}: no slot of ports is free')

    def take(self):
        """A port that nobody listens on, by UDP and TCP."""
        while self.next < self.end:
            port, self.next = self.next, self.next + 1
            with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
                tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                with contextlib.suppress(OSError):
                    tcp.bind(('127.0.0.1', port))
                    udp.bind(('127.0.0.1', port))
                    return port
        raise AssertionError('this test took all its ports')


_ports = []


def free_port():
    if not _ports:
        _ports.append(Ports())
    return _ports[0].take()


def die_with_parent():
    """In a child before exec: no process outlives its test, not even one that ctest kills."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Process:
    """A child in a process group of its own, stderr and stdout in a file."""

    def __init__(self, words, log, environment=None, folder=None, before=None):
        def prepare():
            die_with_parent()
            if before is not None:
                before()
        self.name = os.path.basename(words[0])
        self.log = log
        with open(log, 'ab') as out:
            self.child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=folder,
                                          env={**os.environ, **(environment or {})}, start_new_session=True,
                                          preexec_fn=prepare)
        self.pid = self.child.pid

    def is_alive(self):
        return self.child.poll() is None

    def children(self):
        pids = []
        with contextlib.suppress(OSError):
            for task in os.listdir(f'/proc/{self.pid}/task'):
                with open(f'/proc/{self.pid}/task/{task}/children') as file:
                    pids += [int(pid) for pid in file.read().split()]
        return pids

    def end(self, number=signal.SIGTERM):
        """Signals, waits, and returns the exit status; SIGKILL follows where SIGTERM does nothing."""
        workers = self.children()
        if self.is_alive():
            self.child.send_signal(number)
            try:
                self.child.wait(10)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        for pid in workers:
            kill_orphan(pid)
        return self.child.returncode


def kill_orphan(pid):
    """An HSM worker goes with its node's socket; one that hangs inside a module cannot, so the tests see to it."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


# ---------------------------------------------------------------- zone files

def small_zone(serial, marker='', origin='xc.', names=24, apex_ns=('a.nic', 'b.nic'), extra='', expire=604800):
    """A zone of 2 * names + 10 records or so; `marker` stands in a TXT record, so that content can be told from content."""
    lines = [f'$ORIGIN {origin}', '$TTL 86400',
             f'@ IN SOA a.nic hostmaster.nic {serial} 7200 900 {expire} 3600']
    lines += [f'@ IN NS {name}' for name in apex_ns]
    lines += ['a.nic IN A 192.0.2.1', 'b.nic IN A 198.51.100.1', 'b.nic IN AAAA 2001:db8:b::1', 'www.nic IN CNAME a.nic',
              f'marker IN TXT "{marker}"']
    for i in range(names):
        lines.append(f'd{i:03} IN NS ns.d{i:03}')
        lines.append(f'ns.d{i:03} IN A 203.0.113.{i % 250 + 1}')
        if i % 3 == 0:
            lines.append(f'd{i:03} IN DS {i + 1} 13 2 {hashlib.sha256(str(i).encode()).hexdigest()}')
    return '\n'.join(lines) + '\n' + extra


# ---------------------------------------------------------------- DNS on the wire

def to_wire(name):
    labels = [label for label in name.lower().rstrip('.').split('.') if label]
    return b''.join(bytes([len(label)]) + label.encode() for label in labels) + b'\0'


def to_text(wire):
    labels, at = [], 0
    while wire[at]:
        label = wire[at + 1:at + 1 + wire[at]]
        labels.append(''.join(chr(c) if chr(c).isalnum() or c in b'-_*' else f'\\{c:03}' for c in label))
        at += 1 + wire[at]
    return '.'.join(labels) + '.'


def _read_name(message, at):
    """The name at `at`, whole, and where what follows it begins."""
    labels, end, jumps = b'', None, 0
    while message[at]:
        if message[at] >= 0xc0:
            end = end or at + 2
            at = (message[at] & 0x3f) << 8 | message[at + 1]
            jumps += 1
            assert jumps < 128, 'a loop of compression pointers'
        else:
            labels += message[at:at + 1 + message[at]]
            at += 1 + message[at]
    return labels + b'\0', end or at + 1


def _read_rdata(message, at, rtype, size):
    """RDATA whose names may have been compressed (RFC 3597, 4), with whole names."""
    skip, count = NAMES_IN_RDATA.get(rtype, (0, 0))
    octets, end = message[at:at + skip], at + size
    at += skip
    for _ in range(count):
        name, at = _read_name(message, at)
        octets += name
    return octets + message[at:end]


class Message:
    """A reply taken apart: rcode, extended errors, and answers as (owner, type, class, ttl, rdata) in wire form."""

    def __init__(self, octets):
        self.id, flags, questions, *counts = struct.unpack('>HHHHHH', octets[:12])
        self.is_authoritative, self.is_truncated = bool(flags & 0x400), bool(flags & 0x200)
        self.rcode, self.errors, self.sections = flags & 15, [], []
        at = 12
        for _ in range(questions):
            at = _read_name(octets, at)[1] + 4
        for count in counts:
            records = []
            for _ in range(count):
                owner, at = _read_name(octets, at)
                rtype, rclass, ttl, size = struct.unpack('>HHIH', octets[at:at + 10])
                records.append((owner.lower(), rtype, rclass, ttl, _read_rdata(octets, at + 10, rtype, size)))
                at += 10 + size
            self.sections.append(records)
        assert at == len(octets), 'octets behind the message'
        self.answers = self.sections[0]
        for _, rtype, _, ttl, rdata in self.sections[2]:
            if rtype == OPT:
                self.rcode |= ttl >> 24 << 4
                self._read_options(rdata)

    def _read_options(self, rdata):
        at = 0
        while at < len(rdata):
            code, size = struct.unpack('>HH', rdata[at:at + 4])
            if code == 15:
                self.errors.append((struct.unpack('>H', rdata[at + 4:at + 6])[0], rdata[at + 6:at + 4 + size].decode()))
            at += 4 + size


def query_octets(name, rtype, key=None, edns=True, serial=None):
    """One query, signed with key = (name, secret) by RFC 8945 (hmac-sha256); of an IXFR with the client's serial."""
    number = struct.unpack('>H', os.urandom(2))[0]
    question = to_wire(name) + struct.pack('>HH', rtype, 1)
    if serial is not None:
        question += to_wire(name) + struct.pack('>HHIHHIIIII', SOA, 1, 0, 22, 0, serial, 0, 0, 0, 0)
    options = b'\0' + struct.pack('>HHIH', OPT, 1232, 0, 0) if edns else b''

    def header(more):
        return struct.pack('>HHHHHH', number, 0, 1, 0, int(serial is not None), more)
    message = header(int(edns)) + question + options
    if key is None:
        return message
    algorithm, now = to_wire('hmac-sha256.'), struct.pack('>Q', int(time.time()))[2:]
    variables = to_wire(key[0]) + struct.pack('>HI', 255, 0) + algorithm + now + struct.pack('>HHH', 300, 0, 0)
    mac = hmac.new(key[1], message + variables, hashlib.sha256).digest()
    rdata = algorithm + now + struct.pack('>HH', 300, len(mac)) + mac + struct.pack('>HHH', number, 0, 0)
    record = to_wire(key[0]) + struct.pack('>HHIH', TSIG, 255, 0, len(rdata)) + rdata
    return header(int(edns) + 1) + question + options + record


def _receive(stream, size):
    octets = b''
    while len(octets) < size:
        more = stream.recv(size - len(octets))
        if not more:
            raise ConnectionError('closed by the server')
        octets += more
    return octets


def ask_tcp(port, name, rtype, key=None, timeout=10):
    """Replies to one query over TCP: one, or all of a transfer. OSError when nobody answers."""
    with socket.create_connection(('127.0.0.1', port), timeout) as stream:
        query = query_octets(name, rtype, key)
        stream.sendall(struct.pack('>H', len(query)) + query)
        replies, soas = [], 0
        while True:
            reply = Message(_receive(stream, struct.unpack('>H', _receive(stream, 2))[0]))
            replies.append(reply)
            soas += sum(1 for record in reply.answers if record[1] == SOA)
            if rtype != AXFR or reply.rcode != NOERROR or soas >= 2:
                return replies


def ask_udp(port, name, rtype, key=None, timeout=3, serial=None):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(timeout)
        sock.connect(('127.0.0.1', port))
        sock.send(query_octets(name, rtype, key, serial=serial))
        return Message(sock.recv(65535))


def serial_of(record):
    return struct.unpack('>I', record[4][-20:-16])[0]


def ask_ixfr(port, name, serial, key=None, timeout=10):
    """Records of the answer to an IXFR over TCP, without TSIG; one SOA alone says that there is nothing newer."""
    with socket.create_connection(('127.0.0.1', port), timeout) as stream:
        query = query_octets(name, IXFR, key, serial=serial)
        stream.sendall(struct.pack('>H', len(query)) + query)
        records = []
        while True:
            reply = Message(_receive(stream, struct.unpack('>H', _receive(stream, 2))[0]))
            assert reply.rcode == NOERROR, reply.rcode
            records += [record for record in reply.answers if record[1] != TSIG]
            is_incremental = len(records) > 1 and records[1][1] == SOA
            newest = sum(1 for record in records if record[1] == SOA and serial_of(record) == serial_of(records[0]))
            if len(records) == 1 or newest == (3 if is_incremental else 2):
                return records


def apply_ixfr(zone, records):
    """The Zone after the differences of an IXFR (RFC 1995, 4), each of which must fit."""
    assert len(records) > 2 and records[1][1] == SOA, 'no differences'
    held, is_adding = set(zone.records), True
    for record in records[1:-1]:
        if record[1] == SOA:
            is_adding = not is_adding
        if is_adding:
            assert record not in held, f'added twice: {record}'
            held.add(record)
        else:
            held.remove(record)
    return Zone([records[0]] + sorted(held - {records[0]}) + [records[0]])


class Zone:
    """What one AXFR gave: every record once, in the order of the transfer."""

    def __init__(self, records):
        assert len(records) >= 2 and records[0][1] == SOA and records[0] == records[-1], 'no SOA around the transfer'
        self.records = records[:-1]
        self.serial = struct.unpack('>I', records[0][4][-20:-16])[0]
        self.octets = b''.join(owner + struct.pack('>HHIH', rtype, rclass, ttl, len(rdata)) + rdata
                               for owner, rtype, rclass, ttl, rdata in self.records)
        self.digest = hashlib.sha256(self.octets).hexdigest()
        self.content = hashlib.sha256(repr(sorted(self.records)).encode()).hexdigest()  # the same in any order of the records

    def texts(self, owner, rtype=TXT):
        """Strings of the TXT records of an owner."""
        return [rdata[1:].decode() for name, t, _, _, rdata in self.records if name == to_wire(owner) and t == rtype]

    def has(self, owner):
        return any(record[0] == to_wire(owner) for record in self.records)

    def presentation(self):
        """A zone file in the form of RFC 3597 for programs that read zone files."""
        return ''.join(f'{to_text(owner)} {ttl} IN TYPE{rtype} \\# {len(rdata)} {rdata.hex()}\n'
                       for owner, rtype, _, ttl, rdata in self.records)


# ---------------------------------------------------------------- the cluster

class Cluster(contextlib.AbstractContextManager):
    """Three sites, verifiers beside them and as many coordinators as wanted in a private folder; nothing runs until it is started.
    Leaving the context ends every process and removes the folder, unless the test failed."""

    def __init__(self, zone_text, origin='xc.', log_level='debug', coordinators=1, verifiers=()):
        self.folder = tempfile.mkdtemp(prefix='consign-test.')
        self.coordinators = tuple(COORDINATORS)[:coordinators]
        self.verifiers = tuple(verifiers)
        self.sites = SITES + self.verifiers  # all that vote
        self.names = self.sites + self.coordinators
        self.origin, self.processes, self.others = origin, {}, []
        self.inputs = {site: os.path.join(self.folder, site, 'in', 'zone') for site in self.sites}
        self.launch = {}  # site: words put before the program, such as setpriv
        self.environments = {}
        self.before = {}
        try:
            self._make(zone_text)
            for name in self.names:
                self.edit(name, lambda text: text + f'log:\n  level: {log_level}\n')
        except BaseException:
            print(f'the cluster could not be made; kept: {self.folder}', file=sys.stderr)
            raise

    def _make(self, zone_text):
        self.ports = {(site, what): free_port() for site in self.sites for what in ('mesh', 'bulk', 'xfr')}
        with open(self.path('ports'), 'w') as file:
            file.writelines(f'{site} {what} {port}\n' for (site, what), port in self.ports.items())
        self.shell(f'coordinators="{" ".join(self.coordinators)}"; verifiers="{" ".join(self.verifiers)}"; '
                   f'make_cluster {shlex.quote(self.folder)} {shlex.quote(self.origin)} in/zone')
        with open(os.path.join(self.folder, 'tsig.secret')) as file:
            self.key = ('demo-key', base64.b64decode(file.read()))
        for site in self.sites:
            os.makedirs(os.path.dirname(self.inputs[site]))
        self.write_zone(zone_text)

    def place(self, name):
        """The site where a process stands."""
        return COORDINATORS.get(name, name)

    def shell(self, command):
        """Runs functions of deploy/cluster.sh."""
        script = f'set -euo pipefail; . {ROOT}/deploy/lib.sh; . {ROOT}/deploy/cluster.sh; bin={shlex.quote(BIN)}; {command}'
        return run('bash', '-c', script).stdout

    # ---- files

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def config_path(self, name):
        return self.path(name, 'coordinator.yaml' if name in COORDINATORS else 'node.yaml')

    def edit(self, name, change):
        """Rewrites a site's configuration, or a document of the cluster, with change(text)."""
        path = self.path(name) if name.endswith('.yaml') else self.config_path(name)
        with open(path) as file:
            text = file.read()
        changed = change(text)
        assert changed != text, f'{path}: nothing changed'
        with open(path, 'w') as file:
            file.write(changed)

    def write_zone(self, content, sites=None):
        """A new version of the input at these sites, renamed into place."""
        octets = content.encode() if isinstance(content, str) else content
        for site in self.sites if sites is None else sites:
            with open(self.inputs[site] + '.new', 'wb') as file:
                file.write(octets)
            os.chmod(self.inputs[site] + '.new', 0o644)
            os.rename(self.inputs[site] + '.new', self.inputs[site])

    def log(self, name):
        with contextlib.suppress(FileNotFoundError):
            with open(self.path(name, 'log'), errors='replace') as file:
                return file.read()
        return ''

    def log_lines(self, name, text):
        return [line for line in self.log(name).splitlines() if text in line]

    # ---- processes

    def start(self, *names):
        for name in names or self.names:
            assert name not in self.processes or not self.processes[name].is_alive(), f'{name} runs already'
            program = 'consign-coordinator' if name in COORDINATORS else 'consign-node'
            words = self.launch.get(name, []) + [os.path.join(BIN, program), '-c', self.config_path(name)]
            self.processes[name] = Process(words, self.path(name, 'log'), self.environments.get(name),
                                           folder=self.path(name), before=self.before.get(name))

    def check(self, site):
        """consign-node --check: (exit status, what it says)."""
        done = run(os.path.join(BIN, 'consign-node'), '--check', '-c', self.config_path(site), check=False)
        return done.returncode, done.stdout + done.stderr

    def stop(self, *names):
        for name in names:
            self.processes.pop(name).end()

    def kill(self, name):
        self.processes.pop(name).end(signal.SIGKILL)

    def spawn(self, *words, log, **more):
        """Another server of the test, ended with the cluster."""
        process = Process(list(words), log, **more)
        self.others.append(process)
        return process

    def is_alive(self, name):
        return name in self.processes and self.processes[name].is_alive()

    def exit_status(self, name, seconds=None):
        """Waits until a process has ended by itself."""
        process = self.processes[name]
        wait_for(f'end of {name}', lambda: not process.is_alive(), seconds)
        del self.processes[name]
        return process.child.returncode

    def worker(self, site):
        """The pid of a site's consign-hsm, or None."""
        for pid in self.processes[site].children():
            with contextlib.suppress(OSError):
                with open(f'/proc/{pid}/comm') as file:
                    if file.read().startswith('consign-hsm'):
                        return pid
        return None

    def __exit__(self, kind, error, trace):
        ended = {name: process.child.returncode for name, process in self.processes.items() if not process.is_alive()}
        for process in self.others + list(self.processes.values()):
            process.end(signal.SIGKILL)
        if kind is None or issubclass(kind, (unittest.SkipTest, KeyboardInterrupt)):
            shutil.rmtree(self.folder, ignore_errors=True)
        else:
            self._show(ended)
        return False

    def _show(self, ended):
        for name in self.names:
            lines = [line for line in self.log(name).splitlines() if ' debug ' not in line]
            print(f'--- {name}/log', *lines[-25:], sep='\n', file=sys.stderr)
            if name in ended:
                print(f'{name} ended by itself: {ended[name]}', file=sys.stderr)
        print(f'kept: {self.folder}', file=sys.stderr)

    # ---- looking

    def ctl(self, site, *words):
        return run(os.path.join(BIN, 'consignctl'), '-s', self.path(site, 'control.sock'), *words, check=False)

    def status(self, site):
        """`consignctl -o json status`, or None when nobody answers."""
        done = self.ctl(site, '-o', 'json', 'status')
        return json.loads(done.stdout) if done.returncode == 0 else None

    def zone_status(self, site):
        status = self.status(site)
        return status['zones'][0] if status else None

    def site_status(self, at, about):
        """What site `at` says about site `about`."""
        status = self.status(at)
        return next(row for row in status['sites'] if row['name'] == about) if status else None

    def reasons(self, site):
        status = self.status(site)
        return '\n'.join(status['health']['reasons']) if status else None

    def health(self, site):
        """(exit status, the line)."""
        done = self.ctl(site, 'health')
        return done.returncode, done.stdout.strip()

    def cert(self, site):
        """`consignctl -o json cert show`, or None."""
        done = self.ctl(site, '-o', 'json', 'cert', 'show', self.origin)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def parked(self, site):
        """Reasons of what this site has parked itself."""
        zone = self.zone_status(site)
        return [row['reason'] for row in zone['parked'] if row['site'] == site] if zone else []

    def ask(self, site, rtype=SOA, name=None, key=True):
        return ask_tcp(self.ports[site, 'xfr'], name or self.origin, rtype, self.key if key else None)

    def serial(self, site):
        """What the site serves; None when it answers with no SOA."""
        with contextlib.suppress(OSError):
            reply = self.ask(site)[0]
            if reply.rcode == NOERROR and reply.answers:
                return struct.unpack('>I', reply.answers[0][4][-20:-16])[0]
        return None

    def zone(self, site):
        """The zone by AXFR; None when the site does not transfer one."""
        return self.transfer(self.ports[site, 'xfr'], self.key)

    def transfer(self, port, key=None):
        """The same from any server."""
        with contextlib.suppress(OSError):
            replies = ask_tcp(port, self.origin, AXFR, key)
            if all(reply.rcode == NOERROR for reply in replies):
                return Zone([record for reply in replies for record in reply.answers if record[1] != TSIG])
        return None

    def marker(self, site):
        """The TXT of small_zone that a site serves."""
        zone = self.zone(site)
        texts = zone.texts(f'marker.{self.origin}') if zone else []
        return texts[0] if texts else None

    def wait_marker(self, marker, sites=None, seconds=None):
        """Until these sites serve the input with this marker."""
        for site in self.sites if sites is None else sites:
            wait_for(f'{site} serves marker {marker!r}', lambda: self.marker(site) == marker, seconds)

    def wait_released(self, sites=None, seconds=None):
        """Until these sites serve one and the same serial, which is returned."""
        sites = self.sites if sites is None else sites

        def agreed():
            serials = {self.serial(site) for site in sites}
            return len(serials) == 1 and serials.pop()
        return wait_for(f'release at {", ".join(sites)}', agreed, seconds)

    def wait_current(self, site, other, seconds=None):
        """Until `site` serves what `other` serves."""
        return wait_for(f'{site} serves as {other}', lambda: self.serial(site) is not None and
                        self.serial(site) == self.serial(other), seconds)

    def verify(self, site):
        """consign-verify over what a site serves and its certificate: (exit status, what it says, serial)."""
        def pair():
            cert, zone = self.cert(site), self.zone(site)
            return cert and zone and cert['serial'] == zone.serial and (cert, zone)
        cert, zone = wait_for(f'certificate and zone of {site}', pair)
        return verify(self.path('cluster.yaml'), cert, zone)[:2] + (zone.serial,)

    def assert_same_everywhere(self, sites=None):
        """The sites serve the same octets, and a quorum certified exactly them."""
        sites = self.sites if sites is None else sites

        def of_one_serial():
            zones = {site: self.zone(site) for site in sites}
            return all(zones.values()) and len({zone.serial for zone in zones.values()}) == 1 and zones
        zones = wait_for(f'one serial at {", ".join(sites)}', of_one_serial)
        assert len({zone.digest for zone in zones.values()}) == 1, f'the sites differ: {zones}'
        for site in sites:
            code, said, _ = self.verify(site)
            assert code == 0, f'{site}: {said}'

    def ds(self):
        return self.shell(f'print_ds {shlex.quote(self.folder)} {shlex.quote(self.origin)}').strip()


def verify(cluster_path, cert, zone, chain=None):
    """consign-verify over a certificate (as `cert show` gives it) and a Zone: (exit status, what it says). `chain`: the file of the
    chain of epochs."""
    with tempfile.TemporaryDirectory(prefix='consign-verify.') as folder:
        cert_path, zone_path = os.path.join(folder, 'cert'), os.path.join(folder, 'zone')
        with open(cert_path, 'w') as file:
            file.write(cert['certificate'])
        with open(zone_path, 'w') as file:
            file.write(zone.presentation())
        chain = ['--chain', chain] if chain else []
        done = run(os.path.join(BIN, 'consign-verify'), '--cluster', cluster_path, *chain, '--cert', cert_path, '--zone', zone_path,
                   check=False)
        return done.returncode, done.stdout + done.stderr


FLIPS = 10000  # a few seconds


def check_flips(cluster_path, certificates, seed, is_whole=False):
    """Certificates (in hex) are accepted as consign-verify does it, and refused with any one bit flipped: all bits of all of them,
    or of one, and of the others bits drawn from the seed all over them. What tests/support/flipcert.c counted."""
    whole, sampled = len(certificates) if is_whole else 1, max(100, FLIPS // max(1, len(certificates)))

    def flip(some):
        done = run(support('flipcert'), cluster_path, str(seed), str(whole), str(sampled), check=False,
                   input=''.join(certificate + '\n' for certificate in some))
        assert done.returncode == 0, f'{done.stdout}{done.stderr}'
        return [int(count) for count in re.findall(r'\d+', done.stdout)]
    cores = os.cpu_count() or 1
    shares = [share for share in (sorted(certificates)[i::cores] for i in range(cores)) if share]
    with concurrent.futures.ThreadPoolExecutor(len(shares)) as pool:
        counts = [sum(each) for each in zip(*pool.map(flip, shares))]
    assert counts[0] == len(certificates), counts
    return '{} certificates accepted, {} flipped bits refused'.format(*counts)


def assert_matches(pattern, text, what):
    assert re.search(pattern, text or '', re.IGNORECASE), f'{what}: expected {pattern!r} in {text!r}'


def main():
    """Runs the tests of the calling module; ctest knows 77 as skipped."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    result = unittest.main(module='__main__', exit=False, verbosity=2).result
    for test, reason in result.skipped:
        print(f'SKIP {test.id().split(".")[-1]}: {reason}', flush=True)
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if result.testsRun and len(result.skipped) == result.testsRun else 0)
