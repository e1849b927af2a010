import { describe, expect, test } from "bun:test";
import { agreement } from "../../src/wire/websocket.ts";

const OFFER = "permessage-deflate; client_max_window_bits";

function agreed(offers: string | string[], answers: string | string[], version = ["13"]): string {
  const fields = (name: string, values: string[]) => values.flatMap((value) => [name, value]);
  const request = [...fields("Sec-WebSocket-Version", version), ...fields("Sec-WebSocket-Extensions", [offers].flat())];
  const said = agreement(request, fields("sec-websocket-extensions", [answers].flat()));
  if (said.kind === "refused") return said.detail;
  if (said.kind === "plain") return "plain";
  const { client, server } = said;
  return `client ${client.windowBits}${client.takeover ? "" : " fresh"} server ${server.windowBits}${server.takeover ? "" : " fresh"}`;
}

describe("refused", () => {
  const cases: [string, string | string[], string | string[], RegExp][] = [
    ["what was not offered", [], "permessage-deflate", /not offered/],
    ["another extension, also an offered one", "x-webkit-deflate-frame", "x-webkit-deflate-frame", /other than/],
    ["two extensions", `${OFFER}, x`, "permessage-deflate, x", /other than/],
    ["it twice", OFFER, ["permessage-deflate", "permessage-deflate"], /other than/],
    ["an unknown parameter", OFFER, "permessage-deflate; speed=9", /unknown terms/],
    [
      "a parameter twice",
      OFFER,
      "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
      /cannot be read/,
    ],
    ["a flag with a value", OFFER, "permessage-deflate; server_no_context_takeover=1", /unknown terms/],
    ["bits without a value", OFFER, "permessage-deflate; client_max_window_bits", /unknown terms/],
    ["bits of 7", OFFER, "permessage-deflate; server_max_window_bits=7", /unknown terms/],
    ["bits of 16", OFFER, "permessage-deflate; server_max_window_bits=16", /unknown terms/],
    ["bits with a zero before", OFFER, "permessage-deflate; server_max_window_bits=08", /unknown terms/],
    [
      "client bits that were not offered",
      "permessage-deflate",
      "permessage-deflate; client_max_window_bits=10",
      /not offered/,
    ],
    [
      "client bits above the offered",
      "permessage-deflate; client_max_window_bits=9",
      "permessage-deflate; client_max_window_bits=10",
      /not offered/,
    ],
    [
      "server bits above the asked",
      "permessage-deflate; server_max_window_bits=9",
      "permessage-deflate; server_max_window_bits=10",
      /not offered/,
    ],
    ["server bits left out", "permessage-deflate; server_max_window_bits=9", "permessage-deflate", /not offered/],
    ["a fresh server left out", "permessage-deflate; server_no_context_takeover", "permessage-deflate", /not offered/],
    ["an offer that nobody can read", "permessage-deflate; a b", "permessage-deflate", /not offered/],
    ["an offer with what is unknown", "permessage-deflate; x=1", "permessage-deflate", /not offered/],
    ["an answer that is no list", OFFER, "permessage-deflate; =", /cannot be read/],
    ["another case", OFFER, "Permessage-Deflate", /other than/],
  ];
  for (const [what, offers, answers, why] of cases) {
    test(what, () => {
      expect(agreed(offers, answers)).toMatch(why);
    });
  }

  for (const version of [[], ["8"], ["13", "13"], ["13, 8"]]) {
    test(`version ${version.join(" and ") || "unsaid"}`, () => {
      expect(agreed([], [], version)).toMatch(/version/);
    });
  }
});

describe("agreed", () => {
  const cases: [string, string | string[], string | string[], string][] = [
    ["nothing", [], [], "plain"],
    ["nothing of what was offered", `${OFFER}, x-other; a="b"`, [], "plain"],
    ["an empty list", OFFER, "", "plain"],
    ["as browsers do", OFFER, "permessage-deflate", "client 15 server 15"],
    [
      "as most servers do",
      OFFER,
      "permessage-deflate; client_max_window_bits=15; server_no_context_takeover",
      "client 15 server 15 fresh",
    ],
    [
      "fresh both ways, unasked",
      OFFER,
      "permessage-deflate;client_no_context_takeover;server_no_context_takeover",
      "client 15 fresh server 15 fresh",
    ],
    [
      "a hint that is not taken",
      "permessage-deflate; client_no_context_takeover",
      "permessage-deflate",
      "client 15 server 15",
    ],
    [
      "smaller than offered",
      "permessage-deflate; client_max_window_bits=12; server_max_window_bits=12",
      'permessage-deflate; client_max_window_bits="10"; server_max_window_bits=9',
      "client 10 server 9",
    ],
    [
      "the second of two offers",
      ["permessage-deflate; server_max_window_bits=9", "permessage-deflate"],
      "permessage-deflate",
      "client 15 server 15",
    ],
    [
      "a server that holds itself back, unasked",
      OFFER,
      "permessage-deflate; server_max_window_bits=8",
      "client 15 server 8",
    ],
  ];
  for (const [what, offers, answers, terms] of cases) {
    test(what, () => {
      expect(agreed(offers, answers)).toBe(terms);
    });
  }
});
