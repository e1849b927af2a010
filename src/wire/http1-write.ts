/** Heads going out: which fields travel on, and text that cannot break out of its line. One char is one byte. */
import { Fault } from "../errors.ts";
import { sameName } from "./http1-chars.ts";
import { endsHere, isOwnName, namesField, roleOf } from "./http1-names.ts";

/** Would end the line early; a char above U+00FF would lose its high byte on the way out and could become one. */
const UNSAFE = /[\0\r\n\u0100-\uffff]/;
const EVERY_UNSAFE = /[\0\r\n\u0100-\uffff]/g;
/** What may stand in a method, target or host: nothing that ends the word or the line. */
const WORD = /^[\x21-\x7e]+$/;

const NONE: readonly string[] = [];

/**
 * The end-to-end fields of a head or trailer section, in their order: hop-by-hop fields, those named in `connection`
 * (lower case), `X-EVE-*`, Expect and Content-Length are gone, because framing is generated anew both ways; of a request
 * Host and Trailer too, and of trailers, where neither has a meaning.
 */
export function endToEnd(
  headers: readonly string[],
  connection: readonly string[],
  drop: "request" | "response" | "trailers",
): string[] {
  const request = drop !== "response";
  const named = connection.length === 0 ? NONE : connection.filter(namesField);
  const kept: string[] = [];
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] as string;
    if (staysHere(name, request) || (named.length > 0 && isNamed(name, named))) continue;
    kept.push(name, headers[i + 1] as string);
  }
  return kept;
}

/** `Name: value\r\n` for every field. An unsafe character of a value becomes a space; a field with one in its name is left out. */
export function writeFields(headers: readonly string[]): string {
  let text = "";
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] as string;
    const value = headers[i + 1] as string;
    if (UNSAFE.test(value)) {
      if (!UNSAFE.test(name)) text += `${name}: ${value.replace(EVERY_UNSAFE, " ")}\r\n`;
    } else if (!UNSAFE.test(name)) {
      text += `${name}: ${value}\r\n`;
    }
  }
  return text;
}

/**
 * Request line and Host with their CRLFs. `host` is a ready authority (`formatAuthority`). Throws Fault `head_unsafe` when
 * method, target or host could be read as more than one word.
 */
export function requestLines(method: string, target: string, host: string): string {
  if (!WORD.test(method) || !WORD.test(target) || !WORD.test(host)) {
    throw new Fault("head_unsafe", "cannot write a request head: its method, target or host is not one word");
  }
  return `${method} ${target} HTTP/1.1\r\nHost: ${host}\r\n`;
}

/** A status line with its CRLF. */
export function statusLine(status: number, reason: string): string {
  if (status === 200 && reason === "OK") return "HTTP/1.1 200 OK\r\n";
  const words = UNSAFE.test(reason) ? reason.replace(EVERY_UNSAFE, " ") : reason;
  return `HTTP/1.1 ${status} ${words}\r\n`;
}

function staysHere(name: string, request: boolean): boolean {
  const role = roleOf(name);
  return role === null ? isOwnName(name) : endsHere(role, request);
}

function isNamed(name: string, named: readonly string[]): boolean {
  for (const option of named) if (sameName(name, option)) return true;
  return false;
}
