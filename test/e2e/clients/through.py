"""Python clients, direct or behind a proxy: through.py requests|httpx|httpx-h2|aiohttp|websockets, a job as JSON on
standard input: {proxy, base, ca, requests}. Prints a JSON line for every request or message."""

import asyncio
import hashlib
import json
import ssl
import sys

KIND = sys.argv[1]
JOB = json.load(sys.stdin)
PROXY, BASE, CA, REQUESTS = JOB["proxy"], JOB["base"], JOB["ca"], JOB["requests"]


def tell(**line):
    print(json.dumps(line), flush=True)


def answered(status, headers, body, **more):
    tell(
        status=status,
        headers=[[name, value] for name, value in headers],
        bytes=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
        text=body.decode("utf-8", "replace") if len(body) < 8192 else "",
        **more,
    )


def parts(request):
    body = None
    if "file" in request:
        with open(request["file"], "rb") as file:
            body = file.read()
    return request["method"], BASE + request["path"], request["headers"], body


def by_requests():
    import requests

    session = requests.Session()
    session.trust_env = False
    session.verify = CA
    if PROXY:
        session.proxies = {"https": PROXY}
    for request in REQUESTS:
        method, url, headers, body = parts(request)
        try:
            got = session.request(method, url, headers=headers, data=body, allow_redirects=False)
            # As they came, doubled ones apart.
            answered(got.status_code, got.raw.headers.items(), got.content)
        except requests.RequestException as error:
            tell(error=type(error).__name__ + ": " + str(error))


def by_httpx(http2):
    import httpx

    context = ssl.create_default_context(cafile=CA)
    try:
        client = httpx.Client(http2=http2, verify=context, trust_env=False, proxy=PROXY or None, timeout=30)
    except TypeError:  # httpx < 0.26
        client = httpx.Client(http2=http2, verify=context, trust_env=False, proxies=PROXY or None, timeout=30)
    with client:
        for request in REQUESTS:
            method, url, headers, body = parts(request)
            try:
                got = client.request(method, url, headers=headers, content=body)
                raw = [(name.decode("latin1"), value.decode("latin1")) for name, value in got.headers.raw]
                answered(got.status_code, raw, got.content, version=got.http_version)
            except httpx.HTTPError as error:
                tell(error=type(error).__name__ + ": " + str(error))


async def by_aiohttp():
    import aiohttp

    context = ssl.create_default_context(cafile=CA)
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        for request in REQUESTS:
            method, url, headers, body = parts(request)
            try:
                sent = session.request(method, url, headers=headers, data=body, proxy=PROXY or None)
                async with sent as got:
                    raw = [(name.decode("latin1"), value.decode("latin1")) for name, value in got.raw_headers]
                    answered(got.status, raw, await got.read())
            except aiohttp.ClientError as error:
                tell(error=type(error).__name__ + ": " + str(error))


async def by_websockets():
    import websockets

    context = ssl.create_default_context(cafile=CA)
    url = BASE.replace("https", "wss") + "/socket"
    try:
        async with websockets.connect(url, ssl=context, proxy=PROXY or None) as socket:
            tell(headers=[part for pair in socket.response.headers.raw_items() for part in pair])
            try:
                for message in REQUESTS:
                    await socket.send(message)
                    tell(message=await socket.recv())
                await socket.close(1000, "done")
            except websockets.ConnectionClosed:
                pass
            tell(closed=socket.close_code, reason=socket.close_reason)
    except websockets.InvalidStatus as error:
        tell(status=error.response.status_code)


if KIND == "requests":
    by_requests()
elif KIND in ("httpx", "httpx-h2"):
    by_httpx(KIND == "httpx-h2")
elif KIND == "aiohttp":
    asyncio.run(by_aiohttp())
else:
    asyncio.run(by_websockets())
