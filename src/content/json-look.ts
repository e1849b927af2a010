/** Looks things up on a tape without building anything. A node that is not there is -1. */
import { decodeJsonText } from "./coding.ts";
import { ARRAY, FALSE, type JsonTape, KEY, NULL, NUMBER, OBJECT, STRING, TRUE } from "./json.ts";

/** A byte order mark is a character like any other: left out, the key that has it would be read as the one without. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** The value of a key of an object. Names are compared with escapes undone; of two equal keys the last, as most readers do. */
export function member(tape: JsonTape, object: number, name: string): number {
  if (object < 0 || tape.kind[object] !== OBJECT) return -1;
  const end = tape.next[object] as number;
  let found = -1;
  for (let key = object + 1; key < end; key = tape.next[key + 1] as number) {
    if (isKey(tape, key, name)) {
      found = key + 1;
      if (tape.duplicateAt === -1) return found;
    }
  }
  return found;
}

/** Whether the key (or string) at `node` is this name. */
export function isKey(tape: JsonTape, node: number, name: string): boolean {
  const start = tape.start[node] as number;
  if (tape.escaped[node] === 1) return textOf(tape, node) === name;
  const { length } = name;
  const bytes = (tape.end[node] as number) - start;
  if (bytes < length) return false;
  for (let i = 0; i < length; i++) {
    const code = name.charCodeAt(i);
    if (code > 0x7f) return textOf(tape, node) === name;
    if (tape.bytes[start + i] !== code) return false;
  }
  return bytes === length;
}

/** The first element of an array, or the first key of an object. */
export function first(tape: JsonTape, container: number): number {
  if (container < 0 || (tape.kind[container] !== ARRAY && tape.kind[container] !== OBJECT)) return -1;
  return container + 1 < (tape.next[container] as number) ? container + 1 : -1;
}

/** The element after this one in its array; after the value of a key, the next key of the object. */
export function sibling(tape: JsonTape, node: number): number {
  const around = tape.parent[node] as number;
  if (around === -1) return -1;
  const next = tape.next[node] as number;
  return next < (tape.next[around] as number) ? next : -1;
}

export function element(tape: JsonTape, array: number, index: number): number {
  if (array < 0 || tape.kind[array] !== ARRAY) return -1;
  let node = first(tape, array);
  for (let i = 0; i < index && node !== -1; i++) node = sibling(tape, node);
  return node;
}

export function isString(tape: JsonTape, node: number): boolean {
  return node >= 0 && tape.kind[node] === STRING;
}

/** The text of a string or key, escapes undone; of anything else, how it is written. */
export function textOf(tape: JsonTape, node: number): string {
  const start = tape.start[node] as number;
  const end = tape.end[node] as number;
  if (tape.escaped[node] === 1) return decoder.decode(decodeJsonText(tape.bytes, start, end));
  if (end - start > 24) return decoder.decode(tape.bytes.subarray(start, end));
  let text = "";
  for (let i = start; i < end; i++) {
    const code = tape.bytes[i] as number;
    if (code > 0x7f) return decoder.decode(tape.bytes.subarray(start, end));
    text += String.fromCharCode(code);
  }
  return text;
}

/** The string at a node, or null when it is none or longer than `most` bytes. */
export function stringAt(tape: JsonTape, node: number, most = 64 * 1024): string | null {
  if (!isString(tape, node) || (tape.end[node] as number) - (tape.start[node] as number) > most) return null;
  return textOf(tape, node);
}

/** The number at a node, or null when it is none. What a double cannot hold is rounded: compare texts where it matters. */
export function numberAt(tape: JsonTape, node: number): number | null {
  return node >= 0 && tape.kind[node] === NUMBER ? Number(textOf(tape, node)) : null;
}

export function isTrue(tape: JsonTape, node: number): boolean {
  return node >= 0 && tape.kind[node] === TRUE;
}

/** `null` of a materialised value that stands for more than was allowed. */
export const TOO_BIG: unique symbol = Symbol("too big");

/**
 * The value at a node as JavaScript has it; objects have no prototype. `TOO_BIG` when it has more than `most` nodes.
 * Numbers are doubles.
 */
export function materialise(tape: JsonTape, node: number, most: number): unknown {
  if ((tape.next[node] as number) - node > most) return TOO_BIG;
  return made(tape, node);
}

function made(tape: JsonTape, node: number): unknown {
  switch (tape.kind[node]) {
    case OBJECT: {
      const object: Record<string, unknown> = Object.create(null);
      for (let key = first(tape, node); key !== -1; key = sibling(tape, key + 1)) {
        object[textOf(tape, key)] = made(tape, key + 1);
      }
      return object;
    }
    case ARRAY: {
      const array: unknown[] = [];
      for (let each = first(tape, node); each !== -1; each = sibling(tape, each)) array.push(made(tape, each));
      return array;
    }
    case STRING:
      return textOf(tape, node);
    case NUMBER:
      return Number(textOf(tape, node));
    case TRUE:
      return true;
    case FALSE:
      return false;
    default:
      return null;
  }
}

/** `$.messages[0].content`: for a person, of a node. Names that are no words are quoted. */
export function pathOf(tape: JsonTape, node: number): string {
  const parts: string[] = [];
  for (let each = node; each > 0; each = tape.parent[each] as number) {
    if (tape.kind[each] === KEY) parts.push(".~key");
    else if (tape.kind[each - 1] === KEY) {
      const name = textOf(tape, each - 1).slice(0, 200);
      parts.push(/^[A-Za-z_][\w-]*$/.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`);
    } else {
      let index = 0;
      for (let one = first(tape, tape.parent[each] as number); one !== each; one = tape.next[one] as number) index += 1;
      parts.push(`[${index}]`);
    }
  }
  return `$${parts.reverse().join("")}`;
}

export type JsonKind = "object" | "array" | "string" | "number" | "boolean" | "null";

export function kindOf(tape: JsonTape, node: number): JsonKind {
  switch (tape.kind[node]) {
    case OBJECT:
      return "object";
    case ARRAY:
      return "array";
    case NUMBER:
      return "number";
    case TRUE:
    case FALSE:
      return "boolean";
    case NULL:
      return "null";
    default:
      return "string";
  }
}
