/**
 * One run after the other: a slow reading of what was there must not replace a later one of what is. Whoever asks while one
 * is under way is told of the next, which begins after they asked. `run` never rejects.
 */
export function oneByOne<T>(run: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | null = null;
  let next: Promise<T> | null = null;

  function begin(): Promise<T> {
    const now = run().finally(() => {
      if (running === now) running = null;
    });
    running = now;
    return now;
  }

  return () => {
    if (next !== null) return next;
    if (running === null) return begin();
    next = running.then(() => {
      next = null;
      return begin();
    });
    return next;
  };
}
