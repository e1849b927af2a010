"""Python clients behind a proxy: client.py requests|httpx PROXY BASE CA. Prints one JSON line."""

import json
import sys

kind, proxy, base, ca = sys.argv[1:5]

if kind == "requests":
    import requests

    session = requests.Session()
    session.trust_env = False
    session.proxies = {"http": proxy, "https": proxy}
    session.verify = ca
    first = session.post(base + "/py", data=b"from python")
    second = session.get(base + "/bytes?n=100000")
    with session.get(base + "/gzip", stream=True) as third:
        streamed = sum(len(chunk) for chunk in third.iter_content(1000))
else:
    import ssl

    import httpx

    context = ssl.create_default_context(cafile=ca)
    try:
        client = httpx.Client(proxies=proxy, verify=context, trust_env=False)
    except TypeError:  # httpx >= 0.28
        client = httpx.Client(proxy=proxy, verify=context, trust_env=False)
    first = client.post(base + "/py", content=b"from python")
    second = client.get(base + "/bytes?n=100000")
    with client.stream("GET", base + "/gzip") as third:
        streamed = sum(len(chunk) for chunk in third.iter_bytes())

print(
    json.dumps(
        {
            "status": first.status_code,
            "cert": "X-EVE-Decision-Cert" in first.headers,
            "echo": first.json(),
            "bytes": len(second.content),
            "streamed": streamed,
        }
    )
)
