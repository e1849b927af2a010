/** Milliseconds of processor time this process has used: unlike the clock on the wall, it does not run while others work. */
export function spentMs(): number {
  return process.cpuUsage().user / 1000;
}
