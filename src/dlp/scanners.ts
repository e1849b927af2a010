/** Scanners are alike for all settings but for what is switched off: each is made once. */
import { assignments } from "./assignment.ts";
import { emailAt } from "./email.ts";
import { keyBlocks } from "./key-block.ts";
import { numberAt } from "./personal.ts";
import { Scanner } from "./scanner.ts";
import { urls } from "./urls.ts";
import { type Detector, vendorKeys } from "./vendor-keys.ts";

export interface Wanted {
  readonly secrets: boolean;
  readonly personal: boolean;
}

function* detectors(): Generator<void, readonly Detector[]> {
  const keys = yield* vendorKeys();
  return [...keys, ...assignments(), ...urls(), ...keyBlocks()];
}

// biome-ignore lint/correctness/useYield: what is to be done in steps is nothing.
function* none(): Generator<void, readonly Detector[]> {
  return [];
}

const made: (Scanner | undefined)[] = [];

export function scannerOf({ secrets, personal }: Wanted): Scanner {
  const index = (secrets ? 1 : 0) + (personal ? 2 : 0);
  const known = made[index];
  if (known !== undefined) return known;
  const scanner = new Scanner({
    detectors: secrets ? detectors() : none(),
    numbers: personal ? numberAt : null,
    ats: personal ? emailAt : null,
  });
  made[index] = scanner;
  return scanner;
}
