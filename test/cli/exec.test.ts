import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { testUnless, tool } from "../_skip.ts";
import { type Ended, emptyDirectory, sallyport, start } from "./_program.ts";

let folder = "";
beforeEach(async () => {
  folder = await emptyDirectory();
});
afterEach(() => rmSync(folder, { recursive: true }));

const exec = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> =>
  sallyport(folder, ["exec", ...args], { HOME: folder, ...env });
const LIMIT = 120_000;

describe("usage", () => {
  const WRONG: readonly (readonly [readonly string[], string])[] = [
    [[], "say what to run, behind --"],
    [["--"], "say what to run, behind --"],
    [["--", ""], "say what to run, behind --"],
    [["true"], 'unexpected argument "true"'],
    [["--evidence", "--", "true"], "--evidence needs a value"],
    [["--evidence", "", "--", "true"], "--evidence is empty"],
    [["--sandbx", "--", "true"], "did you mean --sandbox?"],
  ];
  for (const [args, problem] of WRONG) {
    test(`exec ${args.join(" ")} is refused`, async () => {
      const { code, stdout, stderr } = await exec(args);
      expect(code).toBe(64);
      expect(stderr).toContain(problem);
      expect(stdout).toBe("");
      // Bun caches what it has translated in the home folder.
      expect(readdirSync(folder).filter((name) => name !== ".bun")).toEqual([]);
    });
  }

  test("what stands behind -- is the command's, its options too", async () => {
    const { code, stdout } = await exec(["--quiet", "--", "echo", "--help", "--", "-x"]);
    expect(code).toBe(0);
    expect(stdout).toBe("--help -- -x\n");
  });

  test("a bad configuration ends with 78, and nothing is run", async () => {
    const { code, stdout, stderr } = await exec(["--", "echo", "ran"], {
      EVE_PROXY_MAX_BODY: "lots",
      EVE_PROXY_POLICY: "none.yaml",
    });
    expect(code).toBe(78);
    expect(stdout).toBe("");
    expect(stderr).toContain("EVE_PROXY_MAX_BODY");
    expect(stderr).toContain("EVE_PROXY_POLICY");
  });

  test("roots that cannot be read end it before the command", async () => {
    const { code, stdout, stderr } = await exec(["--", "echo", "ran"], { SSL_CERT_FILE: "/nonexistent/roots.pem" });
    expect(code).toBe(78);
    expect(stdout).toBe("");
    expect(stderr).toContain("/nonexistent/roots.pem");
  });
});

describe("the exit code is the command's", () => {
  for (const [script, wanted] of [
    ["exit 0", 0],
    ["exit 7", 7],
    ["exit 255", 255],
    ["kill -TERM $$", 143],
    ["kill -INT $$", 130],
    ["kill -KILL $$", 137],
  ] as const) {
    test(
      `sh -c '${script}' is ${wanted}`,
      async () => {
        expect((await exec(["--", "sh", "-c", script])).code).toBe(wanted);
      },
      LIMIT,
    );
  }

  test("127 when there is no such program, 126 when it cannot be executed", async () => {
    const none = await exec(["--", "sallyport-no-such-program"]);
    expect(none.code).toBe(127);
    expect(none.stderr).toContain('"sallyport-no-such-program" is not to be found');
    writeFileSync(join(folder, "text"), "text", { mode: 0o644 });
    const text = await exec(["--", join(folder, "text")]);
    expect(text.code).toBe(126);
    expect(text.stderr).toContain("cannot be executed");
  });
});

