import { runtime } from "#runtime";
import { COMMANDS } from "./cli/commands.ts";
import { runCli } from "./cli/main.ts";

runtime.exit(await runCli(runtime, COMMANDS));
