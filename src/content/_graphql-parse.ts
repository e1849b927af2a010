/** Executable GraphQL documents (September 2025 grammar), read for what they ask and nothing else. Null: not one. */
import type { GraphQlOperation } from "./graphql.ts";

/** Selection sets, lists and objects inside each other. */
const MAX_DEPTH = 64;
const MAX_TOKENS = 50_000;
/** Different fields of an operation, and fields looked at for all operations together. */
const MAX_FIELDS = 1000;
const MAX_LOOKED = 200_000;

interface Selection {
  readonly fields: string[];
  readonly spreads: string[];
  /** Selection sets below, itself included. */
  depth: number;
}

interface Written {
  readonly kind: GraphQlOperation["kind"];
  readonly name: string | null;
  readonly selection: Selection;
}

const TOKEN =
  /[\s,\uFEFF]+|#[^\n\r]*|(\.\.\.|[!$&()[\]{}:=@|])|([_A-Za-z]\w*)|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.]))|("""(?:[^"\\]|\\"""|\\(?!""")|"(?!""))*""")|("(?!"")(?:[^"\\\n\r]|\\(?:u[0-9A-Fa-f]{4}|u\{[0-9A-Fa-f]{1,8}\}|["\\/bfnrt]))*")/y;

const END = "";
const VALUE = "#";

class NotGraphQl extends Error {}
class TooMany extends Error {}

export function parseGraphQl(text: string): readonly GraphQlOperation[] | null | "too_many" {
  const tokens = lex(text);
  if (tokens === null || tokens === "too_many") return tokens;
  try {
    return new Parser(tokens).document();
  } catch (error) {
    if (error instanceof NotGraphQl) return null;
    if (error instanceof TooMany) return "too_many";
    throw error;
  }
}

/** Punctuators and names as they are, every other value as `VALUE`. */
function lex(text: string): string[] | null | "too_many" {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  let at = 0;
  while (at < text.length) {
    TOKEN.lastIndex = at;
    const found = TOKEN.exec(text);
    if (found === null) return null;
    at = TOKEN.lastIndex;
    const written = found[1] ?? found[2];
    if (written !== undefined) tokens.push(written);
    else if ((found[3] ?? found[4] ?? found[5]) !== undefined) tokens.push(VALUE);
    if (tokens.length > MAX_TOKENS) return "too_many";
  }
  return tokens;
}

class Parser {
  readonly #tokens: readonly string[];
  readonly #fragments = new Map<string, Selection>();
  #at = 0;
  #depth = 0;
  #looked = 0;

  constructor(tokens: readonly string[]) {
    this.#tokens = tokens;
  }

  document(): GraphQlOperation[] {
    const written: Written[] = [];
    while (this.#peek() !== END) {
      if (this.#peek() === "fragment") this.#fragment();
      else written.push(this.#operation());
    }
    if (written.length === 0) throw new NotGraphQl();
    return written.map(({ kind, name, selection }) => {
      const fields = new Set<string>();
      const depth = this.#follow(selection, fields, new Set());
      return { kind, name, fields: [...fields], depth };
    });
  }

  #operation(): Written {
    if (this.#peek() === "{") return { kind: "query", name: null, selection: this.#selections() };
    const kind = this.#name();
    if (kind !== "query" && kind !== "mutation" && kind !== "subscription") throw new NotGraphQl();
    const name = isName(this.#peek()) ? this.#name() : null;
    if (this.#take("(")) {
      do {
        this.#expect("$");
        this.#name();
        this.#expect(":");
        this.#type();
        if (this.#take("=")) this.#value();
        this.#directives();
      } while (!this.#take(")"));
    }
    this.#directives();
    return { kind, name, selection: this.#selections() };
  }

  #fragment(): void {
    this.#expect("fragment");
    const name = this.#name();
    if (name === "on" || this.#fragments.has(name)) throw new NotGraphQl();
    this.#expect("on");
    this.#name();
    this.#directives();
    this.#fragments.set(name, this.#selections());
  }

  #selections(): Selection {
    const selection: Selection = { fields: [], spreads: [], depth: 1 };
    this.#expect("{");
    this.#deeper();
    do {
      this.#selection(selection);
    } while (!this.#take("}"));
    this.#depth -= 1;
    return selection;
  }

  #selection(into: Selection): void {
    if (this.#take("...")) {
      if (isName(this.#peek()) && this.#peek() !== "on") {
        into.spreads.push(this.#name());
        this.#directives();
        return;
      }
      if (this.#take("on")) this.#name();
      this.#directives();
      const inner = this.#selections();
      for (const field of inner.fields) into.fields.push(field);
      for (const spread of inner.spreads) into.spreads.push(spread);
      into.depth = Math.max(into.depth, inner.depth);
      return;
    }
    let name = this.#name();
    if (this.#take(":")) name = this.#name();
    into.fields.push(name);
    this.#arguments();
    this.#directives();
    if (this.#peek() === "{") into.depth = Math.max(into.depth, 1 + this.#selections().depth);
  }

  /** Fields of a selection set with its fragments, and its depth. A fragment inside itself counts once. */
  #follow(selection: Selection, fields: Set<string>, seen: Set<string>): number {
    this.#looked += selection.fields.length + selection.spreads.length;
    for (const field of selection.fields) fields.add(field);
    if (this.#looked > MAX_LOOKED || fields.size > MAX_FIELDS) throw new TooMany();
    let { depth } = selection;
    for (const spread of selection.spreads) {
      const fragment = this.#fragments.get(spread);
      if (fragment === undefined) throw new NotGraphQl();
      if (seen.has(spread)) continue;
      seen.add(spread);
      if (seen.size > MAX_DEPTH) throw new NotGraphQl();
      depth = Math.max(depth, this.#follow(fragment, fields, seen));
    }
    return depth;
  }

  #arguments(): void {
    if (!this.#take("(")) return;
    do {
      this.#name();
      this.#expect(":");
      this.#value();
    } while (!this.#take(")"));
  }

  #directives(): void {
    while (this.#take("@")) {
      this.#name();
      this.#arguments();
    }
  }

  #type(): void {
    this.#deeper();
    if (this.#take("[")) {
      this.#type();
      this.#expect("]");
    } else this.#name();
    this.#take("!");
    this.#depth -= 1;
  }

  #value(): void {
    if (this.#take("$")) {
      this.#name();
      return;
    }
    if (this.#take(VALUE)) return;
    this.#deeper();
    if (this.#take("[")) while (!this.#take("]")) this.#value();
    else if (this.#take("{")) {
      while (!this.#take("}")) {
        this.#name();
        this.#expect(":");
        this.#value();
      }
    } else this.#name();
    this.#depth -= 1;
  }

  #deeper(): void {
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) throw new NotGraphQl();
  }

  #peek(): string {
    return this.#tokens[this.#at] ?? END;
  }

  #take(token: string): boolean {
    if (this.#peek() !== token) return false;
    this.#at += 1;
    return true;
  }

  #expect(token: string): void {
    if (!this.#take(token)) throw new NotGraphQl();
  }

  #name(): string {
    const token = this.#peek();
    if (!isName(token)) throw new NotGraphQl();
    this.#at += 1;
    return token;
  }
}

function isName(token: string): boolean {
  const code = token.charCodeAt(0) | 0x20;
  return (code >= 0x61 && code <= 0x7a) || token.charCodeAt(0) === 0x5f;
}