describe("streams and places", () => {
  test("the command's streams are ours, and --quiet adds nothing to them", async () => {
    const child = Bun.spawn(
      [
        process.execPath,
        join(import.meta.dir, "../../src/main.ts"),
        "exec",
        "--quiet",
        "--",
        "sh",
        "-c",
        "cat; echo err >&2",
      ],
      {
        cwd: folder,
        env: { PATH: process.env.PATH ?? "", HOME: folder },
        stdin: new TextEncoder().encode("typed"),
        stdout: "pipe",
        stderr: "pipe",
      },
    );
    expect(await new Response(child.stdout).text()).toBe("typed");
    expect(await new Response(child.stderr).text()).toBe("err\n");
  });

  test(
    "evidence goes to the user's state folder, or where it is told, and never onto other evidence",
    async () => {
      await exec(["--quiet", "--", "true"]);
      const place = join(folder, ".local/state/sallyport/exec");
      const [run = ""] = readdirSync(place);
      expect(run).toMatch(/^\d{8}T\d{6}Z-\d+$/);
      expect(readdirSync(join(place, run))).toContain("audit.jsonl");
      await exec(["--quiet", "--", "true"], { XDG_STATE_HOME: join(folder, "state") });
      expect(readdirSync(join(folder, "state/sallyport/exec")).length).toBe(1);
      const told = join(folder, "told");
      mkdirSync(told);
      expect((await exec(["--quiet", "--evidence", `${told}/`, "--", "true"])).code).toBe(0);
      const before = readFileSync(join(told, "gateway.log"), "utf8");
      const again = await exec(["--quiet", "--evidence", told, "--", "echo", "ran"]);
      expect(again.code).toBe(1);
      expect(again.stdout).toBe("");
      expect(again.stderr).toContain("is not an empty folder");
      expect(readFileSync(join(told, "gateway.log"), "utf8")).toBe(before);
    },
    LIMIT,
  );

  test("where nothing says where evidence goes nothing is run, and the working directory stays as it is", async () => {
    const work = join(folder, "work");
    mkdirSync(work);
    for (const env of [{}, { HOME: "", XDG_STATE_HOME: "" }, { HOME: "home", XDG_STATE_HOME: "state" }]) {
      const { code, stdout, stderr } = await sallyport(work, ["exec", "--", "echo", "ran"], env);
      expect(`${code} ${stdout}`).toBe("64 ");
      expect(stderr).toContain("neither XDG_STATE_HOME nor HOME names a folder: say by --evidence where evidence goes");
      // Bun, of which this is not the binary, leaves a folder of its own.
      expect(readdirSync(work, { recursive: true }).filter((name) => String(name).includes("sallyport"))).toEqual([]);
    }
    const said = await sallyport(work, ["exec", "--evidence", join(folder, "said"), "--", "echo", "ran"], {});
    expect(`${said.code} ${said.stdout}`).toBe("0 ran\n");
  }, 120_000);

  test("a folder that cannot be made ends it before the command", async () => {
    writeFileSync(join(folder, "file"), "");
    const { code, stdout, stderr } = await exec(["--evidence", "file/below", "--", "echo", "ran"]);
    expect(code).toBe(1);
    expect(stdout).toBe("");
    expect(stderr).toContain('sallyport exec: cannot keep evidence in "file/below"');
  });

  test("a summary that cannot be written is said and changes no exit code", async () => {
    const { code, stderr } = await exec(["--quiet", "--json", "none/summary.json", "--", "sh", "-c", "exit 3"]);
    expect(code).toBe(3);
    expect(stderr).toContain('cannot write the summary to "none/summary.json"');
    expect(existsSync(join(folder, "none"))).toBe(false);
  });

  test("settings of a gateway for everybody do not reach the private one", async () => {
    const env = {
      EVE_PROXY_HOST: "0.0.0.0",
      EVE_PROXY_PORT: "1",
      EVE_PROXY_WORKERS: "4",
      EVE_PROXY_ADMIN_LISTEN: "127.0.0.1:1",
      EVE_PROXY_ADMIN_TOKEN: "a token of sixteen bytes",
      EVE_PROXY_CA_CERT: "/nonexistent/ca.crt",
      EVE_PROXY_CA_KEY: "/nonexistent/ca.key",
      EVE_PROXY_AUDIT_PATH: "-",
    };
    const { code, stdout } = await exec(["--quiet", "--", "sh", "-c", 'echo "$https_proxy"'], env);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^http:\/\/127\.0\.0\.1:\d{4,5}\n$/);
  });

  test("a word of an unsafe setting is not swallowed", async () => {
    const { stderr } = await exec(["--", "true"], { EVE_PROXY_FAIL_CLOSED: "0" });
    expect(stderr).toContain("FAIL-OPEN");
    expect(stderr).not.toContain("development key");
  });
});

