#!/usr/bin/env python3
"""A verifier of Decision Certificates written from docs/certificate.md alone, as a check of that document.

    verify.py (--secret-file FILE | --jwks FILE)... LOG

LOG is a certificate or an audit log. One line per problem goes to stdout: "LINE CODE". Exit 0: none, 1: some,
2: an asymmetric certificate was met and the `cryptography` package is not installed, 64: it was not called so.
"""
import base64
import hashlib
import hmac
import json
import math
import re
import sys

PREFIX = {"HMAC-SHA256": "hmac-", "Ed25519": "ed25519-", "ECDSA-P256-SHA256": "es256-"}
OPTIONS = ("--secret-file", "--jwks")
ZERO = "0" * 64


class Refused(Exception):
    pass


def number(value):
    """A number as ECMAScript writes it (RFC 8785 section 3.2.2.3)."""
    if isinstance(value, int) and abs(value) < 2**53:
        return str(value)
    value = float(value)
    if not math.isfinite(value):
        raise Refused("malformed")
    if value == 0:
        return "0"
    sign, value = ("-", -value) if value < 0 else ("", value)
    mantissa, _, exponent = repr(value).partition("e")
    whole, _, fraction = mantissa.partition(".")
    if fraction == "0":
        fraction = ""
    point = len(whole) + int(exponent or 0)
    digits = whole + fraction
    point -= len(digits) - len(digits.lstrip("0"))
    digits = digits.strip("0")
    if 0 < point <= 21:
        text = digits.ljust(point, "0") if len(digits) <= point else digits[:point] + "." + digits[point:]
    elif -6 < point <= 0:
        text = "0." + "0" * -point + digits
    else:
        power = point - 1
        text = digits[0] + ("." + digits[1:] if len(digits) > 1 else "") + "e" + ("+" if power > 0 else "-") + str(abs(power))
    return sign + text


def canonical(value):
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, (int, float)):
        return number(value)
    if isinstance(value, str):
        if re.search("[\ud800-\udfff]", value):
            raise Refused("malformed")
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return "[" + ",".join(canonical(item) for item in value) + "]"
    names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
    return "{" + ",".join(canonical(name) + ":" + canonical(value[name]) for name in names) + "}"


def once(pairs):
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Refused("duplicate_key")
    return members


def unbase64(text):
    if not re.fullmatch("[A-Za-z0-9_-]*", text):
        raise Refused("bad_signature")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if base64.urlsafe_b64encode(data).rstrip(b"=").decode() != text:
        raise Refused("bad_signature")
    return data


def hmac_key(secret):
    mac = lambda text: hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
    return mac("kid")[:16], ("HMAC-SHA256", lambda text, sig: hmac.compare_digest("hmac-" + mac(text), sig))


def jwk_key(jwk):
    public = {name: jwk[name] for name in ("crv", "kty", "x", "y") if name in jwk}
    digest = hashlib.sha256(canonical(public).encode()).digest()
    algorithm = "Ed25519" if jwk["kty"] == "OKP" else "ECDSA-P256-SHA256"
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode(), (algorithm, lambda text, sig: asymmetric(jwk, algorithm, text, sig))


def asymmetric(jwk, algorithm, text, signature):
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
    except ImportError:
        sys.exit(2)
    if not signature.startswith(PREFIX[algorithm]):
        return False
    raw = unbase64(signature[len(PREFIX[algorithm]):])
    if len(raw) != 64:
        return False
    try:
        if algorithm == "Ed25519":
            ed25519.Ed25519PublicKey.from_public_bytes(unbase64(jwk["x"])).verify(raw, text.encode())
        else:
            r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
            x, y = (int.from_bytes(unbase64(jwk[name]), "big") for name in "xy")
            key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
            key.verify(utils.encode_dss_signature(r, s), text.encode(), ec.ECDSA(hashes.SHA256()))
        return True
    except InvalidSignature:
        return False


def read(line, keys):
    """The certificate of a line and the sha256 of its signed bytes, or Refused with the code."""
    if line != line.strip():
        raise Refused("malformed")
    try:
        certificate = json.loads(line.decode(), object_pairs_hook=once)
    except (ValueError, RecursionError):
        raise Refused("malformed")
    if not isinstance(certificate, dict):
        raise Refused("malformed")
    if certificate.get("v") != 1:
        raise Refused("unknown_version")
    signature = certificate.get("signature")
    if not isinstance(signature, str):
        raise Refused("malformed")
    text = canonical({name: value for name, value in certificate.items() if name != "signature"})
    if certificate.get("kid") not in keys:
        raise Refused("unknown_key")
    algorithm, check = keys[certificate["kid"]]
    if certificate.get("algorithm") != algorithm:
        raise Refused("wrong_algorithm")
    if not check(text, signature):
        raise Refused("bad_signature")
    return certificate, hashlib.sha256(text.encode()).hexdigest()


