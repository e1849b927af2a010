import { expect, test } from "bun:test";
import { breaker } from "../../src/decide/breaker.ts";

function made() {
  const clock = { now: 0 };
  return { clock, circuit: breaker({ threshold: 3, coolDownMs: 100, clock: () => clock.now }) };
}
const fail = (circuit: ReturnType<typeof breaker>, times: number) => {
  for (let i = 0; i < times; i++) {
    expect(circuit.admit()).toBe(true);
    circuit.failure();
  }
};

test("breaker opens after consecutive failures only", () => {
  const { circuit } = made();
  fail(circuit, 2);
  expect(circuit.admit()).toBe(true);
  circuit.success();
  fail(circuit, 2);
  expect(circuit.state).toBe("closed");
  fail(circuit, 1);
  expect(circuit.state).toBe("open");
  expect(circuit.admit()).toBe(false);
});

test("breaker lets one probe through after its rest, and its outcome decides", () => {
  const { circuit, clock } = made();
  fail(circuit, 3);
  clock.now = 99;
  expect(circuit.admit()).toBe(false);
  clock.now = 100;
  expect(circuit.state).toBe("half_open");
  expect(circuit.admit()).toBe(true);
  expect(circuit.admit()).toBe(false);
  circuit.failure();
  expect(circuit.state).toBe("open");
  expect(circuit.admit()).toBe(false);
  clock.now = 200;
  expect(circuit.admit()).toBe(true);
  circuit.success();
  expect(circuit.state).toBe("closed");
  expect(circuit.admit()).toBe(true);
});

test("breaker gives a released probe to the next", () => {
  const { circuit, clock } = made();
  fail(circuit, 3);
  clock.now = 100;
  expect(circuit.admit()).toBe(true);
  circuit.release();
  expect(circuit.admit()).toBe(true);
});
