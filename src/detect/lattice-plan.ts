/** The disguises that are undone, in their order, and what has to be there for each of them to be tried. */
import { undoBase85, undoUu } from "./base85.ts";
import { undoBraille } from "./braille.ts";
import { undoCiphers } from "./ciphers.ts";
import { undoMorse, undoSpelling } from "./code-words.ts";
import type { Draft } from "./draft.ts";
import { undoFormats } from "./formats.ts";
import { undoHidden, undoTurned } from "./hidden.ts";
import { beginLeet, mayMeanMore, undoLeet } from "./leet.ts";
import { beginNumbers, undoNumbers } from "./numbers.ts";
import { undoRot47 } from "./rot47.ts";
import { undoRuns, undoSomeRuns } from "./runs.ts";
import { ESCAPES, FORMATS, inBlocks, LEET as MIXED, MORSE, NUMBERS, type Regional } from "./signals.ts";
import { undoMarkup } from "./turned-markup.ts";
import { undoEscapes } from "./unescape.ts";

/** Fewer invisible or turned characters spell nothing; an assembled phrase needs as many quotes for two literals. */
export const MIN_QUOTES = 4;

/** Disguises that are undone once on the way to a reading. */
export const LEET = 1;
export const CIPHER = 2;
export const PUZZLE = 4;

/** A view fills a draft with what it undoes; most leave it empty. `blocks`: what signals tell of the text. */
export type View = (text: Uint8Array, draft: Draft, blocks: Uint8Array) => void;

function regional(bit: number, view: Regional): View {
  const where = { bit, view };
  return (text, draft, blocks) => inBlocks(text, draft, blocks, where);
}

const forListed = regional(NUMBERS, undoNumbers);
const forMorse = regional(MORSE, undoMorse);
const forRot47 = regional(MIXED, undoRot47);
const forEscapes = regional(ESCAPES, undoEscapes);
const forMixed = regional(MIXED, undoLeet);

const forNumbers: View = (text, draft, blocks) => {
  beginNumbers();
  forListed(text, draft, blocks);
};
const forCiphers: View = (text, draft) => undoCiphers(text, draft, false);
const forWordsTurned: View = (text, draft) => undoCiphers(text, draft, true);
const forLeet: View = (text, draft, blocks) => {
  beginLeet(true);
  forMixed(text, draft, blocks);
};
const forPlainLeet: View = (text, draft, blocks) => {
  beginLeet(false);
  forMixed(text, draft, blocks);
};

/** What there is to a text besides its bytes, for the views. */
interface Known {
  readonly signals: number;
  readonly invisible: number;
  readonly turned: number;
  /** It may be written in a cipher. */
  readonly cipher: boolean;
}

/** A view, and when there is anything for it to undo. All of one shape: each text asks all of them. */
interface Planned {
  readonly view: View;
  readonly when: (known: Known, done: number) => boolean;
  /** It is given the text itself, not its ASCII. */
  readonly whole: boolean;
  /** What is of no use again below. */
  readonly marks: number;
  /** Another view of the same, and when it is tried. */
  readonly again: View | null;
  readonly tried: (draft: Draft) => boolean;
  /** The view a part at a time: from where on; where it goes on, or -1. */
  readonly parts: ((text: Uint8Array, draft: Draft, from: number) => number) | null;
}

function planned(view: View, when: Planned["when"] = always, over: Partial<Planned> = {}): Planned {
  return { view, when, whole: false, marks: 0, again: null, tried: () => false, parts: null, ...over };
}

const always = (): boolean => true;
const signs =
  (bit: number): Planned["when"] =>
  ({ signals }) =>
    (signals & bit) !== 0;

/** In this order, puzzles behind them all. */
export const PLAN: readonly Planned[] = [
  planned(undoHidden, ({ invisible }) => invisible >= MIN_QUOTES, { whole: true }),
  planned(undoBraille, ({ turned }) => turned > 0, { whole: true }),
  planned(undoTurned, ({ turned }) => turned >= MIN_QUOTES, { whole: true }),
  planned(forEscapes, signs(ESCAPES)),
  planned(undoRuns, always, { parts: undoSomeRuns }),
  planned(undoBase85),
  planned(undoUu),
  planned(forNumbers, signs(NUMBERS)),
  planned(forMorse, signs(MORSE)),
  planned(undoSpelling),
  planned(forRot47, signs(MIXED)),
  planned(forLeet, ({ signals }, done) => (signals & MIXED) !== 0 && (done & LEET) === 0, {
    marks: LEET,
    again: forPlainLeet,
    tried: mayMeanMore,
  }),
  planned(undoMarkup, (_, done) => (done & CIPHER) === 0, { marks: CIPHER | LEET }),
  planned(undoFormats, signs(FORMATS)),
  planned(forCiphers, ({ cipher }, done) => cipher && (done & CIPHER) === 0, {
    marks: CIPHER,
    // What reads backwards may be words turned round, each in its place.
    again: forWordsTurned,
    tried: ({ kinds }) => kinds.some((kind) => kind.startsWith("reversed")),
  }),
];
