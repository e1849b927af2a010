import { expect, test } from "bun:test";
import { readForm } from "../../src/content/form.ts";
import { Leaves } from "../../src/content/leaves.ts";

/** Counts how far it is searched. */
class Searched extends Uint8Array {
  looked = 0;

  override indexOf(byte: number, from = 0): number {
    const found = super.indexOf(byte, from);
    this.looked += (found === -1 ? this.length : found) - from;
    return found;
  }
}

for (const text of ["a&", "=&", "a=1&", "&", "=", "a"]) {
  test(`a body of nothing but ${JSON.stringify(text)} is searched a few times, not once for each field`, () => {
    const bytes = Searched.from(text.repeat(60_000), (char: string) => char.charCodeAt(0)) as Searched;
    const reading = readForm(bytes, new Leaves());
    for (let step = reading.next(); !step.done; step = reading.next());
    expect(bytes.looked).toBeLessThanOrEqual(2 * bytes.length + 2);
  });
}

test("names and values stand where the separators say, also where one is missing", () => {
  const text = "a=1&b&=2&c=3=4&&d";
  const bytes = new TextEncoder().encode(text);
  const reading = readForm(bytes, new Leaves());
  let step = reading.next();
  while (!step.done) step = reading.next();
  const fields = (step.value ?? []).map(({ name, start, end }) => [name, text.slice(start, end)]);
  expect(fields).toEqual([
    ["a", "1"],
    ["b", ""],
    ["", "2"],
    ["c", "3=4"],
    ["d", ""],
  ]);
});

test("a byte order mark makes it another name", () => {
  const reading = readForm(new TextEncoder().encode("%EF%BB%BFmodel=small&model=large"), new Leaves());
  let step = reading.next();
  while (!step.done) step = reading.next();
  expect(step.value?.map(({ name }) => name)).toEqual(["\ufeffmodel", "model"]);
});
