/** A ClientHello made by hand, so that a test says exactly what is in it. */
export interface Hello {
  readonly sni?: string;
  readonly ech?: boolean;
  /** Bytes of padding. */
  readonly pad?: number;
}

function u16(value: number): number[] {
  return [(value >> 8) & 255, value & 255];
}

export function clientHello({ sni, ech = false, pad = 0 }: Hello = {}): Uint8Array {
  const extension = (type: number, body: number[]) => [...u16(type), ...u16(body.length), ...body];
  const extensions: number[] = [];
  if (sni !== undefined) {
    const name = [...new TextEncoder().encode(sni)];
    extensions.push(...extension(0, [...u16(name.length + 3), 0, ...u16(name.length), ...name]));
  }
  extensions.push(...extension(0x002b, [2, 3, 4]));
  if (ech) extensions.push(...extension(0xfe0d, [0, 0, 1, 0, 1, 7, 0, 0, 0, 0]));
  if (pad > 0) extensions.push(...extension(21, new Array<number>(pad).fill(0)));
  const body = [
    3,
    3,
    ...new Array<number>(32).fill(7),
    0,
    ...u16(2),
    0x13,
    0x01,
    1,
    0,
    ...u16(extensions.length),
    ...extensions,
  ];
  const message = [1, 0, ...u16(body.length), ...body];
  return Uint8Array.from([0x16, 3, 1, ...u16(message.length), ...message]);
}
