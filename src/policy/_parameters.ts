/** Names and values of parameters, as forms have them. */

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** What others take a parameter's name for: cut off at a zero, without marks of a list, in any case. */
export function looseName(name: string): string {
  const zero = name.indexOf("\0");
  const whole = zero === -1 ? name : name.slice(0, zero);
  return whole
    .trim()
    .replace(/\[[^[\]]*\]$/, "")
    .toLowerCase();
}

/** A parameter's name or value as a form has it. What is no UTF-8 is replaced, as servers do; what is no escape stays. */
export function decodeParameter(text: string): string {
  if (!/[%+]/.test(text)) return text;
  const spaced = text.replaceAll("+", " ");
  try {
    return decodeURIComponent(spaced);
  } catch {
    return spaced.replace(/(?:%[0-9A-Fa-f]{2})+/g, (run) => {
      const bytes = Uint8Array.from(run.slice(1).split("%"), (hex) => Number.parseInt(hex, 16));
      return decoder.decode(bytes);
    });
  }
}
