import { describe, expect, test } from "bun:test";
import { Parked } from "../../src/enforce/parked.ts";
import type { ConnHandler } from "../../src/model/conn.ts";
import { FakeConn } from "./_fake-conn.ts";

function owner(heard: string[], onData: () => void = () => {}): ConnHandler {
  return {
    data: (bytes) => {
      heard.push(new TextDecoder().decode(bytes));
      onData();
    },
    end: () => void heard.push("end"),
    drain: () => void heard.push("drain"),
    close: (error) => void heard.push(`close ${error?.message ?? "orderly"}`),
  };
}

const bytes = (text: string) => new TextEncoder().encode(text);

describe("Parked", () => {
  test("an owner that pauses while it is told what gathered stays paused", () => {
    const parked = new Parked();
    const conn = new FakeConn(parked);
    parked.attach(conn);
    parked.data(bytes("a"));
    expect(conn.paused).toBe(true);
    parked.handOver(
      conn,
      owner([], () => conn.pause()),
    );
    expect(conn.paused).toBe(true);
  });

  test("everything that happened is told in its order, and reading goes on", () => {
    const heard: string[] = [];
    const parked = new Parked();
    const conn = new FakeConn(parked);
    parked.attach(conn);
    parked.data(bytes("a"));
    parked.data(bytes("b"));
    parked.end();
    parked.handOver(conn, owner(heard));
    expect(heard).toEqual(["a", "b", "end"]);
    expect(conn.paused).toBe(false);
  });

  test("a connection that closed meanwhile is told as closed, with its cause", () => {
    const heard: string[] = [];
    const parked = new Parked();
    const conn = new FakeConn(parked);
    parked.attach(conn);
    parked.data(bytes("a"));
    parked.close(new Error("reset"));
    expect(parked.gone).toBe(true);
    parked.handOver(conn, owner(heard));
    expect(heard).toEqual(["a", "close reset"]);
  });

  test("an owner replaced while it is told hears nothing more", () => {
    const first: string[] = [];
    const second: string[] = [];
    const parked = new Parked();
    const conn = new FakeConn(parked);
    parked.attach(conn);
    parked.data(bytes("a"));
    parked.data(bytes("b"));
    parked.handOver(
      conn,
      owner(first, () => {
        conn.handler = owner(second);
      }),
    );
    expect([first, second]).toEqual([["a"], ["b"]]);
  });
});
