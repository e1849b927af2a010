"""Sockets with their errno: servers, clients of any user, a connection that is held open, and what crosses a wire."""
import errno, json, select, selectors, socket, struct, sys

FAMILY = lambda host: socket.AF_INET6 if ":" in host else socket.AF_INET


def say(value):
    print(json.dumps(value), flush=True)


def serve(name, wanted):
    """
    wanted: tcp:PORT, udp:PORT, or tcp:ADDRESS=PORT; without an address both families. Every answer says who gave it.
    sink:PORT says how many bytes came before the end; ring:PORT by UDP makes every open connection get a word, and
    those of late:PORT, which take next to nothing until then, be read.
    """
    ready = selectors.DefaultSelector()
    conns, late, counts = set(), set(), {}
    for word in wanted:
        kind, _, place = word.partition(":")
        address, _, port = place.rpartition("=")
        for host in [address] if address else ["0.0.0.0", "::"]:
            made = socket.socket(FAMILY(host), socket.SOCK_STREAM if kind in ("tcp", "sink", "late") else socket.SOCK_DGRAM)
            if host == "::":
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if kind == "late":
                made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            made.bind((host, int(port)))
            if kind in ("tcp", "sink", "late"):
                made.listen()
            ready.register(made, selectors.EVENT_READ, kind)
    say("ready")
    while True:
        for key, _ in ready.select():
            try:
                if key.data == "tcp":
                    conn, _ = key.fileobj.accept()
                    conn.sendall(name.encode())
                    conns.add(conn)
                    ready.register(conn, selectors.EVENT_READ, "conn")
                elif key.data == "late":
                    late.add(key.fileobj.accept()[0])
                elif key.data == "sink":
                    conn, _ = key.fileobj.accept()
                    counts[conn] = 0
                    ready.register(conn, selectors.EVENT_READ, "poured")
                elif key.data == "poured":
                    data = key.fileobj.recv(1 << 16)
                    counts[key.fileobj] += len(data)
                    if not data:
                        say(counts[key.fileobj])
                        ready.unregister(key.fileobj)
                elif key.data == "ring":
                    key.fileobj.recv(1)
                    for conn in conns:
                        conn.sendall(b"rung")
                    for conn in late:
                        outcome(lambda: conn.recv(1 << 20, socket.MSG_DONTWAIT))
                elif key.data == "udp":
                    _, peer = key.fileobj.recvfrom(2048)
                    key.fileobj.sendto(name.encode(), peer)
                else:
                    data = key.fileobj.recv(2048)
                    key.fileobj.sendall(name.encode()) if data else (ready.unregister(key.fileobj), key.fileobj.close())
            except OSError:
                if key.data == "conn":
                    ready.unregister(key.fileobj)


def outcome(act):
    try:
        return act()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, "silent")


def attempt(kind, host, port, mark):
    def act():
        if kind == "ping":
            with socket.socket(FAMILY(host), socket.SOCK_RAW, 1 if FAMILY(host) == socket.AF_INET else 58) as made:
                made.sendto(bytes([8 if FAMILY(host) == socket.AF_INET else 128, 0, 0xF7, 0xFF, 0, 0, 0, 0]), (host, 0))
                return "sent"
        if kind == "sctp":
            with socket.socket(FAMILY(host), socket.SOCK_RAW, 132) as made:
                made.sendto(bytes(12), (host, 0))
                return "sent"
        # With the interface that stands in a link-local one.
        place = socket.getaddrinfo(host, port, flags=socket.AI_NUMERICHOST)[0][4]
        with socket.socket(FAMILY(host), socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM) as made:
            made.settimeout(5)
            if mark:
                made.setsockopt(socket.SOL_SOCKET, 36, mark)
            if kind == "send":
                made.sendto(b"?", place)
                return "sent"
            made.connect(place)
            if kind == "udp":
                made.send(b"?")
            return made.recv(64).decode()

    return outcome(act)


def hold(host, port):
    """One line a line that comes in, each over the same connection."""
    with socket.socket(FAMILY(host)) as made:
        made.settimeout(5)
        made.connect((host, port))
        say(made.recv(64).decode())
        for _ in sys.stdin:
            say(outcome(lambda: (made.sendall(b"?"), made.recv(64).decode().removeprefix("rung"))[1]))


def hammer(host, port):
    """Connections one after the other until the input ends; then who answered, and how many there were."""
    seen, count = set(), 0
    say("ready")
    while not select.select([sys.stdin], [], [], 0)[0]:
        seen.add(attempt("tcp", host, port, 0))
        count += 1
    say([sorted(seen), count])


def pour(host, port, count):
    """Bytes, and a close before they are gone: the kernel sends the rest for nobody."""
    with socket.socket(FAMILY(host)) as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * count)
        made.connect((host, port))
        made.sendall(bytes(count))
    say("closed")


def watch():
    """What arrives on this side of the wire, one line a packet: protocol, destination, port."""
    made = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
    say("ready")
    while True:
        data, (_, kind, direction, *_) = made.recvfrom(2048)
        if direction == socket.PACKET_OUTGOING or kind not in (0x800, 0x86DD):
            continue
        six = kind == 0x86DD
        protocol = data[6] if six else data[9]
        rest = data[40:] if six else data[(data[0] & 15) * 4 :]
        to = socket.inet_ntop(socket.AF_INET6, data[24:40]) if six else socket.inet_ntop(socket.AF_INET, data[16:20])
        say([protocol, to, struct.unpack("!H", rest[2:4])[0] if protocol in (6, 17) else 0])


if sys.argv[1] == "serve":
    serve(sys.argv[2], sys.argv[3:])
elif sys.argv[1] == "try":
    mark = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    say([attempt(kind, host, port, mark) for kind, host, port in json.loads(sys.argv[2])])
elif sys.argv[1] == "hold":
    hold(sys.argv[2], int(sys.argv[3]))
elif sys.argv[1] == "hammer":
    hammer(sys.argv[2], int(sys.argv[3]))
elif sys.argv[1] == "pour":
    pour(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
else:
    watch()
