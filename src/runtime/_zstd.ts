/** Finds the frames of a zstd body (RFC 8878) without decoding: neither runtime's decoder reports a lost end. */

const MAGIC = 0xfd2fb528;
const SKIPPABLE = 0x184d2a50;
/** RFC 9659: a window over 8 MiB is memory that the sender would choose. */
const MAX_WINDOW = 8 * 1024 * 1024;
/** Frames are decoded one by one; a body of a thousand tiny ones is an attack, not an encoder. */
const MAX_FRAMES = 256;

/** Frames to decode, in order, skippable ones left out; or what is wrong. */
export function zstdFrames(bytes: Uint8Array): readonly Uint8Array[] | string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const frames: Uint8Array[] = [];
  let at = 0;
  let count = 0;
  while (at < bytes.length) {
    if (bytes.length - at < 8) return count === 0 ? "is truncated" : "has bytes after its end";
    if (++count > MAX_FRAMES) return "has too many frames";
    const magic = view.getUint32(at, true);
    if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE) {
      at += 8 + view.getUint32(at + 4, true);
      if (at > bytes.length) return "is truncated";
      continue;
    }
    if (magic !== MAGIC) return count === 1 ? "is not zstd" : "has bytes after its end";
    const end = frameEnd(view, at);
    if (typeof end === "string") return end;
    frames.push(bytes.subarray(at, end));
    at = end;
  }
  return frames.length === 0 ? "has no frame" : frames;
}

function frameEnd(view: DataView, start: number): number | string {
  const descriptor = view.getUint8(start + 4);
  const single = (descriptor & 0x20) !== 0;
  const sizeFlag = descriptor >> 6;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const sizeBytes = sizeFlag === 0 ? (single ? 1 : 0) : 1 << sizeFlag;
  let at = start + 5 + (single ? 0 : 1) + dictionaryBytes;
  if (at + sizeBytes > view.byteLength) return "is truncated";
  if (dictionaryBytes > 0) return "names a dictionary";
  if (single) {
    if (contentSize(view, at, sizeBytes) > MAX_WINDOW) return "asks for too large a window";
  } else {
    const window = view.getUint8(start + 5);
    const base = 2 ** (10 + (window >> 3));
    if (base + (base / 8) * (window & 7) > MAX_WINDOW) return "asks for too large a window";
  }
  at += sizeBytes;
  for (;;) {
    if (at + 3 > view.byteLength) return "is truncated";
    const header = view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
    const kind = (header >> 1) & 3;
    if (kind === 3) return "has a reserved block";
    at += 3 + (kind === 1 ? 1 : header >> 3);
    if (at > view.byteLength) return "is truncated";
    if ((header & 1) === 1) break;
  }
  if ((descriptor & 0x04) !== 0) at += 4;
  return at > view.byteLength ? "is truncated" : at;
}

function contentSize(view: DataView, at: number, bytes: number): number {
  if (bytes === 1) return view.getUint8(at);
  if (bytes === 2) return view.getUint16(at, true) + 256;
  if (bytes === 4) return view.getUint32(at, true);
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
}
