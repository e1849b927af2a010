/** Anybody but the owner. */
const OTHERS = 0o077;

/** Whether anybody but its owner can do anything with a file of this mode. */
export function othersCan(mode: number): boolean {
  return (mode & OTHERS) !== 0;
}

/** "0644". */
export function modeText(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, "0");
}
