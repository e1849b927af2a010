/** Credentials put together at run time, so that no scanner takes this repository's for real ones. */

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/** The same characters for the same seed: letters of both cases and digits, as keys have them. */
export function random(length: number, seed = 1, alphabet = ALPHABET): string {
  let state = (seed * 2654435761) >>> 0;
  let text = "";
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    text += alphabet.charAt((state >>> 8) % alphabet.length);
  }
  return text;
}

const HEX = "0123456789abcdef";
const join = (...parts: string[]): string => parts.join("");

export const openai = (seed = 1): string => join("sk", "-proj-", random(90, seed));
export const anthropic = (seed = 1): string => join("sk", "-ant-", "api03-", random(93, seed), "AA");
export const github = (seed = 1): string => join("gh", "p_", random(36, seed));
export const gitlab = (seed = 1): string => join("gl", "pat-", random(20, seed));
export const awsId = (seed = 1): string => join("AK", "IA", random(16, seed, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"));
export const stripe = (seed = 1): string => join("sk", "_live_", random(24, seed));
export const sendgrid = (seed = 1): string => join("S", "G.", random(22, seed), ".", random(43, seed + 1));
export const slackHook = (seed = 1): string =>
  join(
    "https://hooks.",
    "slack.com/services/T",
    random(9, seed, "ABCDEFGHJKMNPQRS0123456789"),
    "/B",
    random(9, seed + 5, "ABCDEFGHJKMNPQRS0123456789"),
    "/",
    random(24, seed),
  );
export const hexToken = (length: number, seed = 1): string => random(length, seed, HEX);
export const jwt = (): string =>
  join(
    btoa('{"alg":"HS256","typ":"JWT"}').replaceAll("=", ""),
    ".",
    btoa('{"sub":"7f31","n":1}').replaceAll("=", ""),
    ".",
    random(43, 3),
  );
export const privateKey = (): string =>
  join("-----BEGIN ", "PRIVATE KEY-----\n", random(64, 1), "\n", random(64, 2), "\n-----END ", "PRIVATE KEY-----");