def explained(torn, recovered):
    """Whether a recovery names these bytes; the last newline counts only if it was there before."""
    for data in (torn, torn[:-1] if torn.endswith(b"\n") else torn):
        if recovered["torn_bytes"] == len(data) and recovered["torn_hash"] == hashlib.sha256(data).hexdigest():
            return True
    return False


def verify(data, keys):
    """The problems of one log. `ends` has the last place of every chain: one that comes back must go on there."""
    problems, ends, current, torn, torn_at, promise = [], {}, None, b"", 0, None
    lines = data.split(b"\n")
    for number_, line in enumerate(lines, 1):
        if number_ == len(lines) and line == b"":
            break
        ended = line + (b"\n" if number_ < len(lines) else b"")
        try:
            certificate, digest = read(line, keys)
        except Refused as refused:
            if str(refused) == "malformed":
                torn, torn_at = torn + ended, torn_at or number_
            else:
                problems.append((number_, str(refused)))
            continue
        chain, recovered = certificate["chain"], certificate.get("recovered")
        if chain is None:
            if torn:
                torn += ended
            elif promise and len(promise["late"]) < promise["unwritten"]:
                promise["late"].append(ended)
            elif len(lines) > 2:
                problems.append((number_, "unchained"))
            continue
        if torn and not (recovered and explained(torn, recovered)):
            problems.append((torn_at, "malformed"))
        elif not torn and recovered and recovered["torn_bytes"] > 0:
            problems.append((number_, "malformed"))
        torn, torn_at = b"", 0
        if promise and not kept(promise, recovered):
            problems.append((promise["line"], "unwritten_mismatch"))
        promise = {**recovered, "late": [], "line": number_} if recovered and recovered.get("unwritten") else None
        last = ends.get(chain["id"])
        if last:
            if chain["seq"] <= last["seq"]:
                problems.append((number_, "duplicate"))
                continue
            if chain["seq"] > last["seq"] + 1:
                problems.append((number_, "gap"))
            elif chain["prev"] != last["digest"]:
                problems.append((number_, "broken_link"))
        elif chain["prev"] != ZERO if chain["seq"] == 0 else current:
            problems.append((number_, "chain_changed" if current else "broken_link"))
        current = chain["id"]
        ends[current] = {"seq": chain["seq"], "digest": digest}
    if torn:
        problems.append((torn_at, "torn_tail" if len(lines) > 1 else "malformed"))
    if promise and not kept(promise, None):
        problems.append((promise["line"], "unwritten_mismatch"))
    return problems


def kept(promise, recovered):
    """Whether the late certificates are those named, or as many of them as the next recovery says it found."""
    late = b"".join(promise["late"])
    digest = hashlib.sha256(late).hexdigest()
    if len(promise["late"]) == promise["unwritten"]:
        return digest == promise["unwritten_hash"]
    return bool(recovered) and recovered.get("late") == len(promise["late"]) and recovered["late_hash"] == digest


def main(arguments):
    options, log = arguments[:-1:2], arguments[-1:]
    if len(arguments) % 2 == 0 or log[0].startswith("--") or any(option not in OPTIONS for option in options):
        print(__doc__.strip(), file=sys.stderr)
        return 64
    keys = {}
    while len(arguments) > 1:
        option, path, *arguments = arguments
        with open(path, "rb") as file:
            data = file.read()
        if option == "--secret-file":
            kid, key = hmac_key(data[:-1] if data.endswith(b"\n") else data)
            keys[kid] = key
        else:
            keys.update(jwk_key(jwk) for jwk in json.loads(data)["keys"])
    with open(arguments[0], "rb") as file:
        problems = verify(file.read(), keys)
    for line, code in problems:
        print(line, code)
    return 1 if problems else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except OSError as error:
        # A folder too: its files are verified one by one.
        print(f"verify.py: {error.filename}: {error.strerror}", file=sys.stderr)
        sys.exit(64)