describe("signals", () => {
  for (const name of ["SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT"] as const) {
    test(
      `${name} is passed on, and what the command makes of it is the exit code`,
      async () => {
        const script = `trap 'exit 21' ${name.slice(3)}; echo ready; while :; do sleep 0.05; done`;
        const child = start(folder, ["exec", "--quiet", "--", "sh", "-c", script], { HOME: folder });
        const reader = child.stdout.getReader();
        expect(new TextDecoder().decode((await reader.read()).value)).toBe("ready\n");
        child.kill(name);
        expect(await child.exited).toBe(21);
      },
      LIMIT,
    );
  }

  testUnless(
    process.platform === "linux" ? null : "what is ignored is told by /proc",
    "what was ignored when it began (nohup) is ignored by the command, too",
    async () => {
      const main = join(import.meta.dir, "../../src/main.ts");
      const script = `trap '' HUP; exec "$@"`;
      const inner = 'echo ready; read -r line; kill -HUP $$; echo "alive $line"; exit 4';
      const exec = [process.execPath, main, "exec", "--quiet", "--", "sh", "-c", inner];
      const child = spawn("sh", ["-c", script, "sh", ...exec], {
        cwd: folder,
        env: { PATH: process.env.PATH ?? "", HOME: folder },
        stdio: ["pipe", "pipe", "inherit"],
      });
      let out = "";
      child.stdout.on("data", (text) => {
        if (out === "") {
          child.kill("SIGHUP");
          child.stdin.end("still\n");
        }
        out += text;
      });
      expect(await new Promise((resolve) => child.on("close", resolve))).toBe(4);
      expect(out).toBe("ready\nalive still\n");
    },
    LIMIT,
  );

  testUnless(
    tool("python3") ?? (process.platform === "linux" ? null : "pty.fork of python is tried on Linux only"),
    "a key at the terminal reaches the command once",
    async () => {
      // A shell of its own on a new terminal, whose foreground is exec and the command.
      const script = `import os, pty, sys, termios
pid, fd = pty.fork()
if pid == 0:
    # Without it the terminal drops, behind the signal, what the command has already answered to it.
    mode = termios.tcgetattr(0)
    mode[3] |= termios.NOFLSH
    termios.tcsetattr(0, termios.TCSANOW, mode)
    os.execvp(sys.argv[1], sys.argv[1:])
out = b""
def upto(word):
    global out
    while word not in out:
        out += os.read(fd, 1024)
upto(b"ready")
os.write(fd, b"\\x03")
upto(b"interrupted")
os.write(fd, b"\\n")
upto(b"done")
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
print(out.count(b"interrupted"), code)`;
      const count = `trap 'echo interrupted' INT; echo ready; read -r line || read -r line; sleep 0.3; echo done; exit 5`;
      const main = join(import.meta.dir, "../../src/main.ts");
      const command = [process.execPath, main, "exec", "--quiet", "--", "bash", "-c", count];
      const child = spawn("python3", ["-c", script, ...command], {
        cwd: folder,
        env: { PATH: process.env.PATH ?? "", HOME: folder },
        stdio: ["ignore", "pipe", "inherit"],
      });
      let out = "";
      child.stdout.on("data", (text) => {
        out += text;
      });
      await new Promise((resolve) => child.on("close", resolve));
      expect(out).toBe("1 5\n");
    },
    LIMIT,
  );
});
