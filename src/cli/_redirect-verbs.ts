import type { CommandSpec, OptionSpec } from "./_args.ts";
import { RULE_OPTIONS } from "./_redirect-options.ts";

const BACKEND: OptionSpec = {
  name: "backend",
  value: "nft|iptables|auto",
  doc: "what makes the rules (default: auto)",
};

export const GROUP: CommandSpec = {
  name: "redirect",
  summary: "the kernel rules that no program on this host gets around",
  usage: "install|remove|check|print [options]",
  options: [],
  operands: [0, 0],
  notes: `
install sends TCP of every program but the gateway to the gateway and stops what cannot be sent there; remove takes the
rules away; check tries to get around them; print shows them. Each has --help.`,
};

export const INSTALL: CommandSpec = {
  name: "redirect install",
  summary: "put the rules in place",
  usage: "--uid USER|--gid GROUP|--mark MARK [options]",
  options: [...RULE_OPTIONS, BACKEND],
  operands: [0, 0],
  notes: `
Of --uid, --gid and --mark one is needed; of several all must hold. Loopback, this host's own addresses and answers on
connections from outside are left alone. TCP to the ports is redirected; UDP but for DNS to the resolvers, ICMP and every
other protocol is stopped. Again, it replaces its rules in one step. Needs CAP_NET_ADMIN, and nft or iptables-restore.`,
};

export const REMOVE: CommandSpec = {
  name: "redirect remove",
  summary: "take the rules away, and nothing else",
  usage: "",
  options: [],
  operands: [0, 0],
  notes: "Looks for them in nft and in every kind of iptables. That there are none is no failure.",
};

export const PRINT: CommandSpec = {
  name: "redirect print",
  summary: "show the rules that install would put in place",
  usage: "--uid USER|--gid GROUP|--mark MARK [options]",
  options: [...RULE_OPTIONS, BACKEND],
  operands: [0, 0],
  notes: "Needs no root and changes nothing. What it prints is input of nft -f, or of iptables-restore --noflush.",
};

export const CHECK: CommandSpec = {
  name: "redirect check",
  summary: "try to get around the gateway",
  usage: "--uid USER|--gid GROUP|--mark MARK [options]",
  options: [
    ...RULE_OPTIONS,
    { name: "as", value: "UID[:GID]", doc: "who tries (default: 65534 for root, else who asks)" },
    { name: "target", value: "ADDR", repeat: true, doc: "address to try to reach (default: of documentation)" },
    { name: "json", doc: "print a JSON object" },
  ],
  operands: [0, 0],
  notes: `
Takes the options of install. Exits 1 when a way out is open, each with its fix; ways out that were declared are printed
as such. Fit for a host in production: packets go no farther than the next hop, addresses are nobody's, the gateway gets
connections without a byte. In a pod run it in the program's own container: its capabilities are what is tried.`,
};
