const MAX_CHARS = 64;

/** A quoted piece of input for one line of diagnostics: printable, at most `max` characters, nothing that steers a terminal. */
export function quote(text: string, max = MAX_CHARS): string {
  const cut = text.length > max ? `${text.slice(0, max - 1)}…` : text;
  return JSON.stringify(cut).replace(/[\u007f-\u009f\u2028-\u202e]/g, "?");
}
