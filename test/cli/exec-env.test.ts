import { describe, expect, test } from "bun:test";
import { environmentOf } from "../../src/cli/_exec-env.ts";

const FILES = {
  bundle: "/t/bundle.pem",
  ca: "/t/ca.crt",
  store: "/t/trust.p12",
  preload: "/t/node-preload.cjs",
  wgetrc: null,
};
const of = (given: Readonly<Record<string, string>>, noProxy = "", files = FILES) =>
  environmentOf(given, 4321, files, noProxy);

describe("environmentOf", () => {
  test("proxies are set in both cases, over whatever there was", () => {
    const { env } = of({ HTTP_PROXY: "http://other:1", https_proxy: "http://other:1", NO_PROXY: "*", no_proxy: "*" });
    for (const name of ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"])
      expect(env[name]).toBe("http://127.0.0.1:4321");
    expect(env.NO_PROXY).toBe("");
    expect(env.no_proxy).toBe("");
  });

  test("every setting of the gateway is left out, its files and misspelt ones too; the rest stays", () => {
    const { env } = of({
      JWT_SECRET_KEY: "s",
      JWT_SECRET_KEY_FILE: "f",
      EVE_PROXY_SIGNING_KEY: "k",
      EVE_PROXY_ADMIN_TOKEN_FILE: "t",
      EVE_PROXY_POLICI: "p",
      JWT_SECRET: "mine",
      PATH: "/bin",
    });
    expect(Object.keys(env).filter((name) => /^(EVE_PROXY_|JWT_SECRET_KEY)/.test(name))).toEqual([]);
    expect(env).toMatchObject({ JWT_SECRET: "mine", PATH: "/bin" });
  });

  test("options that others gave to Node and Java stay, and come first", () => {
    const { env } = of({ NODE_OPTIONS: "--max-old-space-size=100", JAVA_TOOL_OPTIONS: "-Da=b" });
    expect(env.NODE_OPTIONS).toBe("--max-old-space-size=100 --require=/t/node-preload.cjs");
    expect(env.JAVA_TOOL_OPTIONS).toStartWith("-Da=b -Dhttp.proxyHost=127.0.0.1 ");
  });

  test("paths with blanks and quotes are one word for Node and for Java", () => {
    const { env } = of({}, "", { ...FILES, preload: '/a b/"c"\\.cjs', store: "/a b/trust.p12" });
    expect(env.NODE_OPTIONS).toBe('--require="/a b/\\"c\\"\\\\.cjs"');
    expect(env.JAVA_TOOL_OPTIONS).toContain('"-Djavax.net.ssl.trustStore=/a b/trust.p12"');
  });

  test("Java excepts nothing unless told, and then in its own spelling", () => {
    expect(of({}).env.JAVA_TOOL_OPTIONS).toContain("-Dhttp.nonProxyHosts= ");
    const { env } = of({}, "localhost,.corp.example");
    expect(env.JAVA_TOOL_OPTIONS).toContain('"-Dhttp.nonProxyHosts=localhost|*.corp.example"');
  });

  test("npm's variables replace those of the user, however they are written", () => {
    const { env } = of({
      NPM_CONFIG_PROXY: "http://other:1",
      npm_config_HTTPS_PROXY: "http://other:1",
      NPM_CONFIG_COLOR: "x",
    });
    expect(Object.entries(env).filter(([name]) => /^npm_config_(https_)?proxy$/i.test(name))).toEqual([
      ["npm_config_proxy", "http://127.0.0.1:4321"],
      ["npm_config_https_proxy", "http://127.0.0.1:4321"],
    ]);
    expect(env.NPM_CONFIG_COLOR).toBe("x");
  });

  test("what is replaced is said, and no value of it", () => {
    const given = { HTTPS_PROXY: "http://u:opensesame@p:1", no_proxy: "inner.example" };
    const { remarks } = of(given);
    expect(remarks.length).toBe(2);
    expect(remarks.join()).not.toMatch(/opensesame|inner/);
    expect(of({}).remarks).toEqual([]);
    expect(of({ HTTPS_PROXY: "http://p:1", EVE_PROXY_UPSTREAM_PROXY: "http://p:1" }).remarks).toEqual([]);
  });
});
