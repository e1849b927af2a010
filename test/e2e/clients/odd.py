"""A client whose bytes are as odd as its job says: CONNECT, TLS inside by Python's ssl over memory, so that every byte of it
can be cut anew. The job is JSON on standard input, all but port and target optional:
{port, target, version, together, records, raw, sni, alpn, tls1, ca, send, until}. Prints one JSON line."""

import base64
import json
import socket
import ssl
import sys

job = json.load(sys.stdin)
told = {"connect": 0, "tls": None, "alpn": None, "error": None, "received": ""}
sock = socket.create_connection(("127.0.0.1", job["port"]), timeout=60)
sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def context():
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.load_verify_locations(job["ca"])
    # What is asked for is not always what is named: the name is the test's business.
    made.check_hostname = False
    if job.get("tls1"):
        made.set_ciphers("ALL:@SECLEVEL=0")
        made.minimum_version = made.maximum_version = ssl.TLSVersion.TLSv1
    if job.get("alpn"):
        made.set_alpn_protocols(job["alpn"])
    return made


def cut(flight, size):
    """The one record of a first flight as records of `size` bytes."""
    body = flight[5:]
    return b"".join(
        b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part
        for part in (body[i : i + size] for i in range(0, len(body), size))
    )


def begin():
    inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context().wrap_bio(inward, outward, server_hostname=job.get("sni"))
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    first = outward.read()
    return tls, inward, outward, cut(first, job["records"]) if job.get("records") else first


def recv(inward):
    data = sock.recv(65536)
    inward.write(data) if data else inward.write_eof()
    return data


def finish(part):
    tls, inward, outward, _ = part
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            sock.sendall(outward.read())
            recv(inward)
    sock.sendall(outward.read())
    told["tls"], told["alpn"] = tls.version(), tls.selected_alpn_protocol()
    tls.write(base64.b64decode(job.get("send", "")))
    sock.sendall(outward.read())
    got = b""
    until = job.get("until", "").encode("latin1")
    while not until or until not in got:
        try:
            data = tls.read(65536)
        except ssl.SSLWantReadError:
            recv(inward)
            continue
        if not data:
            break
        got += data
        told["received"] = got.decode("latin1")
        # What the other side asks of the connection (windows, pings) is not answered: the test looks at what it says.


try:
    connect = ("CONNECT %s HTTP/%s\r\nHost: %s\r\n\r\n" % (job["target"], job.get("version", "1.1"), job["target"])).encode()
    part = None if "raw" in job else begin()
    together = part[3] if part and job.get("together") else b""
    sock.sendall(connect + together)
    head = b""
    while b"\r\n\r\n" not in head:
        data = sock.recv(1)
        if not data:
            break
        head += data
    told["connect"] = int(head.split(b" ")[1])
    if part is None:
        sock.sendall(base64.b64decode(job["raw"]))
        sock.shutdown(socket.SHUT_WR)
        while data := sock.recv(65536):
            told["received"] += data.decode("latin1")
    else:
        if not together:
            sock.sendall(part[3])
        finish(part)
except (OSError, ssl.SSLError) as error:
    told["error"] = "%s: %s" % (type(error).__name__, error)
print(json.dumps(told))
